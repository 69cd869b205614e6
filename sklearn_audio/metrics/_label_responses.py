"""What fitted estimators say about each of several labels, as scorers need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_audio.metrics._responses import known_classes


def scores_per_label(estimator: Any, X: Any) -> NDArray:
    """Return how sure an estimator is of each label, (n_clips, n_labels).

    Raises
    ------
    ValueError
        If it has neither ``predict_proba`` nor ``decision_function``.
    """
    methods = ["predict_proba", "decision_function"]
    method = next((name for name in methods if hasattr(estimator, name)), None)
    if method is None:
        raise ValueError(
            f"{type(estimator).__name__} has neither predict_proba nor "
            "decision_function: there are no scores of its labels."
        )
    scores = getattr(estimator, method)(X)
    if isinstance(scores, list):  # one array for each label
        scores = _scores_of_positives(scores, known_classes(estimator))
    scores = np.asarray(scores)
    return scores[:, np.newaxis] if scores.ndim == 1 else scores


def _scores_of_positives(scores: Sequence[Any], classes: Sequence[Any]) -> NDArray:
    """Return the column of class 1 of each label's array, (n_clips, n_labels)."""
    columns = []
    for of_label, classes_of_label in zip(scores, classes, strict=True):
        place = np.flatnonzero(np.asarray(classes_of_label) == 1)
        # A label that no training clip had is the same for all clips.
        columns.append(
            np.asarray(of_label)[:, place[0]] if len(place) else np.zeros(len(of_label))
        )
    return np.column_stack(columns)
