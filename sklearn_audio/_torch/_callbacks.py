"""What happens between the epochs: losses, progress, early stopping."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping
from tqdm.auto import tqdm


class RecordLosses(Callback):
    """Average every loss over the batches of an epoch, weighted by their sizes.

    Raises
    ------
    ValueError
        When a loss is no longer finite: nothing useful can follow.
    """

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Record the means under the losses' own names."""
        batches = net.history[-1]["batches"]
        for prefix in ("train", "valid"):
            size = f"{prefix}_batch_size"
            rows = [batch for batch in batches if size in batch]
            if not rows:
                continue
            weights = [row[size] for row in rows]
            for name in [key for key in rows[0] if key.startswith(prefix + "_")]:
                if name == size:
                    continue
                mean = float(np.average([row[name] for row in rows], weights=weights))
                _check_finite(name, mean, len(net.history))
                net.history.record(name, mean)


def _check_finite(name: str, loss: float, epoch: int) -> None:
    if not np.isfinite(loss):
        raise ValueError(
            f"Training diverged: {name} is {loss} in epoch {epoch}. Lower lr, and "
            "scale X (large values are the usual cause)."
        )


class CosineSchedule(Callback):
    """Lower the learning rate of ``net.optimizer_`` along half a cosine, to nearly 0.

    Parameters
    ----------
    n_epochs : int
        Epochs of the training.
    """

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Note where the training starts; one that is resumed starts anew."""
        self.first_ = len(net.history)
        groups = net.optimizer_.param_groups
        self.rates_ = [group.setdefault("initial_lr", group["lr"]) for group in groups]

    def on_epoch_begin(self, net: Any, **_: Any) -> None:
        """Set the rate of the epoch."""
        epoch = len(net.history) - 1 - self.first_
        share = 0.5 * (1 + math.cos(math.pi * epoch / self.n_epochs))
        for group, rate in zip(net.optimizer_.param_groups, self.rates_, strict=True):
            group["lr"] = rate * share


class ProgressBar(Callback):
    """A tqdm bar of the epochs with the latest losses beside it."""

    def __init__(self, description: str, n_epochs: int) -> None:
        self.description = description
        self.n_epochs = n_epochs

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Draw the bar."""
        self.bar_ = tqdm(desc=self.description, total=self.n_epochs, unit="epoch")

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Advance by one epoch."""
        self.bar_.set_postfix(epoch_scores(net.history[-1]), refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Leave the bar where it is."""
        self.bar_.close()


class BestEpoch(EarlyStopping):
    """Stop when a loss no longer improves, and restore the best of *all* modules.

    skorch's own early stopping restores a module named ``module_`` alone, which would
    leave the other networks of a game behind.
    """

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Forget earlier trainings."""
        super().on_train_begin(net, **kwargs)
        self.best_weights_: dict[str, dict[str, torch.Tensor]] = {}

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Keep the weights of the best epoch so far."""
        if self._is_score_improved(net.history[-1, self.monitor]):
            self.best_weights_ = {
                name: {key: value.clone() for key, value in module.state_dict().items()}
                for name, module in net.modules.items()
            }
        super().on_epoch_end(net, **kwargs)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Restore them."""
        super().on_train_end(net, **kwargs)
        for name, weights in self.best_weights_.items():
            net.modules[name].load_state_dict(weights)


def epoch_scores(row: dict[str, Any]) -> dict[str, float]:
    """Return what an epoch's row of a skorch history measured, bookkeeping left out."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, float) and name != "dur"
    }
