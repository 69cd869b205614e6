"""Batch normalisation's statistics, measured after training rather than during it.

References
----------
.. [1] Wu, Y. and Johnson, J. (2021). "Rethinking 'batch' in BatchNorm."
   https://doi.org/10.48550/arXiv.2105.07576
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def reestimate_batch_norm(module: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Measure the running means and variances anew, with the final weights.

    Those that training leaves behind lag behind the weights. With few clips training
    takes few steps, and the lag alone can bring a good network down to chance.

    Parameters
    ----------
    module : nn.Module
        A trained network; it is left in evaluation mode.
    batches : iterable of Tensor
        Inputs in batches of nearly equal size.
    """
    module.eval()
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over the batches
        layer.train()
    with torch.no_grad():
        for batch in batches:
            module(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
