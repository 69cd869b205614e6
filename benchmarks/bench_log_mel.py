"""How much faster than a loop over librosa the front end is, on one core.

Each round times every way once, one after the other, so that whatever else the machine
does hits all of them alike. A row holds the median over the rounds of librosa's time
divided by the time of a way. Every library has one native thread.

- array -> log-mel, in three settings of sample rate, FFT and mel bands. The row "rfft
  and full matrix product" is no log-mel: it is the time of one bare FFT and one product
  with the dense filter matrix in torch, what a straightforward implementation could
  reach at best.
- path -> log-mel, on wav files of the Free Spoken Digit Dataset, resampled from 8 to 16
  kHz, in the folder that the environment variable ``SKLEARN_AUDIO_DATA`` names.

Run ``python benchmarks/bench_log_mel.py``; ``--quick`` needs no data, and only shows
that it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import librosa
import numpy as np
import torch
from harness import Row, interleaved_seconds, median_ratio, real_data, run_benchmark
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline

from sklearn_audio.datasets import make_sound_events, save_clips
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram

BASELINE = "librosa loop"


class Setting(NamedTuple):
    """One shape of the problem."""

    name: str
    sample_rate: int
    seconds: int
    n_fft: int
    hop_length: int
    n_mels: int
    n_clips: int

    def describe(self) -> str:
        return (
            f"({self.name}) {self.seconds} s at {self.sample_rate / 1000:g} kHz, "
            f"n_fft {self.n_fft}, hop {self.hop_length}, {self.n_mels} mels"
        )


SETTINGS = [
    Setting("a", 16000, 1, 512, 160, 64, n_clips=128),
    Setting("b", 44100, 5, 1024, 512, 128, n_clips=16),
    Setting("c", 44100, 5, 12288, 6144, 28, n_clips=16),
]


def librosa_log_mel(clip: NDArray, setting: Setting) -> NDArray:
    power = librosa.feature.melspectrogram(
        y=clip,
        sr=setting.sample_rate,
        n_fft=setting.n_fft,
        hop_length=setting.hop_length,
        n_mels=setting.n_mels,
    )
    return librosa.power_to_db(power)


def log_mel_transformer(setting: Setting) -> LogMelSpectrogram:
    return LogMelSpectrogram(
        setting.sample_rate,
        n_fft=setting.n_fft,
        hop_length=setting.hop_length,
        n_mels=setting.n_mels,
    )


def bare_transform(setting: Setting) -> Callable[[], object]:
    """Return the FFT of all frames of a clip and one dense product, for all clips."""
    n_frames = 1 + setting.seconds * setting.sample_rate // setting.hop_length
    frames = torch.randn(n_frames, setting.n_fft)
    values = torch.rand(n_frames, setting.n_fft + 2)
    weights = torch.rand(setting.n_fft + 2, setting.n_mels)

    def run() -> None:
        for _ in range(setting.n_clips):
            torch.fft.rfft(frames)
            values @ weights

    return run


def compare(
    setting: str, ways: dict[str, Callable[[], object]], n_runs: int
) -> list[Row]:
    """Return a row for each way, with librosa's time divided by its own."""
    seconds = interleaved_seconds(ways, n_runs)
    return [
        {
            "setting": setting,
            "way": way,
            "ratio_to_librosa": f"{median_ratio(seconds[BASELINE], times):.2f}",
            "n_runs": n_runs,
        }
        for way, times in seconds.items()
    ]


def measure_arrays(setting: Setting, n_runs: int) -> list[Row]:
    shape = (setting.n_clips, setting.seconds * setting.sample_rate)
    clips = np.random.default_rng(0).normal(scale=0.1, size=shape).astype(np.float32)
    log_mel = log_mel_transformer(setting).fit(clips)
    check_agreement(log_mel.transform(clips[:1])[0], librosa_log_mel(clips[0], setting))
    ways: dict[str, Callable[[], object]] = {
        BASELINE: lambda: [librosa_log_mel(clip, setting) for clip in clips],
        "LogMelSpectrogram": lambda: log_mel.transform(clips),
        "rfft and full matrix product": bare_transform(setting),
    }
    return compare(f"array {setting.describe()}", ways, n_runs)


def check_agreement(decibels: NDArray, expected: NDArray) -> None:
    """Refuse to time a way that computes something else."""
    np.testing.assert_allclose(decibels, expected, atol=1e-4 * np.ptp(expected))


def measure_paths(paths: Sequence[Path], n_runs: int) -> list[Row]:
    setting = SETTINGS[0]
    rate, n_samples = setting.sample_rate, setting.seconds * setting.sample_rate

    def librosa_one(path: Path) -> NDArray:
        clip, _ = librosa.load(path, sr=rate)
        return librosa_log_mel(librosa.util.fix_length(clip, size=n_samples), setting)

    pipeline = make_pipeline(AudioLoader(rate), log_mel_transformer(setting))
    spectrograms = pipeline.fit_transform(paths)
    for path, spectrogram in zip(paths, spectrograms, strict=True):
        check_agreement(spectrogram, librosa_one(path))
    ways: dict[str, Callable[[], object]] = {
        BASELINE: lambda: [librosa_one(path) for path in paths],
        "AudioLoader, LogMelSpectrogram": lambda: pipeline.transform(paths),
    }
    return compare(f"path (FSDD wav) {setting.describe()}", ways, n_runs)


def spoken_digits() -> list[Path]:
    """Return some files of the Free Spoken Digit Dataset, of all its digits."""
    paths = sorted((real_data() / "fsdd" / "recordings").glob("*.wav"))
    return paths[:: len(paths) // 200][:200]


def synthetic_files(folder: str) -> list[Path]:
    X, y = make_sound_events(2, sample_rate=8000, random_state=0)
    return [Path(path) for path in save_clips(folder, X, y, sample_rate=8000)]


def measure(n_runs: int, quick: bool) -> list[Row]:
    settings = [s._replace(n_clips=2) for s in SETTINGS] if quick else SETTINGS
    with TemporaryDirectory() as folder:
        paths = synthetic_files(folder) if quick else spoken_digits()
        rows = [row for setting in settings for row in measure_arrays(setting, n_runs)]
        return rows + measure_paths(paths, n_runs)


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="log_mel",
        description=__doc__.splitlines()[0],
        n_runs=41,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
