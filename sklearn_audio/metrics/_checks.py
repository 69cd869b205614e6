"""What every metric asks of its input: scores, labels, equal lengths, both sides."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning


def check_y_score(y_score: Any) -> NDArray[np.float64]:
    """Return one familiarity per clip, or raise ValueError."""
    try:
        y_score = np.asarray(y_score, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y_score must hold one number per clip, got {y_score!r}."
        ) from error
    if y_score.ndim != 1:
        raise ValueError(
            "y_score must be 1-D, one familiarity per clip, got an array of shape "
            f"{y_score.shape}. Of scores per class, take the largest of each row."
        )
    if np.isnan(y_score).any():
        clips = np.flatnonzero(np.isnan(y_score))
        raise ValueError(
            f"y_score is NaN for {len(clips)} of {len(y_score)} clips, the first at "
            f"index {clips[0]}: a clip without a score cannot be ranked."
        )
    return y_score


def check_y_known(y_known: Any) -> NDArray[np.bool_]:
    """Return True for each clip of a known class, or raise ValueError."""
    y_known = np.asarray(y_known)
    if y_known.ndim != 1:
        raise ValueError(
            "y_known must be 1-D, one True or False per clip, got an array of shape "
            f"{y_known.shape}."
        )
    values = set(y_known.tolist())
    if not values <= {0, 1}:
        raise ValueError(
            "y_known must be boolean or 0 and 1, True for a clip of a known class, got "
            f"{sorted(values, key=repr)[:5]}. From class labels, make it with "
            "np.isin(y_true, known_labels)."
        )
    return y_known.astype(bool)


def check_y_normal(y_normal: Any) -> NDArray[np.bool_]:
    """Return True for each normal clip, or raise ValueError."""
    y_normal = np.asarray(y_normal)
    if y_normal.ndim != 1:
        raise ValueError(
            "y_normal must be 1-D, one label per clip, got an array of shape "
            f"{y_normal.shape}."
        )
    values = y_normal.tolist()
    are_booleans = all(isinstance(value, bool) for value in values)
    if not are_booleans and not set(values) <= {1, -1}:
        raise ValueError(
            "y_normal must be boolean, True for a normal clip, or 1 for a normal and "
            "-1 for an anomalous clip as in predict of outlier detectors, got "
            f"{sorted(set(values), key=repr)[:5]}. Where 1 marks anomalies, pass "
            "y == 0."
        )
    return y_normal == 1


def check_labels(labels: Any, name: str) -> list[Hashable]:
    """Return class labels as a list of Python objects, or raise ValueError.

    A list leaves numbers and text side by side as they are; an array would turn all of
    them into text.
    """
    is_single = isinstance(labels, str) or not isinstance(labels, Iterable)
    if is_single or getattr(labels, "ndim", 1) != 1:
        raise ValueError(f"{name} must be 1-D, one label per clip, got {labels!r}.")
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    for index, value in enumerate(values):
        if not isinstance(value, Hashable):
            raise ValueError(
                f"{name} must be 1-D, one label per clip, got {value!r} at index "
                f"{index}."
            )
        if value is None or value != value:  # only NaN differs from itself
            raise ValueError(
                f"{name} holds {value!r} at index {index}: a missing label is not an "
                "unknown class. Leave the clip out."
            )
    return values


def check_known_labels(known_labels: Any, name: str = "known_labels") -> list[Hashable]:
    """Return the known labels without repeats, or raise ValueError."""
    labels = list(dict.fromkeys(check_labels(known_labels, name)))
    if not labels:
        raise ValueError(f"{name} is empty: give the classes of the classifier.")
    return labels


def check_same_length(**arrays: Sized) -> None:
    """Raise ValueError unless all arrays have one entry per clip, and at least one."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"All must hold one entry per clip, got lengths: {given}.")
    if 0 in lengths.values():
        raise ValueError(f"{next(iter(lengths))} is empty: there is no clip to judge.")


def encode_labels(
    labels: list[Hashable],
    known_labels: list[Hashable],
    name: str,
    known_name: str = "known_labels",
) -> NDArray[np.intp]:
    """Return the index of each label in ``known_labels``, or their number if unknown.

    Raises
    ------
    ValueError
        If one side is all text and the other all numbers: then a label such as ``"1"``
        would pass for unknown beside a known ``1``.
    """
    kinds, known_kinds = (
        {"text" if isinstance(label, str) else "numbers" for label in side}
        for side in (labels, known_labels)
    )
    if labels and kinds.isdisjoint(known_kinds):
        raise ValueError(
            f"{name} holds {kinds.pop()} such as {labels[0]!r}, but {known_name} holds "
            f"{known_kinds.pop()} such as {known_labels[0]!r}: no clip could be known."
        )
    codes = {label: code for code, label in enumerate(known_labels)}
    return np.array([codes.get(label, len(codes)) for label in labels], dtype=np.intp)


def encode_predictions(
    labels: list[Hashable], allowed: list[Hashable], advice: str
) -> NDArray[np.intp]:
    """Return the index of each prediction in ``allowed``, or raise ValueError."""
    codes = encode_labels(labels, allowed, "y_pred")
    foreign = np.flatnonzero(codes == len(allowed))
    if len(foreign):
        raise ValueError(
            f"y_pred holds {labels[foreign[0]]!r} at index {foreign[0]}, which is not "
            f"one of {allowed}. {advice}"
        )
    return codes


def check_candidate_scores(
    y_true: Any, y_score: Any, labels: Any
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each clip's column and scores, (n_clips,) and (n_clips, n_labels)."""
    candidates = check_known_labels(labels, "labels")
    true = check_labels(y_true, "y_true")
    scores = np.asarray(y_score, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(candidates):
        raise ValueError(
            f"y_score must have a row for each clip and a column for each of the "
            f"{len(candidates)} labels, got an array of shape {scores.shape}."
        )
    check_same_length(y_true=true, y_score=scores)
    if np.isnan(scores).any():
        clip = np.flatnonzero(np.isnan(scores).any(axis=1))[0]
        raise ValueError(
            f"y_score is NaN for the clip at index {clip}: its candidates cannot be "
            "compared."
        )
    codes = encode_labels(true, candidates, "y_true", "labels")
    foreign = np.flatnonzero(codes == len(candidates))
    if len(foreign):
        raise ValueError(
            f"y_true holds {true[foreign[0]]!r} at index {foreign[0]}, which is not "
            f"one of the {len(candidates)} labels and could not be named. Make it a "
            "candidate, or leave its clips out."
        )
    return codes, scores


def has_both_sides(is_known: NDArray[np.bool_], metric: str) -> bool:
    """Tell whether there are known and unknown clips; warn if not."""
    if is_known.any() and not is_known.all():
        return True
    missing = "unknown" if is_known.any() else "known"
    warnings.warn(
        f"{metric} is not defined without clips of {missing} classes: it is set to "
        "nan. OpenSetSplit puts both sides into every test fold.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return False
