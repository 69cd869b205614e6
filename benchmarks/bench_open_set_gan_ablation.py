"""What each part of the open-set GAN is worth, on Arabic Speech Commands.

The clips are those of the benchmark ``open_set_gan``: a tenth of the training speakers'
known clips, all clips of the test speakers. Every row is one network trained on all of
these clips, scored by the mean of softmax, logit and Mahalanobis distance, unless it
says otherwise. The upper rows build the default up from the plain network, the lower
ones take the paper's game apart, on the same classifier with the same augmentation.
``auroc_gain`` is the mean difference to the first row of the same seeds.

Run ``python benchmarks/bench_open_set_gan_ablation.py`` with ``SKLEARN_AUDIO_DATA``
set; ``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Row, run_benchmark
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
REVERSED: Settings = {"outliers": "reversed"}
GAME: Settings = {"outliers": "generated"}
# Rows that differ in the score alone share a network.
SYSTEMS: list[tuple[str, Settings, str]] = [
    ("plain network, no augmentation", {**PLAIN, "augmenter": None}, "combined"),
    ("+ augmentation", PLAIN, "combined"),
    ("+ reversed clips", REVERSED, "combined"),
    ("+ ensemble of folds = default", {**REVERSED, "ensemble": True}, "combined"),
    ("+ mixup", {**REVERSED, "ensemble": True, "mixup_alpha": 0.4}, "combined"),
    ("augmentation, scattering", {**PLAIN, "first_stage": "scattering"}, "combined"),
    ("augmentation + game", GAME, "combined"),
    ("... Sinkhorn score", GAME, "sinkhorn"),
    ("... detector's score", GAME, "detector"),
    ("... without augmentation", {**GAME, "augmenter": None}, "combined"),
    ("... without Sinkhorn loss", {**GAME, "confidence_weight": 0.0}, "combined"),
    ("... without VAE: prior sampling", {**GAME, "sampling": "prior"}, "combined"),
    ("... latent noise of twice the width", {**GAME, "noise_scale": 2.0}, "combined"),
    ("... discrete cost", {**GAME, "confidence_cost": "discrete"}, "combined"),
    ("augmentation + game + reversed clips", {"outliers": "both"}, "combined"),
]


def fitted(settings: Settings, seed: int, sounds: Sounds, quick: bool) -> Any:
    rows = draw_few(sounds.y, seed)
    one_network: Settings = {"ensemble": False, "rejection_rate": None}
    classifier = OpenSetGANClassifier(**{**one_network, **settings}, random_state=seed)
    return small(classifier, quick).fit(sounds.X[rows], sounds.y[rows])


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    figures: dict[str, list[dict[str, float]]] = {name: [] for name, *_ in SYSTEMS}
    for seed in range(n_runs):
        last_settings: Settings | None = None
        for name, settings, familiarity in SYSTEMS:
            if settings is not last_settings:
                classifier = fitted(settings, seed, sounds, quick)
            last_settings = settings
            figures[name].append(by_itself(classifier, familiarity, sounds))
    aurocs = {name: np.array([f["auroc"] for f in figures[name]]) for name in figures}
    first = aurocs[SYSTEMS[0][0]]
    return [
        {
            "system": name,
            "familiarity": familiarity,
            **summarised(figures[name]),
            "auroc_gain": f"{(aurocs[name] - first).mean():+.3f}",
            "n_seeds": n_runs,
        }
        for name, _, familiarity in SYSTEMS
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
