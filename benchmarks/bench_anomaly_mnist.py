"""One digit of MNIST is normal, the others anomalous: Figure 3 of GMGAN's paper.

For every digit and seed, a random 80 % of its images among MNIST's 10,000 test images
train each system. The test is the other 20 %, and about as many images of the other
digits, the same number of each. Nothing anomalous is trained on.
``auc`` is the mean over the digits, with the standard deviation over the seeds; the
columns of single digits are means over the seeds. The paper draws its figures as curves
without numbers, so that none can stand beside these. Anomalies of five digits were seen
when GMGANDetector.from_paper was mended: Eq. 3 is a norm, and GANomaly has 100 latent
dimensions.

Images are in [0, 1]. ConvAutoencoderDetector, which with the mean error of the copy is
the paper's DCAE, and GMGANDetector take them as they are: both in the settings of the
papers, with an eighth of GANomaly's width and for 50 epochs, and GMGANDetector in its
defaults, with each of its scores. "mean error, 4 dimensions" has the mean in place of
the paper's norm, and 4 latent dimensions with full covariances in place of 100 with
diagonal ones: its networks collapse. All others take rows of pixels, and KernelDensity
those of their principal components that hold 95 % of the variance: Scott's rule goes by
the number of dimensions, and many pixels are the same in all images.

AnoGAN and DeepSVDD are PyOD's in their default settings, small dense networks where the
papers' are convolutional; AnoGAN trains for 200 epochs instead of 500, to save time.
PyOD searches AnoGAN's latent space for copies of the training images only, and moves
the generator while it does; every new image is compared with the one picture that is
made last. That row says little about AnoGAN as it was published.

``seconds_per_fit`` is the mean time of a fit, on one thread of a machine that was busy
with other things as well: good for comparing rows, not for planning. That of
GMGANDetector.from_paper, which was measured later, is processor time.

Run ``python benchmarks/bench_anomaly_mnist.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic pictures, and only shows that it works.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from anomaly_protocol import COLLAPSING, PAPER_SIZE
from harness import Row, real_data, run_benchmark, seconds_of
from numpy.typing import NDArray
from pyod.models.anogan import AnoGAN
from pyod.models.deep_svdd import DeepSVDD
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import OneClassSVM
from trials import Scores, run_trials

from sklearn_audio.anomaly import (
    ConvAutoencoderDetector,
    GMGANDetector,
    NearestNeighborsDetector,
)

TEST_SHARE = 0.2
OTHER_SCORES = ("reconstruction", "latent", "energy", "sum")


class Images(NamedTuple):
    """Images with values in [0, 1], (n_images, height, width), and their classes."""

    X: NDArray
    y: NDArray


class Split(NamedTuple):
    """Images of the normal class to train on, and others to test."""

    X: NDArray
    X_test: NDArray
    is_normal: NDArray  # of the test


class Trial(NamedTuple):
    """One system on one digit, in one split."""

    system: str
    digit: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.system}, digit {self.digit}, seed {self.seed}"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array of bytes: the fourth of the file is the number of its axes."""
    content = gzip.decompress(path.read_bytes())
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", count=n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def read_mnist() -> Images:
    folder = real_data() / "mnist"
    X = read_idx(folder / "t10k-images-idx3-ubyte.gz")
    y = read_idx(folder / "t10k-labels-idx1-ubyte.gz")
    return Images((X / 255).astype(np.float32), y)


def make_pictures() -> Images:
    """Make lying and standing bars in noise, to show that the benchmark works."""
    y = np.arange(80) % 2
    X = np.random.default_rng(0).uniform(0, 0.3, size=(80, 12, 12)).astype(np.float32)
    X[y == 0, 5:7, :] += 0.7
    X[y == 1, :, 5:7] += 0.7
    return Images(X, y)


def draw_split(images: Images, normal: int, seed: int) -> Split:
    rng = np.random.default_rng([seed, normal])
    rows = rng.permutation(np.flatnonzero(images.y == normal))
    n_test = round(TEST_SHARE * len(rows))
    others = np.setdiff1d(images.y, normal)
    n_per_other = round(n_test / len(others))
    anomalies = [
        rng.permutation(np.flatnonzero(images.y == other))[:n_per_other]
        for other in others
    ]
    test = np.concatenate([rows[:n_test], *anomalies])
    return Split(images.X[rows[n_test:]], images.X[test], images.y[test] == normal)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which PyOD draws from, and put them back."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)


