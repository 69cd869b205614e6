r"""Judge an anomaly detector where false alarms are few.

Anomalous clips are the positives. At threshold :math:`\theta` a clip of familiarity
:math:`s` raises an alarm when :math:`s \le \theta`, so that

.. math::

    \mathrm{TPR}(\theta) = P(s \le \theta \mid \text{anomalous}), \qquad
    \mathrm{FPR}(\theta) = P(s \le \theta \mid \text{normal}).

Only the order of the scores matters, ties included.
"""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklearn_audio.metrics._checks import (
    check_same_length,
    check_y_normal,
    check_y_score,
)


@validate_params(
    {
        "max_fpr": [Interval(Real, 0, 1, closed="right")],
        "form": [StrOptions({"standardised", "dcase"})],
    },
    prefer_skip_nested_validation=True,
)
def partial_auc(
    y_normal: Any,
    y_score: Any,
    *,
    max_fpr: float = 0.1,
    form: Literal["standardised", "dcase"] = "standardised",
) -> float:
    r"""Area under the ROC curve of anomalies against normal clips, at few false alarms.

    A detector that cries wolf is switched off, so only the thresholds count at which at
    most the share ``max_fpr`` of the normal clips raises an alarm. The positives are
    the *anomalous* clips; yet scores keep this package's sign.

    Parameters
    ----------
    y_normal : array-like of shape (n_clips,), bool or 1 and -1
        True or 1 for a normal clip, False or -1 for an anomalous one, as `predict` of
        outlier detectors has it. Integers 0 and 1 are refused, because many data sets
        write 1 for an anomaly.
    y_score : array-like of shape (n_clips,)
        Familiarity of each clip; higher is more normal, as in `score_samples` and
        `decision_function` of outlier detectors. It is negated here, not by the
        caller.
    max_fpr : float, default=0.1
        Largest false positive rate, in (0, 1]: the share of the normal clips that may
        raise an alarm. 0.1 is the value of the DCASE challenges.
    form : {"standardised", "dcase"}, default="standardised"
        How the area is scaled; see Notes.

    Returns
    -------
    pauc : float
        In [0, 1]; 1 is best. Chance is 0.5 in the standardised form and about
        ``max_fpr / 2`` in the other. nan without normal or without anomalous clips,
        and in the form "dcase" with fewer than ``1 / max_fpr`` normal clips.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN, ``y_normal`` holds other values, or a
        parameter is out of range.

    Warns
    -----
    UndefinedMetricWarning
        If the result is nan.

    See Also
    --------
    open_set_auroc : The whole area, which does not depend on which side is positive.
    fpr_at_tpr : One operating point, with the known clips as positives.

    Notes
    -----
    *Standardised*, after McClish [1]_: with :math:`A` the area under the ROC curve from
    0 to :math:`p` = ``max_fpr``,

    .. math::

        \frac12 \left(1 + \frac{A - p^2 / 2}{p - p^2 / 2}\right),

    which is 1 for a perfect detector and 0.5 for a random one whatever ``max_fpr`` is,
    and cannot fall much below 0.5 where ``max_fpr`` is small. The points of the curve
    are joined by straight lines: a tie between a normal and an anomalous clip counts
    one half. It equals ``roc_auc_score(~y_normal, -y_score, max_fpr=max_fpr)`` of
    scikit-learn. The scripts of DCASE Task 2 call that very function, so this is the
    form to compare with published tables of results.

    *DCASE*, the formula printed in the descriptions of that task [2]_: with
    :math:`N_-` normal clips, :math:`N_+` anomalous ones, anomaly scores :math:`a = -s`,
    and the normal clips sorted so that the highest anomaly scores come first,

    .. math::

        \frac{1}{\lfloor p N_- \rfloor N_+}
        \sum_{i=1}^{\lfloor p N_- \rfloor} \sum_{j=1}^{N_+} H(a_j^+ - a_i^-),
        \qquad H(x) = 1 \text{ for } x > 0, \text{ else } 0:

    the chance that an anomaly is stranger than a normal clip that is itself among the
    strangest. A tie counts nothing, so that constant scores give 0. Without ties, and
    where :math:`p N_-` is a whole number, it is :math:`A / p`.

    References
    ----------
    .. [1] D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision
       Making 9(3), 1989. https://doi.org/10.1177/0272989X8900900307
    .. [2] Y. Koizumi et al., "Description and discussion on DCASE2020 challenge task2:
       Unsupervised anomalous sound detection for machine condition monitoring", 2020.
       https://doi.org/10.48550/arXiv.2006.05822

    Examples
    --------
    Of ten normal clips one is stranger than one of the two anomalous clips:

    >>> from sklearn_audio.metrics import partial_auc
    >>> y_normal = [1] * 10 + [-1] * 2
    >>> y_score = [0.2, 0.9, 0.8, 0.9, 0.7, 0.8, 0.9, 0.6, 0.7, 0.8, 0.1, 0.3]
    >>> partial_auc(y_normal, y_score, form="dcase")
    0.5
    >>> round(partial_auc(y_normal, y_score), 3)
    0.737
    >>> round(partial_auc(y_normal, y_score, max_fpr=1.0), 3)
    0.95

    With a detector, whose `score_samples` goes in as it comes out:

    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> rng = np.random.RandomState(0)
    >>> detector = IsolationForest(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> X = np.vstack([rng.normal(size=(50, 2)), rng.normal(3, 1, size=(50, 2))])
    >>> partial_auc(np.arange(100) < 50, detector.score_samples(X)) > 0.8
    True
    """
    is_normal = check_y_normal(y_normal)
    scores = check_y_score(y_score)
    check_same_length(y_normal=is_normal, y_score=scores)
    # Ranks are exact for infinite scores, and for scores whose difference overflows.
    ranks = np.unique(scores, return_inverse=True)[1]

    if is_normal.all() or not is_normal.any():
        missing = "anomalous" if is_normal.all() else "normal"
        return _undefined(f"without {missing} clips. Every test fold needs both kinds.")
    if form == "standardised":
        return float(roc_auc_score(~is_normal, -ranks, max_fpr=max_fpr))
    # Rounded first: 0.29 * 100 is a little less than 29.
    n_strangest = int(np.round(max_fpr * is_normal.sum(), 9))
    if n_strangest == 0:
        return _undefined(
            f"in the form 'dcase' at max_fpr={max_fpr} with {is_normal.sum()} normal "
            "clips: their share that may raise an alarm is less than one clip. Give "
            "more normal clips or a larger max_fpr, or take form='standardised'."
        )
    strangest = np.sort(ranks[is_normal])[:n_strangest]
    return _share_of_pairs_below(np.sort(ranks[~is_normal]), strangest)


def _share_of_pairs_below(
    anomalous: NDArray[np.intp], normal: NDArray[np.intp]
) -> float:
    """Return how many pairs have the anomalous rank below the normal one, of all."""
    return float(
        np.searchsorted(anomalous, normal, side="left").mean() / anomalous.size
    )


def _undefined(reason: str) -> float:
    """Return nan, and tell the caller of the metric why."""
    warnings.warn(
        f"partial_auc is not defined {reason} It is set to nan.",
        UndefinedMetricWarning,
        stacklevel=4,
    )
    return np.nan
