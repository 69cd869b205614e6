"""Sounds, draws and figures that the open-set benchmarks share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from harness import Row, real_data
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sklearn_audio.datasets import (
    load_fsdd,
    load_speech_commands_ar,
    make_sound_events,
)
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.metrics import (
    aupr_in,
    aupr_out,
    equal_error_rate,
    fpr_at_tpr,
    open_set_auroc,
    oscr_score,
)
from sklearn_audio.open_set import RejectingClassifier

TRAINING_SHARE = 0.1
UNKNOWN = "unknown"


class Sounds(NamedTuple):
    """Spectrograms: of known clips to train on, of known and unknown ones to test."""

    X: NDArray
    y: NDArray
    X_test: NDArray
    y_test: NDArray  # "unknown" where the class is


def read_commands() -> Sounds:
    """Read Arabic Speech Commands: ten known, ten unknown keywords, its own splits."""
    commands = load_speech_commands_ar(data_home=real_data())
    is_known = commands.role == "known"
    train = is_known & (commands.split == "train")
    test = commands.split == "test"
    front_end = make_pipeline(
        AudioLoader(16000, duration=1.0),
        LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32),
    )
    return Sounds(
        front_end.fit_transform(commands.paths[train]),
        commands.target[train],
        front_end.transform(commands.paths[test]),
        np.where(is_known, commands.target, UNKNOWN)[test],
    )


def read_digits(seed: int) -> Sounds:
    """Read Free Spoken Digits: 0 to 4 are known, two speakers are the test."""
    digits = load_fsdd(data_home=real_data())
    names = digits.target.astype(str)
    is_known = np.isin(names, list("01234"))
    speakers = np.unique(digits.groups)
    test_speakers = speakers[[seed % len(speakers), (seed + 1) % len(speakers)]]
    test = np.isin(digits.groups, test_speakers)
    front_end = make_pipeline(
        AudioLoader(8000, duration=1.0),
        LogMelSpectrogram(8000, n_fft=512, hop_length=256, n_mels=32),
    )
    return Sounds(
        front_end.fit_transform(digits.paths[is_known & ~test]),
        names[is_known & ~test],
        front_end.transform(digits.paths[test]),
        np.where(is_known, names, UNKNOWN)[test],
    )


def make_sounds() -> Sounds:
    """Make synthetic sounds, to show that a benchmark works."""
    front_end = LogMelSpectrogram(n_fft=1024, hop_length=512, n_mels=32)
    X, y = make_sound_events(80, ["bell", "chirp"], random_state=0)
    X_test, y_test = make_sound_events(
        20, ["bell", "chirp"], n_outliers=20, random_state=1
    )
    return Sounds(front_end.fit_transform(X), y, front_end.transform(X_test), y_test)


def draw_few(y: NDArray, seed: int) -> NDArray:
    """Return the rows of a tenth of the clips of each class."""
    rng = np.random.RandomState(seed)
    rows = (rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y))
    return np.concatenate([r[: max(2, round(TRAINING_SHARE * len(r)))] for r in rows])


def judge(
    sounds: Sounds, answers: NDArray, scores: NDArray, classes: NDArray
) -> dict[str, float]:
    """Return the figures of one fit, by name.

    Parameters
    ----------
    sounds : Sounds
        The test.
    answers : ndarray of shape (n_test,)
        Classes of the test clips, nothing rejected.
    scores : ndarray of shape (n_test,)
        Familiarities of the test clips.
    classes : ndarray of shape (n_classes,)
        The known classes.

    Returns
    -------
    figures : dict of str to float
        Shares between 0 and 1.
    """
    is_known = sounds.y_test != UNKNOWN
    return {
        "accuracy": float((answers == sounds.y_test)[is_known].mean()),
        "auroc": open_set_auroc(is_known, scores),
        "aupr_in": aupr_in(is_known, scores),
        "aupr_out": aupr_out(is_known, scores),
        "eer": equal_error_rate(is_known, scores),
        "fpr_at_95_tpr": fpr_at_tpr(is_known, scores),
        "oscr": oscr_score(sounds.y_test, answers, scores, known_labels=classes),
    }


def judge_closed_set(
    classifier: ClassifierMixin, familiarity: str, sounds: Sounds
) -> dict[str, float]:
    """Judge a fitted classifier by what RejectingClassifier makes of its outputs."""
    # No figure needs a threshold, so that none is calibrated.
    rejecting = RejectingClassifier(
        FrozenEstimator(classifier), familiarity=familiarity, rejection_rate=None
    ).fit(sounds.X, sounds.y)
    scores = rejecting.score_samples(sounds.X_test)
    return judge(sounds, classifier.predict(sounds.X_test), scores, classifier.classes_)


def summarised(figures: list[dict[str, float]]) -> Row:
    """Return mean and standard deviation over the seeds, figure by figure."""
    return {
        name: f"{np.mean(values):.3f} ± {np.std(values):.3f}"
        for name in figures[0]
        for values in [[figure[name] for figure in figures]]
    }