class PyODDetector(BaseEstimator):
    """A detector of PyOD that returns familiarities, as those of scikit-learn do."""

    def __init__(self, make: Callable[[int], Any], seed: int) -> None:
        self.make = make
        self.seed = seed

    def fit(self, X: NDArray, y: None = None) -> Self:
        with seeded(self.seed):
            self.detector_ = self.make(X.shape[1]).fit(X)
        return self

    def score_samples(self, X: NDArray) -> NDArray:
        return -self.detector_.decision_function(X)


def as_rows(X: NDArray) -> NDArray:
    return X.reshape(len(X), -1)


def on_rows(*steps: Any) -> Pipeline:
    return make_pipeline(FunctionTransformer(as_rows), *steps)


def make_detectors(seed: int, quick: bool) -> dict[str, Any]:
    small: dict[str, Any] = {"width": 4, "max_epochs": 2} if quick else {}
    of_pictures: dict[str, Any] = {
        "with_centering": False,
        "random_state": seed,
        "device": "cpu",
        "contamination": None,
        **small,
    }
    papers = {**PAPER_SIZE, **of_pictures}

    def anogan(_: int) -> AnoGAN:
        return AnoGAN(epochs=2, epochs_query=2) if quick else AnoGAN(epochs=200)

    def deep_svdd(n_features: int) -> DeepSVDD:
        return DeepSVDD(n_features, random_state=seed, verbose=0)

    return {
        "OneClassSVM": on_rows(OneClassSVM(gamma="scale", nu=0.05)),
        "PCA, KernelDensity": on_rows(
            PCA(0.95, svd_solver="full"), KernelDensity(bandwidth="scott")
        ),
        "IsolationForest": on_rows(IsolationForest(random_state=seed)),
        "NearestNeighborsDetector": on_rows(
            NearestNeighborsDetector(n_neighbors=5, contamination=None)
        ),
        "AnoGAN (PyOD)": on_rows(PyODDetector(anogan, seed)),
        "DeepSVDD (PyOD)": on_rows(PyODDetector(deep_svdd, seed)),
        "DCAE = ConvAutoencoderDetector": ConvAutoencoderDetector(
            familiarity="reconstruction", **papers
        ),
        "GMGANDetector.from_paper": GMGANDetector.from_paper(**papers),
        "from_paper, mean error, 4 dimensions": GMGANDetector.from_paper(
            **COLLAPSING, **papers
        ),
        "GMGANDetector": GMGANDetector(**of_pictures),
    }


def judge(detector: Any, split: Split) -> float:
    scores = detector.score_samples(split.X_test)
    return float(roc_auc_score(split.is_normal, scores))


def judge_trial(images: Images, quick: bool, trial: Trial) -> Scores:
    """Return the seconds of a fit, and an AUC per row that the fit serves."""
    split = draw_split(images, trial.digit, trial.seed)
    detector = make_detectors(trial.seed, quick)[trial.system]
    seconds = seconds_of(lambda: detector.fit(split.X))
    aucs = {trial.system: judge(detector, split)}
    for familiarity in OTHER_SCORES if trial.system == "GMGANDetector" else ():
        detector.set_params(familiarity=familiarity)
        aucs[f"{trial.system}, {familiarity}"] = judge(detector, split)
    return {**aucs, "seconds": seconds}


def summarised(row: str, results: list[list[Scores]]) -> Row:
    """Return a row of the table, from its results by seed and digit."""
    aucs = np.array([[result[row] for result in of_seed] for of_seed in results])
    by_seed = aucs.mean(axis=1)
    seconds = [result["seconds"] for of_seed in results for result in of_seed]
    return {
        "system": row,
        "auc": f"{by_seed.mean():.3f} ± {by_seed.std():.3f}",
        **{f"digit_{i}": f"{auc:.3f}" for i, auc in enumerate(aucs.mean(axis=0))},
        "n_seeds": len(results),
        "seconds_per_fit": f"{np.mean(seconds):.2g}",
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    images = make_pictures() if quick else read_mnist()
    digits = range(len(np.unique(images.y)))
    systems = list(make_detectors(0, quick))
    trials = [
        Trial(system, digit, seed)
        for seed in range(n_runs)
        for system in systems
        for digit in digits
    ]
    results = run_trials(
        partial(judge_trial, images, quick), trials, n_jobs=1 if quick else 2
    )
    by_system = {
        system: [
            [results[Trial(system, digit, seed).name] for digit in digits]
            for seed in range(n_runs)
        ]
        for system in systems
    }
    return [
        summarised(row, of_system)
        for of_system in by_system.values()
        for row in of_system[0][0]
        if row != "seconds"
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="anomaly_mnist",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
