"""Arrays in memory, or mapped into it, cut into batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from sklearn_audio._torch._sample_weights import SampleWeights, are_whole, repeated


class RowStack:
    """Several arrays of rows as if they were one, without a copy of them.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_clips, ...)
        In memory or mapped into it, all of them of one shape but for the first axis.
    """

    def __init__(self, arrays: list[NDArray]) -> None:
        self.arrays = arrays
        self.starts = np.cumsum([0, *map(len, arrays)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, rows: NDArray) -> NDArray:
        """Return rows by their numbers, counted through all arrays."""
        first = self.arrays[0]
        out = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        for i, array in enumerate(self.arrays):
            is_own = owners == i
            out[is_own] = array[rows[is_own] - self.starts[i]]
        return out


class ArrayDataset(Dataset):
    """Rows of several arrays of the same length.

    Parameters
    ----------
    *arrays : ndarray or RowStack of shape (n_clips, ...)
        For example clips and labels. They are never copied as a whole, so that
        memory-mapped arrays stay on the disk.
    rows : ndarray of shape (n_rows,), optional
        The rows that belong to this data set; all by default.
    weights : ndarray of shape (n_rows,), optional
        How often each of these rows is there; once by default.
    """

    def __init__(
        self,
        *arrays: NDArray | RowStack,
        rows: NDArray | None = None,
        weights: SampleWeights | None = None,
    ) -> None:
        self.arrays = arrays
        self.rows = np.arange(len(arrays[0])) if rows is None else rows
        if weights is not None and are_whole(weights):
            self.rows, weights = repeated(self.rows, weights), None
        self.weights = weights

    def __len__(self) -> int:
        return len(self.draw())

    def draw(self, generator: torch.Generator | None = None) -> NDArray:
        """Return the rows of an epoch: others each time where weights are no integers.

        Without a generator, they are always the same.
        """
        if self.weights is None:
            return self.rows
        shift = 0.5
        if generator is not None:
            shift = float(torch.rand((), generator=generator, dtype=torch.float64))
        return repeated(self.rows, self.weights, shift)

    def take(self, rows: NDArray) -> tuple[torch.Tensor, ...]:
        """Return what rows hold, by their numbers in the arrays."""
        return tuple(torch.from_numpy(array[rows]) for array in self.arrays)


class BatchIterator:
    """Iterate over a data set in batches of nearly equal size.

    A slice of the arrays a batch, in place of a DataLoader that collates row by row,
    halves the cost of training a small network. Batches of nearly equal size never end
    in a batch of one row, on which batch normalisation fails; for that, a batch of two
    may become one of three.

    Parameters
    ----------
    dataset : ArrayDataset
        What to iterate over.
    batch_size : int
        Largest number of rows in a batch.
    generator : torch.Generator, optional
        Draws a new order of the rows at each iteration; in order by default.
    """

    def __init__(
        self,
        dataset: ArrayDataset,
        batch_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        n_rows = len(self.dataset)
        return max(1, min(-(-n_rows // self.batch_size), n_rows // 2))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        rows = self.dataset.draw(self.generator)
        if self.generator is not None:
            rows = rows[torch.randperm(len(rows), generator=self.generator).numpy()]
        for batch in np.array_split(rows, len(self)):
            yield self.dataset.take(batch)
