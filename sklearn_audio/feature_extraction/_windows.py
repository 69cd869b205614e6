"""Clips of any length cut into windows that a network takes, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from sklearn_audio.feature_extraction._clips import Waveforms, write_float32

# The number of a clip, and something about one of its windows.
Numbered = tuple[int, NDArray[np.float32]]


def cut_clips(
    clips: Waveforms,
    *,
    input_rate: float,
    rate: float,
    window: float | None,
    hop: float | None,
    shortest: int,
) -> Iterator[Numbered]:
    """Resample clips and cut them into windows, one clip at a time.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_samples), or list of ndarray (n_samples,)
        The checked clips.
    input_rate, rate : float
        Sample rates of the clips and of the windows, in Hz.
    window : float or None
        Length of a window, in seconds. None makes one window of any clip.
    hop : float or None
        From one window to the next, in seconds. None means `window`.
    shortest : int
        Samples of the shortest window.

    Yields
    ------
    window : (int, ndarray of shape (n_samples,))
        The number of a clip and a window of it, dtype float32. See `cut_windows`.
    """
    n_samples = max(1, round(window * rate)) if window else None
    step = max(1, round(hop * rate)) if hop else n_samples or 1
    for number, clip in enumerate(clips):
        samples: NDArray[np.float32] = np.empty(clip.shape, dtype=np.float32)
        write_float32(clip, samples)
        if rate != input_rate:
            samples = soxr.resample(samples, input_rate, rate)
        for part in cut_windows(samples, n_samples, step, shortest):
            yield number, part


def cut_windows(
    samples: NDArray[np.float32], window: int | None, hop: int, shortest: int
) -> list[NDArray[np.float32]]:
    """Cut a waveform into windows that cover it, without padding the last one.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,), dtype float32
        The waveform.
    window : int or None
        Samples of a window. A shorter waveform is one window as it is. None makes one
        window of any waveform.
    hop : int
        Samples from the start of a window to that of the next. The last window ends
        where the waveform does.
    shortest : int
        Samples that the network needs; silence fills them up.

    Returns
    -------
    windows : list of ndarray, dtype float32
        All of one length.
    """
    last = 0 if window is None else max(0, samples.size - window)
    length = samples.size - last
    windows = [
        samples[start : start + length] for start in [*range(0, last, hop), last]
    ]
    missing = shortest - length
    if missing > 0:
        windows = [np.pad(samples, (0, missing)) for samples in windows]
    return windows


def map_windows(
    function: Callable[[torch.Tensor], torch.Tensor],
    windows: Iterable[Numbered],
    *,
    batch_size: int,
    device: torch.device,
) -> Iterator[Numbered]:
    """Apply a function to batches of windows, whose rows never see each other.

    Matrix products choose their kernels by the shape of the whole batch, and different
    kernels round differently. So every batch is of one size, filled up with silence,
    and holds windows of one length.

    Parameters
    ----------
    function : callable
        Maps a tensor of shape (batch_size, n_samples) to one of shape (batch_size, d).
    windows : iterable of (int, ndarray of shape (n_samples,))
        Windows with the numbers of their clips. They are taken as they are needed.
    batch_size : int
        Windows in a batch.
    device : torch.device
        Where the function computes.

    Yields
    ------
    output : (int, ndarray of shape (d,))
        The number of the clip and the function's value, in the order of the windows.
    """
    for batch in _batches(windows, batch_size):
        numbers, waveforms = zip(*batch, strict=True)
        rows = np.zeros((batch_size, waveforms[0].size), dtype=np.float32)
        rows[: len(waveforms)] = waveforms
        with torch.no_grad():
            output = function(torch.from_numpy(rows).to(device)).cpu().numpy()
        yield from zip(numbers, output, strict=False)


def _batches(windows: Iterable[Numbered], batch_size: int) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    for number, samples in windows:
        if batch and (len(batch) == batch_size or batch[0][1].size != samples.size):
            yield batch
            batch = []
        batch.append((number, samples))
    if batch:
        yield batch


def check_equally_long(rows: list[NDArray]) -> None:
    """Raise a ValueError that names the first clip with more or fewer windows."""
    for index, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise ValueError(
                f"clip {index}: its {row.shape[-1]} windows are not "
                f"{rows[0].shape[-1]}, as in clip 0. With pooling=None, give clips of "
                "one length; or pool them."
            )
