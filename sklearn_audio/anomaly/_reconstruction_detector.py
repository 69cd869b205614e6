"""What detectors that encode clips and make them anew share."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._detector import TorchDetector
from sklearn_audio._torch._estimator import N_SETTLING_BATCHES, Batch
from sklearn_audio._torch._net import AudioNet
from sklearn_audio.anomaly._band_errors import band_errors, usual_errors
from sklearn_audio.base import validate_clips

# The few values beyond these quantiles of the training clips are beyond what a decoder
# can make, so that one odd clip does not squeeze all others.
_RANGE = (0.001, 0.999)
# In scaled clips: squares of what is much larger are infinite in single precision, and
# no number would say how anomalous such clips are.
_LARGEST_VALUE = 1e6
# Enough to learn the usual errors of bands from.
_MOST_CLIPS = 10_000
# Latent vectors, or reconstructions, that spread by a smaller part of their size, or of
# the spread of the clips, are the same for all clips.
_COLLAPSED = 1e-4
# Noise cannot be reconstructed: errors are then those of the mean clip, and a little
# above these while the networks still learn.
_LARGEST_ERROR_RATIO = 1.1
# After fewer training steps, bad reconstructions only say that training was short.
_JUDGED_STEPS = 100


class ReconstructionDetector(TorchDetector):
    """A detector with an encoder and a decoder.

    The networks "encoder" and "generator" of a subclass see and make clips that are
    centred and scaled to [-1, 1]: by all but the outermost thousandths of the training
    values.

    Parameters
    ----------
    with_centering : bool
        Whether each band of a spectrogram loses its median over time first.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "with_centering": ["boolean"],
        "width": [Interval(Integral, 1, None, closed="left")],
    }

    # What to do about collapsed networks.
    _remedy: ClassVar[str] = "Lower lr, or try another random_state."
    _is_centred: bool

    def encode(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return latent vectors of clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        latents : ndarray of shape (n_clips, latent_dim), dtype float32
            What the encoder makes of them.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return self._infer(X, self._encoded)

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return clips as the decoder makes them anew.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        clips : ndarray of the same shape, dtype float32
            In the unit of ``X``. What is anomalous is missing in them.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return self._infer(X, self._copied)

    def _train_on_clips(self, X: NDArray, *, resume: bool) -> None:
        if resume and self.with_centering != self._is_centred:
            raise ValueError(
                f"warm_start needs with_centering={self._is_centred} of the first fit, "
                f"but now it is {self.with_centering}. Set warm_start=False to start "
                "anew."
            )
        if not resume:
            self._is_centred = self.with_centering  # whatever is set after fit
            x = torch.from_numpy(X)
            low, high = np.quantile((x - self._centres(x)).numpy(), _RANGE)
            half = (high - low) / 2
            # Constant clips have no range.
            self._scale = float((low + high) / 2), float(half) if half > 0 else 1.0
        super()._train_on_clips(X, resume=resume)
        self._learn_scores(X)
        self._warn_of_collapse(X)

    def _learn_scores(self, X: NDArray) -> None:
        """Measure on the training clips what scores compare with."""

        def measure(X: torch.Tensor) -> torch.Tensor:
            return band_errors(*self._compared(X))  # (B, W, F)

        errors = self._infer(_some(X), measure)
        self._usual_errors = usual_errors(errors.astype(np.float64))

    def _warn_of_collapse(self, X: NDArray) -> None:
        """Warn if networks make the same of all clips, or worse than their mean."""
        n_steps = self.n_iter_ * math.ceil(len(X) / self.batch_size)
        X = _some(X)
        # A decoder makes nothing beyond -1 and 1, and one odd clip counts as any other.
        x = self._scaled(torch.from_numpy(X)).clamp(-1, 1)  # (n, F, T)
        if (x == x[:1]).all():
            return
        z = torch.from_numpy(self._infer(X, self._encoded))  # (n, Z)
        copies = self._infer(X, lambda X: self._compared(X)[1])  # (n, F, T)
        fault = _fault(x, z, torch.from_numpy(copies), n_steps)
        if fault:
            message = f"{fault.format(type(self).__name__)} {self._remedy}"
            warnings.warn(message, ConvergenceWarning, stacklevel=6)

    def _settle(self, net: AudioNet, batches: Iterable[Batch]) -> None:
        """Measure the batch statistics one network after the other."""
        kept = itertools.islice(batches, N_SETTLING_BATCHES)
        clips = [self._scaled(batch[0].to(net.device)) for batch in kept]
        self._settle_networks(net, clips)

    def _settle_networks(
        self, net: AudioNet, clips: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return what settled networks make of scaled clips: (B, ...) -> (B, ...)."""
        encoder, generator = net.modules["encoder"], net.modules["generator"]
        with torch.no_grad():
            reestimate_batch_norm(encoder, clips)
            latents = [encoder(x) for x in clips]  # (B, Z)
            reestimate_batch_norm(generator, latents)
            return [generator(z) for z in latents]

    def _network_size(self) -> dict[str, Any]:
        return {
            "input_shape": self.input_shape_,
            "width": self.width,
            "latent_dim": self.latent_dim,
        }

    def _encoded(self, X: torch.Tensor) -> torch.Tensor:
        """Return latent vectors of clips in their own unit: (B, F, T) -> (B, Z)."""
        return self.modules_["encoder"](self._scaled(X))

    def _compared(self, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scaled clips and copies of these: (B, F, T) -> (B, F, T) each."""
        x = self._scaled(X)
        return x, self.modules_["generator"](self.modules_["encoder"](x))

    def _copied(self, X: torch.Tensor) -> torch.Tensor:
        """Return copies in the unit of the clips: (B, F, T) -> (B, F, T)."""
        middle, half = self._scale
        copy = self.modules_["generator"](self._encoded(X))
        return self._centres(X) + middle + half * copy

    def _centres(self, X: torch.Tensor) -> torch.Tensor:
        """Return what clips lose: (B, F, T) -> (B, F, 1), or zero."""
        # A single frame is its own median, and would lose everything.
        if X.ndim < 3 or X.shape[-1] == 1 or not self._is_centred:
            return torch.zeros((), device=X.device)
        return X.median(dim=-1, keepdim=True).values

    def _scaled(self, X: torch.Tensor) -> torch.Tensor:
        middle, half = self._scale
        x = (X - self._centres(X) - middle) / half
        return x.clamp(-_LARGEST_VALUE, _LARGEST_VALUE)


def mean_absolute_error(X: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
    """Return how far copies are from their clips, value by value: (B, ...) -> (B,)."""
    return (X - copy).abs().flatten(1).mean(dim=1)


def _some(X: NDArray) -> NDArray:
    """Return as many clips as it takes, evenly spread: (n, ...) -> (n', ...)."""
    return X[:: -(-len(X) // _MOST_CLIPS)]


def _fault(
    x: torch.Tensor, z: torch.Tensor, copies: torch.Tensor, n_steps: int
) -> str | None:
    """Return what is wrong with latent vectors or copies, or None.

    Parameters
    ----------
    x : Tensor of shape (n_clips, ...)
        Scaled clips, not all the same.
    z : Tensor of shape (n_clips, latent_dim)
        Their latent vectors.
    copies : Tensor of shape (n_clips, ...)
        Their reconstructions.
    n_steps : int
        Training steps taken.

    Returns
    -------
    fault : str or None
        A sentence with a gap for the name of the estimator.
    """
    if z.std(dim=0).max() < _COLLAPSED * z.abs().max():
        return "The encoder of {} has collapsed: all clips have the same latent vector."
    if (copies - copies[:1]).abs().mean() < _COLLAPSED * (x - x[:1]).abs().mean():
        return (
            "The decoder of {} has collapsed: all clips have the same reconstruction."
        )
    error = (x - copies).abs().mean()
    mean_error = (x - x.mean(dim=0)).abs().mean()
    if n_steps < _JUDGED_STEPS or error <= _LARGEST_ERROR_RATIO * mean_error:
        return None
    return (
        "The reconstructions of {} are worse than the mean of the training clips: "
        f"their mean absolute error is {error:.3g} where that of the mean is "
        f"{mean_error:.3g}, on a scale from -1 to 1. Train for more epochs. If that "
        "does not help, the networks have collapsed."
    )
