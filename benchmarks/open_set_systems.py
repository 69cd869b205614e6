"""The systems of the open-set paper's Table 1, and the simple scores beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Row
from numpy.typing import NDArray
from open_set_protocol import Sounds, draw_few, judge, judge_closed_set, summarised
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from sklearn_audio.open_set import (
    AugGANClassifier,
    OpenSetGANClassifier,
    ScatteringResNetClassifier,
)

ANY_SCORES = ("max_softmax", "max_logit", "energy", "mahalanobis")
N_NEIGHBORS = 5


class Figures(NamedTuple):
    """One row of a table in the making: what a system reaches with one score."""

    system: str
    familiarity: str
    published_auroc: str  # of the paper, on other commands; "-" where it has no row
    figures: dict[str, float]


def small(estimator: Any, quick: bool) -> Any:
    """Return the estimator, or one that only shows that it works."""
    if quick:
        estimator.set_params(width=4, max_epochs=2)
        if hasattr(estimator, "gan_width"):
            estimator.set_params(gan_width=4)
    return estimator.set_params(device="cpu")


def by_itself(
    classifier: OpenSetGANClassifier, familiarity: str, sounds: Sounds
) -> dict[str, float]:
    """Judge a classifier by one of its own scores."""
    classifier.set_params(familiarity=familiarity)
    answers = classifier.classes_[
        classifier.predict_proba(sounds.X_test).argmax(axis=1)
    ]
    scores = classifier.score_samples(sounds.X_test)
    return judge(sounds, answers, scores, classifier.classes_)


def by_neighbors(
    classifier: OpenSetGANClassifier, X: NDArray, sounds: Sounds
) -> dict[str, float]:
    """Judge one network by the cosine distance to the fifth nearest training clip."""

    def embed(clips: NDArray) -> NDArray:
        with torch.no_grad():
            network: Any = classifier.modules_["module"]
            chunks = torch.from_numpy(clips).split(64)
            return normalize(torch.cat([network.embed(c) for c in chunks]).numpy())

    neighbors = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(X))).fit(embed(X))
    distances, _ = neighbors.kneighbors(embed(sounds.X_test))
    answers = classifier.classes_[
        classifier.predict_proba(sounds.X_test).argmax(axis=1)
    ]
    return judge(sounds, answers, -distances[:, -1], classifier.classes_)


def judge_systems(sounds: Sounds, seed: int, quick: bool) -> Iterator[Figures]:
    """Fit every system on the same clips, and judge it on the same test."""
    few = draw_few(sounds.y, seed)
    X, y = sounds.X[few], sounds.y[few]

    def fitted(estimator: Any, X: NDArray = X, y: NDArray = y) -> Any:
        return small(estimator.set_params(random_state=seed), quick).fit(X, y)

    resnet = ScatteringResNetClassifier(first_stage="convolution")
    everything = fitted(resnet, sounds.X, sounds.y)
    yield Figures(
        "(1) ResNet, posterior, 100 % of the clips",
        "max_softmax",
        "0.852",
        judge_closed_set(everything, "max_proba", sounds),
    )
    yield Figures(
        "(2) ResNet, posterior",
        "max_softmax",
        "0.624",
        judge_closed_set(fitted(resnet), "max_proba", sounds),
    )
    yield Figures(
        "(3) Posterior-AugGAN",
        "max_softmax",
        "0.815",
        judge_closed_set(fitted(AugGANClassifier()), "max_proba", sounds),
    )
    ours = fitted(OpenSetGANClassifier(rejection_rate=None))
    for familiarity in ("combined", *ANY_SCORES):
        yield Figures(
            "(4) OpenSetGANClassifier",
            familiarity,
            "0.883",
            by_itself(ours, familiarity, sounds),
        )
    plain = {"outliers": None, "rejection_rate": None}
    ensemble = fitted(OpenSetGANClassifier(**plain))
    one = fitted(OpenSetGANClassifier(**plain, ensemble=False))
    for familiarity in ("combined", *ANY_SCORES):
        yield Figures(
            "augmentation only, ensemble",
            familiarity,
            "-",
            by_itself(ensemble, familiarity, sounds),
        )
    for familiarity in ("combined", *ANY_SCORES):
        yield Figures(
            "augmentation only",
            familiarity,
            "-",
            by_itself(one, familiarity, sounds),
        )
    yield Figures(
        "augmentation only", "5 neighbours", "-", by_neighbors(one, X, sounds)
    )


def table(read_sounds: Callable[[int], Sounds], n_runs: int, quick: bool) -> list[Row]:
    """Return the rows of the table: means and spreads over the seeds."""
    results: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for seed in range(n_runs):
        for system, familiarity, published, figures in judge_systems(
            read_sounds(seed), seed, quick
        ):
            results.setdefault((system, familiarity, published), []).append(figures)
            print(seed, system, familiarity, figures["auroc"], file=sys.stderr)
    ours = [
        f["auroc"] for f in results["(4) OpenSetGANClassifier", "combined", "0.883"]
    ]
    return [
        {
            "system": system,
            "familiarity": familiarity,
            **summarised(figures),
            "wins_of_ours": f"{np.sum(np.array(ours) > [f['auroc'] for f in figures])}",
            "published_auroc": published,
            "n_seeds": len(figures),
        }
        for (system, familiarity, published), figures in results.items()
    ]
