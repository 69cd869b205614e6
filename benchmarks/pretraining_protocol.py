"""Clips, systems and trials that the benchmarks of pre-training share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Row, real_data
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from trials import Scores, run_trials

from sklearn_audio.base import UNLABELED
from sklearn_audio.datasets import load_fsdd, make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder

Settings = dict[str, Any]

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
FEWER_SHARES = (0.1, 1.0)  # to save time
FOLD_4 = 3  # by it the defaults were chosen
CLIPS_PER_SPEAKER = 20  # of each digit
SCRATCH = "from scratch"
DEFAULT = "unpooling = default"
FEW_EPOCHS = "unpooling, 15 epochs"
PRETRAINED: dict[str, Settings] = {
    DEFAULT: {},
    "upsampling": {"decoder": "upsampling"},
    "transposed": {"decoder": "transposed"},
    FEW_EPOCHS: {"max_epochs": 15},
}
SIMPLE: dict[str, Callable[[int], Any]] = {
    "random forest": lambda seed: RandomForestClassifier(200, random_state=seed),
    "SVC": lambda _: SVC(C=10),
    "nearest neighbour": lambda _: KNeighborsClassifier(1),
    "logistic regression": lambda _: LogisticRegression(max_iter=1000),
}


class Pictures(NamedTuple):
    """Spectrograms in dB, their classes, and folds that share no recording."""

    X: NDArray
    y: NDArray
    folds: list[tuple[NDArray, NDArray]]


class Trial(NamedTuple):
    """A system on one fold."""

    system: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.system}|{self.fold}|{self.seed}"


def read_esc50(shape: tuple[int, int] = (32, 62)) -> Pictures:
    """Read log-mel pictures of ESC-50, 64 x 124, as means over equal parts of them."""
    path = real_data() / "esc50_logmel" / "esc50_logmel_64x124_u8.npz"
    with np.load(path) as table:
        X, y, fold = table["X"], table["target"], table["fold"]
    decibels = X.astype(np.float32) * (80 / 255) - 80
    folds = list(LeaveOneGroupOut().split(X, y, groups=fold))
    return Pictures(shrunk(decibels, shape), y.astype(np.int64), folds)


def shrunk(X: NDArray, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return pictures of another size, by means over parts of nearly equal size."""
    for axis, n_parts in zip((1, 2), shape, strict=True):
        starts = np.linspace(0, X.shape[axis], n_parts + 1).round().astype(int)
        sizes = np.diff(starts).reshape([-1 if i == axis else 1 for i in range(3)])
        X = np.add.reduceat(X, starts[:-1], axis=axis) / sizes
    return np.ascontiguousarray(X, dtype=np.float32)


def read_digits() -> Pictures:
    """Read 20 repetitions of each digit by each of FSDD's speakers, 32 x 32."""
    digits = load_fsdd(data_home=real_data())
    y, speakers = np.asarray(digits.target).astype(np.int64), np.asarray(digits.groups)
    rng = np.random.RandomState(0)
    groups = [
        np.flatnonzero((y == digit) & (speakers == speaker))
        for digit in range(10)
        for speaker in np.unique(speakers)
    ]
    rows = np.concatenate([rng.permutation(g)[:CLIPS_PER_SPEAKER] for g in groups])
    front_end = make_pipeline(
        AudioLoader(8000, duration=1.0),
        LogMelSpectrogram(8000, n_mels=32, n_fft=512, hop_length=256),
    )
    X = front_end.fit_transform([digits.paths[row] for row in rows])
    folds = list(GroupKFold(3).split(X, y[rows], groups=speakers[rows]))
    return Pictures(X, y[rows], folds)


def make_pictures() -> Pictures:
    """Make synthetic pictures, to show that a benchmark works."""
    X, y = make_sound_events(48, ["bell", "chirp", "engine"], random_state=0)
    X = LogMelSpectrogram(n_mels=16, hop_length=512).fit_transform(X)
    codes = np.unique(y, return_inverse=True)[1]
    rows = np.arange(48)
    folds = [(rows[rows % 2 != i], rows[rows % 2 == i]) for i in range(2)]
    return Pictures(X, codes, folds)


def with_few_labels(y: NDArray, share: float, seed: int) -> NDArray:
    """Return labels of which a share is left in each class, and -1 for the others.

    What is left at a small share is left at every larger one.
    """
    few = np.full(len(y), UNLABELED)
    rng = np.random.RandomState(seed)
    for name in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == name))
        few[rows[: int(np.ceil(share * len(rows)))]] = name
    return few


def judge(
    trial: Trial,
    pictures: Pictures,
    whole: Pictures,
    shares: dict[str, Sequence[float]],
    quick: bool,
) -> Scores:
    """Return a system's accuracies on one fold, by share of the labels as text."""
    torch.set_num_threads(1)
    if trial.system in SIMPLE:
        return judge_simple(trial, whole, shares[trial.system])
    train, test = pictures.folds[trial.fold]
    X, y = pictures.X[train], pictures.y[train]
    classifier = make_classifier(trial, X, quick)
    scores = {}
    for share in shares[trial.system]:
        few = with_few_labels(y, share, trial.seed)
        fitted = classifier.fit(X, few)
        scores[text_of(share)] = fitted.score(pictures.X[test], pictures.y[test])
    return scores


