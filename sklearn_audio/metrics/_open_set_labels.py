"""Judge final answers, "unknown" being one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils._param_validation import StrOptions, validate_params

from sklearn_audio.metrics._checks import (
    check_known_labels,
    check_labels,
    check_same_length,
    encode_labels,
    encode_predictions,
)


def open_set_accuracy(
    y_true: Any, y_pred: Any, *, known_labels: Any, outlier_label: Any
) -> float:
    """Share of clips named rightly, or rightly rejected.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels. A label that is not in ``known_labels`` is unknown, whatever it is,
        and ought to be rejected.
    y_pred : array-like of shape (n_clips,)
        Predictions: known labels, and ``outlier_label`` for rejected clips.
    known_labels : array-like of shape (n_known_labels,)
        The classes that the classifier was trained on (its ``classes_``).
    outlier_label : object
        The label of rejected clips (the classifier's ``outlier_label_``): by convention
        -1 beside numbers and ``"unknown"`` beside text. None if nothing is ever
        rejected.

    Returns
    -------
    accuracy : float
        In [0, 1]; 1 is best. Defined without unknown clips, too.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is missing, ``outlier_label`` is known, or a
        prediction is neither known nor ``outlier_label``.

    See Also
    --------
    open_set_f1 : Gives rare classes the same weight as common ones.

    Examples
    --------
    >>> from sklearn_audio.metrics import open_set_accuracy
    >>> open_set_accuracy(
    ...     ["yes", "no", "dog", "cat"],
    ...     ["yes", "unknown", "unknown", "no"],
    ...     known_labels=["no", "yes"],
    ...     outlier_label="unknown",
    ... )
    0.5
    """
    true, predicted, _ = _encode_answers(y_true, y_pred, known_labels, outlier_label)
    return float(accuracy_score(true, predicted))


@validate_params(
    {"average": [StrOptions({"macro", "weighted"}), None]},
    prefer_skip_nested_validation=True,
)
def open_set_f1(
    y_true: Any,
    y_pred: Any,
    *,
    known_labels: Any,
    outlier_label: Any,
    average: str | None = "macro",
) -> float | NDArray[np.float64]:
    """F1 score with the outlier label as one more class.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels. A label that is not in ``known_labels`` is unknown, whatever it is,
        and ought to be rejected.
    y_pred : array-like of shape (n_clips,)
        Predictions: known labels, and ``outlier_label`` for rejected clips.
    known_labels : array-like of shape (n_known_labels,)
        The classes that the classifier was trained on (its ``classes_``).
    outlier_label : object
        The label of rejected clips (the classifier's ``outlier_label_``): by convention
        -1 beside numbers and ``"unknown"`` beside text. None if nothing is ever
        rejected.
    average : {"macro", "weighted"} or None, default="macro"
        "macro" is the plain mean over the classes, so that the many unknown clips do
        not drown the known ones; "weighted" weighs each class by its clips; None
        returns one value per class.

    Returns
    -------
    f1 : float or ndarray of shape (n_known_labels + 1,)
        In [0, 1]; 1 is best. For ``average=None`` in the order of ``known_labels``, the
        outlier label last; nan for a class that is neither true nor predicted
        anywhere. Means leave such classes out.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is missing, ``outlier_label`` is known, a
        prediction is neither known nor ``outlier_label``, or ``average`` is not
        offered.

    See Also
    --------
    open_set_accuracy : The share of right answers.

    Examples
    --------
    >>> from sklearn_audio.metrics import open_set_f1
    >>> y_true = ["yes", "no", "dog", "cat"]
    >>> y_pred = ["yes", "unknown", "unknown", "unknown"]
    >>> labels = {"known_labels": ["no", "yes"], "outlier_label": "unknown"}
    >>> open_set_f1(y_true, y_pred, average=None, **labels)
    array([0. , 1. , 0.8])
    >>> round(open_set_f1(y_true, y_pred, **labels), 3)
    0.6
    """
    true, predicted, n_known = _encode_answers(
        y_true, y_pred, known_labels, outlier_label
    )
    f1 = f1_score(
        true,
        predicted,
        labels=np.arange(n_known + 1),
        average=average,
        zero_division=np.nan,
    )
    return f1 if average is None else float(f1)


def _encode_answers(
    y_true: Any, y_pred: Any, known_labels: Any, outlier_label: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Return labels as numbers, whatever is unknown or rejected last, and n_known."""
    known = check_known_labels(known_labels)
    if outlier_label in known:
        raise ValueError(
            f"outlier_label={outlier_label!r} is one of known_labels: rejected clips "
            "could not be told from that class. Drop it from known_labels, or reject "
            "with another label."
        )
    true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_same_length(y_true=true, y_pred=predicted)
    answers = known if outlier_label is None else [*known, outlier_label]
    return (
        encode_labels(true, known, "y_true"),
        encode_predictions(
            predicted, answers, "Only known labels and outlier_label can be judged."
        ),
        len(known),
    )
