"""How well classifiers of few clips name known keywords and know unknown ones.

Ten keywords of Arabic Speech Commands are known, ten are not. Each seed draws a tenth
of the training speakers' known clips, 18 a keyword, and every classifier is fitted on
the same. All clips of the test speakers are the test: half of them known. Nothing is
tuned here, and nothing is augmented. The rows hold means and standard deviations over
the seeds; times are ratios within a seed, one after the other on one thread.

The clips are read from the folder that ``SKLEARN_AUDIO_DATA`` names.

Run ``python benchmarks/bench_open_set.py``; ``--quick`` runs on synthetic sounds, and
only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from harness import Row, median_ratio, real_data, run_benchmark, seconds_of
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.datasets import load_speech_commands_ar, make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.metrics import aupr_out, fpr_at_tpr, open_set_auroc, oscr_score
from sklearn_audio.open_set import RejectingClassifier, ScatteringResNetClassifier

FAMILIARITIES = ("max_proba", "max_decision", "energy")
REFERENCE = "scattering, width 16"
TRAINING_SHARE = 0.1


class Sounds(NamedTuple):
    """Spectrograms: of known clips to train on, of known and unknown ones to test."""

    X: NDArray
    y: NDArray
    X_test: NDArray
    y_test: NDArray  # "unknown" where the class is


def read_commands() -> Sounds:
    commands = load_speech_commands_ar(data_home=real_data())
    is_known = commands.role == "known"
    train = is_known & (commands.split == "train")
    test = commands.split == "test"
    front_end = make_pipeline(
        AudioLoader(16000, duration=1.0),
        LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32),
    )
    return Sounds(
        front_end.fit_transform(commands.paths[train]),
        commands.target[train],
        front_end.transform(commands.paths[test]),
        np.where(is_known, commands.target, "unknown")[test],
    )


def make_sounds() -> Sounds:
    front_end = LogMelSpectrogram(n_fft=1024, hop_length=512, n_mels=32)
    X, y = make_sound_events(240, ["bell", "chirp"], random_state=0)
    X_test, y_test = make_sound_events(
        20, ["bell", "chirp"], n_outliers=20, random_state=1
    )
    return Sounds(front_end.fit_transform(X), y, front_end.transform(X_test), y_test)


def make_classifiers(seed: int, quick: bool) -> dict[str, ClassifierMixin]:
    settings = [("scattering", 16), ("convolution", 16), ("scattering", 64)]
    if quick:
        settings = settings[:1]
    networks = {
        f"{first_stage}, width {width}": ScatteringResNetClassifier(
            first_stage=first_stage,
            width=width,
            max_epochs=2 if quick else 50,
            device="cpu",
            random_state=seed,
        )
        for first_stage, width in settings
    }
    linear = make_pipeline(
        SpectrogramStatistics(), StandardScaler(), LogisticRegression(max_iter=2000)
    )
    return {**networks, "logistic regression on statistics": linear}


def draw_few(y: NDArray, seed: int) -> NDArray:
    """Return the rows of a share of the clips of each class."""
    rng = np.random.RandomState(seed)
    rows = (rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y))
    return np.concatenate([r[: max(2, round(TRAINING_SHARE * len(r)))] for r in rows])


def judge(classifier: ClassifierMixin, familiarity: str, sounds: Sounds) -> list[float]:
    """Return accuracy, AUROC, AUPR_OUT, FPR95 and OSCR."""
    is_known = sounds.y_test != "unknown"
    # No metric here needs a threshold, so that none is calibrated.
    rejecting = RejectingClassifier(
        FrozenEstimator(classifier), familiarity=familiarity, rejection_rate=None
    ).fit(sounds.X, sounds.y)
    scores = rejecting.score_samples(sounds.X_test)
    answers = classifier.predict(sounds.X_test)
    return [
        float((answers == sounds.y_test)[is_known].mean()),
        open_set_auroc(is_known, scores),
        aupr_out(is_known, scores),
        fpr_at_tpr(is_known, scores),
        oscr_score(sounds.y_test, answers, scores, known_labels=classifier.classes_),
    ]


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    names = list(make_classifiers(0, quick))
    seconds = np.zeros((len(names), n_runs))
    figures = np.zeros((len(names), len(FAMILIARITIES), n_runs, 5))
    for seed in range(n_runs):
        rows = draw_few(sounds.y, seed)
        for i, classifier in enumerate(make_classifiers(seed, quick).values()):
            X, y = sounds.X[rows], sounds.y[rows]
            seconds[i, seed] = seconds_of(lambda c=classifier, X=X, y=y: c.fit(X, y))
            for j, familiarity in enumerate(FAMILIARITIES):
                figures[i, j, seed] = judge(classifier, familiarity, sounds)
    return [
        make_row(name, familiarity, figures[i, j], ratio)
        for i, name in enumerate(names)
        for ratio in [median_ratio(seconds[i], seconds[names.index(REFERENCE)])]
        for j, familiarity in enumerate(FAMILIARITIES)
    ]


def make_row(name: str, familiarity: str, figures: NDArray, ratio: float) -> Row:
    columns = ("accuracy", "auroc", "aupr_out", "fpr_at_95_tpr", "oscr")
    means, spreads = figures.mean(axis=0), figures.std(axis=0)
    return {
        "classifier": name,
        "familiarity": familiarity,
        **{
            column: f"{mean:.3f} ± {spread:.3f}"
            for column, mean, spread in zip(columns, means, spreads, strict=True)
        },
        "fit_time_ratio": round(ratio, 2),
        "n_seeds": len(figures),
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="open_set",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
