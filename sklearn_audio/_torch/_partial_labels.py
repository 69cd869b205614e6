"""Labels of which some are missing: what ``fit`` may be given."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight

from sklearn_audio.base import (
    UNLABELED,
    is_unlabeled,
    missing_as_nan,
    rarest_labels,
    validate_labels,
)

NOTHING_KNOWN = "Nothing is known"


def is_label_table(y: Any) -> bool:
    """Tell whether ``y`` has a row of several labels for each clip."""
    if y is None:
        return False
    y = y if sparse.issparse(y) else np.asarray(y)
    return y.ndim == 2 and y.shape[1] > 1


def validate_label_table(
    estimator: BaseEstimator, X: NDArray, y: Any
) -> NDArray[np.float32]:
    """Check a table of labels, some of which may be missing.

    Parameters
    ----------
    estimator : BaseEstimator
        The classifier that was given ``y``.
    X : ndarray of shape (n_clips, ...)
        The clips.
    y : array-like or sparse matrix of shape (n_clips, n_labels)
        1 where a label applies, 0 where it does not, and -1, NaN or pandas.NA where
        that is unknown, or where a masked array hides it.

    Returns
    -------
    labels : ndarray of shape (n_clips, n_labels), dtype float32
        0, 1 and, where nobody knows, NaN.

    Raises
    ------
    ValueError
        If ``y`` holds anything else, nothing that is known, or another number of rows
        than ``X``.
    """
    name = type(estimator).__name__
    y = y.toarray() if sparse.issparse(y) else y
    try:
        labels = missing_as_nan(y, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} takes a table y of the numbers 0, 1 and, for missing labels, -1 "
            f"or NaN, but y holds something else: {error}."
        ) from error
    if len(labels) != len(X):
        raise ValueError(
            f"X holds {len(X)} clips, but y holds {len(labels)} labels: one row a clip."
        )
    labels[labels == UNLABELED] = np.nan
    is_known = ~np.isnan(labels)
    strange = np.argwhere(is_known & (labels != 0) & (labels != 1))
    if len(strange):
        clip, label = strange[0]
        raise ValueError(
            f"y holds {labels[clip, label]:g} for clip {clip} and label {label}. A "
            "label is 0 or 1, and -1 or NaN where it is missing."
        )
    if not is_known.any():
        raise ValueError(
            f"{name} was given no label at all: every entry of y is missing."
        )
    return labels


def warn_of_unknown_labels(labels: NDArray) -> None:
    """Warn of columns of a table in which every entry is missing: (n, L).

    The warning names the caller of ``fit``, six calls above.
    """
    unheard_of = np.flatnonzero(np.isnan(labels).all(axis=0))
    if len(unheard_of):
        warnings.warn(
            f"{NOTHING_KNOWN} of the labels in the columns {unheard_of.tolist()} of "
            "y: what is predicted for them means nothing. Leave the columns out.",
            UserWarning,
            stacklevel=6,
        )


def label_table_accuracy(
    estimator: BaseEstimator,
    predicted: NDArray,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
) -> float:
    """Return the fraction of clips of which all known labels are predicted.

    Parameters
    ----------
    estimator : BaseEstimator
        The classifier that predicted.
    predicted : ndarray of shape (n_clips, n_labels)
        0 and 1.
    y : array-like of shape (n_clips, n_labels)
        1, 0 and, where nobody knows, -1 or NaN; clips of which nothing is known do not
        count.
    sample_weight : array-like of shape (n_clips,) or None
        Weight of each clip.

    Returns
    -------
    accuracy : float
        In [0, 1].

    Raises
    ------
    ValueError
        If ``y`` is no table of as many labels as were predicted.
    """
    labels = validate_label_table(estimator, predicted, y)
    if labels.shape != predicted.shape:
        raise ValueError(
            f"y holds a table of {labels.shape[1]} labels, but predictions of "
            f"{type(estimator).__name__} have the shape {predicted.shape}. Score it "
            "with labels of the kind that it was fitted with."
        )
    is_known = ~np.isnan(labels)
    is_right = ((predicted == labels) | ~is_known).all(axis=1)  # (n,)
    weights = _check_sample_weight(sample_weight, labels)
    return float(np.average(is_right, weights=weights * is_known.any(axis=1)))


def balanced_label_weights(
    labels: NDArray, sample_weight: NDArray | None = None
) -> NDArray[np.float32]:
    r"""Return weights with which a label's absences and presences count the same.

    .. math:: w_{vl} = \frac{n_l}{2 \max(n_{vl}, 1)}

    Parameters
    ----------
    labels : ndarray of shape (n_clips, n_labels)
        0, 1 and NaN. Of label l, :math:`n_l` entries are known, and :math:`n_{vl}` of
        them are v.
    sample_weight : ndarray of shape (n_clips,), optional
        What each clip counts; 1 by default.

    Returns
    -------
    weights : ndarray of shape (2, n_labels), dtype float32
        Of entries that are 0, and of those that are 1.
    """
    weights = np.ones(len(labels)) if sample_weight is None else sample_weight
    counts = np.stack([weights @ (labels == value) for value in (0, 1)])  # (2, L)
    return (counts.sum(axis=0) / (2 * np.maximum(counts, 1))).astype(np.float32)


def label_strata(labels: NDArray, fraction: float) -> NDArray[np.intp]:
    """Return a class for each clip, such that a split by class keeps rare labels.

    It is the rarest of the labels that the clip has. Classes that are too small for
    both parts of the split become one.

    Parameters
    ----------
    labels : ndarray of shape (n_clips, n_labels)
        0, 1 and NaN.
    fraction : float
        Size of one part, in (0, 1).

    Returns
    -------
    strata : ndarray of shape (n_clips,)
        Numbers of labels; n_labels for clips that have none, -1 for the others.
    """
    strata = rarest_labels(labels == 1)
    least = max(1 / fraction, 1 / (1 - fraction))
    sizes = np.bincount(strata)
    strata[sizes[strata] < least] = -1
    n_others = np.count_nonzero(strata == -1)
    if n_others < least and n_others < len(strata):
        strata[strata == -1] = sizes.argmax()
    return strata


def validate_classes(
    estimator: BaseEstimator, X: NDArray, y: Any
) -> tuple[NDArray, NDArray[np.intp]]:
    """Check classes of clips, some of which may have none.

    Parameters
    ----------
    estimator : BaseEstimator
        The classifier that was given ``y``.
    X : ndarray of shape (n_clips, ...)
        The clips.
    y : array-like of shape (n_clips,)
        Classes; -1 means none where at least two others exist.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The classes.
    indices : ndarray of shape (n_clips,)
        Their places among the classes, and -1 where there is none.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or another number of labels than clips.
    """
    y = validate_labels(estimator, y)
    if len(y) != len(X):
        raise ValueError(
            f"X holds {len(X)} clips, but y holds {len(y)} labels: one a clip."
        )
    without = is_unlabeled(y)
    classes = np.unique(y[~without])
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs at least 2 classes, but y holds 1 "
            f"class: {classes.tolist()}."
        )
    return classes, np.where(without, UNLABELED, np.searchsorted(classes, y))


def validate_label_weight(
    label_weight: Any, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Check weights of labels; without any, all weigh 1.

    Parameters
    ----------
    label_weight : array-like of the shape of y or None
        Finite and not negative.
    shape : tuple of int
        The shape of the labels.

    Returns
    -------
    weights : ndarray of that shape, dtype float32
        The checked weights.

    Raises
    ------
    ValueError
        If the weights have another shape, are not finite, are negative, or are all 0.
    """
    if label_weight is None:
        return np.ones(shape, dtype=np.float32)
    weights = check_array(
        label_weight,
        dtype=np.float32,
        ensure_2d=False,
        ensure_non_negative=True,
        input_name="label_weight",
    )
    if weights.shape != shape:
        raise ValueError(
            f"label_weight has the shape {weights.shape}, but y has {shape}: one "
            "weight an entry."
        )
    if not weights.any():
        raise ValueError("label_weight is 0 everywhere: no label would be learned.")
    return weights


