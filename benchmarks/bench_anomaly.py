"""Anomaly detectors on scenes of UrbanSound8K: Tables 1 and 2 of the GMGAN paper.

One detector a scene is trained on clean frames of one second, of half of the scene's
recordings, and tested on frames of the other half, into every second of which an event
is mixed: a car horn, a dog, a gunshot or a siren. The halves are drawn again for every
round, the same for all detectors. All of them see the same log-mel spectrograms; the
simple ones see each band's statistics. Networks are trained for their default number of
epochs. Nothing was chosen on these scenes: defaults are from scenes of ESC-10.

``auc_gain`` is the mean difference to the paper's autoencoder over scenes, rounds and
ratios, with its standard error over the rounds. Columns named after scenes are AUCs,
the mean over ratios of 0 and 6 dB. ``seconds`` are those of one fit.

Run ``python benchmarks/bench_anomaly.py`` with ``SKLEARN_AUDIO_DATA`` set; ``--quick``
runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from anomaly_protocol import Judged, Scene, fit_and_judge, judge, table
from harness import run_benchmark
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_audio.anomaly import (
    ConvAutoencoderDetector,
    GMGANDetector,
    NearestNeighborsDetector,
    WaveNetDetector,
)
from sklearn_audio.feature_extraction import SpectrogramStatistics

# Of the detectors with their default settings, after the same training.
OTHER_SCORES = [
    ("autoencoder", "reconstruction"),
    ("GMGAN", "reconstruction"),
    ("GMGAN", "latent"),
    ("GMGAN", "energy"),
    ("GMGAN", "sum"),
]
STATISTICS = {"mean + std": ["mean", "std"], "std": ["std"]}


def simple_detectors(seed: int) -> dict[str, Any]:
    return {
        "isolation forest": IsolationForest(random_state=seed),
        "one-class SVM": OneClassSVM(nu=0.05),
        "kernel density": KernelDensity(bandwidth="scott"),
        "5 nearest neighbours": NearestNeighborsDetector(n_neighbors=5),
        # Of one component the energy is the Mahalanobis distance. There are fewer clips
        # than dimensions, so that the covariance needs its ridge.
        "Mahalanobis": GaussianMixture(reg_covar=0.1, random_state=seed),
    }


def judge_all(scene: Scene, seed: int, quick: bool) -> Judged:
    """Return the figures of all detectors on one scene."""
    settings = {"device": "cpu", "random_state": seed}
    if quick:
        settings |= {"width": 4, "max_epochs": 2}
    autoencoder = partial(ConvAutoencoderDetector, **settings)
    wavenet = partial(WaveNetDetector, **settings)
    detectors = {
        "autoencoder, as in the paper": autoencoder(
            familiarity="reconstruction", with_centering=False
        ),
        "WaveNet": wavenet(),
        "GMGAN, as in the paper": GMGANDetector.from_paper(**{"width": 16, **settings}),
        "autoencoder": autoencoder(),
        "GMGAN": GMGANDetector(**settings),
    }
    judged = {name: fit_and_judge(d, scene) for name, d in detectors.items()}
    for name, familiarity in OTHER_SCORES:
        detector = detectors[name].set_params(familiarity=familiarity)
        seconds = {"seconds": judged[name]["seconds"]}
        judged[f"{name}, {familiarity}"] = {**judge(detector, scene), **seconds}
    for features, statistics in STATISTICS.items():
        front_end = SpectrogramStatistics(statistics)
        for name, detector in simple_detectors(seed).items():
            model = make_pipeline(front_end, StandardScaler(), detector)
            judged[f"{name}, {features}"] = fit_and_judge(model, scene)
    return judged


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        partial(table, judge_all),
        name="anomaly",
        description=__doc__.splitlines()[0],
        n_runs=10,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
