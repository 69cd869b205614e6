"""What both adversarially trained classifiers share."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._estimator import N_SETTLING_BATCHES, Batch
from sklearn_audio._torch._mixup import mixup
from sklearn_audio._torch._net import AudioNet
from sklearn_audio._torch._random import draw_seed
from sklearn_audio.augmentation._training_augmentation import (
    AugmentedTrainingClassifier,
)

# Augmented clips differ from pass to pass; this many steady the batch normalisation.
_N_SETTLING_PASSES = 3
# Generated clips that vary less than this share of what real ones do are all one clip.
_COLLAPSED = 0.01
_BETAS = (0.5, 0.999)


class GANClassifier(AugmentedTrainingClassifier):
    """A ResNet trained on augmented clips, with a generator beside it.

    The classifier takes clips in their own unit. Everything in the game is scaled to
    [-1, 1], by the range of the training clips.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AugmentedTrainingClassifier._parameter_constraints,
        "first_stage": [StrOptions({"scattering", "convolution"})],
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_scales": [Interval(Integral, 1, None, closed="left")],
        "n_angles": [Interval(Integral, 1, None, closed="left")],
        "gan_width": [Interval(Integral, 1, None, closed="left")],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "mixup_alpha": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "lr_generator": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    @property
    def _n_outputs(self) -> int:
        """Logits of the classifier, those of outliers included."""
        raise NotImplementedError  # pragma: no cover

    def _classifier_arguments(self) -> dict[str, Any]:
        return {
            "input_shape": self.input_shape_,
            "n_outputs": self._n_outputs,
            "width": self.width,
            "first_stage": self.first_stage,
            "n_scales": self.n_scales,
            "n_angles": self.n_angles,
        }

    # Training

    def _train_on_labels(
        self, X: NDArray, y: NDArray, *, resume: bool = False, **kwargs: Any
    ) -> None:
        if not resume:
            self._range = float(X.min()), float(X.max())
        super()._train_on_labels(X, y, resume=resume, **kwargs)
        self._warn_of_collapse()

    def _mixed(
        self, net: AudioNet, X: torch.Tensor, indices: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return clips and targets, as they are or in mixtures."""
        if not self.mixup_alpha:
            return X, indices
        one_hot = F.one_hot(indices, self._n_outputs).to(X.dtype)  # (B, K)
        return mixup(X, one_hot, self.mixup_alpha, net.generator)

    def _output_weights(self, net: AudioNet) -> torch.Tensor:
        """Return the weight of each output, which is 1 for outliers: (K',)."""
        weights = torch.ones(self._n_outputs, device=net.device)
        weights[: len(self.classes_)] = torch.as_tensor(self._class_weights)
        return weights

    def _classifier_optimizer(self, net: AudioNet) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            net.modules["module"].parameters(),
            lr=self.lr,
            weight_decay=self.weight_decay,
        )

    @staticmethod
    def _game_optimizer(net: AudioNet, lr: float, *names: str) -> torch.optim.Optimizer:
        modules = (net.modules[name] for name in names)
        parameters = itertools.chain(*(module.parameters() for module in modules))
        return torch.optim.Adam(parameters, lr=lr, betas=_BETAS)

    def _settle(self, net: AudioNet, batches: Iterable[Batch]) -> None:
        """Measure the batch statistics of what every network saw in training."""
        kept = itertools.islice(batches, N_SETTLING_BATCHES)
        moved = [tuple(t.to(net.device) for t in batch) for batch in kept]
        passes = moved * _N_SETTLING_PASSES
        inputs = (self._settling_inputs(net, batch) for batch in passes)
        reestimate_batch_norm(net.modules["module"], inputs)
        if "generator" in net.modules:
            latents = (self._settling_latents(net, batch) for batch in passes)
            reestimate_batch_norm(net.modules["generator"], latents)

    def _settling_inputs(self, net: AudioNet, batch: Batch) -> torch.Tensor:
        """Return what the classifier is trained on: (B, ...) -> (B', ...)."""
        raise NotImplementedError  # pragma: no cover

    def _settling_latents(self, net: AudioNet, batch: Batch) -> torch.Tensor:
        """Return what the generator is trained on: (B, ...) -> (B, Z)."""
        return self._normal(net, len(batch[0]))

    def _normal(self, net: AudioNet, n: int) -> torch.Tensor:
        noise = torch.randn(n, self.latent_dim, generator=net.generator)
        return noise.to(net.device)  # (B, Z)

    def _warn_of_collapse(self) -> None:
        diversity = self.history_.get("train_diversity")
        if diversity and diversity[-1] < _COLLAPSED:
            warnings.warn(
                f"The generator of {type(self).__name__} has collapsed: its clips vary "
                f"{diversity[-1]:.2g} times as much as the real ones. Lower "
                "lr_generator, try another random_state, or set use_spectral_norm=True "
                "where there is a detector.",
                ConvergenceWarning,
                stacklevel=6,
            )

    # The scale of the game

    def _to_game(self, X: torch.Tensor) -> torch.Tensor:
        """Map the range of the training clips to [-1, 1]."""
        low, high = self._range
        return (X - low) * (2 / max(high - low, 1e-6)) - 1

    def _from_game(self, X: torch.Tensor) -> torch.Tensor:
        """Map [-1, 1] to the range of the training clips."""
        low, high = self._range
        return low + (X + 1) * (max(high - low, 1e-6) / 2)

    # Inference

    def _logits(self, X: Any) -> NDArray:
        """Return the logits of the known classes, without those of the outliers."""
        return super()._logits(X)[:, : len(self.classes_)]

    def _generate(self, z: NDArray) -> NDArray:
        return self._infer(
            z.astype(np.float32),
            lambda z: self._from_game(self.modules_["generator"](z)),
        )

    def _sample_latents(self, n_samples: int, random_state: Any) -> NDArray:
        check_is_fitted(self)
        generator = np.random.default_rng(draw_seed(random_state))
        return generator.normal(size=(n_samples, self.latent_dim))


def diversity(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return how much generated clips vary, as a share of what real ones do."""
    with torch.no_grad():
        tiny = torch.finfo(real.dtype).tiny
        return fake.std(dim=0).mean() / real.std(dim=0).mean().clamp_min(tiny)
