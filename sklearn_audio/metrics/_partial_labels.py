r"""Judge a classifier of several labels a clip where some labels are missing.

Whether clip :math:`i` has label :math:`l` is known, :math:`y_{il} \in \{0, 1\}`, or it
is not, and then whatever was predicted there can be neither right nor wrong. Every
metric here looks at the known entries only: those of one label after another, or of all
labels together ("micro").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import auc, average_precision_score, precision_recall_curve
from sklearn.utils._param_validation import StrOptions, validate_params

from sklearn_audio.base import UNLABELED, missing_as_nan

_N_NAMED_LABELS = 5

Mask = NDArray[np.bool_]


@validate_params(
    {"average": [StrOptions({"macro", "micro"}), None]},
    prefer_skip_nested_validation=True,
)
def masked_average_precision_score(
    y_true: Any, y_score: Any, *, average: Literal["macro", "micro"] | None = "macro"
) -> float | NDArray[np.float64]:
    """Average precision of each label's known entries, and their mean (mAP).

    Parameters
    ----------
    y_true : array-like of shape (n_clips, n_labels)
        1 where a clip has a label, 0 where it has not, and -1 or NaN where that is not
        known.
    y_score : array-like of shape (n_clips, n_labels)
        How sure it is that a clip has a label, such as `predict_proba`; higher is
        surer. Scores of missing labels do not count.
    average : {"macro", "micro"} or None, default="macro"
        "macro" is the plain mean over the labels, the usual mAP, so that rare labels
        count as much as common ones; "micro" ranks the known entries of all labels
        together, as one threshold for all would; None returns one value for each label.

    Returns
    -------
    average_precision : float or ndarray of shape (n_labels,)
        In [0, 1]; 1 is best, and chance is the share of positives among the known
        entries. nan for a label that cannot be scored; means leave such labels out.

    Raises
    ------
    ValueError
        If the shapes do not fit, ``y_true`` holds other values, a score is NaN or
        ``average`` is not offered.

    Warns
    -----
    UndefinedMetricWarning
        If a label cannot be scored, because no positive or no negative entry of it is
        known.

    See Also
    --------
    masked_auprc_score : The same curve, its points joined by straight lines.
    sklearn.metrics.average_precision_score : The same where no label is missing.

    Notes
    -----
    Each value is the step-wise sum of :func:`sklearn.metrics.average_precision_score`.
    A label without a known positive has no such curve. For one without a known negative
    it would be 1 whatever was predicted, and raise the mean of any classifier.

    Examples
    --------
    >>> from sklearn_audio.metrics import masked_average_precision_score
    >>> y_true = [[1, -1], [0, 1], [1, 0], [-1, 0]]
    >>> y_score = [[0.9, 0.8], [0.6, 0.2], [0.5, 0.1], [0.7, 0.4]]
    >>> masked_average_precision_score(y_true, y_score, average=None).round(3)
    array([0.833, 0.5  ])
    >>> round(masked_average_precision_score(y_true, y_score), 3)
    0.667
    """
    values, scorable = _rank_labels(_average_precision, y_true, y_score, average)
    return _average_labels(values, scorable, average)


@validate_params(
    {"average": [StrOptions({"macro", "micro"}), None]},
    prefer_skip_nested_validation=True,
)
def masked_auprc_score(
    y_true: Any, y_score: Any, *, average: Literal["macro", "micro"] | None = "macro"
) -> float | NDArray[np.float64]:
    """Area under the precision-recall curve of each label's known entries.

    Parameters
    ----------
    y_true : array-like of shape (n_clips, n_labels)
        1 where a clip has a label, 0 where it has not, and -1 or NaN where that is not
        known.
    y_score : array-like of shape (n_clips, n_labels)
        How sure it is that a clip has a label, such as `predict_proba`; higher is
        surer. Scores of missing labels do not count.
    average : {"macro", "micro"} or None, default="macro"
        "macro" is the plain mean over the labels; "micro" ranks the known entries of
        all labels together; None returns one value for each label.

    Returns
    -------
    auprc : float or ndarray of shape (n_labels,)
        In [0, 1]; 1 is best. nan for a label that cannot be scored; means leave such
        labels out.

    Raises
    ------
    ValueError
        If the shapes do not fit, ``y_true`` holds other values, a score is NaN or
        ``average`` is not offered.

    Warns
    -----
    UndefinedMetricWarning
        If a label cannot be scored, because no positive or no negative entry of it is
        known.

    See Also
    --------
    masked_average_precision_score : The same curve in steps; take it where no
        published figure has to be matched.

    Notes
    -----
    The points of the curve, which begins at a recall of 0 and a precision of 1, are
    joined by straight lines and the trapezoids summed, as the evaluations of urban
    sound tagging do [1]_ [2]_. With few clips that is too optimistic [3]_. The script
    of the DCASE challenge leaves out thresholds below 0.01 and joins the last point to
    a precision of 0 at a recall of 1; here the curve goes on to the lowest score.

    References
    ----------
    .. [1] M. Cartwright et al., "SONYC-UST-V2: an urban sound tagging dataset with
       spatiotemporal context", DCASE Workshop 2020.
       https://doi.org/10.48550/arXiv.2009.05188
    .. [2] S. Gururani and A. Lerch, "Semi-supervised audio classification with
       partially labeled data", ISM 2021. https://doi.org/10.1109/ISM52913.2021.00027
    .. [3] J. Davis and M. Goadrich, "The relationship between precision-recall and ROC
       curves", ICML 2006. https://doi.org/10.1145/1143844.1143874

    Examples
    --------
    >>> from sklearn_audio.metrics import masked_auprc_score
    >>> y_true = [[1, -1], [0, 1], [1, 0], [-1, 0]]
    >>> y_score = [[0.9, 0.8], [0.6, 0.2], [0.5, 0.1], [0.7, 0.4]]
    >>> masked_auprc_score(y_true, y_score, average=None).round(3)
    array([0.792, 0.25 ])
    >>> round(masked_auprc_score(y_true, y_score), 3)
    0.521
    """
    values, scorable = _rank_labels(_trapezoid_area, y_true, y_score, average)
    return _average_labels(values, scorable, average)


@validate_params(
    {"average": [StrOptions({"macro"}), None]}, prefer_skip_nested_validation=True
)
def two_sided_f1_score(
    y_true: Any, y_pred: Any, *, average: Literal["macro"] | None = "macro"
) -> float | NDArray[np.float64]:
    r"""F1 score of positives and of negatives, over each label's known entries.

    Parameters
    ----------
    y_true : array-like of shape (n_clips, n_labels)
        1 where a clip has a label, 0 where it has not, and -1 or NaN where that is not
        known.
    y_pred : array-like of shape (n_clips, n_labels)
        Predictions, 1 or 0. Those of missing labels do not count.
    average : {"macro"} or None, default="macro"
        "macro" is the plain mean over the labels; None returns one value for each.

    Returns
    -------
    f1 : float or ndarray of shape (n_labels,)
        In [0, 1]; 1 is best. nan for a label that cannot be scored; the mean leaves
        such labels out.

    Raises
    ------
    ValueError
        If the shapes do not fit, ``y_true`` or ``y_pred`` holds other values, or
        ``average`` is not offered.

    Warns
    -----
    UndefinedMetricWarning
        If a label cannot be scored, because no positive or no negative entry of it is
        known.

    See Also
    --------
    masked_average_precision_score : Needs no threshold.
    sklearn.metrics.f1_score : Of one label's known entries, with ``average="macro"``.

    Notes
    -----
    With the known entries of a label that are rightly found positive (TP) and negative
    (TN), and the wrong ones :math:`E = \mathrm{FP} + \mathrm{FN}`,

    .. math::

        \frac12 \left(\frac{2\,\mathrm{TP}}{2\,\mathrm{TP} + E}
        + \frac{2\,\mathrm{TN}}{2\,\mathrm{TN} + E}\right)

    is its score. So are instruments judged on OpenMIC [1]_: to tell who does not play
    counts as much as to tell who does.

    References
    ----------
    .. [1] S. Gururani and A. Lerch, "Semi-supervised audio classification with
       partially labeled data", ISM 2021. https://doi.org/10.1109/ISM52913.2021.00027

    Examples
    --------
    >>> from sklearn_audio.metrics import two_sided_f1_score
    >>> y_true = [[1, -1], [0, 1], [1, 0], [-1, 0]]
    >>> y_pred = [[1, 1], [1, 1], [1, 0], [1, 1]]
    >>> two_sided_f1_score(y_true, y_pred, average=None).round(3)
    array([0.4  , 0.667])
    >>> round(two_sided_f1_score(y_true, y_pred), 3)
    0.533
    """
    is_positive, is_known = _check_partial_labels(y_true)
    predicted = _check_label_predictions(y_pred, is_known.shape)
    wrong = np.sum(is_known & (predicted != is_positive), axis=0)  # (n_labels,)
    scorable = _find_scorable(is_positive, is_known)
    values = np.zeros(len(scorable))
    for answer in (True, False):
        side = is_known & (is_positive == answer)
        right = np.sum(side & (predicted == answer), axis=0)
        values[scorable] += right[scorable] / (2 * right + wrong)[scorable]
    return _average_labels(values, scorable, average)


def _rank_labels(
    area: Callable[[Mask, NDArray[np.intp]], float],
    y_true: Any,
    y_score: Any,
    average: str | None,
) -> tuple[NDArray[np.float64], Mask]:
    """Return the area of each label, and whether it has one, each (n_labels,).

    The micro average takes the labels for one.
    """
    is_positive, is_known = _check_partial_labels(y_true)
    scores = _check_label_scores(y_score, is_known.shape)
    if average == "micro":
        is_positive, is_known = is_positive.reshape(-1, 1), is_known.reshape(-1, 1)
        scores = scores.reshape(-1, 1)
    scorable = _find_scorable(is_positive, is_known)
    values = np.zeros(len(scorable))
    for label in np.flatnonzero(scorable):
        known = is_known[:, label]
        # Ranks are exact for infinite scores, too.
        ranks = np.unique(scores[known, label], return_inverse=True)[1]
        # Rounding can carry the sum one digit past 1.
        values[label] = min(1.0, area(is_positive[known, label], ranks))
    return values, scorable


def _average_precision(is_positive: Mask, ranks: NDArray[np.intp]) -> float:
    return float(average_precision_score(is_positive, ranks))


def _trapezoid_area(is_positive: Mask, ranks: NDArray[np.intp]) -> float:
    precision, recall, _ = precision_recall_curve(is_positive, ranks)
    return float(auc(recall, precision))


def _find_scorable(is_positive: Mask, is_known: Mask) -> Mask:
    """Return which labels have a known positive and a known negative, (n_labels,)."""
    n_positive = np.sum(is_positive, axis=0)
    return (n_positive > 0) & (n_positive < np.sum(is_known, axis=0))


def _average_labels(
    values: NDArray[np.float64], scorable: Mask, average: str | None
) -> float | NDArray[np.float64]:
    """Return the mean of the labels that can be scored, or all; warn of the others."""
    if not scorable.all():
        is_mean = average == "macro" and scorable.any()
        fate = "the mean leaves them out" if is_mean else "set to nan"
        warnings.warn(
            f"{_name_labels(~scorable, average)} no known positive or no known "
            f"negative entry: {fate}. "
            "MultilabelStratifiedKFold spreads what is known evenly over test folds.",
            UndefinedMetricWarning,
            stacklevel=4,
        )
    values = np.where(scorable, values, np.nan)
    if average is None:
        return values
    return float(np.mean(values[scorable])) if scorable.any() else np.nan


def _name_labels(missed: Mask, average: str | None) -> str:
    if average == "micro":
        return "y_true has"
    labels = np.flatnonzero(missed)
    named = ", ".join(map(str, labels[:_N_NAMED_LABELS]))
    more = ", ..." if len(labels) > _N_NAMED_LABELS else ""
    return f"{len(labels)} of {len(missed)} label(s), {named}{more}, have"


def _check_partial_labels(y_true: Any) -> tuple[Mask, Mask]:
    """Return which labels clips have and which are known, each (n_clips, n_labels)."""
    labels = _check_table(y_true, "y_true")
    if not labels.size:
        raise ValueError(
            f"y_true is empty, of shape {labels.shape}: there is nothing to judge."
        )
    is_known = ~(np.isnan(labels) | (labels == UNLABELED))
    _check_values(labels, is_known, "y_true", "-1 or NaN where a label is missing")
    return is_known & (labels == 1), is_known


def _check_label_scores(y_score: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the scores, (n_clips, n_labels), or raise ValueError."""
    scores = _check_table(y_score, "y_score")
    _check_shape(scores, shape, "y_score")
    if np.isnan(scores).any():
        clip, label = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"y_score is NaN for clip {clip} and label {label}: what has no score "
            "cannot be ranked."
        )
    return scores


