"""An outlier label for any classifier."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import Bunch, Tags, _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_method_params,
    check_is_fitted,
    column_or_1d,
)

from sklearn_audio.base import (
    VersionedEstimator,
    label_outliers,
    rejection_threshold,
    resolve_outlier_label,
)

Familiarity = Callable[[Any, Any], NDArray]


def max_proba(estimator: Any, X: Any) -> NDArray:
    r"""Return the largest class probability, :math:`\max_k p_k(x)`."""
    return _outputs(estimator, X, "predict_proba", "max_proba").max(axis=1)


def max_decision(estimator: Any, X: Any) -> NDArray:
    r"""Return the largest decision value, :math:`\max_k f_k(x)`."""
    return _decisions(estimator, X, "max_decision").max(axis=1)


def energy(estimator: Any, X: Any) -> NDArray:
    r"""Return the negative free energy, :math:`\log \sum_k \exp f_k(x)`."""
    return logsumexp(_decisions(estimator, X, "energy"), axis=1)


FAMILIARITIES: dict[str, Familiarity] = {
    "max_proba": max_proba,
    "max_decision": max_decision,
    "energy": energy,
}


def _outputs(estimator: Any, X: Any, method: str, name: str) -> NDArray:
    if not hasattr(estimator, method):
        raise AttributeError(
            f"familiarity={name!r} needs {method}, which {type(estimator).__name__} "
            f"does not have. Choose another of {sorted(FAMILIARITIES)}, or give a "
            "callable."
        )
    return np.asarray(getattr(estimator, method)(X), dtype=np.float64)


def _decisions(estimator: Any, X: Any, name: str) -> NDArray:
    decisions = _outputs(estimator, X, "decision_function", name)
    if decisions.ndim == 1:  # two classes: the difference of their logits
        decisions = np.column_stack([-decisions / 2, decisions / 2])
    return decisions


def _has(method: str) -> Callable[[Any], bool]:
    def check(self: RejectingClassifier) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class RejectingClassifier(MetaEstimatorMixin, ClassifierMixin, VersionedEstimator):
    """x."""

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "familiarity": [StrOptions(set(FAMILIARITIES)), callable],
        "outlier_label": "no_validation",
        "rejection_rate": [Interval(Real, 0, 1, closed="left"), None],
        "cv": ["cv_object"],
        "n_jobs": [int, None],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        familiarity: str | Familiarity = "max_proba",
        outlier_label: Any = "auto",
        rejection_rate: float | None = 0.05,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.familiarity = familiarity
        self.outlier_label = outlier_label
        self.rejection_rate = rejection_rate
        self.cv = cv
        self.n_jobs = n_jobs

    # Nested validation is left on: the wrapped classifier is the user's own.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Fit the classifier, and find the familiarity below which to reject.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            Whatever the wrapped classifier takes, one entry a clip; lists of paths too.
        y : array-like of shape (n_clips,)
            Known classes only.
        **params : dict
            ``groups`` goes to the splitter, anything else to the classifier's ``fit``.
            With metadata routing enabled, whatever either of them requests.

        Returns
        -------
        self : object
            The fitted meta-estimator.

        Raises
        ------
        ValueError
            If ``outlier_label`` is one of the classes, or if a class has too few clips
            for an out-of-fold calibration.
        AttributeError
            If the classifier lacks the method that ``familiarity`` reads.
        """
        X, y = indexable(X, y)
        y = self._validate_labels(y)
        routed = self._route(params)
        self.outlier_label_ = resolve_outlier_label(self.outlier_label, np.unique(y))
        self.estimator_ = clone(self.estimator).fit(X, y, **routed.estimator.fit)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        self.offset_ = self._find_offset(X, y, routed)
        return self

    def predict(self, X: Any) -> NDArray:
        """Return the classes of the clips, or the outlier label.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,)
            ``outlier_label_`` where :meth:`score_samples` is below ``offset_``.
        """
        check_is_fitted(self)
        labels = np.asarray(self.estimator_.predict(X))
        if self.outlier_label_ is None or self.offset_ == -np.inf:
            return labels
        return label_outliers(
            labels, self.score_samples(X) < self.offset_, self.outlier_label_
        )

    def score_samples(self, X: Any) -> NDArray:
        """Return how familiar the clips are.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips,), dtype float64
            Higher = more familiar.
        """
        check_is_fitted(self)
        return self._familiarity(self.estimator_, X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray:
        """Return the wrapped classifier's probabilities of the known classes.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_classes)
            In the order of ``classes_``; nothing is rejected here.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray:
        """Return the wrapped classifier's decision values.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips.

        Returns
        -------
        decisions : ndarray of shape (n_clips, n_classes) or (n_clips,)
            Higher = more familiar; nothing is rejected here.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what the classifier and the splitter ask for.

        Returns
        -------
        routing : MetadataRouter
            The routing of ``fit``.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        to_split = MethodMapping().add(caller="fit", callee="split")
        return (
            MetadataRouter(owner=self)
            .add(estimator=self.estimator, method_mapping=to_fit)
            .add(splitter=check_cv(self.cv), method_mapping=to_split)
        )

    def _find_offset(self, X: Any, y: NDArray, routed: Bunch) -> float:
        if self.outlier_label_ is None or self.rejection_rate is None:
            return -np.inf
        scores = self._familiarity(self.estimator_, X)
        if isinstance(self.estimator, FrozenEstimator):  # it never saw these clips
            return float(np.quantile(scores, self.rejection_rate))
        out_of_fold = self._out_of_fold_scores(X, y, routed)
        return rejection_threshold(out_of_fold, scores, self.rejection_rate)

    def _out_of_fold_scores(self, X: Any, y: NDArray, routed: Bunch) -> NDArray:
        splits = self._make_splitter(y).split(X, y, **routed.splitter.split)
        folds = Parallel(n_jobs=self.n_jobs)(
            delayed(self._score_fold)(X, y, train, test, routed.estimator.fit)
            for train, test in splits
        )
        return np.concatenate(folds)

    def _score_fold(
        self, X: Any, y: NDArray, train: NDArray, test: NDArray, params: dict[str, Any]
    ) -> NDArray:
        estimator = clone(self.estimator).fit(
            _safe_indexing(X, train),
            y[train],
            **_check_method_params(X, params=params, indices=train),
        )
        return self._familiarity(estimator, _safe_indexing(X, test))

    def _familiarity(self, estimator: Any, X: Any) -> NDArray:
        score = (
            FAMILIARITIES[self.familiarity]
            if isinstance(self.familiarity, str)
            else self.familiarity
        )
        scores = np.asarray(score(estimator, X), dtype=np.float64)
        if scores.ndim != 1:
            raise ValueError(
                f"familiarity={self.familiarity!r} must return one number a clip, but "
                f"returned an array of shape {scores.shape}."
            )
        return scores

    def _make_splitter(self, y: NDArray) -> BaseCrossValidator:
        n_splits = 5 if self.cv is None else self.cv
        if isinstance(n_splits, int):
            smallest = np.unique(y, return_counts=True)[1].min()
            n_splits = min(n_splits, int(smallest))
            if n_splits < 2:
                raise ValueError(
                    "A class has one sample alone, so that no threshold can be "
                    "calibrated out of fold. Give every class at least 2 clips, or set "
                    "rejection_rate=None to reject nothing."
                )
        return check_cv(n_splits, y, classifier=True)

    def _validate_labels(self, y: Any) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        check_classification_targets(y)
        return column_or_1d(y, warn=True)

    def _route(self, params: dict[str, Any]) -> Bunch:
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **params)
        groups = params.pop("groups", None)
        return Bunch(
            estimator=Bunch(fit=params), splitter=Bunch(split={"groups": groups})
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags
