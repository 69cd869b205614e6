"""Training on changed copies of the clips, for any classifier."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import sklearn
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import Tags, check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_method_params, check_is_fitted

from sklearn_audio.base import VersionedEstimator, validate_labels


def _has(method: str) -> Callable[[Any], bool]:
    def check(self: AugmentingClassifier) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class AugmentingClassifier(MetaEstimatorMixin, ClassifierMixin, VersionedEstimator):
    """Train any classifier on its clips and on changed copies of them.

    The cheapest way to more training clips: `n_copies` of each, changed at random by an
    augmenter, stand beside the clips in ``fit``. Whatever is predicted is predicted
    from the clips as they are.

    The augmenter decides where this stands. Around a whole pipeline, a
    :class:`WaveformAugmenter` changes waveforms before the front end; at the end of a
    pipeline, a :class:`SpectrogramAugmenter` changes spectrograms behind it.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier or pipeline.
    augmenter : object with a method ``augment(X, random_state)``
        Returns a changed copy of each clip of `X`, in their order, in a container like
        `X`: an array, or a list for ragged clips.
    n_copies : int, default=4
        Changed copies of each clip. ``fit`` takes about ``n_copies + 1`` times as long
        and as much memory. 0 is the plain classifier.
    random_state : int, RandomState instance or None, default=None
        Seeds the changes; that of the classifier is its own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    estimator_ : classifier
        The classifier, fitted on clips and copies.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the classifier knows them.
    n_features_in_ : int
        Number of features, where the classifier knows it.

    See Also
    --------
    SpectrogramAugmenter : Changes spectrograms.
    WaveformAugmenter : Changes waveforms.

    Notes
    -----
    Labels, and whatever ``fit`` is given with one entry a clip, such as sample weights
    or groups, are repeated for the copies.

    A classifier that holds out a part of its training clips, for a threshold, a
    calibration or early stopping, must not meet copies of a clip on both sides. Put
    what splits outside: ``RejectingClassifier(AugmentingClassifier(...))`` and
    ``GridSearchCV(AugmentingClassifier(...))``, not the other way round.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_audio.augmentation import AugmentingClassifier, WaveformAugmenter
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import (
    ...     LogMelSpectrogram,
    ...     SpectrogramStatistics,
    ... )
    >>> plain = make_pipeline(
    ...     LogMelSpectrogram(),
    ...     SpectrogramStatistics(),
    ...     StandardScaler(),
    ...     LogisticRegression(max_iter=1000),
    ... )
    >>> augmenting = AugmentingClassifier(
    ...     plain, WaveformAugmenter(), n_copies=2, random_state=0
    ... )
    >>> X, y = make_sound_events(40, random_state=0)
    >>> X_test, y_test = make_sound_events(200, random_state=100)
    >>> accuracy = plain.fit(X, y).score(X_test, y_test)
    >>> bool(augmenting.fit(X, y).score(X_test, y_test) > accuracy + 0.02)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "augmenter": [HasMethods(["augment"])],
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        augmenter: Any,
        *,
        n_copies: int = 4,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.random_state = random_state

    # Validating the classifier is its own matter.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Fit the classifier on the clips and on changed copies of them.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            Whatever both the augmenter and the classifier take.
        y : array-like of shape (n_clips,)
            Classes.
        **params : dict
            Goes to the classifier's ``fit``; with metadata routing enabled, what it
            requests. Entries with one value a clip are repeated for the copies.

        Returns
        -------
        self : AugmentingClassifier
            The fitted meta-estimator.

        Raises
        ------
        TypeError, ValueError
            If the augmenter or the classifier refuses the clips or the labels.
        """
        X, y = indexable(X, y)
        y = validate_labels(self, y)
        rng = check_random_state(self.random_state)
        copies = [self.augmenter.augment(X, rng) for _ in range(self.n_copies)]
        rows = np.tile(np.arange(len(y)), 1 + self.n_copies)
        params = _check_method_params(X, self._route(params), indices=rows)
        self.estimator_ = clone(self.estimator)
        self.estimator_.fit(_stack(X, copies), y[rows], **params)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict(self, X: Any) -> NDArray:
        """Return the classes of the clips, as they are.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,)
            What the wrapped classifier predicts.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the score of the wrapped classifier.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            The clips.
        y : array-like of shape (n_clips,)
            Their classes.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            Weight of each clip.

        Returns
        -------
        score : float
            Accuracy for most classifiers; those that learn from clips without a label
            leave these out.
        """
        check_is_fitted(self)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.estimator_.score(X, y, **weights)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray:
        """Return the wrapped classifier's probabilities.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_classes)
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray:
        """Return the wrapped classifier's decision values.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            The clips.

        Returns
        -------
        decisions : ndarray of shape (n_clips, n_classes) or (n_clips,)
            Higher = more familiar.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(_has("score_samples"))
    def score_samples(self, X: Any) -> NDArray:
        """Return how familiar the clips are to the wrapped classifier.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...), or list of clips
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips,)
            Higher = more familiar.
        """
        check_is_fitted(self)
        return self.estimator_.score_samples(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what the classifier asks for.

        Returns
        -------
        routing : MetadataRouter
            The routing of ``fit``.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(
            estimator=self.estimator, method_mapping=to_fit
        )

    def _route(self, params: dict[str, Any]) -> dict[str, Any]:
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **params).estimator.fit
        return params

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        # Augmenters take dense clips of finite numbers.
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = False
        return tags


def _stack(X: Any, copies: list[Any]) -> Any:
    """Return the clips with the copies below, in the container they came in."""
    if not copies:
        return X
    if isinstance(copies[0], list):
        return [*X, *chain.from_iterable(copies)]
    stacked = np.concatenate([X, *copies])
    return type(X)(stacked, columns=X.columns) if hasattr(X, "iloc") else stacked
