"""Mel power of waveforms, in blocks of frames that stay near the processor.

For each block: copy the samples, take overlapping frames times the window, one real
FFT, square in place, and multiply by the mel filters. Three things make it fast.

- Every filter weight stands twice in a row, once for the real and once for the
  imaginary part of its bin. So the squared parts are multiplied as they lie in memory,
  and the strided sum re² + im², dearer than the FFT itself, is never formed.
- A mel filter covers few bins. The filters are multiplied in groups of neighbours, each
  with the bins that its group covers.
- Blocks have one size, whatever the clips. It fits the caches, bounds the memory, and
  sends every frame through the same arithmetic, so that a clip's result is the same bit
  for bit alone and in any company.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_audio.feature_extraction._clips import write_float32

PadMode = Literal["constant", "edge", "reflect", "symmetric"]

# Samples in the frames of one block: 1 MB of them, and as much again of their spectra.
_BLOCK_SAMPLES = 2**18
# Planning a long FFT costs as much as several frames of it.
_MIN_BLOCK_FRAMES = 32
# More groups mean fewer multiplications by zero, and more calls. Eight are near the
# optimum from 28 to 128 filters.
_MAX_GROUPS = 8


class _FilterGroup(NamedTuple):
    """Neighbouring mel filters and the slice of spectrum values that they cover."""

    filters: slice
    values: slice
    weights: torch.Tensor  # (n_filters, n_values)


class MelPower:
    """Mel power of waveforms for one setting of window, hop and filters.

    Parameters
    ----------
    window : ndarray of shape (n_fft,)
        What each frame is multiplied by.
    hop_length : int
        Samples from one frame to the next.
    pad_mode : {"constant", "edge", "reflect", "symmetric"} or None
        How :func:`numpy.pad` continues a clip by half a frame on both sides; None for
        no padding.
    power : float
        Exponent of the magnitudes; 2 for energy.
    filters : ndarray of shape (n_mels, 1 + n_fft // 2)
        The mel filter bank.
    """

    def __init__(
        self,
        *,
        window: NDArray,
        hop_length: int,
        pad_mode: PadMode | None,
        power: float,
        filters: NDArray,
    ) -> None:
        self.n_fft = window.size
        self.hop_length = hop_length
        self.n_mels = len(filters)
        self.pad_mode = pad_mode
        self.pad = 0 if pad_mode is None else self.n_fft // 2
        self.silence = np.zeros(self.pad, dtype=np.float32)
        self.power = power
        self.block_size = max(_MIN_BLOCK_FRAMES, _BLOCK_SAMPLES // self.n_fft)
        self.window = torch.from_numpy(window.astype(np.float32))
        self.empty_filters = np.flatnonzero(~filters.any(axis=1)).tolist()
        self.groups = _group_filters(filters, repeats=2 if power == 2 else 1)

    def n_frames(self, n_samples: int) -> int:
        """Return how many whole frames a clip of some length gives; 0 if too short."""
        return max(0, 1 + (n_samples + 2 * self.pad - self.n_fft) // self.hop_length)

    def fill(
        self, clips: Iterable[NDArray], targets: Iterable[NDArray[np.float32]]
    ) -> Iterator[int]:
        """Write the mel power of each clip into its target.

        Parameters
        ----------
        clips : iterable of ndarray of shape (n_samples,)
            Waveforms of any numeric dtype.
        targets : iterable of ndarray of shape (n_mels, n_frames), dtype float32
            Where their first ``n_frames`` frames go.

        Yields
        ------
        index : int
            The number of the next clip that is complete, in order.
        """
        block = _Block(self)
        for index, (clip, target) in enumerate(zip(clips, targets, strict=True)):
            edges = self._edges(clip)
            start = 0
            while start < target.shape[1]:
                start += block.add(index, clip, edges, target, start)
                if block.is_full:
                    yield from self._finish(block)
        yield from self._finish(block)

    def _finish(self, block: _Block) -> Iterator[int]:
        """Transform the frames of a block, hand them out, and empty it."""
        if block.n_used == 0:
            return
        values = self._spectra(block.frames).T  # (n_values, block_size)
        for group, mel in zip(self.groups, block.mel_of_groups, strict=True):
            torch.mm(group.weights, values[group.values], out=mel)
        yield from block.hand_out()

    def _spectra(self, frames: torch.Tensor) -> torch.Tensor:
        """Return squared real and imaginary parts, or magnitudes to the power."""
        spectra = torch.fft.rfft(frames)
        if self.power == 2:
            return torch.view_as_real(spectra).square_().flatten(1)
        return spectra.abs().pow_(self.power)

    def _edges(self, clip: NDArray) -> tuple[NDArray, NDArray]:
        """Return what comes before and after a clip: half a frame each."""
        if self.pad_mode is None:
            return clip[:0], clip[:0]
        if self.pad_mode == "constant":
            return self.silence, self.silence
        # One sample more than the padding is all that any mode looks at.
        reach = self.pad + 1
        left = np.pad(clip[:reach], self.pad, mode=self.pad_mode)[: self.pad]
        right = np.pad(clip[-reach:], self.pad, mode=self.pad_mode)[-self.pad :]
        return left, right


class _Block:
    """Memory for one block of frames, reused, and whose frames they are."""

    def __init__(self, mel_power: MelPower) -> None:
        self.n_fft = mel_power.n_fft
        self.hop_length = mel_power.hop_length
        self.window = mel_power.window
        self.size = mel_power.block_size
        n_samples = (self.size - 1) * self.hop_length + self.n_fft
        self.samples = np.zeros(n_samples, dtype=np.float32)
        overlapping = torch.from_numpy(self.samples)
        self.overlapping = overlapping.unfold(0, self.n_fft, self.hop_length)
        self.frames = torch.zeros(self.size, self.n_fft)
        self.mel = torch.empty(mel_power.n_mels, self.size)
        self.mel_of_groups = [self.mel[group.filters] for group in mel_power.groups]
        self.n_used = 0
        self.pieces: list[tuple[int, NDArray[np.float32], int, int]] = []

    @property
    def is_full(self) -> bool:
        return self.n_used == self.size

    def add(
        self,
        index: int,
        clip: NDArray,
        edges: tuple[NDArray, NDArray],
        target: NDArray[np.float32],
        start: int,
    ) -> int:
        """Take frames of a clip, from frame ``start`` on; return how many fitted in."""
        n_frames = min(target.shape[1] - start, self.size - self.n_used)
        samples = self.samples[: (n_frames - 1) * self.hop_length + self.n_fft]
        left, right = edges
        position = -start * self.hop_length
        for part in (left, clip, right):
            _copy_overlap(part, samples, position)
            position += part.size
        stop = self.n_used + n_frames
        torch.mul(
            self.overlapping[:n_frames],
            self.window,
            out=self.frames[self.n_used : stop],
        )
        self.pieces.append((index, target, start, n_frames))
        self.n_used = stop
        return n_frames

    def hand_out(self) -> Iterator[int]:
        """Copy the mel power of each piece to its target; yield the complete ones."""
        mel = self.mel.numpy()
        pieces, self.pieces, self.n_used = self.pieces, [], 0
        column = 0
        for index, target, start, n_frames in pieces:
            stop = start + n_frames
            target[:, start:stop] = mel[:, column : column + n_frames]
            column += n_frames
            if stop == target.shape[1]:
                yield index


def _copy_overlap(part: NDArray, samples: NDArray[np.float32], position: int) -> None:
    """Copy what of ``part`` lies inside ``samples`` if it begins at a position."""
    start, stop = max(0, position), min(samples.size, position + part.size)
    if start < stop:
        write_float32(part[start - position : stop - position], samples[start:stop])


def _group_filters(filters: NDArray, repeats: int) -> list[_FilterGroup]:
    """Split a filter bank into groups of neighbours that cover few bins each."""
    groups = []
    n_groups = min(_MAX_GROUPS, len(filters))
    for members in np.array_split(np.arange(len(filters)), n_groups):
        rows = slice(int(members[0]), int(members[-1]) + 1)
        covered = np.flatnonzero(filters[rows].any(axis=0))
        first, last = (covered[0], covered[-1]) if covered.size else (0, 0)
        weights = np.repeat(filters[rows, first : last + 1], repeats, axis=1)
        columns = slice(int(first) * repeats, (int(last) + 1) * repeats)
        tensor = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32))
        groups.append(_FilterGroup(rows, columns, tensor))
    return groups
