"""Scorers by name: what ``GridSearchCV(scoring=...)`` and ``cross_validate`` take.

scikit-learn looks strings up in a registry of its own, which is private; this package
does not write into it. :func:`get_scorer` turns a name into a callable instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal

import numpy as np
from sklearn.metrics import get_scorer as sklearn_get_scorer
from sklearn.metrics import get_scorer_names as sklearn_get_scorer_names

from sklearn_audio.base import resolve_outlier_label
from sklearn_audio.metrics._checks import (
    check_known_labels,
    check_labels,
    encode_labels,
)
from sklearn_audio.metrics._label_responses import scores_per_label
from sklearn_audio.metrics._open_set_labels import open_set_accuracy, open_set_f1
from sklearn_audio.metrics._open_set_ranking import (
    aupr_in,
    aupr_out,
    equal_error_rate,
    fpr_at_tpr,
    open_set_auroc,
)
from sklearn_audio.metrics._oscr import ccr_at_fpr, oscr_score
from sklearn_audio.metrics._partial_auc import partial_auc
from sklearn_audio.metrics._partial_labels import (
    masked_auprc_score,
    masked_average_precision_score,
    two_sided_f1_score,
)
from sklearn_audio.metrics._responses import (
    Responses,
    known_classes,
    knows_classes,
    nested_estimators,
    scores_per_class,
    seen_classes,
)
from sklearn_audio.metrics._zero_shot import (
    harmonic_mean_accuracy,
    mean_class_accuracy,
    top_k_accuracy,
    zero_shot_accuracy,
)


def get_scorer(scoring: Any) -> Callable[[Any, Any, Any], float]:
    """Return a scorer by its name.

    Parameters
    ----------
    scoring : str, callable or None
        One of :func:`get_scorer_names`, or anything that
        :func:`sklearn.metrics.get_scorer` takes.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y_true)``; higher is better. It can be pickled
        and given to the ``scoring`` of GridSearchCV, cross_validate and their kin,
        alone or in a dict.

    Raises
    ------
    ValueError
        If neither sklearn_audio nor scikit-learn has a scorer of that name.

    See Also
    --------
    get_scorer_names : The names.

    Notes
    -----
    ``scoring="open_set_auroc"`` as a plain string cannot work: scikit-learn looks
    strings up in a private registry, which is not patched here.

    The scorers ask the fitted estimator for

    - the known labels: ``classes_``;
    - familiarity: ``score_samples``, else the largest ``predict_proba`` of each clip,
      else its largest ``decision_function`` (of two classes, the absolute value);
    - closed-set predictions: the class of the largest ``predict_proba``, else of the
      largest ``decision_function``, else ``predict``;
    - the outlier label: ``outlier_label_``, also inside pipelines and searches, else -1
      for numeric classes and ``"unknown"`` for text.

    A test fold without unknown (or without known) clips gives nan and a warning, as in
    :func:`sklearn.metrics.roc_auc_score`.

    ``partial_auc`` and ``dcase_partial_auc`` (10 % of false alarms) take classifiers,
    whose unknown clips are then the anomalies, and also estimators that know no
    classes, such as outlier detectors. Their ``y_true`` is that of
    :func:`partial_auc`, 1 for normal and -1 for anomalous clips, and familiarity is
    their ``score_samples``, else their ``decision_function``.

    Of zero-shot classifiers, ``classes_`` are the candidates, trained on or not.
    ``zero_shot_accuracy`` looks at the scores of those that occur in the test fold, and
    ``top_3_accuracy`` and ``top_5_accuracy`` at those of all, the
    ``decision_function`` or else ``predict_proba``. ``mean_class_accuracy`` is the mean
    accuracy of the classes in the test fold, as in
    :func:`sklearn.metrics.balanced_accuracy_score`, but without its warning of
    predicted classes that do not occur there. ``harmonic_mean_accuracy`` asks for
    ``seen_classes_``, also inside pipelines and searches.

    The scorers of several labels a clip take a 2-D ``y_true`` of 0 and 1, with -1 or
    NaN for missing entries, which do not count. ``masked_average_precision`` and
    ``masked_auprc``, and with ``_micro`` at the end their micro averages, look at
    ``predict_proba``, else ``decision_function``: an array with a column for each
    label, or one array for each label, as of
    :class:`sklearn.multioutput.MultiOutputClassifier`, whose column of class 1 is
    taken. ``two_sided_f1`` looks at ``predict``. Labels of which a test fold knows no
    positive or no negative are left out with a warning. A search needs a splitter that
    bears missing entries, such as
    :class:`~sklearn_audio.model_selection.MultilabelStratifiedKFold`: with ``cv=5``
    scikit-learn looks at a classifier's ``y`` and refuses NaN.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_audio.metrics import get_scorer
    >>> from sklearn_audio.model_selection import OpenSetSplit
    >>> X, y = load_iris(return_X_y=True)
    >>> cv = OpenSetSplit(3, unknown_classes=[0], random_state=0)
    >>> scores = cross_val_score(GaussianNB(), X, y, cv=cv, scoring=get_scorer("oscr"))
    >>> scores.shape
    (3,)
    """
    if isinstance(scoring, str) and scoring in _SCORERS:
        return _SCORERS[scoring]
    if isinstance(scoring, str) and scoring not in sklearn_get_scorer_names():
        raise ValueError(_explain_unknown_name(scoring))
    return sklearn_get_scorer(scoring)


def get_scorer_names(
    task: Literal["open_set", "zero_shot", "partial_labels"] | None = None,
) -> list[str]:
    """Return the names of this package's scorers.

    scikit-learn's own names, which :func:`get_scorer` takes as well, are not among
    them.

    Parameters
    ----------
    task : {"open_set", "zero_shot", "partial_labels"} or None, default=None
        Return the names of scorers of that task only, all of which can be computed on
        one such task. None returns those of all.

    Returns
    -------
    names : list of str
        In alphabetical order. Those that begin with ``neg_`` are negated errors, so
        that higher is better for every scorer.

    Raises
    ------
    ValueError
        If there is no such task.

    See Also
    --------
    get_scorer : The scorer of a name.

    Examples
    --------
    >>> from sklearn_audio.metrics import get_scorer, get_scorer_names
    >>> get_scorer_names("open_set")[:3]
    ['aupr_in', 'aupr_out', 'ccr_at_fpr_10']
    >>> get_scorer_names("zero_shot")[:2]
    ['harmonic_mean_accuracy', 'mean_class_accuracy']
    >>> get_scorer_names("partial_labels")[-1]
    'two_sided_f1'
    >>> scoring = {name: get_scorer(name) for name in get_scorer_names("open_set")}
    """
    if task not in (None, *_SCORERS_OF_TASKS):
        raise ValueError(
            f"task={task!r} is not offered: give one of {list(_SCORERS_OF_TASKS)}, or "
            "None for all."
        )
    return sorted(_SCORERS if task is None else _SCORERS_OF_TASKS[task])


@dataclass(frozen=True, repr=False)
class _Scorer(ABC):
    """A metric and its sign; a subclass knows what the metric is to be given."""

    name: str
    metric: Callable[..., Any]
    sign: int = 1

    def __call__(self, estimator: Any, X: Any, y_true: Any) -> float:
        return self.sign * self._measure(estimator, X, y_true)

    def __repr__(self) -> str:
        return f"get_scorer({self.name!r})"

    def _accept_sample_weight(self) -> bool:
        # Searches ask this of every scorer once sample weights reach their fit.
        return False

    @abstractmethod
    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float: ...


class _FamiliarityScorer(_Scorer):
    """Scores a metric of ``(y_known, y_score)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        known = check_known_labels(known_classes(estimator))
        codes = encode_labels(check_labels(y_true, "y_true"), known, "y_true")
        is_known = codes < len(known)
        return self.metric(is_known, Responses(estimator, X).familiarity())


