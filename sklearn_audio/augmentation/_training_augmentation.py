"""The augmentation of every batch, for classifiers that train networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio._torch._net import AudioNet
from sklearn_audio._torch._sample_weights import SampleWeights, repeated
from sklearn_audio.augmentation._decibel_unit import find_decibels_per_unit
from sklearn_audio.augmentation._spectrogram_augmenter import SpectrogramAugmenter

Augmenter = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class AugmentedTrainingClassifier(TorchClassifier):
    """A torch classifier whose clips are changed at random in every batch.

    Parameters
    ----------
    augmenter : "auto", callable or None
        "auto" is a :class:`SpectrogramAugmenter` for spectrograms, and nothing for rows
        of features.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchClassifier._parameter_constraints,
        "augmenter": [StrOptions({"auto"}), callable, None],
    }

    augmenter: str | Augmenter | None

    def _train(
        self,
        *arrays: Any,
        order: NDArray[np.intp] | None = None,
        weights: SampleWeights | None = None,
        resume: bool = False,
        **kwargs: Any,
    ) -> None:
        if not resume:
            clips: NDArray = arrays[0]
            rows = np.arange(len(clips)) if order is None else order
            rows = repeated(rows, None if weights is None else weights[rows])
            self._decibels_per_unit = find_decibels_per_unit(clips, rows)
        super()._train(*arrays, order=order, weights=weights, resume=resume, **kwargs)

    def _augmented(self, net: AudioNet, X: torch.Tensor) -> torch.Tensor:
        """Return changed clips, in the unit of the training clips: (B, ...)."""
        augment = self.augmenter
        if isinstance(augment, str):
            # Neighbouring features of a row need not be neighbours in time.
            augment = SpectrogramAugmenter() if X.ndim == 3 else None
        if isinstance(augment, SpectrogramAugmenter):
            augment = augment.in_unit(self._decibels_per_unit)
        # There may be no clip in a batch of outliers.
        return X if augment is None or len(X) == 0 else augment(X, net.generator)
