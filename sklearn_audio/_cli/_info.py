"""``sklearn-audio info``: what a model is made of."""

from __future__ import annotations

import inspect
import json
import math
import os
import warnings
from argparse import Namespace
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sklearn_audio._cli._model import load_model, nested_estimators
from sklearn_audio._version import __version__
from sklearn_audio.exceptions import InconsistentVersionWarning

# What the estimators in a model know, by the name of the parameter or attribute.
_FACTS = {
    "sample_rate": "sample_rate",
    "duration": "duration",
    "classes": "classes_",
    "outlier_label": "outlier_label_",
    "rejection_rate": "rejection_rate",
    "threshold": "offset_",
}


def info(options: Namespace) -> int:
    """Write what a model is made of to the standard output.

    Parameters
    ----------
    options : Namespace
        What the command line says.

    Returns
    -------
    exit_code : int
        0.

    Raises
    ------
    FileNotFoundError
        If there is no such model file.
    ValueError
        If the file holds no model.
    """
    model, dumping_version = _load_with_version(options.model)
    report = {
        "file": options.model,
        "bytes": os.path.getsize(options.model),
        "dumped_by_sklearn_audio": dumping_version,
        "sklearn_audio": __version__,
        "scikit_learn": sklearn.__version__,
        **_facts(model),
        "n_parameters": _count_parameters(model),
        "steps": dict(model.steps if isinstance(model, Pipeline) else {"model": model}),
    }
    if options.json:
        print(json.dumps(report, default=_to_json, indent=2))
    else:
        print(_as_text(report))
    return 0


def _load_with_version(path: str) -> tuple[Any, str]:
    """Load a model and read who dumped it from the warning that loading gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_model(path)
    version = __version__
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            version = warning.message.original_version
        warnings.warn(warning.message, warning.category, stacklevel=2)
    return model, version


def _facts(model: Any) -> dict[str, Any]:
    """Look each fact up in the outermost estimator that knows it."""
    parts = list(nested_estimators(model))
    facts = {
        fact: next((getattr(part, name) for part in parts if hasattr(part, name)), None)
        for fact, name in _FACTS.items()
    }
    if facts["threshold"] is not None and not math.isfinite(facts["threshold"]):
        facts["threshold"] = None  # nothing is rejected
    return facts


def _count_parameters(model: Any) -> int | None:
    """Count what a network has learned; None where there is no network."""
    for part in nested_estimators(model):
        if hasattr(part, "modules_"):
            weights = [module.parameters() for module in part.modules_.values()]
            return sum(weight.numel() for group in weights for weight in group)
    return None


def _to_json(value: Any) -> Any:
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, BaseEstimator):
        return {"class": type(value).__name__, "parameters": _changed(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return repr(value)


def _changed(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters that differ from their defaults."""
    signature = inspect.signature(type(estimator)).parameters
    return {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        # Not by ==, which arrays answer with an array.
        if repr(value) != repr(signature[name].default)
    }


def _as_text(report: dict[str, Any]) -> str:
    steps = report.pop("steps")
    # scikit-learn prints what differs from the defaults, over several lines.
    facts = report | {f"step {name}": step for name, step in steps.items()}
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name:{width}}{_in_words(facts[name])}" for name in facts)


def _in_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, np.ndarray):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())
