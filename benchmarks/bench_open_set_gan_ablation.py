"""What each part of the open-set GAN is worth, on Arabic Speech Commands.

The clips are those of the benchmark ``open_set_gan``: a tenth of the training speakers'
known clips, all clips of the test speakers. Every row is one network trained on all of
these clips, scored by the mean of softmax, logit and Mahalanobis distance, unless it
says otherwise. The upper rows build the default up from the plain network, the lower
ones take the paper's game apart, on the same classifier with the same augmentation. The
last row has every setting of the paper, but a quarter of its width, as all others.
``auroc_gain`` is the mean difference to the first row of the same seeds.

Run ``python benchmarks/bench_open_set_gan_ablation.py`` with ``SKLEARN_AUDIO_DATA``
set; ``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Row, run_benchmark
from joblib import Parallel, delayed
from open_set_protocol import (
    Sounds,
    draw_few,
    make_sounds,
    read_commands,
    summarised,
)
from open_set_systems import by_itself, small

from sklearn_audio.open_set import OpenSetGANClassifier

Settings = dict[str, Any]
PLAIN: Settings = {"outliers": None}
SPLICED: Settings = {"outliers": "spliced"}
GAME: Settings = {"outliers": "generated"}
PAPER: Settings = {"width": 16, "gan_width": 32, "augmenter": "auto"}
# What is trained, and the rows that it fills: names and scores.
SYSTEMS: list[tuple[Settings, dict[str, str]]] = [
    ({**PLAIN, "augmenter": None}, {"plain network, no augmentation": "combined"}),
    (PLAIN, {"+ augmentation": "combined"}),
    (SPLICED, {"+ spliced clips": "combined"}),
    ({**SPLICED, "ensemble": True}, {"+ ensemble of folds = default": "combined"}),
    ({"outliers": "reversed"}, {"augmentation + reversed clips": "combined"}),
    (
        {"outliers": ("reversed", "spliced")},
        {"augmentation + reversed + spliced clips": "combined"},
    ),
    (
        {**SPLICED, "mixup_alpha": 0.4},
        {"augmentation + spliced clips + mixup": "combined"},
    ),
    (
        {**PLAIN, "first_stage": "scattering"},
        {"augmentation, scattering": "combined"},
    ),
    (
        GAME,
        {
            "augmentation + game": "combined",
            "... Sinkhorn score": "sinkhorn",
            "... detector's score": "detector",
        },
    ),
    ({**GAME, "augmenter": None}, {"... without augmentation": "combined"}),
    ({**GAME, "confidence_weight": 0.0}, {"... without Sinkhorn loss": "combined"}),
    ({**GAME, "sampling": "prior"}, {"... without VAE: prior sampling": "combined"}),
    (
        {"outliers": ("spliced", "generated")},
        {"augmentation + game + spliced clips": "combined"},
    ),
    ({"from_paper": PAPER}, {"the paper's settings": "sinkhorn"}),
]


def build(settings: Settings) -> OpenSetGANClassifier:
    if "from_paper" in settings:
        return OpenSetGANClassifier.from_paper(**settings["from_paper"])
    return OpenSetGANClassifier(**{"ensemble": False, **settings})


def judged(
    settings: Settings, rows: dict[str, str], seed: int, sounds: Sounds, quick: bool
) -> dict[str, dict[str, float]]:
    """Train once, and return the figures of every row that this fills."""
    few = draw_few(sounds.y, seed)
    classifier = build(settings).set_params(rejection_rate=None, random_state=seed)
    small(classifier, quick).fit(sounds.X[few], sounds.y[few])
    return {name: by_itself(classifier, score, sounds) for name, score in rows.items()}


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    results = Parallel(n_jobs=1 if quick else 2)(
        delayed(judged)(settings, rows, seed, sounds, quick)
        for seed in range(n_runs)
        for settings, rows in SYSTEMS
    )
    figures: dict[str, list[dict[str, float]]] = {}
    for result in results:
        for name, row in result.items():
            figures.setdefault(name, []).append(row)
    aurocs = {name: np.array([f["auroc"] for f in figures[name]]) for name in figures}
    first = next(iter(aurocs.values()))
    return [
        {
            "system": name,
            "familiarity": score,
            **summarised(figures[name]),
            "auroc_gain": f"{(aurocs[name] - first).mean():+.3f}",
            "n_seeds": n_runs,
        }
        for _, rows in SYSTEMS
        for name, score in rows.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="open_set_gan_ablation",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
