r"""Judge names given to classes of which there was no training clip.

With :math:`F(x, c)` the score of clip :math:`x` for candidate :math:`c`, and
:math:`\mathcal{Y}` the classes that occur among the test clips,

.. math::

    \hat{y} = \arg\max_{c \in \mathcal{Y}} F(x, c), \qquad
    H = \frac{2 S U}{S + U},

the second of the mean accuracies :math:`S` and :math:`U` of the seen and of the unseen
classes, where every candidate could have been named.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, recall_score, top_k_accuracy_score

from sklearn_audio.metrics._checks import (
    check_candidate_scores,
    check_known_labels,
    check_labels,
    check_same_length,
    encode_labels,
)


def zero_shot_accuracy(y_true: Any, y_score: Any, *, labels: Any) -> float:
    """Share of clips named rightly, the classes of the test clips being the candidates.

    This is the accuracy of zero-shot papers [1]_: told which classes a clip may be of,
    but without having heard any of them, which one is it? Classes of the training
    clips, towards which zero-shot classifiers lean, do not compete.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels, all of them in `labels`. The classes that occur are the candidates.
    y_score : array-like of shape (n_clips, n_labels)
        Score of each clip for each label; higher = more likely. What
        ``decision_function`` or ``predict_proba`` returns goes in as it comes out,
        columns of classes that do not occur included. Of equal scores the first wins.
    labels : array-like of shape (n_labels,)
        The label of each column (the classifier's ``classes_``).

    Returns
    -------
    accuracy : float
        In [0, 1]; 1 is best. Chance is one over the number of classes in `y_true`. nan
        if there is only one: then every answer is right.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN, or a true label is not in `labels`.

    Warns
    -----
    UndefinedMetricWarning
        If the result is nan.

    See Also
    --------
    harmonic_mean_accuracy : Where seen classes compete.
    sklearn.metrics.top_k_accuracy_score : With ``labels=classes_``, the share of clips
        whose class is among the best k of all candidates.

    References
    ----------
    .. [1] H. Xie and T. Virtanen, "Zero-shot audio classification based on class label
       embeddings", WASPAA 2019. https://doi.org/10.1109/WASPAA.2019.8937283

    Examples
    --------
    The dog is taken for a wolf only while there can be wolves:

    >>> from sklearn_audio.metrics import zero_shot_accuracy
    >>> labels = ["cat", "dog", "wolf"]
    >>> y_score = [[0.7, 0.2, 0.1], [0.1, 0.4, 0.5]]
    >>> zero_shot_accuracy(["cat", "dog"], y_score, labels=labels)
    1.0
    >>> from sklearn.metrics import top_k_accuracy_score
    >>> top_k_accuracy_score(["cat", "dog"], y_score, k=1, labels=labels)
    0.5
    """
    true, scores = check_candidate_scores(y_true, y_score, labels)
    candidates = np.unique(true)
    if len(candidates) == 1:
        return _undefined(
            "zero_shot_accuracy", "with a single class, which every answer would name"
        )
    best = scores[:, candidates].argmax(axis=1)  # (n_clips,)
    return float(accuracy_score(true, candidates[best]))


def harmonic_mean_accuracy(y_true: Any, y_pred: Any, *, seen_classes: Any) -> float:
    r"""Harmonic mean of the accuracies on seen and on unseen classes.

    The figure of *generalised* zero-shot learning [1]_, in which a clip may be of any
    class, trained on or not. A classifier that names seen classes only gets 0, however
    well it does so.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        True labels, of seen and of unseen classes.
    y_pred : array-like of shape (n_clips,)
        Predictions, where all classes were candidates.
    seen_classes : array-like of shape (n_seen_classes,)
        The classes that the classifier was trained on (its ``seen_classes_``). All
        other true labels are unseen.

    Returns
    -------
    harmonic_mean : float
        In [0, 1]; 1 is best; 0 where one of the accuracies is 0. nan without clips of
        seen, or without clips of unseen classes.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, or text stands against numbers.

    Warns
    -----
    UndefinedMetricWarning
        If the result is nan.

    See Also
    --------
    zero_shot_accuracy : Where seen classes do not compete.
    sklearn_audio.model_selection.OpenSetSplit : Folds with seen and unseen test clips.
    sklearn.metrics.recall_score : Gives either accuracy by itself.

    Notes
    -----
    The accuracy of a side is the plain mean over its classes, not over its clips:
    ``recall_score(y_true, y_pred, labels=classes, average="macro")`` with those classes
    of the side that occur in ``y_true``. With :math:`S` that of the seen and :math:`U`
    that of the unseen classes, the result is :math:`2 S U / (S + U)`.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele and Z. Akata, "Zero-shot learning - a
       comprehensive evaluation of the good, the bad and the ugly", IEEE TPAMI 41(9),
       2019. https://doi.org/10.1109/TPAMI.2018.2857768

    Examples
    --------
    All clips of the seen classes are named rightly, half of those of the unseen one:

    >>> from sklearn_audio.metrics import harmonic_mean_accuracy
    >>> y_true = ["cat", "dog", "wolf", "wolf"]
    >>> y_pred = ["cat", "dog", "wolf", "dog"]
    >>> harmonic_mean_accuracy(y_true, y_pred, seen_classes=["cat", "dog"])
    0.6666666666666666
    >>> harmonic_mean_accuracy(y_true, ["dog"] * 4, seen_classes=["cat", "dog"])
    0.0
    """
    seen = check_known_labels(seen_classes, "seen_classes")
    true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_same_length(y_true=true, y_pred=predicted)
    classes = list(dict.fromkeys(true))
    is_seen = encode_labels(classes, seen, "y_true", "seen_classes") < len(seen)
    if is_seen.all() or not is_seen.any():
        missing = "unseen" if is_seen.all() else "seen"
        return _undefined(
            "harmonic_mean_accuracy",
            f"without clips of {missing} classes. OpenSetSplit puts both into every "
            "test fold",
        )
    accuracies = recall_score(
        encode_labels(true, classes, "y_true"),
        encode_labels(predicted, classes, "y_pred", "y_true"),
        labels=np.arange(len(classes)),
        average=None,
    )  # (n_classes,)
    of_seen, of_unseen = accuracies[is_seen].mean(), accuracies[~is_seen].mean()
    if of_seen == 0 or of_unseen == 0:
        return 0.0
    return float(2 * of_seen * of_unseen / (of_seen + of_unseen))


def mean_class_accuracy(y_true: Any, y_pred: Any) -> float:
    """Return the mean recall of the classes that occur, whatever else is predicted.

    ``balanced_accuracy_score`` is the same number, but warns of predicted classes that
    do not occur; ``recall_score(average="macro")`` counts them as 0.
    """
    return float(
        recall_score(y_true, y_pred, labels=np.unique(y_true), average="macro")
    )


def top_k_accuracy(y_true: Any, y_score: Any, *, labels: Any, k: int) -> float:
    """Return ``top_k_accuracy_score``, with a column of scores for two labels too."""
    true, scores = check_candidate_scores(y_true, y_score, labels)
    n_labels = scores.shape[1]
    return float(
        top_k_accuracy_score(
            true,
            scores[:, 1] if n_labels == 2 else scores,
            k=k,
            labels=np.arange(n_labels),
        )
    )


def _undefined(metric: str, reason: str) -> float:
    """Return nan, and tell the caller of the metric why."""
    warnings.warn(
        f"{metric} is not defined {reason}. It is set to nan.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return np.nan
