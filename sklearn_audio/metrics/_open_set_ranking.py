r"""Judge how well familiarity tells known clips from unknown ones.

Known clips are the positives. At threshold :math:`\theta` a clip of familiarity
:math:`s` is accepted as known when :math:`s \ge \theta`, so that

.. math::

    \mathrm{TPR}(\theta) = P(s \ge \theta \mid \text{known}), \qquad
    \mathrm{FPR}(\theta) = P(s \ge \theta \mid \text{unknown}).

Only the order of the scores matters, ties included.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_audio.metrics._checks import (
    check_same_length,
    check_y_known,
    check_y_score,
    has_both_sides,
)


def open_set_auroc(y_known: Any, y_score: Any) -> float:
    """Area under the ROC curve of known against unknown clips.

    The chance that a random known clip is more familiar than a random unknown one; a
    tie counts one half.

    Parameters
    ----------
    y_known : array-like of shape (n_clips,), bool or 0 and 1
        True for a clip of a known class.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.

    Returns
    -------
    auroc : float
        In [0, 1]; 1 is best, 0.5 is chance. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit or a score is NaN.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    See Also
    --------
    oscr_score : The same, but a known clip must also be named rightly.

    Examples
    --------
    >>> from sklearn_audio.metrics import open_set_auroc
    >>> open_set_auroc([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
    0.75
    """
    is_known, ranks = _check_ranking(y_known, y_score)
    if not has_both_sides(is_known, "open_set_auroc"):
        return np.nan
    return float(roc_auc_score(is_known, ranks))


def aupr_in(y_known: Any, y_score: Any) -> float:
    """Average precision with the known clips as positives.

    Unlike :func:`open_set_auroc` it depends on how many clips are known: chance is the
    share of known clips, not 0.5.

    Parameters
    ----------
    y_known : array-like of shape (n_clips,), bool or 0 and 1
        True for a clip of a known class.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.

    Returns
    -------
    aupr : float
        In [0, 1]; 1 is best. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit or a score is NaN.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    See Also
    --------
    aupr_out : The same with the unknown clips as positives.

    Notes
    -----
    The area is the step-wise sum of :func:`sklearn.metrics.average_precision_score`.
    Joining the points of a precision-recall curve by straight lines is too optimistic
    [1]_.

    References
    ----------
    .. [1] J. Davis and M. Goadrich, "The relationship between precision-recall and ROC
       curves", ICML 2006. https://doi.org/10.1145/1143844.1143874

    Examples
    --------
    >>> from sklearn_audio.metrics import aupr_in
    >>> round(aupr_in([True, True, False, False], [0.9, 0.4, 0.5, 0.1]), 3)
    0.833
    """
    is_known, ranks = _check_ranking(y_known, y_score)
    if not has_both_sides(is_known, "aupr_in"):
        return np.nan
    return _average_precision(is_known, ranks)


def aupr_out(y_known: Any, y_score: Any) -> float:
    """Average precision with the unknown clips as positives.

    The least familiar clips are ranked first, as an alarm would rank them. Chance is
    the share of unknown clips.

    Parameters
    ----------
    y_known : array-like of shape (n_clips,), bool or 0 and 1
        True for a clip of a known class.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar. It is negated here, not by
        the caller.

    Returns
    -------
    aupr : float
        In [0, 1]; 1 is best. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit or a score is NaN.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    See Also
    --------
    aupr_in : The same with the known clips as positives.

    Examples
    --------
    >>> from sklearn_audio.metrics import aupr_out
    >>> round(aupr_out([True, True, False, False], [0.9, 0.4, 0.5, 0.1]), 3)
    0.833
    """
    is_known, ranks = _check_ranking(y_known, y_score)
    if not has_both_sides(is_known, "aupr_out"):
        return np.nan
    return _average_precision(~is_known, -ranks)


def equal_error_rate(y_known: Any, y_score: Any) -> float:
    """Error rate where known and unknown clips are mistaken equally often.

    Parameters
    ----------
    y_known : array-like of shape (n_clips,), bool or 0 and 1
        True for a clip of a known class.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.

    Returns
    -------
    eer : float
        In [0, 1]; 0 is best, 0.5 is chance. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit or a score is NaN.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    Notes
    -----
    With few clips no threshold may give equal errors. The operating points are then
    joined by straight lines, and the error is read where FPR = 1 - TPR. These are the
    segments of the ROC curve itself, not of its convex hull, which some speaker
    recognition tools take: the hull never gives a larger value. Constant scores give
    0.5, and negated scores give one minus the value.

    Examples
    --------
    >>> from sklearn_audio.metrics import equal_error_rate
    >>> equal_error_rate([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
    0.5
    """
    is_known, ranks = _check_ranking(y_known, y_score)
    if not has_both_sides(is_known, "equal_error_rate"):
        return np.nan
    fpr, tpr, _ = roc_curve(is_known, ranks, drop_intermediate=False)
    # Every further point adds clips, so that fpr + tpr rises and meets 1 only once.
    return float(np.interp(1.0, fpr + tpr, fpr))


@validate_params(
    {"tpr": [Interval(Real, 0, 1, closed="right")]},
    prefer_skip_nested_validation=True,
)
def fpr_at_tpr(y_known: Any, y_score: Any, *, tpr: float = 0.95) -> float:
    """Share of unknown clips accepted when a given share of known clips is.

    Parameters
    ----------
    y_known : array-like of shape (n_clips,), bool or 0 and 1
        True for a clip of a known class.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more familiar.
    tpr : float, default=0.95
        Share of the known clips, in (0, 1], that must be accepted at least. 0.95 is
        the value of the out-of-distribution literature ("FPR95").

    Returns
    -------
    fpr : float
        In [0, 1]; 0 is best. nan without known or without unknown clips.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN or ``tpr`` is out of range.

    Warns
    -----
    UndefinedMetricWarning
        If there are no known or no unknown clips.

    Notes
    -----
    Read at the highest threshold that accepts at least the wanted share [1]_. Nothing
    is interpolated: some threshold really reaches the value.

    References
    ----------
    .. [1] S. Liang, Y. Li and R. Srikant, "Enhancing the reliability of
       out-of-distribution image detection in neural networks", ICLR 2018.
       https://doi.org/10.48550/arXiv.1706.02690

    Examples
    --------
    >>> from sklearn_audio.metrics import fpr_at_tpr
    >>> y_known = [True, True, True, False, False]
    >>> y_score = [0.9, 0.8, 0.4, 0.6, 0.1]
    >>> fpr_at_tpr(y_known, y_score)
    0.5
    >>> fpr_at_tpr(y_known, y_score, tpr=0.6)
    0.0
    """
    is_known, ranks = _check_ranking(y_known, y_score)
    if not has_both_sides(is_known, "fpr_at_tpr"):
        return np.nan
    fprs, tprs, _ = roc_curve(is_known, ranks, drop_intermediate=False)
    return float(fprs[np.searchsorted(tprs, tpr, side="left")])


def _check_ranking(
    y_known: Any, y_score: Any
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return who is known, and the rank of each clip's familiarity.

    Equal scores share a rank. Ranks make the metrics exact for infinite scores and for
    scores whose difference overflows or underflows.
    """
    is_known = check_y_known(y_known)
    scores = check_y_score(y_score)
    check_same_length(y_known=is_known, y_score=scores)
    return is_known, np.unique(scores, return_inverse=True)[1]


def _average_precision(
    is_positive: NDArray[np.bool_], ranks: NDArray[np.intp]
) -> float:
    # Rounding can carry the sum of the steps one digit past 1.
    return min(1.0, float(average_precision_score(is_positive, ranks)))