def shares_of(system: str, quick: bool) -> tuple[float, ...]:
    """Return the shares at which a system is measured."""
    everywhere = system in (DEFAULT, SCRATCH, *SIMPLE)
    return SHARES if everywhere and not quick else FEWER_SHARES


def make_classifier(trial: Trial, X: NDArray, quick: bool) -> Any:
    """Return the network of a trial, pre-trained once for all shares."""
    shared: Settings = {"random_state": trial.seed}
    small = {"width": 4, "max_epochs": 1} if quick else {}
    if quick:
        shared |= {"max_epochs": 2, "n_hidden": 8}
    if trial.system == SCRATCH:
        template = ConvAutoencoder(**small)
        return CAEPretrainedClassifier(template, pretrain=False, **shared)
    settings = PRETRAINED[trial.system] | small
    autoencoder = ConvAutoencoder(random_state=trial.seed, **settings).fit(X)
    return CAEPretrainedClassifier(FrozenEstimator(autoencoder), **shared)


def judge_simple(trial: Trial, whole: Pictures, shares: Sequence[float]) -> Scores:
    train, test = whole.folds[trial.fold]
    X, y = SpectrogramStatistics().fit_transform(whole.X), whole.y
    scores = {}
    for share in shares:
        few = with_few_labels(y[train], share, trial.seed)
        rows = train[few != UNLABELED]
        model = make_pipeline(StandardScaler(), SIMPLE[trial.system](trial.seed))
        scores[text_of(share)] = model.fit(X[rows], y[rows]).score(X[test], y[test])
    return scores


def accuracies_of(
    systems: Sequence[str],
    pictures: Pictures,
    whole: Pictures,
    n_runs: int,
    quick: bool,
    shares: Sequence[float] | None = None,
) -> dict[str, dict[str, NDArray]]:
    """Return accuracies by system and share, of shape (n_seeds, n_folds) each.

    The shares are those of :func:`shares_of`, if no others are given.
    """
    n_folds = len(pictures.folds)
    measured = {system: shares or shares_of(system, quick) for system in systems}
    trials = [
        Trial(system, fold, seed)
        for system in systems
        for seed in range(n_runs)
        for fold in range(n_folds)
    ]
    done = run_trials(
        partial(judge, pictures=pictures, whole=whole, shares=measured, quick=quick),
        trials,
        n_jobs=n_cores(quick),
    )
    return {
        system: {
            text_of(share): accuracies(done, system, text_of(share), n_folds, n_runs)
            for share in measured[system]
        }
        for system in systems
    }


def accuracies(
    done: dict[str, Scores], system: str, share: str, n_folds: int, n_seeds: int
) -> NDArray:
    """Return the accuracies of a system, of shape (n_seeds, n_folds)."""
    return np.array(
        [
            [done[Trial(system, fold, seed).name][share] for fold in range(n_folds)]
            for seed in range(n_seeds)
        ]
    )


def row_of(
    values: dict[str, NDArray],
    baseline: dict[str, NDArray],
    *,
    over_folds: bool = False,
) -> Row:
    """Return accuracies by share: mean ± deviation over seeds, and the gain on folds.

    Parameters
    ----------
    values, baseline : dict of str to ndarray of shape (n_seeds, n_folds)
        Accuracies of a system, and of what it is compared with.
    over_folds : bool, default=False
        Whether the deviation is over folds instead, as where there is one seed.
    """
    row: Row = {}
    axis = 0 if over_folds else 1
    for share in baseline:
        row[share] = "–"
        if share in values:
            row[share] = plus_minus(values[share].mean(axis=axis))
    for share in baseline:
        row[f"gain_{share}"] = "–"
        if share in values and values is not baseline:
            row[f"gain_{share}"] = gain(values[share] - baseline[share])
    return row


def without_fold_4(values: dict[str, NDArray]) -> Row:
    """Return accuracies on the folds by which nothing was chosen."""
    row: Row = {}
    for share in map(text_of, FEWER_SHARES):
        kept = [i for i in range(values[share].shape[1]) if i != FOLD_4]
        row[f"without_fold_4_{share}"] = plus_minus(values[share][:, kept].mean(axis=1))
    return row


def gain(differences: NDArray) -> str:
    """Return mean, error and won folds of differences: (n_seeds, n_folds)."""
    of_folds = differences.mean(axis=0)  # (n_folds,)
    error = differences.std(ddof=1) / np.sqrt(differences.size)
    wins = f"{np.sum(of_folds > 0)}/{len(of_folds)}"
    return f"{of_folds.mean():+.3f} ± {error:.3f} ({wins})"


def plus_minus(values: NDArray) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def n_cores(quick: bool) -> int:
    return 1 if quick else len(os.sched_getaffinity(0))


def text_of(share: float) -> str:
    return f"{share:.0%}"
