"""What each loss of GMGAN is worth: Table 1 of its paper, and the defaults' parts.

The scenes, halves and tests are those of the benchmark ``anomaly``. The first rows are
the paper's three loss compositions with its other settings, but an eighth of GANomaly's
width, and 50 epochs; the other ones change the default's losses and training.
``published_auc`` is the mean over the paper's five scenes. ``auc_gain`` is the mean
difference to the first row.

Run ``python benchmarks/bench_anomaly_ablation.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from anomaly_protocol import COLLAPSING, PAPER_SIZE, Judged, Scene, fit_and_judge, table
from harness import run_benchmark

from sklearn_audio.anomaly import GMGANDetector

Settings = dict[str, Any]
FROM_PAPER: dict[str, Settings] = {
    "reconstruction + adversarial": {
        "latent_weight": 0.0,
        "energy_weight": 0.0,
        "familiarity": "reconstruction",
    },
    "+ latent": {"energy_weight": 0.0},
    "+ energy = the paper's": {},
    "the paper's, centred": {"with_centering": True},
    "the paper's, mean error, 4 dimensions": COLLAPSING,
}
FROM_DEFAULT: dict[str, Settings] = {
    "default": {},
    "default without energy": {"energy_weight": 0.0},
    "default without latent": {"latent_weight": 0.0},
    "default without adversarial": {"adversarial_weight": 0.0},
    "default without all three": {
        "energy_weight": 0.0,
        "latent_weight": 0.0,
        "adversarial_weight": 0.0,
    },
    "default without centring": {"with_centering": False},
    "default for 50 epochs": {"max_epochs": 50},
}
PUBLISHED = {
    "reconstruction + adversarial": ".748",
    "+ latent": ".794",
    "+ energy = the paper's": ".812",
}


def judge_all(scene: Scene, seed: int, quick: bool) -> Judged:
    """Return the figures of all compositions on one scene."""
    shared: Settings = {"device": "cpu", "random_state": seed, "contamination": None}
    if quick:
        shared |= {"width": 4, "max_epochs": 2}
    detectors = {
        name: GMGANDetector.from_paper(**{**PAPER_SIZE, **settings, **shared})
        for name, settings in FROM_PAPER.items()
    } | {
        name: GMGANDetector(**{**settings, **shared})
        for name, settings in FROM_DEFAULT.items()
    }
    spectrograms = scene.spectrograms()
    return {name: fit_and_judge(d, spectrograms) for name, d in detectors.items()}


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        partial(table, judge_all, PUBLISHED),
        name="anomaly_ablation",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
