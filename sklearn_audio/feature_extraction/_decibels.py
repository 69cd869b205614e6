"""Power to dB, clip by clip, and what dB spectrograms are scaled by."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sklearn_audio.feature_extraction._clips import Waveforms, check_finite

# Bands that spread less than this, in dB, are constant up to float32 rounding.
_MIN_SPREAD = 1e-3


def find_peaks(
    power: NDArray[np.float32], clips: Waveforms, first: int
) -> NDArray[np.float32]:
    """Return the maximum of each power spectrogram.

    Parameters
    ----------
    power : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
        The spectrograms.
    clips : ndarray of shape (n_clips, n_samples), or list of ndarray (n_samples,)
        What they are spectrograms of.
    first : int
        Number of the first clip.

    Returns
    -------
    peaks : ndarray of shape (n_clips, 1, 1), dtype float32
        The maxima, all finite.

    Raises
    ------
    ValueError
        If the power of a clip is not finite, because its samples are not or are huge.
        The error names the clip.
    """
    peaks = power.max(axis=(1, 2), keepdims=True)
    if not np.isfinite(peaks).all():
        index = int(np.isfinite(peaks).argmin())
        check_finite(clips[index : index + 1], first + index)
        raise ValueError(
            f"clip {first + index}: its power overflows float32. Samples are expected "
            "in [-1, 1]: scale them."
        )
    return peaks


def power_to_db(
    power: NDArray[np.float32],
    peaks: NDArray[np.float32],
    *,
    ref: float | str,
    amin: float,
    top_db: float | None,
) -> None:
    """Convert power spectrograms to dB, in place.

    The floors of `amin` and `top_db` are applied to the power, in one pass: the
    logarithm is monotonic, so this is what librosa's two passes give.

    Parameters
    ----------
    power : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
        The spectrograms.
    peaks : ndarray of shape (n_clips, 1, 1), dtype float32
        Their maxima.
    ref : float or "max"
        The power of 0 dB.
    amin : float
        Least power.
    top_db : float or None
        Most that a value may lie below the clip's peak, in dB; None for no such floor.
    """
    drop = math.inf if top_db is None else top_db
    floors = np.maximum(peaks * 10 ** (-drop / 10), amin)
    # Twice as fast as np.maximum, which is not vectorised for a scalar.
    np.clip(power, floors, np.maximum(peaks, floors), out=power)
    np.log(power, out=power)
    power *= 10 / math.log(10)
    if ref == "max":
        power -= power.max(axis=(1, 2), keepdims=True)
    elif ref != 1:
        power -= 10 * math.log10(max(amin, float(ref)))


def find_range(batches: Iterable[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the minimum and the maximum of all values."""
    ranges = np.array([(batch.min(), batch.max()) for batch in batches])
    return float(ranges[:, 0].min()), float(ranges[:, 1].max())


def find_band_moments(
    batches: Iterable[NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each band and its standard deviation, 1 where it is constant.

    Parameters
    ----------
    batches : iterable of ndarray of shape (n_clips, n_bands, n_frames)
        Spectrograms in dB: so near to zero that sums of squares in float64 are exact
        enough.
    """
    count, total, total_squares = 0, 0.0, 0.0
    for batch in batches:
        count += batch.shape[0] * batch.shape[2]
        total += batch.sum(axis=(0, 2), dtype=np.float64)
        total_squares += np.einsum("cbt,cbt->b", batch, batch, dtype=np.float64)
    mean = np.asarray(total / count)
    spread = np.sqrt(np.maximum(total_squares / count - mean**2, 0.0))
    return mean, np.where(spread < _MIN_SPREAD, 1.0, spread)


def scale_to_unit(decibels: NDArray[np.float32], low: float, high: float) -> None:
    """Map ``low`` to -1 and ``high`` to 1 in place, and clip what lies beyond."""
    decibels -= low
    decibels *= 2 / (high - low if high > low else 1.0)
    decibels -= 1
    np.clip(decibels, -1, 1, out=decibels)


def standardize(decibels: NDArray[np.float32], mean: NDArray, scale: NDArray) -> None:
    """Subtract a mean from each band and divide by a scale, in place."""
    decibels -= mean[:, np.newaxis].astype(np.float32)
    decibels /= scale[:, np.newaxis].astype(np.float32)
