"""Mel power of waveforms, in blocks of frames that stay near the processor.

For each block: copy the samples of some clips, take overlapping frames times the
window, one real FFT, square in place, and multiply by the mel filters. Four things make
it fast.

- Every filter weight stands twice in a row, once for the real and once for the
  imaginary part of its bin. So the squared parts are multiplied as they lie in memory,
  and the strided sum re² + im², dearer than the FFT itself, is never formed.
- A mel filter covers few bins. The filters are multiplied in groups of neighbours, each
  with the bins that its group covers.
- The clips of a block lie in one array, each from a multiple of the hop length on. So
  all frames of the block come from one call, and the few that reach from one clip into
  the next are left aside: they cost less than a call for each clip.
- Blocks have one size, whatever the clips. It fits the caches, bounds the memory, and
  sends every frame through the same arithmetic, so that a clip's result is the same bit
  for bit alone and in any company.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
# Matrix products take as long for one filter as for four.
_FILTERS_AT_ONCE = 4
# Multiplications of a frame that are as dear as one more matrix product.
_COST_OF_A_PRODUCT = 400


class _FilterGroup(NamedTuple):
    """Neighbouring mel filters and the slice of spectrum values that they cover."""

    filters: slice
    values: slice
    weights: NDArray[np.float32]  # (n_values, n_filters)


class _Piece(NamedTuple):
    """Consecutive frames of one clip and where they lie in a block."""

    clip: int
    frames: slice
    rows: slice


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
        self.power = power
        frame_samples = max(self.n_fft, hop_length)
        self.block_size = max(_MIN_BLOCK_FRAMES, _BLOCK_SAMPLES // frame_samples)
        self.window = torch.from_numpy(window.astype(np.float32))
        self.empty_filters = np.flatnonzero(~filters.any(axis=1)).tolist()
        weights = np.repeat(filters, 2 if power == 2 else 1, axis=1)
        self.groups = _group_filters(weights, slice(0, self.n_mels))

    def n_frames(self, n_samples: int) -> int:
        """Return how many whole frames a clip of some length gives; 0 if too short."""
        return max(0, 1 + (n_samples + 2 * self.pad - self.n_fft) // self.hop_length)

    def fill(
        self, clips: Sequence[NDArray], out: NDArray[np.float32]
    ) -> Iterator[slice]:
        """Write the mel power of clips.

        Parameters
        ----------
        clips : sequence of ndarray of shape (n_samples,)
            Waveforms of any numeric dtype.
        out : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
            Where their first ``n_frames`` frames go. Shorter clips are continued by
            silence.

        Yields
        ------
        complete : slice
            The next clips that are complete, in order.
        """
        block = _Block(self)
        n_complete = 0
        for index, clip in enumerate(clips):
            n_frames = min(out.shape[2], self.n_frames(clip.size))
            out[index, :, n_frames:] = 0.0
            parts = self._parts(clip)
            start = 0
            while start < n_frames:
                start = block.add(index, parts, start, n_frames)
                if block.is_full:
                    self._empty(block, out)
                    before, n_complete = n_complete, index + (start == n_frames)
                    yield slice(before, n_complete)
        self._empty(block, out)
        yield slice(n_complete, len(clips))

    def _parts(self, clip: NDArray) -> list[tuple[int, NDArray]]:
        """Return the parts of a clip with its padding, and where each begins.

        Where there is no part, there is silence.
        """
        if self.pad_mode in (None, "constant"):
            return [(self.pad, clip)]
        # One sample more than the padding is all that any mode looks at.
        reach = self.pad + 1
        left = np.pad(clip[:reach], self.pad, mode=self.pad_mode)[: self.pad]
        right = np.pad(clip[-reach:], self.pad, mode=self.pad_mode)[-self.pad :]
        return [(0, left), (self.pad, clip), (self.pad + clip.size, right)]

    def _empty(self, block: _Block, out: NDArray[np.float32]) -> None:
        """Transform the frames of a block and hand them out."""
        # Power that overflows is found, and named, where it becomes dB.
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._spectra(block.take_frames())
            for group in self.groups:
                np.matmul(
                    values[:, group.values],
                    group.weights,
                    out=block.mel[:, group.filters],
                )
        for piece in block.take_pieces():
            out[piece.clip, :, piece.frames] = block.mel[piece.rows].T

    def _spectra(self, frames: torch.Tensor) -> NDArray[np.float32]:
        """Return squared real and imaginary parts, or magnitudes to the power."""
        spectra = torch.fft.rfft(frames).numpy()
        if self.power == 2:
            parts = spectra.view(np.float32)
            return np.square(parts, out=parts)
        magnitudes = np.abs(spectra)
        return np.power(magnitudes, self.power, out=magnitudes)


class _Block:
    """Memory for one block of frames, reused, and whose frames they are."""

    def __init__(self, mel_power: MelPower) -> None:
        self.n_fft = mel_power.n_fft
        self.hop_length = mel_power.hop_length
        self.window = mel_power.window
        self.size = mel_power.block_size
        # Frames that begin in a clip and end behind it.
        self.gap = (self.n_fft - 1) // self.hop_length
        n_samples = (self.size - 1) * self.hop_length + self.n_fft
        self.samples = np.zeros(n_samples, dtype=np.float32)
        overlapping = torch.from_numpy(self.samples)
        self.overlapping = overlapping.unfold(0, self.n_fft, self.hop_length)
        self.frames = torch.empty(self.size, self.n_fft)
        self.mel = np.empty((self.size, mel_power.n_mels), dtype=np.float32)
        self.n_used = 0
        self.pieces: list[_Piece] = []

    @property
    def is_full(self) -> bool:
        return self.n_used >= self.size

    def add(
        self, clip: int, parts: list[tuple[int, NDArray]], start: int, stop: int
    ) -> int:
        """Take frames of a clip, from ``start`` to ``stop``; return how far they fit."""
        stop = min(stop, start + self.size - self.n_used)
        n_frames = stop - start
        begin = self.n_used * self.hop_length
        end = begin + (n_frames - 1) * self.hop_length + self.n_fft
        for position, part in parts:
            _copy_overlap(
                part, self.samples[begin:end], position - start * self.hop_length
            )
        rows = slice(self.n_used, self.n_used + n_frames)
        self.pieces.append(_Piece(clip, slice(start, stop), rows))
        self.n_used += n_frames + self.gap
        return stop

    def take_frames(self) -> torch.Tensor:
        """Return all frames times the window; leave silence."""
        torch.mul(self.overlapping, self.window, out=self.frames)
        self.samples.fill(0.0)
        return self.frames

    def take_pieces(self) -> list[_Piece]:
        """Return whose frames they are; leave none."""
        pieces, self.pieces, self.n_used = self.pieces, [], 0
        return pieces


def _copy_overlap(part: NDArray, samples: NDArray[np.float32], position: int) -> None:
    """Copy what of ``part`` lies inside ``samples`` if it begins at a position."""
    start, stop = max(0, position), min(samples.size, position + part.size)
    if start < stop:
        write_float32(part[start - position : stop - position], samples[start:stop])


def _group_filters(weights: NDArray, filters: slice) -> list[_FilterGroup]:
    """Halve filters, and each half again, where that saves enough multiplications."""
    group = _make_group(weights, filters)
    n_filters = filters.stop - filters.start
    n_first = -(-n_filters // (2 * _FILTERS_AT_ONCE)) * _FILTERS_AT_ONCE
    middle = filters.start + n_first
    if middle >= filters.stop:
        return [group]
    halves = slice(filters.start, middle), slice(middle, filters.stop)
    needed = sum(_make_group(weights, half).weights.size for half in halves)
    if group.weights.size - needed <= _COST_OF_A_PRODUCT:
        return [group]
    return [part for half in halves for part in _group_filters(weights, half)]


def _make_group(weights: NDArray, filters: slice) -> _FilterGroup:
    covered = np.flatnonzero(weights[filters].any(axis=0))
    first, last = (covered[0], covered[-1]) if covered.size else (0, 0)
    values = slice(int(first), int(last) + 1)
    columns = np.ascontiguousarray(weights[filters, values].T, dtype=np.float32)
    return _FilterGroup(filters, values, columns)
