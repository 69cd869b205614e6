"""One clip, however it is given, to a mono waveform at the rate that is wanted."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sklearn_audio.feature_extraction._clips import (
    as_waveform,
    check_samples,
    is_encoded,
    write_float32,
)


def read_mono(
    clip: Any, *, input_sample_rate: float, sample_rate: float, quality: str
) -> NDArray[np.float32]:
    """Decode a clip, average its channels and resample it.

    Parameters
    ----------
    clip : path, bytes, or array-like of shape (n_samples,) or (n_channels, n_samples)
        An audio file, the content of one, or a waveform.
    input_sample_rate : float
        Rate of a waveform, in Hz; files say theirs themselves.
    sample_rate : float
        Rate of the result, in Hz.
    quality : str
        What soxr calls the quality of its filter.

    Returns
    -------
    samples : ndarray of shape (n_samples,), dtype float32
        The whole clip, neither cut nor padded.

    Raises
    ------
    FileNotFoundError
        If the path leads nowhere.
    TypeError
        If the clip is none of the things above.
    ValueError
        If it cannot be decoded, or has no or no finite samples.
    """
    rate: float
    if is_encoded(clip):
        samples, rate = _decode(clip)
    else:
        samples, rate = _mix_down(as_waveform(clip)), input_sample_rate
    if rate == sample_rate:
        return samples
    resampled = soxr.resample(samples, rate, sample_rate, quality=quality)
    if resampled.size == 0:
        raise ValueError(
            f"nothing is left of its {samples.size} samples at {rate:g} Hz when they "
            f"are resampled to {sample_rate:g} Hz."
        )
    return resampled


def _decode(clip: str | bytes | os.PathLike) -> tuple[NDArray[np.float32], int]:
    """Read a whole file, or its bytes, and average its channels."""
    if not isinstance(clip, bytes):
        check_path(Path(clip))
    source = BytesIO(clip) if isinstance(clip, bytes) else clip
    try:
        samples, rate = soundfile.read(source, dtype="float32")
    except (soundfile.SoundFileError, TypeError) as error:
        raise undecodable(error) from error
    check_samples(samples)
    return (samples if samples.ndim == 1 else samples.mean(axis=1)), rate


def undecodable(error: Exception) -> ValueError:
    """Return an error that says what can be decoded, and what libsndfile says."""
    return ValueError(
        "cannot be decoded as audio. Known formats are those of libsndfile: wav, "
        f"flac, ogg, mp3 and others. It says: {error}"
    )


def check_path(path: Path) -> None:
    """Name the two mistakes for which libsndfile's own words are no help."""
    if path.is_dir():
        raise ValueError("is a directory, not an audio file.")
    if not path.exists():
        raise FileNotFoundError("there is no such file.")


def _mix_down(samples: NDArray) -> NDArray[np.float32]:
    """Convert one or more channels to one, with float32 samples in [-1, 1]."""
    waveform: NDArray[np.float32] = np.empty(samples.shape, dtype=np.float32)
    write_float32(samples, waveform)
    if waveform.ndim == 1:
        return waveform
    n_channels, n_samples = waveform.shape
    if n_channels > n_samples:
        raise ValueError(
            f"has {n_channels} channels of {n_samples} samples: a waveform of several "
            "channels has the shape (n_channels, n_samples). Transpose it."
        )
    return waveform.mean(axis=0)


def fit_length(
    samples: NDArray[np.float32], out: NDArray[np.float32], *, pad: str, crop: str
) -> None:
    """Write as much of a waveform into ``out`` as it holds, and fill up the rest."""
    surplus = samples.size - out.size
    if surplus >= 0:
        start = surplus // 2 if crop == "center" else 0
        out[:] = samples[start : start + out.size]
    elif pad == "tile":
        out[:] = np.resize(samples, out.size)
    else:
        out[: samples.size] = samples
        out[samples.size :] = 0.0
