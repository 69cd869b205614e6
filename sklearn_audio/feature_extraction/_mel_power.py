"""Mel power of waveforms, in blocks of frames that stay near the processor.

For each block: overlapping frames times the window, one real FFT, square in place, and
multiply by the mel filters. Four things make it fast.

- Every filter weight stands twice in a row, once for the real and once for the
  imaginary part of its bin. So the squared parts are multiplied as they lie in memory,
  and the strided sum re² + im², dearer than the FFT itself, is never formed.
- A mel filter covers few bins. The filters are multiplied in groups of neighbours, each
  with the bins that its group covers.
- Clips are laid one behind the other, each from a multiple of the hop length on. So the
  frames of many clips come from one call. Those that reach from one clip into the next
  are computed in vain: there are few of them, and a call for each clip costs more.
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

from sklearn_audio.feature_extraction._clips import (
    Waveforms,
    check_finite,
    runs_of_one_length,
    write_float32,
)

PadMode = Literal["constant", "edge", "reflect", "symmetric"]

# Samples in the frames of one block: 1 MB of them, and as much again of their spectra.
_BLOCK_SAMPLES = 2**18
# Matrix products go through tiles, and through other arithmetic where a tile is not
# full, or wide. Blocks of so many frames fill the tiles of all common processors.
_TILE_FRAMES = 48
_TILE_FILTERS = 4
_MAX_FILTERS = 8
# Samples and mel power of the blocks whose clips are copied in and out together: 2 MB.
_BATCH_VALUES = 2**19
# Multiplications per frame that take as long as the call of one more product.
_CALL_COST = 300


class _FilterGroup(NamedTuple):
    """Neighbouring mel filters and the slice of spectrum values that they cover."""

    filters: slice
    values: slice
    weights: NDArray[np.float32]  # (n_values, n_filters)


class _Piece(NamedTuple):
    """Frames of neighbouring clips of one length, and the rows of a batch they take."""

    waveforms: NDArray  # (n_clips, n_samples)
    clips: slice
    frames: slice
    rows: slice
    is_end: bool  # whether the clips end with these frames

    @property
    def n_frames(self) -> int:
        return self.frames.stop - self.frames.start

    def of(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows of the piece, of shape (n_clips, n_rows, n_columns)."""
        return batch[self.rows].reshape(len(self.waveforms), -1, batch.shape[1])


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
        self.silence = np.zeros((1, self.pad), dtype=np.float32)
        self.power = power
        # Frames that begin in a clip and end behind it.
        self.overlap = (self.n_fft - 1) // hop_length
        frame_samples = max(self.n_fft, hop_length)
        n_tiles = _BLOCK_SAMPLES // (_TILE_FRAMES * frame_samples)
        self.block_size = _TILE_FRAMES * max(1, n_tiles)
        block_values = self.block_size * (hop_length + self.n_mels)
        self.batch_size = self.block_size * max(1, _BATCH_VALUES // block_values)
        self.window = torch.from_numpy(window.astype(np.float32))
        self.empty_filters = np.flatnonzero(~filters.any(axis=1)).tolist()
        self.groups = _group_filters(filters, repeats=2 if power == 2 else 1)

    def n_frames(self, n_samples: int) -> int:
        """Return how many whole frames a clip of some length gives; 0 if too short."""
        return max(0, 1 + (n_samples + 2 * self.pad - self.n_fft) // self.hop_length)

    def check_lengths(self, lengths: Sequence[int], expected: int | None) -> None:
        """Raise an error where a clip has no frame, or not as many as expected.

        Parameters
        ----------
        lengths : sequence of int
            Number of samples of each clip.
        expected : int or None
            Number of frames. None means any.
        """
        for n_samples in dict.fromkeys(lengths):
            found, index = self.n_frames(n_samples), lengths.index(n_samples)
            if found == 0:
                raise ValueError(
                    f"clip {index}: its {n_samples} samples are fewer than the "
                    f"n_fft={self.n_fft} of one frame. Set center=True, or pad it."
                )
            if expected is not None and found != expected:
                raise ValueError(
                    f"clip {index}: its {n_samples} samples give {found} frames where "
                    f"{expected} are expected. Set n_frames, or load the clips with "
                    "an AudioLoader of fixed duration."
                )

    def fill(
        self, clips: Waveforms, out: NDArray[np.float32], first: int
    ) -> Iterator[slice]:
        """Write the mel power of clips.

        A sample that is not finite makes the power of its frames so. Only clips with
        samples that lie in no frame are searched for such.

        Parameters
        ----------
        clips : ndarray of shape (n_clips, n_samples), or list of ndarray (n_samples,)
            Waveforms of any numeric dtype.
        out : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
            Where their first `n_frames` frames go. Shorter clips are continued by
            silence.
        first : int
            Number of the first clip, for errors.

        Yields
        ------
        complete : slice
            The next clips that are complete, in order.

        Raises
        ------
        ValueError
            If a clip that was searched has NaN or infinity in it. The error names it.
        """
        batch = _Batch(self)
        n_complete = 0
        for pieces in self._plan(clips, out.shape[2], first):
            for piece in pieces:
                self._copy_in(piece, batch.samples)
            self._transform(batch, pieces[-1].rows.stop)
            for piece in pieces:
                mel = piece.of(batch.mel)[:, : piece.n_frames, : self.n_mels]
                out[piece.clips, :, piece.frames] = mel.transpose(0, 2, 1)
                if piece.is_end:
                    out[piece.clips, :, piece.frames.stop :] = 0.0
            start = n_complete
            n_complete = pieces[-1].clips.stop - (not pieces[-1].is_end)
            yield slice(start, n_complete)

    def _plan(
        self, clips: Waveforms, most_frames: int, first: int
    ) -> Iterator[list[_Piece]]:
        """Deal the frames of clips out to batches.

        Neighbours of one length are one piece if they fit in whole; a clip that does
        not is cut.
        """
        pieces: list[_Piece] = []
        row = 0
        for index, run in runs_of_one_length(clips):
            n_frames = min(most_frames, self.n_frames(run.shape[1]))
            if not self._covers(run.shape[1], n_frames):
                check_finite(run, first + index)
            clip = frame = 0
            while clip < len(run):
                free = self.batch_size - row
                stop = min(n_frames, frame + free)
                n_rows = stop - frame + self.overlap
                n_whole = 1 + (free - n_frames) // n_rows if frame == 0 else 1
                n_clips = max(1, min(n_whole, len(run) - clip))
                pieces.append(
                    _Piece(
                        waveforms=run[clip : clip + n_clips],
                        clips=slice(index + clip, index + clip + n_clips),
                        frames=slice(frame, stop),
                        rows=slice(row, row + n_clips * n_rows),
                        is_end=stop == n_frames,
                    )
                )
                clip, frame = (clip + n_clips, 0) if stop == n_frames else (clip, stop)
                row += n_clips * n_rows
                if row >= self.batch_size:
                    yield pieces
                    pieces, row = [], 0
        if pieces:
            yield pieces

    def _covers(self, n_samples: int, n_frames: int) -> bool:
        """Tell whether every sample of a clip lies in one of its first frames."""
        end = self._n_samples(n_frames) - self.pad
        return end >= n_samples and self.hop_length <= self.n_fft

    def _n_samples(self, n_frames: int) -> int:
        return (n_frames - 1) * self.hop_length + self.n_fft

    def _copy_in(self, piece: _Piece, samples: NDArray[np.float32]) -> None:
        """Copy the samples of a piece, with what comes before and after its clips."""
        target = piece.of(samples).reshape(len(piece.waveforms), -1)
        target = target[:, : self._n_samples(piece.n_frames)]
        before, after = self._edges(piece.waveforms)
        position = -piece.frames.start * self.hop_length
        for part in (before, piece.waveforms, after):
            _copy_overlap(part, target, position)
            position += part.shape[1]

    def _edges(self, waveforms: NDArray) -> tuple[NDArray, NDArray]:
        """Return what comes before and after clips: half a frame each."""
        if self.pad_mode in (None, "constant"):
            return self.silence, self.silence
        # One sample more than the padding is all that any mode looks at.
        reach, width = self.pad + 1, ((0, 0), (self.pad, self.pad))
        before = np.pad(waveforms[:, :reach], width, mode=self.pad_mode)
        after = np.pad(waveforms[:, -reach:], width, mode=self.pad_mode)
        return before[:, : self.pad], after[:, -self.pad :]

    def _transform(self, batch: _Batch, n_rows: int) -> None:
        """Compute the mel power of the first rows of a batch, in whole blocks."""
        for start in range(0, min(n_rows, self.batch_size), self.block_size):
            rows = slice(start, start + self.block_size)
            torch.mul(batch.overlapping[rows], self.window, out=batch.frames)
            values = self._spectra(batch.frames)
            mel = batch.mel[rows]
            for group in self.groups:
                np.matmul(
                    values[:, group.values], group.weights, out=mel[:, group.filters]
                )

    def _spectra(self, frames: torch.Tensor) -> NDArray[np.float32]:
        """Return squared real and imaginary parts, or magnitudes to the power."""
        spectra = torch.fft.rfft(frames).numpy()
        if self.power == 2:
            parts = spectra.view(np.float32)
            return np.square(parts, out=parts)
        magnitudes = np.abs(spectra)
        return np.power(magnitudes, self.power, out=magnitudes)


class _Batch:
    """Memory for the samples and the mel power of some clips, reused.

    A row of samples is one hop. The frame that begins there has its mel power in the
    same row of `mel`.
    """

    def __init__(self, mel_power: MelPower) -> None:
        n_rows = mel_power.batch_size + mel_power.overlap
        n_columns = mel_power.groups[-1].filters.stop
        self.samples = np.zeros((n_rows, mel_power.hop_length), dtype=np.float32)
        self.mel = np.empty((n_rows, n_columns), dtype=np.float32)
        samples = torch.from_numpy(self.samples).flatten()
        self.overlapping = samples.unfold(0, mel_power.n_fft, mel_power.hop_length)
        self.frames = torch.empty(mel_power.block_size, mel_power.n_fft)


def _copy_overlap(part: NDArray, target: NDArray[np.float32], position: int) -> None:
    """Copy what of ``part`` lies in ``target`` if it begins at a position."""
    start, stop = max(0, position), min(target.shape[1], position + part.shape[1])
    if start < stop:
        write_float32(
            part[:, start - position : stop - position], target[:, start:stop]
        )


def _group_filters(filters: NDArray, repeats: int) -> list[_FilterGroup]:
    """Split a filter bank into groups of neighbours that cover few bins each."""
    n_missing = -len(filters) % _TILE_FILTERS
    weights = np.repeat(np.pad(filters, ((0, n_missing), (0, 0))), repeats, axis=1)
    return _halve(weights, slice(0, len(weights)))


def _halve(weights: NDArray, filters: slice) -> list[_FilterGroup]:
    """Halve filters, and each half again, where that saves enough multiplications."""
    group = _make_group(weights, filters)
    n_filters = filters.stop - filters.start
    if n_filters == _TILE_FILTERS:
        return [group]
    middle = filters.start + _TILE_FILTERS * -(-n_filters // (2 * _TILE_FILTERS))
    halves = slice(filters.start, middle), slice(middle, filters.stop)
    needed = sum(_make_group(weights, half).weights.size for half in halves)
    if n_filters <= _MAX_FILTERS and group.weights.size - needed <= _CALL_COST:
        return [group]
    return [part for half in halves for part in _halve(weights, half)]


def _make_group(weights: NDArray, filters: slice) -> _FilterGroup:
    covered = np.flatnonzero(weights[filters].any(axis=0))
    first, last = (covered[0], covered[-1]) if covered.size else (0, 0)
    values = slice(int(first), int(last) + 1)
    columns = np.ascontiguousarray(weights[filters, values].T, dtype=np.float32)
    return _FilterGroup(filters, values, columns)
