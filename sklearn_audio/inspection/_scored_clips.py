"""Which clips are known, and how familiar an estimator finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_audio.inspection._layers import find_layer, name_of
from sklearn_audio.metrics._checks import (
    check_known_labels,
    check_labels,
    encode_labels,
)


def familiarity(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Return the estimator's ``score_samples`` of the clips, or raise."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "score_samples"):
        raise AttributeError(
            f"{name_of(estimator)} has no score_samples: there is no familiarity to "
            "draw. Wrap a classifier into RejectingClassifier, or compute the scores "
            "and call from_predictions."
        )
    return estimator.score_samples(X)


def threshold_of(estimator: Any) -> float | None:
    """Return the familiarity below which the estimator rejects, if it has one."""
    layer = find_layer(estimator, "offset_")
    # Some of scikit-learn's detectors have an array of one number.
    return None if layer is None else float(np.asarray(layer.estimator.offset_).item())


def resolve_known_labels(estimator: Any, known_labels: Any) -> Any:
    """Return the labels given, else the classes that the estimator was trained on."""
    if known_labels is not None:
        return known_labels
    if not hasattr(estimator, "classes_"):
        raise AttributeError(
            f"{name_of(estimator)} has no classes_ that would tell which labels are "
            "known. Name them: known_labels=[...]."
        )
    return estimator.classes_


def mark_known(y_true: Any, known_labels: Any) -> NDArray[np.bool_]:
    """Return True for each clip whose label is known."""
    known = check_known_labels(known_labels)
    return encode_labels(check_labels(y_true, "y"), known, "y") < len(known)


def check_both_sides(is_known: NDArray[np.bool_]) -> None:
    """Raise ValueError unless there are known and unknown clips to compare."""
    if is_known.any() and not is_known.all():
        return
    missing = "unknown" if is_known.any() else "known"
    raise ValueError(
        f"There is no {missing} clip among the {len(is_known)} clips given to compare "
        "the others with. Give test clips of known and of unknown classes, as "
        "OpenSetSplit does, and check which labels count as known."
    )
