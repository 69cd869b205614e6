"""The skorch net that trains every estimator of this package."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from skorch import NeuralNet
from skorch.history import History
from skorch.utils import TeeGenerator
from torch import nn

from sklearn_audio._torch._batches import ArrayDataset, BatchIterator
from sklearn_audio._torch._callbacks import RecordLosses

Losses = dict[str, torch.Tensor]
Step = Callable[["AudioNet", tuple[torch.Tensor, ...]], Losses]


class _StopTraining(Exception):  # noqa: N818
    """A callback has seen enough."""


class AudioNet(NeuralNet):
    """A skorch net of any number of modules and optimisers.

    skorch's loop, history and callbacks are kept; what happens in a batch is left to
    the estimator, which hands over ready modules and two step functions.

    Parameters
    ----------
    modules : dict of str to nn.Module
        The networks; ``modules["generator"]`` is also ``net.generator_``, where
        skorch's own callbacks look for it.
    make_optimizers : callable
        Maps the net to a dict of str to optimiser; "optimizer" is the name that
        skorch's learning-rate schedulers step.
    train_batch : callable
        Maps the net and a batch to a dict of losses, "loss" among them, after having
        stepped the optimisers.
    validate_batch : callable
        Maps the net and a batch to a dict of losses, "loss" among them.
    generator : torch.Generator
        Draws the order of the batches; free for use by the training step.
    device : torch.device
        Where the modules live and the batches go.
    **kwargs
        ``max_epochs``, ``batch_size``, ``lr`` and ``callbacks`` of skorch.
    """

    def __init__(
        self,
        modules: dict[str, nn.Module],
        make_optimizers: Callable[[AudioNet], dict[str, torch.optim.Optimizer]],
        train_batch: Step,
        validate_batch: Step,
        generator: torch.Generator,
        device: torch.device,
        **kwargs: Any,
    ) -> None:
        self.modules = modules
        self.make_optimizers = make_optimizers
        self.train_batch = train_batch
        self.validate_batch = validate_batch
        self.generator = generator
        super().__init__(
            module=nn.Identity,
            criterion=nn.Identity,
            iterator_train=BatchIterator,
            iterator_train__generator=generator,
            iterator_valid=BatchIterator,
            train_split=None,
            device=device,
            verbose=0,
            **kwargs,
        )

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [("losses", RecordLosses())]

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers by name."""
        return {name: getattr(self, f"{name}_") for name in self._optimizers}

    def initialize_module(self) -> AudioNet:
        """Register the modules with skorch, which moves them to the device."""
        for name, module in self.modules.items():
            setattr(self, f"{name}_", module)
        return self

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> AudioNet:
        """Make the optimisers, and register them with skorch."""
        for name, optimizer in self.make_optimizers(self).items():
            setattr(self, f"{name}_", optimizer)
        return self

    def take_over(self, former: AudioNet) -> None:
        """Go on where another net has stopped, with the settings of this one.

        Its history, its random numbers, and the moments of its optimisers are copied;
        learning rates, weight decay and the like are not.
        """
        self.generator.set_state(former.generator.get_state())
        self.history_: History = History(former.history)
        for name, optimizer in self.optimizers.items():
            if type(former.optimizers[name]) is type(optimizer):
                moments = copy.deepcopy(former.optimizers[name].state_dict()["state"])
                optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})

    def train(self, dataset: ArrayDataset, n_epochs: int) -> None:
        """Train for some epochs, or until a callback has seen enough.

        skorch's ``partial_fit`` takes every KeyboardInterrupt for a callback's wish to
        stop. Here an interrupt that comes from the keyboard ends the fit.
        """
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop(dataset, epochs=n_epochs)
        except _StopTraining:
            pass
        finally:
            self.notify("on_train_end", X=dataset, y=None)

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks; they raise KeyboardInterrupt to stop the training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as interrupt:
            if method_name == "on_epoch_end":
                raise _StopTraining from interrupt
            raise

    def run_single_epoch(
        self, iterator: Any, training: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Run an epoch, switching the modules' mode once and not at every batch."""
        self._set_training(training)
        super().run_single_epoch(iterator, training, *args, **kwargs)

    def train_step(self, batch: tuple[torch.Tensor, ...], **_: Any) -> Losses:
        """Let the estimator train on a batch, and record every loss."""
        losses = self.train_batch(self, self._to_device(batch))
        return self._recorded("train", losses)

    def minimise(
        self, loss: torch.Tensor, optimizer: str, batch: tuple[torch.Tensor, ...]
    ) -> None:
        """Take one step of an optimiser down a loss; callbacks may clip gradients."""
        groups = self.optimizers[optimizer].param_groups
        self.optimizers[optimizer].zero_grad()
        # In a game a loss passes through networks that are not this optimiser's.
        loss.backward(inputs=[weight for group in groups for weight in group["params"]])
        self.notify(
            "on_grad_computed",
            named_parameters=TeeGenerator(self.get_all_learnable_params()),
            batch=batch,
            training=True,
        )
        self.optimizers[optimizer].step()

    def validation_step(self, batch: tuple[torch.Tensor, ...], **_: Any) -> Losses:
        """Let the estimator judge a batch, and record every loss."""
        with torch.no_grad():
            losses = self.validate_batch(self, self._to_device(batch))
        return self._recorded("valid", losses)

    def _to_device(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in batch)

    def _recorded(self, prefix: str, losses: Losses) -> Losses:
        for name, loss in losses.items():
            if name != "loss":  # skorch records that one itself
                self.history.record_batch(f"{prefix}_{name}", loss.item())
        return losses
