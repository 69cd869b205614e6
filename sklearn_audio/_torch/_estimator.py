"""The base of every torch estimator: a scikit-learn estimator around a skorch net."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.helper import predefined_split
from torch import nn

from sklearn_audio._torch._arithmetic import flushed_denormals, suitable_threads
from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._batches import ArrayDataset, RowStack
from sklearn_audio._torch._callbacks import (
    BestEpoch,
    CosineSchedule,
    ProgressBar,
    epoch_scores,
)
from sklearn_audio._torch._device import (
    DEVICES,
    resolve_device,
    resolve_device_or_cpu,
)
from sklearn_audio._torch._inference import map_in_chunks
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._random import draw_seed, seeded_initialisation
from sklearn_audio._torch._sample_weights import SampleWeights
from sklearn_audio._torch._weights import load_numpy, to_numpy
from sklearn_audio.base import VersionedEstimator

Batch = tuple[torch.Tensor, ...]

# Enough for means and variances; large data need no whole pass more.
N_SETTLING_BATCHES = 100


class TorchEstimator(VersionedEstimator):
    """What estimators on torch share: training, inference, persistence.

    A subclass names its networks in ``_module_classes``, says in ``_module_arguments``
    how large they are, and in ``_losses`` what they minimise. One with several
    optimisers overrides ``_make_optimizers`` and ``_train_batch`` as well.

    Its parameters, which every estimator offers under the same names:

    Parameters
    ----------
    max_epochs : int
        Passes over the training data, at most.
    batch_size : int
        Rows a training step, at most; batches are of nearly equal size.
    lr : float
        Learning rate of the optimiser.
    validation_fraction : float in (0, 1) or None
        Share of the training data that is set aside to measure the validation loss.
    n_iter_no_change : int or None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch.
    warm_start : bool
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None
        Seeds the initial weights, the validation split and the order of the batches.
    verbose : int
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None
        Called during training. They are copied, so that a fit leaves them untouched.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "warm_start": ["boolean"],
        "device": [StrOptions(set(DEVICES))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
    }

    _module_classes: ClassVar[dict[str, type[nn.Module]]]

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        """Return the constructor arguments of each module, known once X and y are."""
        raise NotImplementedError  # pragma: no cover

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        """Return the losses of a batch; "loss" is the one that is minimised."""
        raise NotImplementedError  # pragma: no cover

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        parameters = net.modules["module"].parameters()
        return {"optimizer": torch.optim.Adam(parameters, lr=self.lr)}

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        losses = self._losses(net, batch)
        net.minimise(losses["loss"], "optimizer", batch)
        return losses

    def _validate_batch(self, net: AudioNet, batch: Batch) -> Losses:
        return self._losses(net, batch)

    def _settle(self, net: AudioNet, batches: Iterable[Batch]) -> None:
        """Do what is left to do once the weights no longer change."""
        inputs = (batch[0].to(net.device) for batch in batches)
        reestimate_batch_norm(
            net.modules["module"], itertools.islice(inputs, N_SETTLING_BATCHES)
        )

    # Training

    def _train(
        self,
        *arrays: NDArray | RowStack,
        labels: NDArray | None = None,
        order: NDArray[np.intp] | None = None,
        weights: SampleWeights | None = None,
        resume: bool = False,
        partial: bool = False,
    ) -> None:
        """Train the modules on rows of ``arrays``.

        Parameters
        ----------
        *arrays : ndarray or RowStack of shape (n_clips, ...)
            What a batch is made of.
        labels : ndarray of shape (n_clips,), optional
            Stratifies the validation split.
        order : ndarray of shape (n_clips,), optional
            What the batches are drawn from: all rows, in the order in which they come
            by default.
        weights : ndarray of shape (n_clips,), optional
            How often each clip counts.
        resume : bool
            Whether to continue with the modules and optimisers of the last training.
        partial : bool
            Whether this is but one of many calls: a single epoch, nothing set aside.
        """
        seed = draw_seed(self.random_state)
        rows = np.arange(len(arrays[0])) if order is None else order
        train, valid = self._split(rows, arrays, labels, weights, seed, partial=partial)
        self._refuse_one_clip(len(train), len(arrays[0]))
        net = self._resumed_net(seed) if resume else self._new_net(seed)
        n_epochs = 1 if partial else self.max_epochs
        net.train_split = None if valid is None else predefined_split(valid)
        net.callbacks = self._make_callbacks(n_epochs, has_valid=valid is not None)
        net.initialize_callbacks()
        with suitable_threads(net.modules.values()), flushed_denormals():
            net.train(train, n_epochs)
            for module in net.modules.values():
                module.eval()
            if not partial:
                self._settle(net, net.get_iterator(train, training=True))
        self._net: AudioNet | None = net
        self.modules_ = net.modules
        self.n_iter_ = len(net.history)
        self.history_ = self._scores_by_name(net)

    def _split(
        self,
        rows: NDArray,
        arrays: tuple[NDArray | RowStack, ...],
        labels: NDArray | None,
        weights: SampleWeights | None,
        seed: int,
        *,
        partial: bool,
    ) -> tuple[ArrayDataset, ArrayDataset | None]:
        def dataset(rows: NDArray) -> ArrayDataset:
            own = None if weights is None else weights[rows]
            return ArrayDataset(*arrays, rows=rows, weights=own)

        if partial or self.validation_fraction is None:
            return dataset(rows), None
        try:
            train, valid = train_test_split(
                rows,
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=None if labels is None else labels[rows],
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(arrays[0])} "
                f"clips cannot be set aside: {error} Give a larger fraction, more "
                "clips, or None."
            ) from error
        return dataset(train), dataset(valid)

    def _refuse_one_clip(self, n_trained: int, n_clips: int) -> None:
        """Batch normalisation has nothing to measure on a single clip."""
        if n_trained >= 2:
            return
        name, fraction = type(self).__name__, self.validation_fraction
        if n_clips >= 2:
            raise ValueError(
                f"{name} needs at least 2 clips to train on, but validation_fraction="
                f"{fraction} of {n_clips} clips leaves 1 sample. Give a smaller "
                "fraction, more clips, or None."
            )
        raise ValueError(
            f"{name} needs at least 2 clips to train on, but X holds 1 sample. Give "
            "more clips at a time."
        )

    def _new_net(self, seed: int) -> AudioNet:
        self._architecture = self._planned_architecture()
        with seeded_initialisation(seed):
            modules = self._build_modules()
        return self._initialised_net(modules, seed)

    def _planned_architecture(self) -> dict[str, dict[str, Any]]:
        """Return the arguments of the modules that the settings ask for, no others."""
        arguments = self._module_arguments()
        return {name: arguments[name] for name in self._module_classes}

    def _resumed_net(self, seed: int) -> AudioNet:
        architecture = self._planned_architecture()
        if architecture != self._architecture:
            raise ValueError(
                f"warm_start and partial_fit need the networks of the first fit, made "
                f"with {self._architecture}, but now they would be made with "
                f"{architecture}. Set warm_start=False to start anew."
            )
        # Copies, so that the last solution is still there should this training fail.
        net = self._initialised_net(self._copied_modules(), seed)
        if self._net is not None:  # a loaded dump holds weights and no optimiser
            net.take_over(self._net)
        return net

    def _copied_modules(self) -> dict[str, nn.Module]:
        return copy.deepcopy(self.modules_)

    def _initialised_net(self, modules: dict[str, nn.Module], seed: int) -> AudioNet:
        net = AudioNet(
            modules=modules,
            make_optimizers=self._make_optimizers,
            train_batch=self._train_batch,
            validate_batch=self._validate_batch,
            generator=torch.Generator().manual_seed(seed),
            device=resolve_device(self.device),
            batch_size=self.batch_size,
            lr=self.lr,
        )
        return net.initialize()

    def _build_modules(self) -> dict[str, nn.Module]:
        modules = {
            name: module_class(**self._architecture[name])
            for name, module_class in self._module_classes.items()
        }
        for module in modules.values():
            # Convolutions on the CPU are up to a fifth faster in this layout.
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return modules

    def _make_callbacks(self, n_epochs: int, *, has_valid: bool) -> list[Any]:
        callbacks: list[Any] = []
        if getattr(self, "lr_schedule", None) == "cosine":  # not every one has it
            callbacks.append(CosineSchedule(n_epochs))
        if self.n_iter_no_change is not None:
            monitor = "valid_loss" if has_valid else "train_loss"
            callbacks.append(BestEpoch(monitor=monitor, patience=self.n_iter_no_change))
        if self.verbose:
            callbacks.append(ProgressBar(type(self).__name__, n_epochs))
        return callbacks + copy.deepcopy(self.callbacks or [])

    @staticmethod
    def _scores_by_name(net: AudioNet) -> dict[str, list[float]]:
        rows = [epoch_scores(row) for row in net.history]
        names = list(dict.fromkeys(name for row in rows for name in row))
        return {name: [row.get(name, np.nan) for row in rows] for name in names}

    # Inference

    def _infer(
        self, X: NDArray, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> NDArray:
        """Apply ``function`` to the clips, on the device where the modules live."""
        modules = self.modules_.values()
        device = next(parameter.device for m in modules for parameter in m.parameters())
        with suitable_threads(modules):
            return map_in_chunks(function, X, device)

    # Persistence

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_net", None)
        modules = state.pop("modules_", None)
        if modules is not None:
            state["_weights"] = to_numpy(modules)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is None:
            return
        self._net = None
        with seeded_initialisation(0):  # the weights are about to be replaced
            modules = self._build_modules()
        load_numpy(modules, weights)
        device = resolve_device_or_cpu(self.device)
        self.modules_ = {
            name: module.to(device).eval() for name, module in modules.items()
        }

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "modules_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # check_estimator yields next to no checks where two_d_array is False.
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    def _twin(self) -> Self:
        """Return an estimator that can train on while this one stays as it is.

        Scikit-learn's and Python's own copies forget the optimisers.
        """
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def _can_resume(self) -> bool:
        return self.warm_start and self.__sklearn_is_fitted__()


def as_images(X: torch.Tensor) -> torch.Tensor:
    """Give clips a channel axis, and rows of features a band axis too.

    Parameters
    ----------
    X : Tensor of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
        The clips.

    Returns
    -------
    images : Tensor of shape (n_clips, 1, n_bands, n_frames)
        A row of features is one band.
    """
    return X[:, None, None, :] if X.ndim == 2 else X[:, None]


def image_shape_of(input_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return bands and frames of a clip's image, as :func:`as_images` makes it."""
    n_bands, n_frames = (1, *input_shape)[-2:]
    return n_bands, n_frames
