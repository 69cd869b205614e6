"""Predictions that never depend on the other rows of the batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

# Matrix products choose their kernels by the shape of the whole batch, and different
# kernels round differently. In chunks of one constant size every row meets the same.
CHUNK_SIZE = 32


def map_in_chunks(
    function: Callable[[torch.Tensor], torch.Tensor],
    X: NDArray,
    device: torch.device,
) -> NDArray:
    """Apply ``function`` to chunks of rows, the last one padded with zeros.

    Parameters
    ----------
    function : callable
        Maps a tensor of shape (32, ...) to one of shape (32, ...).
    X : ndarray of shape (n_clips, ...), dtype float32
        The clips.
    device : torch.device
        Where ``function`` computes.

    Returns
    -------
    outputs : ndarray of shape (n_clips, ...), dtype float32
        The outputs of all rows.
    """
    outputs = []
    with torch.no_grad():
        for start in range(0, len(X), CHUNK_SIZE):
            rows = X[start : start + CHUNK_SIZE]
            chunk = np.zeros((CHUNK_SIZE, *X.shape[1:]), dtype=X.dtype)
            chunk[: len(rows)] = rows
            output = function(torch.from_numpy(chunk).to(device))
            outputs.append(output[: len(rows)].cpu().numpy())
    return np.concatenate(outputs)
