"""Clips with several labels, most of which are hidden: data and systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from harness import real_data
from numpy.typing import NDArray
from scipy.io import arff
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.datasets import load_esc10
from sklearn_audio.feature_extraction import AudioLoader, PretrainedEmbedding
from sklearn_audio.semi_supervised import (
    LabelEnhancingClassifier,
    MeanTeacherClassifier,
)

N_MIXTURES = 200  # of each fold
RATE = 32_000  # of the network that embeds mixtures, in Hz
# Columns at the end of the published tables.
N_LABELS = {"birds": 19, "emotions": 6}


class Clips(NamedTuple):
    """Features and complete labels, to train on and to be judged by."""

    name: str
    X: NDArray  # (n_clips, n_features)
    Y: NDArray  # (n_clips, n_labels)
    X_test: NDArray
    Y_test: NDArray


# -- Data ------------------------------------------------------------------------------


def read_table(name: str) -> Clips:
    """Read birds or emotions; a third of the clips, the same always, is the test."""
    path = real_data() / "multilabel" / f"{name}.orig.arff"
    table, attributes = arff.loadarff(path)
    columns = attributes.names()
    split = len(columns) - N_LABELS[name]
    X = np.column_stack([as_numbers(table[column]) for column in columns[:split]])
    Y = np.column_stack([table[column] == b"1" for column in columns[split:]])
    rows = np.arange(len(X))
    train, test = train_test_split(rows, test_size=1 / 3, random_state=0)
    X, Y = X.astype(np.float32), Y.astype(int)
    return Clips(name, X[train], Y[train], X[test], Y[test])


def as_numbers(column: NDArray) -> NDArray:
    """Return a column as it is, or one column for each of its names: (n, k)."""
    if column.dtype.kind == "f":
        return column[:, None]
    return (column[:, None] == np.unique(column)).astype(float)


def mix_esc10() -> Clips:
    """Mix two or three sounds of ESC-10 a clip; fold 5, by itself, is the test.

    Each sound has the same power, and is up to 10 dB softer in the mixture. Features
    are EfficientAT's embeddings.
    """
    sounds = load_esc10(data_home=real_data())
    waveforms = AudioLoader(RATE, duration=5.0).fit_transform(list(sounds.paths))
    classes = np.unique(sounds.target, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    folds, mixtures, labels = [], [], []
    for fold in range(1, 6):
        rows = sounds.folds == fold
        sounds_of_fold, classes_of_fold = waveforms[rows], classes[rows]
        for _ in range(N_MIXTURES):
            mixture, label = mix(sounds_of_fold, classes_of_fold, rng)
            mixtures.append(mixture)
            labels.append(label)
            folds.append(fold)
    X = PretrainedEmbedding(sample_rate=RATE).fit_transform(mixtures)
    Y = np.array(labels)
    is_test = np.array(folds) == 5
    return Clips("mixtures", X[~is_test], Y[~is_test], X[is_test], Y[is_test])


def mix(
    waveforms: NDArray, classes: NDArray, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return a mixture, at most 1 in absolute value, and its labels."""
    chosen = rng.choice(10, rng.integers(2, 4), replace=False)
    mixture = np.zeros(waveforms.shape[1], dtype=np.float32)
    for each in chosen:
        sound = waveforms[rng.choice(np.flatnonzero(classes == each))]
        power = np.sqrt(np.mean(sound**2)) + 1e-6
        mixture += sound / power * 10 ** (rng.uniform(-10, 0) / 20)
    return mixture / np.abs(mixture).max(), np.isin(np.arange(10), chosen).astype(int)


def make_clips() -> Clips:
    """Make a small table, to show that a benchmark works."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6)).astype(np.float32)
    Y = (X[:, :3] + X[:, 3:] > 0).astype(int)
    return Clips("synthetic", X[:80], Y[:80], X[80:], Y[80:])


def hide(Y: NDArray, share: float, seed: int) -> NDArray:
    """Return labels with -1 in place of a share of them; more hides the same, too."""
    draws = np.random.default_rng(seed).random(Y.shape)
    return np.where(draws < share, -1, Y)


# -- Systems ---------------------------------------------------------------------------


NEGATIVE, MASKED = "missing = absent (B0)", "missing = masked (B1)"


def systems(seed: int, quick: bool) -> dict[str, Callable[[], Any]]:
    """Return the ways to learn from partial labels, by name."""
    size = {"width": 8, "max_epochs": 2} if quick else {}

    def network(**parameters: Any) -> MeanTeacherClassifier:
        return MeanTeacherClassifier(random_state=seed, **size, **parameters)

    plain = {"consistency": 0.0, "decay": 0.0}

    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    unguessed = {"positive_share": 0.0, "guess_weight": 1.0}

    def enhancing(estimator: Any, **parameters: Any) -> LabelEnhancingClassifier:
        return LabelEnhancingClassifier(estimator, random_state=seed, **parameters)

    return {
        NEGATIVE: lambda: network(missing="negative", **plain),
        MASKED: lambda: network(**plain),
        "label enhancing = default": lambda: enhancing(network(**plain)),
        "label enhancing, as published": lambda: enhancing(
            network(**plain),
            missing="negative",
            masked_share=0.1,
            positive_share=0.0,
            guess_weight=1.0,
        ),
        "mean teacher, consistency 10": lambda: network(consistency=10.0),
        "mean teacher, as published": lambda: network(
            consistency=1.0,
            ramp_up=0.0,
            temperature=1.0,
            mixup=0.0,
            decay=0.999,
            noise=0.0,
            masked_share=0.0,
        ),
        "label enhancing of mean teachers": lambda: enhancing(
            network(consistency=10.0)
        ),
        # All that is missing is taken for negative, or masked; nothing is guessed.
        "logistic regression, absent": lambda: enhancing(
            linear, masked_share=0, **unguessed
        ),
        "logistic regression, masked": lambda: enhancing(
            linear, masked_share=1, **unguessed
        ),
    }
