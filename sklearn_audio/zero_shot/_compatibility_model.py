"""Clips and class vectors: how they are prepared, compared and learnt together."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from sklearn_audio._torch._device import resolve_device
from sklearn_audio._torch._estimator import Batch, TorchEstimator
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._random import seeded_initialisation
from sklearn_audio.base import validate_clips
from sklearn_audio.zero_shot._acoustic_projection import AcousticProjection
from sklearn_audio.zero_shot._closed_forms import eszsl, exemplar, ridge, sae
from sklearn_audio.zero_shot._ranking_descent import (
    Step,
    algorithm1_step,
    descend,
    make_warp_step,
)
from sklearn_audio.zero_shot._ranking_losses import (
    RANKING_LOSSES,
    weighted_ranking_loss,
)
from sklearn_audio.zero_shot._tags import Tags, tag_means
from sklearn_audio.zero_shot._zero_shot_classifier import (
    ZeroShotClassifier,
    mean_over_frames,
    unit,
)

# The closed forms, and the penalty of each where alpha is None.
ALPHAS = {"exemplar": 3.0, "ridge": 1.0, "eszsl": 3.0, "sae": 0.1}
# These change W after every clip.
CLIP_BY_CLIP = ("algorithm1", "warp")
_FEWEST_COLUMNS = 16
SOLVERS = (*ALPHAS, *RANKING_LOSSES, *CLIP_BY_CLIP)


class CompatibilityModel(ZeroShotClassifier, TorchEstimator):
    """What is behind ``BilinearZeroShot``, whose parameters it reads.

    Every solver ends in the weights of one module, a map from clips to class vectors,
    so that there is one way to predict and to save.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TorchEstimator._parameter_constraints,
        **ZeroShotClassifier._parameter_constraints,
    }

    _module_classes: ClassVar = {"module": AcousticProjection}

    seen_bias_: NDArray[np.float64] | None
    seen_offsets_: NDArray[np.float32] | None

    # Parameters of the subclass
    solver: str
    projection: str
    rank: int
    alpha: float | None
    class_alpha: float
    normalize: bool
    standardize: bool
    fit_intercept: bool
    optimizer: str
    weight_decay: float

    # Vectors of clips and classes

    def _learn_scales(self, X: NDArray, vectors: NDArray) -> None:
        X = mean_over_frames(X)
        n_features, n_dims = X.shape[1], vectors.shape[1]
        self.mean_ = np.zeros(n_features, dtype=np.float32)
        self.scale_ = np.ones(n_features, dtype=np.float32)
        self.class_mean_ = np.zeros(n_dims, dtype=np.float32)
        if self.standardize:
            self.mean_ = X.mean(axis=0, dtype=np.float64).astype(np.float32)
            scale = X.std(axis=0, dtype=np.float64).astype(np.float32)
            # Rounding makes the deviation of a constant feature more than zero.
            is_constant = scale <= 1e-6 * np.abs(self.mean_)
            self.scale_ = np.where(is_constant, np.float32(1), scale)
            self.class_mean_ = self._unit(vectors).mean(axis=0)

    def _prepare_clips(self, X: NDArray) -> NDArray[np.float32]:
        """Average, standardise and normalise clips: (n, d[, t]) -> (n, d[ + 1])."""
        clips = self._unit((mean_over_frames(X) - self.mean_) / self.scale_)
        if not self._appends_one():
            return clips
        return np.pad(clips, [(0, 0), (0, 1)], constant_values=1)

    def _prepare_classes(self, vectors: NDArray) -> NDArray[np.float32]:
        """Normalise and centre class vectors: (C, s) -> (C, s)."""
        vectors = self._unit(vectors)
        return self._unit(vectors - self.class_mean_) if self.standardize else vectors

    def _unit(self, rows: NDArray) -> NDArray:
        return unit(rows) if self.normalize else rows

    def _appends_one(self) -> bool:
        """Tell whether a constant 1 in each clip's vector makes an intercept."""
        needs_none = self.solver == "exemplar" or self.projection == "nonlinear"
        return self.fit_intercept and not needs_none

    # Compatibility

    @property
    def _projection(self) -> AcousticProjection:
        projection = self.modules_["module"]
        assert isinstance(projection, AcousticProjection)
        return projection

    def _matrix(self) -> NDArray[np.float32]:
        """Return W with the row of the constant 1: (d[ + 1], s)."""
        if not self._projection.is_linear:
            raise AttributeError("projection='nonlinear' has no matrix W.")
        return self._projection.matrix().cpu().numpy()

    def _compatibilities(self, X: ArrayLike, classes: NDArray) -> NDArray:
        X = validate_clips(self, X, reset=False)
        return self._score(self._prepare_clips(X), classes)

    def _score(self, clips: NDArray, classes: NDArray) -> NDArray:
        """Score prepared clips against classes: (n, d), (C,) -> (n, C)."""
        weights, offsets = self._class_side(classes)
        # Products with fewer columns round a row by its place among the others.
        n_spare = max(0, _FEWEST_COLUMNS - len(classes))
        weights = nn.functional.pad(weights, (0, n_spare)).contiguous()
        offsets = nn.functional.pad(offsets, (0, n_spare))
        module = self._projection

        def score(rows: torch.Tensor) -> torch.Tensor:
            """Map a chunk of clips: (32, d) -> (32, C)."""
            encoded = rows if module.is_linear else module.encode(rows)
            return torch.addmm(offsets, encoded, weights)

        return self._infer(clips, score)[:, : len(classes)]

    @torch.no_grad()
    def _class_side(self, classes: NDArray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what clips are multiplied by, and what is added: (h, C) and (C,)."""
        module = self._projection
        device = module.outer.weight.device
        prepared = self._prepare_classes(self._vectors_of(classes))  # (C, s)
        vectors = torch.from_numpy(prepared).to(device)
        if not module.is_linear:
            return module.pull_back(vectors)
        weights = module.matrix() @ vectors.T  # (d, C)
        if self.seen_offsets_ is None:
            return weights, weights.new_zeros(len(classes))
        weights += weights.new_tensor(self._of_seen(self.seen_offsets_, classes)).T
        priors = weights.new_tensor(self._of_seen(self.seen_bias_, classes))
        return weights, priors - 0.5 * (weights**2).sum(dim=0)

    def _of_seen(self, values: Any, classes: NDArray) -> NDArray:
        """Return what is known of seen classes, and zero for others: (C, ...)."""
        found = np.zeros((len(classes), *values.shape[1:]))
        is_seen = np.isin(classes, self.seen_classes_)  # (C,)
        rows = np.searchsorted(self.seen_classes_, classes[is_seen])
        found[is_seen] = values[rows]
        return found

    # Closed forms

    def _solve(
        self,
        clips: NDArray,
        y: NDArray,
        vectors: NDArray,
        weights: NDArray,
        tags: Tags | None,
    ) -> None:
        """Find W from clips (n, d), labels (n,), class vectors and weights (C, ...)."""
        clips, vectors = clips.astype(np.float64), vectors.astype(np.float64)
        alpha = ALPHAS[self.solver] if self.alpha is None else self.alpha
        self.seen_offsets_ = self.seen_bias_ = None
        if self.solver == "exemplar":
            W = self._solve_exemplar(clips, y, vectors, weights, alpha, tags)
        elif self.solver == "ridge":
            W = ridge(clips, vectors[y], weights[y], alpha)
        elif self.solver == "sae":
            W = sae(clips, vectors[y], weights[y], alpha)
        else:
            W = eszsl(clips, y, vectors, weights[y], alpha, self.class_alpha)
        self._architecture = self._module_arguments()
        with seeded_initialisation(0):  # the weights are about to be replaced
            self.modules_ = self._build_modules()
        self._projection.to(resolve_device(self.device)).set_matrix(torch.from_numpy(W))
        self._net, self.n_iter_, self.history_ = None, 0, {}

    def _solve_exemplar(
        self,
        clips: NDArray,
        y: NDArray,
        vectors: NDArray,
        weights: NDArray,
        alpha: float,
        tags: Tags | None,
    ) -> NDArray:
        r"""Fit Gaussian classes around exemplars that are Gaussian themselves.

        With exemplars :math:`\mu_y \sim N(W \varphi(y), \tau^2 I)`, clips :math:`x
        \sim N(\mu_y, \sigma^2 I)` and priors :math:`\pi_y`, the log posterior of y is,
        times :math:`\sigma^2` and up to a constant, :math:`x^\top \mu_y - \frac12
        \lVert \mu_y \rVert^2 + \sigma^2 \log \pi_y`. The exemplar of a class with
        clips is put at its posterior mean.
        """
        n_clips, n_classes = len(clips), len(vectors)
        sizes = np.bincount(y)  # (C,)
        sums = np.zeros((n_classes, clips.shape[1]))
        np.add.at(sums, y, clips)
        means = sums / sizes[:, np.newaxis]  # (C, d)
        priors = sizes * weights / np.mean(sizes * weights)  # (C,)
        if tags is None:
            W = exemplar(means, vectors, priors, alpha)
        else:  # each of which counts as a class
            n_tags = len(tags.vectors)
            of_tags = tag_means(clips, tags.probabilities, weights[y])  # (T, d)
            W = exemplar(
                np.concatenate([means, of_tags]),
                np.concatenate([vectors, self._prepare_classes(tags.vectors)]),
                np.concatenate([priors, np.ones(n_tags)]),
                alpha,
            )
        misses = means - vectors @ W.T  # (C, d)
        # Both variances are summed over the features.
        within = ((clips - means[y]) ** 2).sum() / max(n_clips - n_classes, 1)
        between = np.mean((misses**2).sum(axis=1) - within / sizes)
        tiny = np.finfo(float).tiny
        between = max(between, tiny)
        trust = between / (between + within / sizes)  # (C,)
        self.seen_offsets_ = (trust[:, np.newaxis] * misses).astype(np.float32)
        self.seen_bias_ = within / clips.shape[1] * np.log(np.maximum(priors, tiny))
        return W

    # Descent

    def _descend(
        self,
        clips: NDArray,
        y: NDArray,
        vectors: NDArray,
        weights: NDArray,
        *,
        resume: bool,
    ) -> None:
        """Train on clips (n, d), labels (n,), class vectors and weights (C, ...)."""
        self.seen_offsets_ = self.seen_bias_ = None
        self._seen_vectors = vectors
        self._class_weights = weights.astype(np.float32)
        try:
            self._train(clips, y, labels=y, resume=resume)
        finally:
            del self._seen_vectors, self._class_weights

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": {
                "n_features": self.input_shape_[0] + self._appends_one(),
                "n_dims": self.embedded_vectors_.shape[1],
                "projection": self.projection,
                "rank": self.rank,
            }
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        make = {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}[self.optimizer]
        weights = net.modules["module"].parameters()
        return {"optimizer": make(weights, lr=self.lr, weight_decay=self.weight_decay)}

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        vectors = torch.from_numpy(self._seen_vectors).to(net.device)  # (C, s)
        weights = torch.from_numpy(self._class_weights).to(net.device)  # (C,)
        scores = net.modules["module"](X, vectors)  # (B, C)
        loss = RANKING_LOSSES.get(self.solver, weighted_ranking_loss)
        return {"loss": (weights[y] * loss(scores, y)).mean()}

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        if self.solver not in CLIP_BY_CLIP:
            return super()._train_batch(net, batch)
        projection = net.modules["module"]
        assert isinstance(projection, AcousticProjection)
        X, y = (tensor.cpu().numpy() for tensor in batch)
        W, loss = descend(
            projection.matrix().cpu().numpy().astype(np.float64),
            X.astype(np.float64),
            y,
            self._seen_vectors.astype(np.float64),
            self._class_weights.astype(np.float64),
            self.lr,
            self._make_step(net.generator),
        )
        projection.set_matrix(torch.from_numpy(W))
        return {"loss": torch.tensor(loss)}

    def _make_step(self, generator: torch.Generator) -> Step:
        if self.solver == "algorithm1":
            return algorithm1_step

        def draw(high: int, size: int) -> NDArray[np.intp]:
            return torch.randint(high, (size,), generator=generator).numpy()

        return make_warp_step(draw)
