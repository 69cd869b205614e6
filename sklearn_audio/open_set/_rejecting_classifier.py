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
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, check_is_fitted

from sklearn_audio.base import (
    VersionedEstimator,
    label_outliers,
    rejection_threshold,
    resolve_outlier_label,
    validate_labels,
)
from sklearn_audio.open_set._calibration import calibration_splitter

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

    The posterior thresholding that open-set methods are measured against [1]_. A clip
    whose familiarity is below ``offset_`` is called unknown. The threshold is found on
    the training clips alone: it is the ``rejection_rate`` quantile of the familiarity
    of clips that are scored out of fold, or the least familiarity of a training clip,
    whichever is lower. The quantile of the training scores themselves would reject far
    more fresh clips than was asked for.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier or pipeline. One wrapped into
        :class:`sklearn.frozen.FrozenEstimator` is not fitted again: the clips given to
        ``fit`` then only calibrate it, as a development set.
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
        Share of fresh clips of the known classes that may be rejected. None rejects
        nothing.
    cv : int, splitter or None, default=None
        How the clips are scored out of fold; None is 5. An integer is lowered to the
        number of clips of the smallest class. Give a group splitter, and ``groups`` to
        ``fit``, where several clips have one speaker or source recording.
    n_jobs : int or None, default=None
        Folds that are fitted at once.

    Attributes
    ----------
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

    With metadata routing disabled, ``fit(X, y, groups=...)`` hands the groups to the
    splitter and everything else to the classifier.

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
    >>> bool((answers == "unknown")[~is_known].mean() > 0.4)
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
        y = validate_labels(self, y)
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
        splits = calibration_splitter(self.cv, y).split(X, y, **routed.splitter.split)
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
