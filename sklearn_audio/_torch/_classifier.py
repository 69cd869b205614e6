"""The base of every torch classifier."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from sklearn_audio._torch._estimator import Batch, TorchEstimator
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._sample_weights import (
    SampleWeights,
    check_weights,
    drop_weightless,
    row_order,
)
from sklearn_audio.base import refuse_huge_values, validate_clips, validate_labels


class TorchClassifier(ClassifierMixin, TorchEstimator):
    """What classifiers on torch share: labels, class weights, probabilities.

    The network ``module`` of a subclass maps clips to one logit a class, and is
    trained by cross-entropy unless ``_losses`` says otherwise.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Weights of the classes in the loss.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    classes_: NDArray

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms.
        y : array-like of shape (n_clips,)
            Their classes: numbers or text.
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
            alone, if weights are negative, not finite or all 0, or if the training
            diverges.
        """
        X, y, weights, resume = self._learn_classes(X, y, sample_weight)
        clips, labels, weights = drop_weightless(weights, X, y)
        self._train_on_labels(
            clips, labels, weights=weights, by_content=True, resume=resume
        )
        return self

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        logits : ndarray of shape (n_clips, n_classes) or (n_clips,), dtype float64
            Higher = more familiar. With two classes, the second one's logit minus the
            first one's.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_classes), dtype float64
            In the order of ``classes_``; each row sums to 1.
        """
        return softmax(self._logits(X), axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class of each clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,)
            Labels as they were given to ``fit``.
        """
        logits = self._logits(X)
        return self.classes_[logits.argmax(axis=1)]

    def _logits(self, X: ArrayLike) -> NDArray:
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return self._infer(X, self.modules_["module"]).astype(np.float64)

    def _learn_classes(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> tuple[NDArray, NDArray, SampleWeights | None, bool]:
        """Check the data of a fit; say whether it continues the last one.

        Clips that weigh nothing are left in, so that folds may be given by numbers.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        refuse_huge_values(self, X)
        y = self._validate_labels(X, y)
        weights = check_weights(sample_weight, len(X))
        self._set_classes(drop_weightless(weights, y)[0], resume=resume)
        return X, y, weights, resume

    def _set_classes(self, y: NDArray, *, resume: bool) -> None:
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds 1 class: "
                f"{classes.tolist()}."
            )
        if resume and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True needs the classes of the first fit, "
                f"{self.classes_.tolist()}, but y holds {classes.tolist()}."
            )
        self.classes_ = classes

    def _validate_labels(self, X: NDArray, y: Any) -> NDArray:
        y = validate_labels(self, y)
        if len(y) != len(X):
            raise ValueError(
                f"X holds {len(X)} clips, but y holds {len(y)} labels: one a clip."
            )
        return y

    def _train_on_labels(
        self,
        X: NDArray,
        y: NDArray,
        *,
        weights: SampleWeights | None = None,
        by_content: bool = False,
        **kwargs: Any,
    ) -> None:
        """Train on clips and labels; ``by_content`` whatever their order may be."""
        indices = np.searchsorted(self.classes_, y)
        order = row_order(X, indices) if by_content else None
        self._set_class_weights(y, weights)
        self._train(X, indices, labels=indices, order=order, weights=weights, **kwargs)

    def _set_class_weights(self, y: NDArray, weights: SampleWeights | None) -> None:
        self._class_weights = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=weights
        ).astype(np.float32)

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        logits = net.modules["module"](X)  # (B, K)
        weights = torch.as_tensor(self._class_weights, device=net.device)  # (K,)
        return {"loss": F.cross_entropy(logits, y, weight=weights)}
