"""Networks' weights as NumPy arrays: small, device-free, safe to load."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Weights = dict[str, dict[str, NDArray]]


def to_numpy(modules: dict[str, nn.Module]) -> Weights:
    """Return the parameters and persistent buffers of the modules."""
    return {
        name: {
            key: np.ascontiguousarray(value.detach().cpu().numpy())
            for key, value in module.state_dict().items()
        }
        for name, module in modules.items()
    }


def load_numpy(modules: dict[str, nn.Module], weights: Weights) -> None:
    """Put the arrays back into modules of the same architecture."""
    for name, module in modules.items():
        arrays = weights[name].items()
        module.load_state_dict({key: torch.tensor(array) for key, array in arrays})
