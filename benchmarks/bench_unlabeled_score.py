"""Scores of cross-validation where most clips have no label.

ESC-10, its five official folds, and four of five clips without a label, which is -1.
Each seed hides other labels. "true labels" is the accuracy on all clips of the test
folds, by the labels that were hidden from the classifier. "-1 counted as an error" is
``cross_val_score(scoring="accuracy")``, which was also the ``score`` of the classifiers
until they left clips of -1 out; "-1 left out" is ``cross_val_score`` since then.

The first classifier receives log-mel spectrograms of 32 bands, the others statistics of
each band. Networks are smaller than their defaults and train for few epochs. Mean ±
standard deviation over the seeds.

Run ``python benchmarks/bench_unlabeled_score.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from harness import Row, real_data, run_benchmark
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.base import UNLABELED
from sklearn_audio.datasets import load_esc10, make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.semi_supervised import (
    LabelEnhancingClassifier,
    MeanTeacherClassifier,
)
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

HIDDEN = 0.8


class Sounds(NamedTuple):
    """Clips, their classes as numbers, and the folds that test them."""

    X: NDArray  # (n_clips, n_mels, n_frames)
    y: NDArray  # (n_clips,)
    folds: NDArray  # (n_clips,)


def read_esc10() -> Sounds:
    sounds = load_esc10(data_home=real_data())
    front_end = make_pipeline(
        AudioLoader(22050, duration=5.0),
        LogMelSpectrogram(22050, n_fft=4096, hop_length=3528, n_mels=32),
    )
    _, classes = np.unique(sounds.target, return_inverse=True)
    return Sounds(front_end.fit_transform(sounds.paths), classes, sounds.folds)


def make_sounds() -> Sounds:
    X, names = make_sound_events(80, ["bell", "chirp"], random_state=0)
    X = LogMelSpectrogram(n_fft=1024, hop_length=1024, n_mels=16).fit_transform(X)
    return Sounds(X, (names == "bell").astype(int), np.arange(80) % 2)


def classifiers(quick: bool) -> dict[str, Callable[[int], Any]]:
    width, n_epochs = (2, 2) if quick else (8, 10)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    statistics = SpectrogramStatistics()
    return {
        "EmbeddingRegularizedClassifier": lambda seed: EmbeddingRegularizedClassifier(
            width=width, max_epochs=n_epochs, random_state=seed
        ),
        "MeanTeacherClassifier": lambda seed: make_pipeline(
            statistics, MeanTeacherClassifier(max_epochs=n_epochs, random_state=seed)
        ),
        "LabelEnhancingClassifier": lambda seed: make_pipeline(
            statistics, LabelEnhancingClassifier(linear, random_state=seed)
        ),
    }


def judge(sounds: Sounds, classifier: Any, seed: int) -> dict[str, float]:
    """Return the scores by name, means over the folds."""
    rng = np.random.default_rng(seed)
    few = np.where(rng.random(len(sounds.y)) < HIDDEN, UNLABELED, sounds.y)
    scorers = {
        "-1 counted as an error": "accuracy",
        "-1 left out": lambda model, X, y: model.score(X, y),
    }
    found = cross_validate(
        classifier,
        sounds.X,
        few,
        groups=sounds.folds,
        cv=LeaveOneGroupOut(),
        scoring=scorers,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    parts = zip(found["estimator"], found["indices"]["test"], strict=True)
    true = [model.score(sounds.X[rows], sounds.y[rows]) for model, rows in parts]
    scores = {name: found[f"test_{name}"].mean() for name in scorers}
    return {"true labels": float(np.mean(true)), **scores}


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_esc10()
    rows: list[Row] = []
    for name, make in classifiers(quick).items():
        runs = [judge(sounds, make(seed), seed) for seed in range(n_runs)]
        figures = {
            column: f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
            for column in runs[0]
            for values in [[run[column] for run in runs]]
        }
        rows.append({"classifier": name, **figures, "n_seeds": n_runs})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="unlabeled_score",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
