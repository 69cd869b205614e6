"""The constants of a mel spectrogram: window and filters, checked and computed once."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, Literal

import librosa
import numpy as np
import scipy.signal
from numpy.typing import NDArray

from sklearn_audio.feature_extraction._mel_power import MelPower, PadMode


@lru_cache(maxsize=16)
def make_mel_power(
    *,
    sample_rate: float,
    n_fft: int,
    hop_length: int,
    win_length: int | None,
    window: str | tuple | float,
    center: bool,
    pad_mode: PadMode,
    power: float,
    n_mels: int,
    fmin: float,
    fmax: float | None,
    htk: bool,
    norm: Literal["slaney"] | float | None,
) -> MelPower:
    """Build what computes mel power for the parameters of `LogMelSpectrogram`.

    Building costs as much as transforming several clips, hence the cache. The result is
    never written to, so threads may share it.

    Raises
    ------
    ValueError
        If the frequencies do not fit the sample rate, the window does not fit the FFT,
        or SciPy does not know the window.
    """
    _check_frequencies(sample_rate, fmin, fmax)
    return MelPower(
        window=_padded_window(window, win_length or n_fft, n_fft),
        hop_length=hop_length,
        pad_mode=pad_mode if center else None,
        power=power,
        filters=_mel_filters(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            htk=htk,
            norm=norm,
        ),
    )


def _check_frequencies(sample_rate: float, fmin: float, fmax: float | None) -> None:
    nyquist = sample_rate / 2
    highest = nyquist if fmax is None else fmax
    if highest > nyquist:
        raise ValueError(
            f"fmax={fmax} Hz is above half the sample rate: clips at sample_rate="
            f"{sample_rate} Hz hold frequencies up to {nyquist:g} Hz. Lower fmax, or "
            "set it to None."
        )
    if fmin >= highest:
        raise ValueError(
            f"fmin={fmin} Hz is not below the highest frequency, {highest:g} Hz."
        )


def _padded_window(window: str | tuple | float, win_length: int, n_fft: int) -> NDArray:
    """Return the window in the middle of ``n_fft`` samples."""
    if win_length > n_fft:
        raise ValueError(
            f"win_length={win_length} is larger than n_fft={n_fft}: a window must fit "
            "into the FFT."
        )
    try:
        values = scipy.signal.get_window(window, win_length, fftbins=True)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"window={window!r} is none that scipy.signal.get_window knows: {error}"
        ) from error
    before = (n_fft - win_length) // 2
    return np.pad(values, (before, n_fft - win_length - before))


def _mel_filters(**settings: Any) -> NDArray:
    """Return librosa's mel filter bank without its warning about empty filters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters detected")
        return librosa.filters.mel(**settings)
