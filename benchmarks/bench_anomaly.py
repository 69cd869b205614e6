"""Anomaly detectors on scenes of UrbanSound8K: Tables 1 and 2 of the GMGAN paper.

One detector a scene is trained on clean frames of one second, of half of the scene's
recordings, and tested on frames of the other half; into half of these an event is
mixed, a car horn, a dog, a gunshot or a siren. The halves are drawn again for every
round, the same for all detectors. Networks see log-mel spectrograms and are trained for
their default number of epochs; simple detectors see statistics of each band of these,
or the embeddings of EfficientAT mn04, which was trained on two million other clips.
Defaults were chosen on scenes of ESC-10 and ESC-50; of these scenes, one split that is
none of the rounds' was looked at twice before.

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
from sklearn_audio.feature_extraction import (
    PretrainedEmbedding,
    SpectrogramStatistics,
)
from sklearn_audio.pretrained import EfficientATNetwork

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
    spectrograms = scene.spectrograms()
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
    judged = {name: fit_and_judge(d, spectrograms) for name, d in detectors.items()}
    for name, familiarity in OTHER_SCORES:
        detector = detectors[name].set_params(familiarity=familiarity)
        seconds = {"seconds": judged[name]["seconds"]}
        judged[f"{name}, {familiarity}"] = {**judge(detector, spectrograms), **seconds}
    features = {
        name: spectrograms.transformed(SpectrogramStatistics(statistics))
        for name, statistics in STATISTICS.items()
    }
    network = EfficientATNetwork(width=0.1) if quick else "efficientat_mn04"
    embedding = PretrainedEmbedding(
        network, sample_rate=scene.sample_rate, device="cpu"
    )
    features["embedding"] = scene.transformed(embedding)
    for name, rows in features.items():
        for kind, detector in simple_detectors(seed).items():
            model = make_pipeline(StandardScaler(), detector)
            judged[f"{kind}, {name}"] = fit_and_judge(model, rows)
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
