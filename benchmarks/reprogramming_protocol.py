"""What a network hears of keywords and digits: the clips of the reprogramming bench.

Clips are spectrograms as EfficientAT mn04 takes them. Decoding them needs the sounds
and takes a minute; they can be kept in one file of about 40 MB, to be read where there
are no sounds. There they are rounded to a thirty-second, or 0.7 dB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import real_data
from numpy.typing import NDArray

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio.datasets import load_fsdd, load_speech_commands_ar, make_sound_events
from sklearn_audio.pretrained import EfficientATNetwork, make_spectrograms
from sklearn_audio.transfer import ReprogrammedClassifier

SAMPLE_RATE = 32000
# Clips a keyword, of each part; no speaker is in two of them.
N_KEYWORD_CLIPS = {"train": 150, "validation": 20, "test": 40}
N_DIGIT_CLIPS = 20  # of each digit and speaker
_STEPS = 32
_CHUNK = 200


@dataclass(frozen=True)
class Clips:
    """Spectrograms with their classes, speakers and parts."""

    X: NDArray
    y: NDArray
    speaker: NDArray
    part: NDArray

    def of(self, rows: NDArray) -> Clips:
        return Clips(self.X[rows], self.y[rows], self.speaker[rows], self.part[rows])


@dataclass(frozen=True)
class Task:
    """Clips to train on and clips to be judged by, drawn anew for every seed."""

    name: str
    n_epochs: int
    draw: Callable[[int], tuple[Clips, Clips]]


# -- Clips -----------------------------------------------------------------------------


def hear(paths: NDArray) -> NDArray[np.float16]:
    """Return the rounded spectrograms of files, cut or padded to a second."""
    from sklearn_audio.feature_extraction import AudioLoader  # needs sound libraries

    loader = AudioLoader(SAMPLE_RATE, duration=1.0)
    spectrograms = [
        make_spectrograms(loader.fit_transform(paths[start : start + _CHUNK]))
        for start in range(0, len(paths), _CHUNK)
    ]
    return (np.round(np.concatenate(spectrograms) * _STEPS) / _STEPS).astype(np.float16)


def draw_rows(labels: NDArray, n: int | dict[str, int], rng: Any) -> NDArray:
    """Return n rows of each label, in order."""
    rows = (
        rng.permutation(np.flatnonzero(labels == each)) for each in np.unique(labels)
    )
    return np.sort(np.concatenate([r[:n] for r in rows]))


def hear_keywords() -> Clips:
    words = load_speech_commands_ar(data_home=real_data())
    y, part = words.target.astype(str), words.split.astype(str)
    rng = np.random.RandomState(0)
    rows = np.concatenate(
        [
            np.flatnonzero(part == name)[draw_rows(y[part == name], n, rng)]
            for name, n in N_KEYWORD_CLIPS.items()
        ]
    )
    speaker = words.groups.astype(str)
    return Clips(hear(words.paths[rows]), y[rows], speaker[rows], part[rows])


def hear_digits() -> Clips:
    digits = load_fsdd(data_home=real_data())
    y, speaker = digits.target.astype(str), digits.groups.astype(str)
    cells = np.char.add(np.char.add(y, " "), speaker)
    rows = draw_rows(cells, N_DIGIT_CLIPS, np.random.RandomState(0))
    return Clips(hear(digits.paths[rows]), y[rows], speaker[rows], cells[rows])


def read_clips(prepared: Path | None) -> tuple[Clips, Clips]:
    """Return keywords and digits, from the file where there is one; else make it."""
    if prepared is None:
        return hear_keywords(), hear_digits()
    if not prepared.is_file():
        both = {"keywords": hear_keywords(), "digits": hear_digits()}
        arrays = {
            f"{kind}_{name}": array
            for kind, clips in both.items()
            for name, array in vars(clips).items()
        }
        prepared.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(prepared, **arrays)
    with np.load(prepared) as arrays:
        return tuple(
            Clips(*(arrays[f"{kind}_{name}"] for name in Clips.__annotations__))
            for kind in ("keywords", "digits")
        )


# -- Tasks -----------------------------------------------------------------------------


def keyword_task(clips: Clips, n_clips: int, n_epochs: int, part: str = "test") -> Task:
    """Train on some clips of each keyword, and judge by speakers of another part."""
    train, tested = clips.of(clips.part == "train"), clips.of(clips.part == part)

    def draw(seed: int) -> tuple[Clips, Clips]:
        rows = draw_rows(train.y, n_clips, np.random.RandomState(seed))
        return train.of(rows), tested

    name = f"20 keywords, {n_clips} clips each"
    return Task(name if part == "test" else f"{name}, {part}", n_epochs, draw)


def digit_task(clips: Clips, n_epochs: int) -> Task:
    """Train on the digits of all speakers but two, by whom it is judged."""
    speakers = np.unique(clips.speaker)

    def draw(seed: int) -> tuple[Clips, Clips]:
        out = speakers[[seed % len(speakers), (seed + 1) % len(speakers)]]
        is_tested = np.isin(clips.speaker, out)
        return clips.of(~is_tested), clips.of(is_tested)

    n_clips = N_DIGIT_CLIPS * (len(speakers) - 2)
    return Task(f"10 digits, {n_clips} clips each", n_epochs, draw)


def synthetic_task() -> Task:
    """Return a small task, to show that a benchmark works."""
    X, y = make_sound_events(
        32, ["bell", "rain"], duration=0.1, sample_rate=SAMPLE_RATE, random_state=0
    )
    halves = np.arange(len(y)) % 2
    clips = Clips(make_spectrograms(X), y, halves, halves)

    def draw(seed: int) -> tuple[Clips, Clips]:  # noqa: ARG001
        return clips.of(halves == 0), clips.of(halves == 1)

    return Task("synthetic", 1, draw)


# -- Fine-tuning -----------------------------------------------------------------------


class FineTunedClassifier(ReprogrammedClassifier):
    """Train the convolutions of the backbone too; its statistics stay as they are."""

    def _prepare_body(self, X: NDArray, *, resume: bool) -> None:
        super()._prepare_body(X, resume=resume)
        network: Any = self._body.network
        network.features.requires_grad_(True)

    def _embed(self, X: NDArray) -> NDArray:
        return X  # embeddings change from step to step

    _losses = TorchClassifier._losses


def random_backbone() -> EfficientATNetwork:
    return EfficientATNetwork(width=0.1)
