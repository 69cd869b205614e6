"""A pre-trained network that is put to another use by what it is shown."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_audio._torch._arithmetic import suitable_threads
from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._device import resolve_device
from sklearn_audio._torch._estimator import N_SETTLING_BATCHES, Batch, as_images
from sklearn_audio._torch._inference import map_in_chunks
from sklearn_audio._torch._multilabel_classifier import MultilabelClassifier
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._sample_weights import SampleWeights
from sklearn_audio._torch._weights import Weights, to_numpy
from sklearn_audio.base import validate_clips
from sklearn_audio.transfer._backbones import (
    BACKBONES,
    build_backbone,
    checksum_of,
    find_backbone,
    load_backbone,
)
from sklearn_audio.transfer._reprogramming_networks import (
    ReprogrammedNetwork,
    SegmentMeans,
)

if TYPE_CHECKING:
    from skorch.callbacks import Callback


class ReprogrammedClassifier(MultilabelClassifier):
    r"""Put a pre-trained network to another use, without changing it.

    A frozen network :math:`f`, trained on other sounds, stands between a small
    transform :math:`t` of its input and a small map :math:`m` of its embedding [1]_.
    Only these two are trained, for one class per clip or for several labels per clip:

    .. math:: \min_{t, m}\; E_{x, y}\; \ell\bigl(m(f(t(x))), y\bigr)

    The U-Net has 1285 parameters. Behind AST, normalisation and linear map have 16916
    for 20 classes, so that 18201 are trained beside 87 million that are not.

    Parameters
    ----------
    backbone : str, torch.nn.Module or None, default="efficientat_mn04"
        The frozen network: "efficientat_mn04" or "ast", whose weights are fetched once,
        see :data:`~sklearn_audio.pretrained.NETWORKS`. A module of your own maps clips
        of shape (n_clips, n_bands, n_frames) to embeddings (n_clips, n_dims), or its
        method ``embed`` does; `fit` works on a copy of it, in evaluation mode. None is
        no network: what is mapped then are the means of the bands over each sixth of a
        clip.
    weights : str or path-like, default=None
        A file of weights for a backbone known by name, see
        :func:`~sklearn_audio.pretrained.load_network`. By default the published ones.
    input_transform : {"unet", "cnn"} or None, default="unet"
        What changes a clip before the backbone. "unet" is the U-Net of [1]_, of 1285
        parameters; "cnn" are two convolutions, of 20 parameters, without anything
        between them. Both begin near the identity. None leaves clips as they are; each
        is then embedded once, whatever the number of epochs.
    output_map : {"layernorm_linear", "linear"}, default="layernorm_linear"
        What makes logits of embeddings: a linear map, with or without a layer
        normalisation before it.
    include_backbone : bool, default=False
        Whether dumps hold the weights of a backbone known by name. Without them, a dump
        is small, and whoever loads it needs the file of weights; its content is
        compared with what the model was trained with. A module of your own is always
        part of the dump.
    max_epochs : int, default=30
        Passes over the training clips.
    batch_size : int, default=16
        Clips a training step, at most; batches are of nearly equal size. Small, because
        the transform needs many steps: with 64 at the same cost, it gained nothing from
        twenty clips a class.
    lr : float, default=3e-3
        Learning rate of AdamW. With twenty clips a class, 1e-2 did better.
    lr_schedule : {"cosine"} or None, default="cosine"
        Lowers the learning rate to nearly zero along half a cosine.
    weight_decay : float, default=1e-2
        Weight decay of AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss. "balanced" makes every class count the same.
        With several labels per clip, "balanced" makes the clips with a label count as
        much as those without it, and a dict is refused.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside, stratified by class, to measure
        the validation loss. None by default: where clips are scarce, none is to spare.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the validation split and the order of the batches.
        The same seed gives the same model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, for learning-rate schedules, gradient clipping and the
        like. They are copied first.

    Attributes
    ----------
    backbone_checksum_ : str
        The sha256 of the backbone's weights.
    classes_ : ndarray of shape (n_classes,)
        The classes; the numbers of the columns where ``y`` is a table of labels.
    history_ : dict of str to list of float
        Every loss of every epoch: ``train_loss``, and ``valid_loss`` where clips are
        set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The network, under "module"; its parts are ``input_transform``, ``body`` and
        ``output_map``.
    multilabel_ : bool
        Whether ``y`` is a table of several labels per clip.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    n_trainable_parameters_ : int
        Parameters of transform and output map.

    See Also
    --------
    sklearn_audio.feature_extraction.PretrainedEmbedding : Embeddings as features, for
        any classifier.
    sklearn_audio.pretrained.make_spectrograms : Makes the clips for a named backbone.

    Notes
    -----
    Clips are spectrograms as the backbone takes them, on its own scale:
    :func:`~sklearn_audio.pretrained.make_spectrograms` makes them of waveforms. Rows
    are spectrograms of one band, for backbones that take such.

    A training step costs a pass through the backbone and back; nothing of it is saved
    by its being frozen but the gradients of its weights.

    References
    ----------
    .. [1] Chen, H.-H. and Lerch, A. (2023). "Music instrument classification
       reprogrammed." MMM. https://doi.org/10.48550/arXiv.2211.08379

    Examples
    --------
    A small random network stands in for a published one, so that nothing is fetched:

    >>> import torch
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> from sklearn_audio.transfer import ReprogrammedClassifier
    >>> _ = torch.manual_seed(0)
    >>> backbone = torch.nn.Sequential(
    ...     torch.nn.Conv1d(32, 16, 5),
    ...     torch.nn.ReLU(),
    ...     torch.nn.AdaptiveMaxPool1d(1),
    ...     torch.nn.Flatten(),
    ... )
    >>> X, y = make_sound_events(60, ["bell", "chirp"], random_state=0)
    >>> X = LogMelSpectrogram(n_mels=32, hop_length=512).fit_transform(X) / 40 + 1
    >>> classifier = ReprogrammedClassifier(
    ...     backbone=backbone, max_epochs=20, lr=0.03, random_state=0
    ... )
    >>> classifier.fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.8
    True
    >>> classifier.n_trainable_parameters_  # U-Net, normalisation, linear map
    1351
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultilabelClassifier._parameter_constraints,
        "backbone": [StrOptions(set(BACKBONES)), nn.Module, None],
        "weights": [str, os.PathLike, None],
        "input_transform": [StrOptions({"unet", "cnn"}), None],
        "output_map": [StrOptions({"linear", "layernorm_linear"})],
        "include_backbone": ["boolean"],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    _module_classes: ClassVar = {"module": ReprogrammedNetwork}
    _body: nn.Module
    backbone_checksum_: str

    def __init__(
        self,
        *,
        backbone: str | nn.Module | None = "efficientat_mn04",
        weights: str | os.PathLike[str] | None = None,
        input_transform: str | None = "unet",
        output_map: str = "layernorm_linear",
        include_backbone: bool = False,
        max_epochs: int = 30,
        batch_size: int = 16,
        lr: float = 3e-3,
        lr_schedule: str | None = "cosine",
        weight_decay: float = 1e-2,
        class_weight: Mapping[Any, float] | str | None = None,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.input_transform = input_transform
        self.output_map = output_map
        self.include_backbone = include_backbone
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def reprogram(self, X: ArrayLike) -> NDArray:
        """Return what the backbone is shown.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        changed : ndarray of the same shape, dtype float32
            The clips behind the input transform.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        module: Any = self.modules_["module"]
        return self._infer(X, module.show).reshape(X.shape)

    # Training

    def _train_on_labels(
        self,
        X: NDArray,
        y: NDArray,
        *others: NDArray,
        weights: SampleWeights | None = None,
        **kwargs: Any,
    ) -> None:
        self._prepare_body(X, resume=kwargs["resume"])
        self._input_moments = _moments(X, weights)
        if self.input_transform is None:  # they would be the same in every epoch
            X = self._embed(X)
        super()._train_on_labels(X, y, *others, weights=weights, **kwargs)
        trained = _trained(self.modules_["module"])
        self.n_trainable_parameters_ = sum(weight.numel() for weight in trained)

    def _prepare_body(self, X: NDArray, *, resume: bool) -> None:
        """Load what stands between transform and map, and try it on a clip."""
        body: nn.Module = SegmentMeans()
        if self.backbone is not None:
            body = load_backbone(self.backbone, self.weights)
        checksum = checksum_of(body)
        if resume and checksum != self.backbone_checksum_:
            raise ValueError(
                "warm_start=True needs the backbone of the first fit, but the weights "
                "of this one are others. Set warm_start=False to start anew."
            )
        self._body, self.backbone_checksum_ = body, checksum
        self._body.to(resolve_device(self.device))
        self._embedding_size = self._embedding_size_of(X[:1])

    def _embedding_size_of(self, X: NDArray) -> int:
        device = resolve_device(self.device)
        with torch.no_grad(), suitable_threads([self._body]):
            embeddings = self._body(as_images(torch.from_numpy(X).to(device))[:, 0])
        shape = tuple(getattr(embeddings, "shape", ()))
        if len(shape) != 2 or len(embeddings) != 1:
            raise ValueError(
                f"backbone={type(self.backbone).__name__} returns a "
                f"{type(embeddings).__name__} of shape {shape} for one clip: expected "
                "a tensor of embeddings (n_clips, n_dims)."
            )
        return shape[1]

    def _embed(self, X: NDArray) -> NDArray:
        """Return what the backbone makes of clips as they are: (n_clips, n_dims)."""
        with suitable_threads([self._body]):
            return map_in_chunks(
                lambda clips: self._body(as_images(clips)[:, 0]),
                X,
                resolve_device(self.device),
            )

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": {
                "input_transform": self.input_transform,
                "output_map": self.output_map,
                "embedding_size": self._embedding_size,
                "n_outputs": len(self.classes_),
            }
        }

    def _build_modules(self) -> dict[str, nn.Module]:
        modules = super()._build_modules()
        modules["module"].body = self._body
        return modules

    def _copied_modules(self) -> dict[str, nn.Module]:
        """Copy what is trained, around the backbone of this fit."""
        module: Any = self.modules_["module"]
        return copy.deepcopy(self.modules_, {id(module.body): self._body})

    def _new_net(self, seed: int) -> AudioNet:
        net = super()._new_net(seed)
        module: Any = net.modules["module"]
        mean, deviation = self._input_moments
        module.mean.fill_(mean)
        module.deviation.fill_(deviation or 1.0)
        return net

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        return {
            "optimizer": torch.optim.AdamW(
                _trained(net.modules["module"]),
                lr=self.lr,
                weight_decay=self.weight_decay,
            )
        }

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        module: Any = net.modules["module"]
        embeddings = X if self.input_transform is None else module.embed(X)  # (B, D)
        return {"loss": self._label_loss(module.output_map(embeddings), y)}

    def _settle(self, net: AudioNet, batches: Iterable[Batch]) -> None:
        """Measure the statistics of the transform, and of nothing behind it."""
        module: Any = net.modules["module"]
        images = (module.standardise(batch[0].to(net.device)) for batch in batches)
        reestimate_batch_norm(
            module.input_transform, itertools.islice(images, N_SETTLING_BATCHES)
        )

    # Persistence

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        body = state.pop("_body", None)
        if (
            body is not None
            and isinstance(self.backbone, str)
            and self.include_backbone
        ):
            state["_backbone_weights"] = to_numpy({"backbone": body.network})
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights = state.pop("_backbone_weights", None)
        if "_weights" in state:
            self._body = _body_of_dump(state, weights)
        super().__setstate__(state)


def _moments(X: NDArray, weights: SampleWeights | None) -> tuple[float, float]:
    """Return mean and standard deviation of the values of weighted clips."""
    axes = tuple(range(1, X.ndim))
    means = X.mean(axis=axes, dtype=np.float64)  # (n,)
    mean = np.average(means, weights=weights)
    variances = X.var(axis=axes, dtype=np.float64) + (means - mean) ** 2  # (n,)
    return float(mean), float(np.sqrt(np.average(variances, weights=weights)))


def _trained(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are not frozen."""
    return [weight for weight in module.parameters() if weight.requires_grad]


def _body_of_dump(state: dict[str, Any], weights: Weights | None) -> nn.Module:
    """Return what stood between transform and map when a model was dumped."""
    backbone = state["backbone"]
    if backbone is None:
        return SegmentMeans()
    if weights is not None:
        return build_backbone(backbone, weights["backbone"])
    if isinstance(backbone, str):
        checksum = state["backbone_checksum_"]
        return find_backbone(backbone, state["weights"], checksum)
    return load_backbone(backbone, None)
