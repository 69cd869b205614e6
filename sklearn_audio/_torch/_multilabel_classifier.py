"""Torch classifiers of one class per clip, or of several labels per clip."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import _fit_context
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._masked_losses import masked_binary_cross_entropy
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._partial_labels import (
    balanced_label_weights,
    is_label_table,
    label_strata,
    label_table_accuracy,
    validate_label_table,
    warn_of_unknown_labels,
)
from sklearn_audio._torch._sample_weights import (
    SampleWeights,
    check_weights,
    row_order,
)
from sklearn_audio.base import (
    UNLABELED,
    SemiSupervisedClassifierMixin,
    is_unlabeled,
    refuse_huge_values,
    validate_clips,
)


class MultilabelClassifier(TorchClassifier):
    r"""A torch classifier that takes classes, or a table of labels.

    The network maps clips to one logit per class or label. Classes are learned by
    cross-entropy; labels, each of which applies or not, by binary cross-entropy over
    the entries of the table that are known. A loss of a subclass calls ``_label_loss``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; the numbers of the columns where ``y`` is a table.
    multilabel_ : bool
        Whether ``y`` is a table.
    """

    multilabel_: bool

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Their classes: numbers or text. Or one column per label: 1 where it applies,
            0 where it does not, -1 or NaN where that is not known.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            What each clip counts: 2 is the same as having it twice, 0 as not having it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if ``y`` holds one class
            alone, no known label or anything else, if weights are negative, not finite
            or all 0, or if the training diverges.

        Warns
        -----
        UserWarning
            If nothing is known of a label.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        refuse_huge_values(self, X)
        y = self._validate_labels(X, y)
        weights = check_weights(sample_weight, len(X))
        if weights is None:
            weights = np.ones(len(X))
        kept = self._has_label(y) & (weights > 0)
        self._set_classes(y[kept], resume=resume)
        self._train_on_labels(
            X[kept], y[kept], weights=weights[kept], by_content=True, resume=resume
        )
        return self

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the logits of the classes or labels.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        logits : ndarray of shape (n_clips, n_classes) or (n_clips,), dtype float64
            Higher = more likely. With two classes, the second one's logit minus the
            first one's; with a table of labels, one column per label.
        """
        check_is_fitted(self)
        return self._logits(X) if self.multilabel_ else super().decision_function(X)

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the probabilities of the classes or labels.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_classes), dtype float64
            In the order of ``classes_``. Each row sums to 1, unless ``y`` was a table:
            then each label has a probability of its own.
        """
        check_is_fitted(self)
        return expit(self._logits(X)) if self.multilabel_ else super().predict_proba(X)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class of each clip, or its labels.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,), or (n_clips, n_labels) of dtype int
            Classes as they were given to ``fit``. Where that was a table, 1 for every
            label with a probability of at least one half, and 0 for all others.
        """
        check_is_fitted(self)
        if self.multilabel_:
            return (self._logits(X) >= 0).astype(int)
        return super().predict(X)

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy.

        For a table of labels, that is the fraction of clips of which every known label
        is predicted, as for scikit-learn's classifiers. It is strict where there are
        many labels; the masked metrics of :mod:`sklearn_audio.metrics` tell more.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Their classes, or a table of their labels. Entries of the table that are -1
            or NaN do not count, and neither do clips of which nothing is known.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            Weight of each clip.

        Returns
        -------
        score : float
            Accuracy, in [0, 1].
        """
        if is_label_table(y):
            return label_table_accuracy(self, self.predict(X), y, sample_weight)
        return super().score(X, y, sample_weight)

    # Labels

    def _validate_labels(self, X: NDArray, y: Any) -> NDArray:
        if is_label_table(y):
            return validate_label_table(self, X, y)
        return super()._validate_labels(X, y)

    def _has_label(self, y: NDArray) -> NDArray[np.bool_]:
        """Return of which clips anything is known: (n_clips,)."""
        if y.ndim == 2:
            return ~np.isnan(y).all(axis=1)
        if isinstance(self, SemiSupervisedClassifierMixin):
            return ~is_unlabeled(y)
        return np.ones(len(y), dtype=bool)

    def _set_classes(self, y: NDArray, *, resume: bool) -> None:
        multilabel = y.ndim == 2
        if resume and multilabel != self.multilabel_:
            kinds = "a class for each clip", "a table of labels"
            raise ValueError(
                f"warm_start=True needs the labels of the first fit, which were given "
                f"as {kinds[self.multilabel_]}, but y is {kinds[multilabel]}."
            )
        if not multilabel:
            super()._set_classes(y, resume=resume)
        elif resume and y.shape[1] != len(self.classes_):
            raise ValueError(
                f"warm_start=True needs the {len(self.classes_)} labels of the first "
                f"fit, but y has {y.shape[1]} columns."
            )
        else:
            warn_of_unknown_labels(y)
            self.classes_ = np.arange(y.shape[1])
        self.multilabel_ = multilabel

    # Training

    def _train_on_labels(
        self,
        X: NDArray,
        y: NDArray,
        *others: NDArray,
        weights: SampleWeights | None = None,
        by_content: bool = False,
        **kwargs: Any,
    ) -> None:
        """Train on clips, labels, and ``others`` of which each clip has a row."""
        encode = self._encode_table if self.multilabel_ else self._encode
        targets, strata = encode(y, weights)
        order = row_order(X, targets, *others) if by_content else None
        self._train(
            X, targets, *others, labels=strata, order=order, weights=weights, **kwargs
        )

    def _encode(
        self, y: NDArray, weights: SampleWeights | None
    ) -> tuple[NDArray, NDArray]:
        """Return indices of classes, -1 for none, twice; learn the classes' weights."""
        has_label = self._has_label(y)
        indices = np.searchsorted(self.classes_, y)
        indices[~has_label] = UNLABELED
        own = None if weights is None else weights[has_label]
        self._set_class_weights(y[has_label], own)
        return indices, indices

    def _encode_table(
        self, y: NDArray, weights: SampleWeights | None
    ) -> tuple[NDArray, NDArray | None]:
        """Return the table and strata of its clips; learn the weights of labels."""
        self._class_weights = np.ones((2, y.shape[1]), dtype=np.float32)
        if self.class_weight == "balanced":
            self._class_weights = balanced_label_weights(y, weights)
        elif self.class_weight is not None:
            raise ValueError(
                f"class_weight={self.class_weight!r} gives weights to classes, but y "
                "has several labels per clip. Give class_weight='balanced' or None."
            )
        fraction = self.validation_fraction
        return y, None if fraction is None else label_strata(y, fraction)

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        X, targets = batch
        return {"loss": self._label_loss(net.modules["module"](X), targets)}

    def _label_loss(
        self, logits: torch.Tensor, targets: torch.Tensor, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """Return the mean loss of what is known; 0 where nothing is.

        Parameters
        ----------
        logits : Tensor of shape (n_clips, n_classes)
            Logits of the classes or labels.
        targets : Tensor of shape (n_clips,) or (n_clips, n_classes)
            Indices of classes, -1 for none, or their probabilities. Or probabilities of
            labels, NaN where nobody knows.
        label_smoothing : float, default=0.0
            How far targets are moved towards not telling one class from another.

        Returns
        -------
        loss : Tensor of shape ()
            Weighted by class.
        """
        weights = torch.as_tensor(self._class_weights, device=logits.device)
        if self.multilabel_:
            absent, present = weights  # (L,) each
            weights = torch.lerp(absent, present, targets.nan_to_num())  # (B, L)
            targets = (1 - label_smoothing) * targets + label_smoothing / 2
            return masked_binary_cross_entropy(logits, targets, weights)
        if (targets == UNLABELED).all():
            return 0 * logits.sum()
        return F.cross_entropy(
            logits,
            targets,
            weight=weights,
            ignore_index=UNLABELED,
            label_smoothing=label_smoothing,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
