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
from sklearn.model_selection import BaseCrossValidator
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, check_is_fitted

from sklearn_audio.base import (
    VersionedEstimator,
    calibration_splits,
    conformal_threshold,
    label_outliers,
    resolve_outlier_label,
    validate_labels,
)

_N_FOLDS = 10

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
    r"""Give any classifier an outlier label, by a threshold on its own outputs.

    The posterior thresholding that open-set methods are compared with [1]_. A clip
    whose score is below ``offset_`` is called unknown. The threshold is found on the
    training clips alone, each of which is scored by a classifier that was not trained
    on it. It is the ``rejection_rate`` quantile of these scores, with the correction of
    conformal prediction for a finite number of clips [4]_, so that the same fraction of
    fresh known clips is rejected. The quantile of the training scores themselves would
    reject far more.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier or pipeline. One wrapped into
        :class:`sklearn.frozen.FrozenEstimator` is not fitted again: the clips given to
        ``fit`` then only calibrate it, as a development set. So is a pipeline whose
        steps are all frozen, or have nothing to fit.
    familiarity : str or callable, default="max_proba"
        What :meth:`score_samples` returns:

        - "max_proba": the largest class probability;
        - "max_decision": the largest decision value (the maximum logit [2]_);
        - "energy": :math:`\log \sum_k \exp f_k(x)` of the decision values [3]_;
        - a callable: called as ``familiarity(fitted_estimator, X)``, it returns one
          number a clip, higher = more familiar.

        It is not named ``score``, which is a method of every classifier.
    outlier_label : "auto", None or a label, default="auto"
        What ``predict`` returns for unknown clips. "auto" is -1 beside numeric classes
        and "unknown" beside text. None rejects nothing.
    rejection_rate : float in [0, 1) or None, default=0.05
        Fraction of fresh clips of the known classes that may be rejected; training
        clips of the known classes may be rejected, too. None or 0 rejects nothing.
    cv : int, splitter or None, default=None
        How the clips are scored out of fold; None is 10. With fewer folds ``fit`` takes
        less time, and fewer clips are rejected than was asked for: the models of the
        folds are trained on fewer clips than the final one, and are less certain. An
        integer is lowered to the number of clips of the smallest class, or of its
        groups. Give ``groups`` to ``fit`` where several clips have one speaker or
        source recording: no group is then on both sides of a fold.
    n_jobs : int or None, default=None
        Folds that are fitted at once.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_clips,)
        Scores of the training clips out of fold, in ascending order, from which
        ``offset_`` is found. Empty where nothing is rejected.
    classes_ : ndarray of shape (n_classes,)
        The known classes; the outlier label is not among them.
    estimator_ : classifier
        The classifier, fitted on all clips.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the classifier knows them.
    n_features_in_ : int
        Number of features, where the classifier knows it.
    offset_ : float
        Clips of lower familiarity are rejected; minus infinity where none is.
    outlier_label_ : object
        The label of rejected clips, or None.

    See Also
    --------
    sklearn_audio.metrics.get_scorer : Scorers for open-set searches.
    sklearn_audio.model_selection.OpenSetSplit : Splits with unknown test classes.

    Notes
    -----
    ``predict_proba`` and ``decision_function`` are those of the wrapped classifier, on
    the known classes; ``predict`` alone rejects. Stand it at the end of a pipeline
    rather than around one: the front end then runs once a clip and not once for the
    label and once for the familiarity.

    ``fit(X, y, groups=...)`` hands the groups to the splitter and everything else to
    the classifier. With metadata routing enabled, groups are requested by default, and
    the classifier is given what it requests.

    References
    ----------
    .. [1] Hendrycks, D. and Gimpel, K. (2017). "A baseline for detecting misclassified
       and out-of-distribution examples in neural networks." ICLR.
       https://doi.org/10.48550/arXiv.1610.02136
    .. [2] Vaze, S., Han, K., Vedaldi, A. and Zisserman, A. (2022). "Open-set
       recognition: a good closed-set classifier is all you need?" ICLR.
       https://doi.org/10.48550/arXiv.2110.06207
    .. [3] Liu, W., Wang, X., Owens, J. D. and Li, Y. (2020). "Energy-based
       out-of-distribution detection." NeurIPS.
       https://doi.org/10.48550/arXiv.2010.03759
    .. [4] Vovk, V. (2015). "Cross-conformal predictors." Annals of Mathematics and
       Artificial Intelligence 74. https://doi.org/10.1007/s10472-013-9368-4

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import (
    ...     LogMelSpectrogram,
    ...     SpectrogramStatistics,
    ... )
    >>> from sklearn_audio.open_set import RejectingClassifier
    >>> X, y = make_sound_events(200, random_state=0)
    >>> classifier = make_pipeline(
    ...     LogMelSpectrogram(),
    ...     SpectrogramStatistics(),
    ...     StandardScaler(),
    ...     RejectingClassifier(LogisticRegression()),
    ... )
    >>> classifier = classifier.fit(X, y)
    >>> X_new, y_new = make_sound_events(60, n_outliers=60, random_state=1)
    >>> answers, is_known = classifier.predict(X_new), y_new != "unknown"
    >>> bool((answers == y_new)[is_known].mean() > 0.8)
    True
    >>> bool((answers == "unknown")[~is_known].mean() > 0.3)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "familiarity": [StrOptions(set(FAMILIARITIES)), callable],
        "outlier_label": "no_validation",
        "rejection_rate": [Interval(Real, 0, 1, closed="left"), None],
        "cv": ["cv_object"],
        "n_jobs": [int, None],
    }

    __metadata_request__fit = {"groups": True}

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
            If ``outlier_label`` is one of the classes, if a class has too few clips
            or groups for an out-of-fold calibration, or if ``cv`` parts a group.
        AttributeError
            If the classifier lacks the method that ``familiarity`` reads.
        """
        X, y = indexable(X, y)
        y = validate_labels(self, y)
        groups, fit_params = self._route(params)
        self.outlier_label_ = resolve_outlier_label(
            self.outlier_label, self._known_classes(y)
        )
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        self._calibrate(X, y, groups, fit_params)
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

        Raises
        ------
        ValueError
            If ``familiarity`` was changed after ``fit``, to which ``offset_`` belongs.
        """
        check_is_fitted(self)
        labels = np.asarray(self.estimator_.predict(X))
        if self.outlier_label_ is None or self.offset_ == -np.inf:
            return labels
        if self.familiarity != self._calibrated_familiarity:
            raise ValueError(
                f"familiarity={self.familiarity!r} was set after fit, which found a "
                f"threshold for {self._calibrated_familiarity!r}. Fit again."
            )
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
        """Return what the classifier asks for, and the groups for the splitter.

        Returns
        -------
        routing : MetadataRouter
            The routing of ``fit``.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=to_fit)

    def _known_classes(self, y: NDArray) -> NDArray:
        """Return every class that ``predict`` may return, besides the outlier label."""
        if not _is_frozen(self.estimator):
            return np.unique(y)
        # The clips that calibrate a frozen classifier may lack some of its classes.
        return np.union1d(y, getattr(self.estimator, "classes_", y))

    def _calibrate(
        self, X: Any, y: NDArray, groups: Any, fit_params: dict[str, Any]
    ) -> None:
        self._calibrated_familiarity = self.familiarity
        self.calibration_scores_ = np.empty(0)
        self.offset_ = -np.inf
        if self.outlier_label_ is None or not self.rejection_rate:
            return
        if _is_frozen(self.estimator):  # it never saw these clips
            scores = self._familiarity(self.estimator_, X)
        else:
            scores = self._out_of_fold_scores(X, y, groups, fit_params)
        self.calibration_scores_ = np.sort(scores)
        self.offset_ = conformal_threshold(scores, self.rejection_rate)

    def _out_of_fold_scores(
        self, X: Any, y: NDArray, groups: Any, fit_params: dict[str, Any]
    ) -> NDArray:
        splits = calibration_splits(
            self.cv, len(y), y=y, groups=groups, default=_N_FOLDS
        )
        folds = Parallel(n_jobs=self.n_jobs)(
            delayed(self._score_fold)(X, y, train, test, fit_params)
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

    def _route(self, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the groups, and what the classifier's ``fit`` is given."""
        groups = params.get("groups")
        if sklearn.get_config()["enable_metadata_routing"]:
            return groups, process_routing(self, "fit", **params).estimator.fit
        return groups, {k: v for k, v in params.items() if k != "groups"}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def _is_frozen(estimator: Any) -> bool:
    """Return whether ``fit`` leaves a classifier as it is."""
    if not isinstance(estimator, Pipeline):
        return isinstance(estimator, FrozenEstimator)
    *transformers, classifier = (step for _, step in estimator.steps)
    return _is_frozen(classifier) and all(map(_learns_nothing, transformers))


def _learns_nothing(transformer: Any) -> bool:
    if transformer is None or transformer == "passthrough":
        return True
    if isinstance(transformer, Pipeline):
        return all(_learns_nothing(step) for _, step in transformer.steps)
    is_frozen = isinstance(transformer, FrozenEstimator)
    return is_frozen or not get_tags(transformer).requires_fit