class _AnomalyScorer(_FamiliarityScorer):
    """Scores a metric of ``(y_normal, y_score)``, of detectors too."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        if knows_classes(estimator):
            return super()._measure(estimator, X, y_true)
        return self.metric(y_true, Responses(estimator, X).familiarity())


class _ClosedSetScorer(_Scorer):
    """Scores a metric of ``(y_true, closed-set y_pred, y_score, known_labels)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        responses = Responses(estimator, X)
        return self.metric(
            y_true,
            responses.closed_set_predictions(),
            responses.familiarity(),
            known_labels=known_classes(estimator),
        )


class _AnswerScorer(_Scorer):
    """Scores a metric of ``(y_true, y_pred, known_labels, outlier_label)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        return self.metric(
            y_true,
            estimator.predict(X),
            known_labels=known_classes(estimator),
            outlier_label=_outlier_label(estimator),
        )


class _CandidateScorer(_Scorer):
    """Scores a metric of ``(y_true, scores of all candidates, labels)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        # Probabilities of candidates far behind the best one are all 0.
        methods = ["decision_function", "predict_proba"]
        scores = scores_per_class(estimator, X, methods)  # (n_clips, n_candidates)
        return self.metric(y_true, scores, labels=known_classes(estimator))


class _NameScorer(_Scorer):
    """Scores a metric of ``(y_true, y_pred)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        return self.metric(y_true, estimator.predict(X))


class _LabelScorer(_Scorer):
    """Scores a metric of ``(y_true, scores of all labels)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        return self.metric(y_true, scores_per_label(estimator, X))


class _SeenUnseenScorer(_Scorer):
    """Scores a metric of ``(y_true, y_pred, seen_classes)``."""

    def _measure(self, estimator: Any, X: Any, y_true: Any) -> float:
        seen = seen_classes(estimator)
        if seen is None:
            raise ValueError(
                f"{self.name} needs a zero-shot classifier, whose seen_classes_ were "
                f"trained on, but {type(estimator).__name__} has no seen_classes_."
            )
        return self.metric(y_true, estimator.predict(X), seen_classes=seen)


def _by_name(*scorers: _Scorer) -> dict[str, _Scorer]:
    return {scorer.name: scorer for scorer in scorers}


_SCORERS_OF_TASKS: dict[str, dict[str, _Scorer]] = {
    "open_set": _by_name(
        _FamiliarityScorer("open_set_auroc", open_set_auroc),
        _FamiliarityScorer("aupr_in", aupr_in),
        _FamiliarityScorer("aupr_out", aupr_out),
        _FamiliarityScorer("neg_equal_error_rate", equal_error_rate, sign=-1),
        _FamiliarityScorer("neg_fpr_at_95_tpr", partial(fpr_at_tpr, tpr=0.95), sign=-1),
        _AnomalyScorer("partial_auc", partial_auc),
        _AnomalyScorer("dcase_partial_auc", partial(partial_auc, form="dcase")),
        _ClosedSetScorer("oscr", oscr_score),
        _ClosedSetScorer("ccr_at_fpr_10", partial(ccr_at_fpr, fpr=0.1)),
        _AnswerScorer("open_set_accuracy", open_set_accuracy),
        _AnswerScorer("open_set_f1_macro", partial(open_set_f1, average="macro")),
    ),
    "zero_shot": _by_name(
        _CandidateScorer("zero_shot_accuracy", zero_shot_accuracy),
        _CandidateScorer("top_3_accuracy", partial(top_k_accuracy, k=3)),
        _CandidateScorer("top_5_accuracy", partial(top_k_accuracy, k=5)),
        _NameScorer("mean_class_accuracy", mean_class_accuracy),
        _SeenUnseenScorer("harmonic_mean_accuracy", harmonic_mean_accuracy),
    ),
    "partial_labels": _by_name(
        _LabelScorer("masked_average_precision", masked_average_precision_score),
        _LabelScorer(
            "masked_average_precision_micro",
            partial(masked_average_precision_score, average="micro"),
        ),
        _LabelScorer("masked_auprc", masked_auprc_score),
        _LabelScorer(
            "masked_auprc_micro", partial(masked_auprc_score, average="micro")
        ),
        _NameScorer("two_sided_f1", two_sided_f1_score),
    ),
}
_SCORERS = {
    name: scorer
    for scorers in _SCORERS_OF_TASKS.values()
    for name, scorer in scorers.items()
}


def _outlier_label(estimator: Any) -> Any:
    """Return the label of rejected clips, asking through pipelines and searches."""
    for inner in nested_estimators(estimator):
        if hasattr(inner, "outlier_label_"):
            return inner.outlier_label_
    return resolve_outlier_label("auto", np.asarray(known_classes(estimator)))


def _explain_unknown_name(name: str) -> str:
    names = [*get_scorer_names(), *sklearn_get_scorer_names()]
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"{name!r} is no scorer.{hint} This package's scorers: "
        f"{', '.join(get_scorer_names())}; scikit-learn's own names work, too."
    )
