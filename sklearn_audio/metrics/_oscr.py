r"""Open-set classification rate: naming the known and rejecting the unknown at once.

At threshold :math:`\theta`, with familiarity :math:`s`, label :math:`y` and closed-set
prediction :math:`\hat{y}`,

.. math::

    \mathrm{CCR}(\theta) = P(s \ge \theta,\ \hat{y} = y \mid \text{known}), \qquad
    \mathrm{FPR}(\theta) = P(s \ge \theta \mid \text{unknown}).
"""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_audio.metrics._checks import (
    check_known_labels,
    check_labels,
    check_same_length,
    check_y_score,
    encode_labels,
    encode_predictions,
    has_both_sides,
)


class _Counts(NamedTuple):
    """Clips accepted at each threshold, from none to all."""

    correct: NDArray[np.float64]  # known clips accepted and named rightly
    false: NDArray[np.float64]  # unknown clips accepted
    thresholds: NDArray[np.float64]
    is_known: NDArray[np.bool_]

    @property
    def n_known(self) -> int:
        return int(self.is_known.sum())

    @property
    def n_unknown(self) -> int:
        return int((~self.is_known).sum())


def oscr_curve(
    y_true: Any, y_pred: Any, y_score: Any, *, known_labels: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Correct classification rate against false positive rate, over all thresholds.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels. A label that is not in ``known_labels`` is unknown, whatever it is.
    y_pred : array-like of shape (n_clips,)
        Closed-set predictions: the best known label of every clip, never the outlier
        label.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.
    known_labels : array-like of shape (n_known_labels,)
        The classes that the classifier was trained on (its ``classes_``).

    Returns
    -------
    fpr : ndarray of shape (n_thresholds,)
        Share of the unknown clips accepted, rising from 0 to 1; all nan without unknown
        clips.
    ccr : ndarray of shape (n_thresholds,)
        Share of the known clips accepted and named rightly, rising from 0 to the
        closed-set accuracy; all nan without known clips.
    thresholds : ndarray of shape (n_thresholds,)
        Falling familiarities; clips at or above one are accepted. The first is ``inf``
        and stands for accepting nothing.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN, a label is missing, or a prediction
        is not a known label.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    See Also
    --------
    oscr_score : The area under this curve.
    ccr_at_fpr : One point of this curve.

    References
    ----------
    .. [1] A. R. Dhamija, M. Günther and T. E. Boult, "Reducing network
       agnostophobia", NeurIPS 2018. https://doi.org/10.48550/arXiv.1811.04110

    Examples
    --------
    >>> from sklearn_audio.metrics import oscr_curve
    >>> fpr, ccr, thresholds = oscr_curve(
    ...     ["yes", "no", "dog", "cat"],
    ...     ["yes", "yes", "no", "no"],
    ...     [0.9, 0.8, 0.6, 0.2],
    ...     known_labels=["no", "yes"],
    ... )
    >>> fpr
    array([0. , 0. , 0. , 0.5, 1. ])
    >>> ccr
    array([0. , 0.5, 0.5, 0.5, 0.5])
    >>> thresholds
    array([inf, 0.9, 0.8, 0.6, 0.2])
    """
    counts = _count_accepted(y_true, y_pred, y_score, known_labels)
    has_both_sides(counts.is_known, "oscr_curve")
    fpr = _share(counts.false, counts.n_unknown)
    ccr = _share(counts.correct, counts.n_known)
    return fpr, ccr, counts.thresholds


def oscr_score(y_true: Any, y_pred: Any, y_score: Any, *, known_labels: Any) -> float:
    """Area under the open-set classification rate curve.

    The chance that a random known clip is named rightly *and* is more familiar than a
    random unknown one; a tie in familiarity counts one half.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels. A label that is not in ``known_labels`` is unknown, whatever it is.
    y_pred : array-like of shape (n_clips,)
        Closed-set predictions: the best known label of every clip, never the outlier
        label.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.
    known_labels : array-like of shape (n_known_labels,)
        The classes that the classifier was trained on (its ``classes_``).

    Returns
    -------
    oscr : float
        In [0, 1]; 1 is best. At most the AUROC and at most the closed-set accuracy. nan
        without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN, a label is missing, or a prediction
        is not a known label.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    See Also
    --------
    open_set_auroc : The same when every known clip is named rightly.

    References
    ----------
    .. [1] A. R. Dhamija, M. Günther and T. E. Boult, "Reducing network
       agnostophobia", NeurIPS 2018. https://doi.org/10.48550/arXiv.1811.04110
    .. [2] S. Vaze, K. Han, A. Vedaldi and A. Zisserman, "Open-set recognition: a good
       closed-set classifier is all you need?", ICLR 2022.
       https://doi.org/10.48550/arXiv.2110.06207

    Examples
    --------
    >>> from sklearn_audio.metrics import oscr_score
    >>> oscr_score(
    ...     ["yes", "no", "dog", "cat"],
    ...     ["yes", "yes", "no", "no"],
    ...     [0.9, 0.8, 0.6, 0.2],
    ...     known_labels=["no", "yes"],
    ... )
    0.5
    """
    counts = _count_accepted(y_true, y_pred, y_score, known_labels)
    if not has_both_sides(counts.is_known, "oscr_score"):
        return np.nan
    # The area in counts is exact; dividing once keeps a perfect score at 1.
    n_pairs = counts.n_known * counts.n_unknown
    return float(auc(counts.false, counts.correct) / n_pairs)


@validate_params(
    {"fpr": [Interval(Real, 0, 1, closed="both")]},
    prefer_skip_nested_validation=True,
)
def ccr_at_fpr(
    y_true: Any,
    y_pred: Any,
    y_score: Any,
    *,
    known_labels: Any,
    fpr: float = 0.1,
) -> float:
    """Share of known clips named rightly when few unknown clips are accepted.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels. A label that is not in ``known_labels`` is unknown, whatever it is.
    y_pred : array-like of shape (n_clips,)
        Closed-set predictions: the best known label of every clip, never the outlier
        label.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.
    known_labels : array-like of shape (n_known_labels,)
        The classes that the classifier was trained on (its ``classes_``).
    fpr : float, default=0.1
        Share of the unknown clips, in [0, 1], that may be accepted at most. Smaller
        values need more unknown clips to be measured at all.

    Returns
    -------
    ccr : float
        In [0, 1]; 1 is best. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN, a label is missing, a prediction is
        not a known label or ``fpr`` is out of range.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    Notes
    -----
    Read at the lowest threshold that accepts no more than the allowed share. Nothing is
    interpolated: some threshold really reaches the value.

    References
    ----------
    .. [1] A. R. Dhamija, M. Günther and T. E. Boult, "Reducing network
       agnostophobia", NeurIPS 2018. https://doi.org/10.48550/arXiv.1811.04110

    Examples
    --------
    >>> from sklearn_audio.metrics import ccr_at_fpr
    >>> ccr_at_fpr(
    ...     ["yes", "no", "dog", "cat"],
    ...     ["yes", "no", "no", "no"],
    ...     [0.9, 0.5, 0.6, 0.2],
    ...     known_labels=["no", "yes"],
    ... )
    0.5
    """
    counts = _count_accepted(y_true, y_pred, y_score, known_labels)
    if not has_both_sides(counts.is_known, "ccr_at_fpr"):
        return np.nan
    fprs = _share(counts.false, counts.n_unknown)
    last_allowed = np.searchsorted(fprs, fpr, side="right") - 1
    return float(counts.correct[last_allowed] / counts.n_known)


def _count_accepted(
    y_true: Any, y_pred: Any, y_score: Any, known_labels: Any
) -> _Counts:
    known = check_known_labels(known_labels)
    true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    scores = check_y_score(y_score)
    check_same_length(y_true=true, y_pred=predicted, y_score=scores)
    true_codes = encode_labels(true, known, "y_true")
    predicted_codes = encode_predictions(
        predicted,
        known,
        "Give closed-set predictions: the class of the largest predict_proba or "
        "decision_function, with nothing rejected.",
    )
    is_known = true_codes < len(known)
    # Equal scores share a rank, and so a point of the curve.
    negated, rank = np.unique(-scores, return_inverse=True)
    correct = np.bincount(rank, weights=true_codes == predicted_codes).cumsum()
    false = np.bincount(rank, weights=~is_known).cumsum()
    return _Counts(
        correct=np.append(0.0, correct),
        false=np.append(0.0, false),
        thresholds=np.append(np.inf, -negated),
        is_known=is_known,
    )


def _share(counts: NDArray[np.float64], total: int) -> NDArray[np.float64]:
    return counts / total if total else np.full_like(counts, np.nan)
