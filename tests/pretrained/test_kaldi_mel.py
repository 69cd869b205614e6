"""EfficientAT's front end against slow loops written from its formulas."""

import math
from itertools import pairwise

import librosa
import numpy as np
import pytest
import torch

from sklearn_audio.pretrained._kaldi_mel import KaldiLogMel, kaldi_mel_filters

EFFICIENTAT = {
    "sample_rate": 32000,
    "n_fft": 1024,
    "win_length": 800,
    "hop_length": 320,
    "n_mels": 128,
    "fmax": 15000.0,
}


def slow_filters(sample_rate, n_fft, n_mels, fmax, fmin=0.0):
    """Return triangles between equally spaced mels, bin by bin."""

    def mel(hz):
        return 1127 * math.log(1 + hz / 700)

    step = (mel(fmax) - mel(fmin)) / (n_mels + 1)
    filters = np.zeros((n_mels, n_fft // 2 + 1))
    for band in range(n_mels):
        for index in range(n_fft // 2):
            position = (mel(index * sample_rate / n_fft) - mel(fmin)) / step - band
            filters[band, index] = max(0.0, 1 - abs(position - 1))
    return filters


def slow_log_mel(waveform, *, n_fft, win_length, hop_length, **settings):
    emphasised = [after - 0.97 * before for before, after in pairwise(waveform)]
    padded = np.pad(emphasised, n_fft // 2, mode="reflect")
    n = np.arange(win_length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / (win_length - 1))
    start = (n_fft - win_length) // 2
    columns = []
    for first in range(0, padded.size - n_fft + 1, hop_length):
        frame = np.zeros(n_fft)
        frame[start : start + win_length] = window
        frame *= padded[first : first + n_fft]
        columns.append(np.abs(np.fft.rfft(frame)) ** 2)
    mel = slow_filters(n_fft=n_fft, **settings) @ np.array(columns).T
    return (np.log(mel + 1e-5) + 4.5) / 5


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "n_mels", "fmax", "fmin"),
    [
        (32000, 1024, 128, 15000.0, 0.0),
        (8000, 256, 20, 4000.0, 0.0),
        (16000, 512, 7, 100.0, 0.0),
        (16000, 512, 64, 7500.0, 125.0),
        (16000, 512, 128, 8000.0, 20.0),
    ],
)
def test_filters_equal_a_slow_loop(sample_rate, n_fft, n_mels, fmax, fmin):
    filters = kaldi_mel_filters(sample_rate, n_fft, n_mels, fmax, fmin=fmin)
    expected = slow_filters(sample_rate, n_fft, n_mels, fmax, fmin)
    np.testing.assert_allclose(filters, expected, atol=1e-6)


@pytest.mark.parametrize("n_samples", [1024, 4321, 32000])
def test_pictures_equal_a_slow_loop(n_samples):
    rng = np.random.default_rng(0)
    waveforms = rng.normal(scale=0.1, size=(2, n_samples))
    front_end = KaldiLogMel(**EFFICIENTAT)
    pictures = front_end(torch.tensor(waveforms, dtype=torch.float32))
    assert pictures.shape == (2, 128, 1 + (n_samples - 2) // 320)
    for waveform, picture in zip(waveforms, pictures, strict=True):
        expected = slow_log_mel(waveform, **EFFICIENTAT)
        np.testing.assert_allclose(picture, expected, atol=1e-4)


def test_spectra_are_those_of_librosa():
    waveform = np.random.default_rng(1).normal(size=8000).astype(np.float32)
    window = np.hanning(800)
    spectra = librosa.stft(
        waveform[1:] - 0.97 * waveform[:-1],
        n_fft=1024,
        hop_length=320,
        win_length=800,
        window=lambda n: window,
        pad_mode="reflect",
    )
    filters = slow_filters(32000, 1024, 128, 15000.0)
    expected = (np.log(filters @ np.abs(spectra) ** 2 + 1e-5) + 4.5) / 5
    (picture,) = KaldiLogMel(**EFFICIENTAT)(torch.from_numpy(waveform)[None])
    np.testing.assert_allclose(picture, expected, atol=1e-4)


def test_silence_is_the_floor():
    pictures = KaldiLogMel(**EFFICIENTAT)(torch.zeros(1, 2000))
    np.testing.assert_allclose(pictures, (math.log(1e-5) + 4.5) / 5, rtol=1e-6)


def test_nothing_of_it_is_in_a_state_dict():
    assert KaldiLogMel(**EFFICIENTAT).state_dict() == {}
