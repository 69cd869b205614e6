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

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from harness import Row, median_ratio, run_benchmark, seconds_of
from open_set_protocol import (
    draw_few,
    judge_closed_set,
    make_sounds,
    read_commands,
    summarised,
)
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.feature_extraction import SpectrogramStatistics
from sklearn_audio.open_set import ScatteringResNetClassifier

FIGURES = ("accuracy", "auroc", "aupr_out", "fpr_at_95_tpr", "oscr")
FAMILIARITIES = ("max_proba", "max_decision", "energy")
REFERENCE = "scattering, width 16"


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


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    names = list(make_classifiers(0, quick))
    seconds = np.zeros((len(names), n_runs))
    figures: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for seed in range(n_runs):
        rows = draw_few(sounds.y, seed)
        for i, (name, classifier) in enumerate(make_classifiers(seed, quick).items()):
            X, y = sounds.X[rows], sounds.y[rows]
            seconds[i, seed] = seconds_of(lambda c=classifier, X=X, y=y: c.fit(X, y))
            for familiarity in FAMILIARITIES:
                judged = judge_closed_set(classifier, familiarity, sounds)
                figures[name, familiarity].append({f: judged[f] for f in FIGURES})
    reference = seconds[names.index(REFERENCE)]
    return [
        {
            "classifier": name,
            "familiarity": familiarity,
            **summarised(figures[name, familiarity]),
            "fit_time_ratio": round(median_ratio(seconds[i], reference), 2),
            "n_seeds": n_runs,
        }
        for i, name in enumerate(names)
        for familiarity in FAMILIARITIES
    ]


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