def _check_label_predictions(y_pred: Any, shape: tuple[int, ...]) -> Mask:
    """Return which labels are predicted, (n_clips, n_labels), or raise ValueError."""
    predicted = _check_table(y_pred, "y_pred")
    _check_shape(predicted, shape, "y_pred")
    everywhere = np.ones(shape, dtype=bool)
    _check_values(
        predicted, everywhere, "y_pred", "missing predictions are not allowed"
    )
    return predicted == 1


def _check_table(table: Any, name: str) -> NDArray[np.float64]:
    try:
        table = missing_as_nan(table)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a dense table of numbers.") from error
    if table.ndim != 2:
        raise ValueError(
            f"{name} must have a row for each clip and a column for each label, got an "
            f"array of shape {table.shape}."
        )
    return table


def _check_shape(table: NDArray, shape: tuple[int, ...], name: str) -> None:
    if table.shape != shape:
        raise ValueError(
            f"{name} must have the shape of y_true, {shape}, got {table.shape}."
        )


def _check_values(
    table: NDArray[np.float64], where: Mask, name: str, rest: str
) -> None:
    """Raise ValueError unless a table holds 0 and 1 where it is to."""
    wrong = np.argwhere(where & (table != 0) & (table != 1))
    if len(wrong):
        clip, label = wrong[0]
        raise ValueError(
            f"{name} holds {table[clip, label]} for clip {clip} and label {label}. It "
            f"must hold 1 and 0; {rest}."
        )
