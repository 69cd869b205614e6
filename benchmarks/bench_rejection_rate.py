"""Whether as many known clips of fresh speakers are rejected as was asked for.

Arabic Speech Commands: ten keywords are known and ten are not. In each draw, six of the
thirty speakers are set aside for the test, and 180 or 1800 clips of known keywords by
the others are the training; in five draws every speaker is tested once. Groups are the
speakers, so that every clip is scored by a model that was trained on other speakers.
Logistic regression, SVC and random forest are given mean and standard deviation of each
band, the networks log-mel spectrograms of 32 bands. All are in their default settings,
but the networks take as many training steps for 1800 clips as for 180: a tenth of the
epochs.

``known`` and ``unknown`` are the fractions of test clips that are rejected, in the mean
over the draws, with the standard error of the mean. ``known_capped`` and
``unknown_capped`` are those of the former rule, applied to the same out-of-fold scores:
the plain quantile, but at most the lowest score of a training clip.

Run ``python benchmarks/bench_rejection_rate.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works. ``BENCHMARK_TRIALS``
may name a file that keeps finished trials of an interrupted run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Row, real_data, run_benchmark
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from trials import Scores, run_trials

from sklearn_audio.base import conformal_threshold
from sklearn_audio.datasets import load_speech_commands_ar, make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.open_set import (
    OpenSetGANClassifier,
    RejectingClassifier,
    ScatteringResNetClassifier,
)

RATES = (0.02, 0.05, 0.1, 0.2, 0.3)
SIZES = (180, 1800)
N_TURNS = 5
# The networks take minutes where the others take seconds.
N_DRAWS_PER_RUN = {
    "LogisticRegression": 4,
    "SVC": 4,
    "RandomForestClassifier": 4,
    "ScatteringResNetClassifier": 1,
    "OpenSetGANClassifier": 1,
}


class Sounds(NamedTuple):
    """Spectrograms, their keywords and speakers, and whether the keyword is known."""

    X: NDArray
    y: NDArray
    speakers: NDArray
    is_known: NDArray


class Trial(NamedTuple):
    """One system, fitted once."""

    system: str
    n_clips: int
    draw: int

    @property
    def name(self) -> str:
        return f"{self.system}|{self.n_clips}|{self.draw}"


def make_systems(draw: int, epochs: float) -> dict[str, Any]:
    """Return the systems by name; the networks train for a fraction of their epochs."""

    def shortened(network: Any) -> Any:
        network.set_params(random_state=draw, device="cpu")
        return network.set_params(max_epochs=max(1, round(epochs * network.max_epochs)))

    def on_statistics(classifier: Any, familiarity: str = "max_proba") -> Any:
        steps = SpectrogramStatistics(), StandardScaler(), classifier
        return RejectingClassifier(make_pipeline(*steps), familiarity=familiarity)

    return {
        "LogisticRegression": on_statistics(LogisticRegression(max_iter=1000)),
        "SVC": on_statistics(SVC(), "max_decision"),
        "RandomForestClassifier": on_statistics(
            RandomForestClassifier(random_state=draw)
        ),
        "ScatteringResNetClassifier": RejectingClassifier(
            shortened(ScatteringResNetClassifier())
        ),
        "OpenSetGANClassifier": shortened(OpenSetGANClassifier()),
    }


def read_commands() -> Sounds:
    commands = load_speech_commands_ar(data_home=real_data())
    front_end = make_pipeline(
        AudioLoader(16000, duration=1.0),
        LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32),
    )
    return Sounds(
        front_end.fit_transform(commands.paths),
        np.asarray(commands.target),
        np.asarray(commands.groups),
        np.asarray(commands.role) == "known",
    )


def make_sounds() -> Sounds:
    X, y = make_sound_events(240, ["bell", "chirp"], n_outliers=60, random_state=0)
    front_end = LogMelSpectrogram(n_fft=1024, hop_length=512, n_mels=32)
    return Sounds(front_end.fit_transform(X), y, np.arange(300) % 20, y != "unknown")


def judge(trial: Trial, sounds: Sounds, quick: bool) -> Scores:
    """Return the fractions of test clips that are rejected at each rate."""
    torch.set_num_threads(1)
    # Five draws in a row test every speaker once.
    rotation, turn = divmod(trial.draw, N_TURNS)
    speakers = np.random.RandomState(rotation).permutation(np.unique(sounds.speakers))
    is_test = np.isin(sounds.speakers, np.array_split(speakers, N_TURNS)[turn])
    rng = np.random.RandomState(trial.draw)
    pool = rng.permutation(np.flatnonzero(sounds.is_known & ~is_test))
    train = pool[: trial.n_clips]
    epochs = 0.02 if quick else SIZES[0] / trial.n_clips
    model = make_systems(trial.draw, epochs)[trial.system]
    model.fit(sounds.X[train], sounds.y[train], groups=sounds.speakers[train])
    lowest = model.score_samples(sounds.X[train]).min()
    known = model.score_samples(sounds.X[is_test & sounds.is_known])
    unknown = model.score_samples(sounds.X[is_test & ~sounds.is_known])
    fractions = {}
    for rate in RATES:
        threshold = conformal_threshold(model.calibration_scores_, rate)
        capped = min(np.quantile(model.calibration_scores_, rate), lowest)
        fractions |= {
            f"known|{rate}": float((known < threshold).mean()),
            f"unknown|{rate}": float((unknown < threshold).mean()),
            f"known_capped|{rate}": float((known < capped).mean()),
            f"unknown_capped|{rate}": float((unknown < capped).mean()),
        }
    return fractions


def row_of(system: str, n_clips: int, rate: float, draws: list[Scores]) -> Row:
    def summary(name: str) -> str:
        values = np.array([draw[f"{name}|{rate}"] for draw in draws])
        error = values.std(ddof=1) / np.sqrt(len(values))
        return f"{values.mean():.3f} ± {error:.3f}"

    return {
        "system": system,
        "n_clips": n_clips,
        "rejection_rate": rate,
        **{
            name: summary(name)
            for name in ("known", "known_capped", "unknown", "unknown_capped")
        },
        "n_draws": len(draws),
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    trials = {
        (system, n_clips): [
            Trial(system, n_clips, draw) for draw in range(n_runs * factor)
        ]
        for n_clips in ((60,) if quick else SIZES)
        for system, factor in N_DRAWS_PER_RUN.items()
    }
    done = run_trials(
        partial(judge, sounds=sounds, quick=quick),
        [trial for some in trials.values() for trial in some],
        n_jobs=1 if quick else -1,
    )
    return [
        row_of(system, n_clips, rate, [done[trial.name] for trial in some])
        for (system, n_clips), some in trials.items()
        for rate in RATES
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="rejection_rate",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
