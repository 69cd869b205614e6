"""Models in files, and the estimators inside of models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_audio.feature_extraction._audio_loader import AudioLoader

# Where meta-estimators keep the estimator that predicts, fitted ones first.
_INNER = ("best_estimator_", "estimator_", "estimator")


def load_model(path: str) -> Any:
    """Load a fitted model that takes audio files.

    Parameters
    ----------
    path : str
        A file that joblib wrote, be it for ``sklearn-audio fit`` or for other code.

    Returns
    -------
    model : estimator
        It is fitted, and there is an :class:`AudioLoader` in it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds anything else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no model file {path}")
    try:
        model = joblib.load(path)
    except Exception as error:  # whatever bytes can make an unpickler do
        raise ValueError(
            f"{path} cannot be loaded as a joblib file. Was it written by "
            f"sklearn-audio fit? ({type(error).__name__}: {error})"
        ) from error
    if not any(isinstance(part, AudioLoader) for part in nested_estimators(model)):
        raise ValueError(
            f"{path} holds a {type(model).__name__} that takes no audio files: there "
            "is no AudioLoader in it. Dump the whole pipeline, from the loader on."
        )
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ValueError(
            f"{path} holds a model that is not fitted: dump it after its fit."
        ) from None
    return model


def write_model(model: Any, path: Path) -> None:
    """Write a model under a provisional name and rename it when it is whole.

    Parameters
    ----------
    model : estimator
        What to write.
    path : Path
        Where to; a file of that name is replaced.
    """
    # The name's end stays as it is, because joblib compresses by it.
    provisional = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        joblib.dump(model, provisional)
        os.replace(provisional, path)
    finally:
        provisional.unlink(missing_ok=True)


def nested_estimators(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and those inside of it that predict, from the outside in."""
    yield estimator
    if isinstance(estimator, Pipeline):
        inner = [step for _, step in estimator.steps]
    else:
        parts = [getattr(estimator, name, None) for name in _INNER]
        inner = [part for part in parts if part is not None][:1]
    for part in inner:
        yield from nested_estimators(part)