def log_priors(
    targets: NDArray, n_outputs: int, weights: NDArray | None = None
) -> NDArray[np.float32]:
    r"""Return what a network had better answer before it has learned anything.

    Log odds of labels, from k positives among n known entries, or log probabilities of
    classes; each as if one clip more of each kind had been there:

    .. math:: \log \frac{k + 1}{n - k + 1} \qquad \log \frac{n_c + 1}{n + C}

    Parameters
    ----------
    targets : ndarray of shape (n_clips, n_labels) or (n_clips,)
        0, 1 and NaN, or indices of classes and -1.
    n_outputs : int
        Labels or classes.
    weights : ndarray of the shape of targets, optional
        What each counts, relative to the weightiest; 1 by default.

    Returns
    -------
    log_priors : ndarray of shape (n_outputs,), dtype float32
        One a label or class.
    """
    weights = np.ones(targets.shape) if weights is None else weights / weights.max()
    if targets.ndim == 2:
        present, absent = (
            1 + (weights * (targets == value)).sum(axis=0) for value in (1, 0)
        )
        return np.log(present / absent).astype(np.float32)
    known = targets >= 0
    counts = 1 + np.bincount(targets[known], weights[known], minlength=n_outputs)
    return np.log(counts / counts.sum()).astype(np.float32)
