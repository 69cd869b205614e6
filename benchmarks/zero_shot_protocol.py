"""Clips, class vectors and splits that the benchmarks of zero-shot learning share."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness import real_data
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from sklearn_audio.datasets import load_esc10, load_esc50
from sklearn_audio.feature_extraction import AudioLoader, PretrainedEmbedding
from sklearn_audio.model_selection import ZeroShotSplit

CATEGORIES = ("animals", "natural", "human", "interior", "exterior")
SAMPLE_RATE = 32_000  # of the network, in Hz


class Sounds(NamedTuple):
    """Clips as a pre-trained network hears them, and what their classes mean."""

    X: NDArray  # embeddings: (n_clips, n_dims)
    tags: NDArray  # probabilities of the network's tags: (n_clips, n_tags)
    y: NDArray  # classes: (n_clips,)
    sources: NDArray  # recordings: (n_clips,)
    vectors: dict[str, NDArray]  # of the classes: (n_words,) each
    tag_vectors: NDArray  # (n_tags, n_words)
    tag_of: dict[str, int]  # the column of tags that means the class
    categories: dict[str, str]  # of the classes

    def of(self, rows: NDArray) -> Sounds:
        """Return some of the clips."""
        taken = (values[rows] for values in (self.X, self.tags, self.y, self.sources))
        return Sounds(*taken, *self[4:])


def read_label_map() -> dict[str, int]:
    """Return the column of the tag that means each class of ESC-50 which has one."""
    path = real_data() / "word_vectors" / "esc50_to_audioset.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["category"]: int(row["audioset_index"])
            for row in csv.DictReader(file)
            if row["audioset_index"]
        }


def read_sounds() -> Sounds:
    """Read ESC-10 and a fold of ESC-50 through EfficientAT mn04 and Word2Vec."""
    data = real_data()
    sets = [load_esc50(data_home=data), load_esc10(data_home=data)]
    paths = np.concatenate([np.asarray(part.paths, dtype=object) for part in sets])
    names = np.concatenate([np.asarray(part.target) for part in sets])
    sources = np.concatenate([np.asarray(part.groups) for part in sets])
    table = np.load(data / "word_vectors" / "audioset527_word2vec300.npz")
    tag_of = read_label_map()
    # Clips of ESC-10 are in ESC-50 too, and one class has no word vector.
    _, first = np.unique([path_key(path) for path in paths], return_index=True)
    rows = first[np.isin(names[first], list(tag_of))]
    clips = AudioLoader(SAMPLE_RATE, duration=None).fit_transform(list(paths[rows]))
    network = PretrainedEmbedding(sample_rate=SAMPLE_RATE, device="cpu").fit(clips)
    return Sounds(
        X=network.transform(clips),
        tags=network.tag(clips),
        y=names[rows],
        sources=sources[rows],
        vectors={name: table["vectors"][index] for name, index in tag_of.items()},
        tag_vectors=table["vectors"],
        tag_of=tag_of,
        categories={name: sets[0].categories[name] for name in tag_of},
    )


def path_key(path: Any) -> str:
    """Return what a clip is called in both sets: fold, recording and take."""
    return "-".join(Path(path).stem.split("-")[:3])


def make_sounds() -> Sounds:
    """Make classes whose vectors say where their clips lie, and their own tags."""
    rng = np.random.default_rng(0)
    names = [f"{category} {i}" for category in CATEGORIES for i in range(8)]
    vectors = dict(zip(names, rng.normal(size=(len(names), 32)), strict=True))
    y = np.repeat(names, 4)
    X = np.array([vectors[name] for name in y]) @ rng.normal(size=(32, 8))
    X += rng.normal(scale=0.5, size=X.shape)
    tag_of = {name: i for i, name in enumerate(names)}
    tags = rng.uniform(0, 0.2, size=(len(y), len(names)))
    tags[np.arange(len(y)), [tag_of[name] for name in y]] += 0.5
    return Sounds(
        X=X.astype(np.float32),
        tags=tags,
        y=y,
        sources=np.arange(len(y)) // 2,
        vectors=vectors,
        tag_vectors=np.array(list(vectors.values())),
        tag_of=tag_of,
        categories={name: name.split()[0] for name in names},
    )


class Trial(NamedTuple):
    """What is trained on and tested, and the seed."""

    train: Sounds
    test: Sounds
    seed: int


def trials_of(sounds: Sounds, cv: ZeroShotSplit, seed: int) -> list[Trial]:
    """Return the trials of a split, with no recording on both sides."""
    return [
        Trial(sounds.of(train), sounds.of(test), seed)
        for train, test in cv.split(sounds.X, sounds.y, groups=sounds.sources)
    ]


def accuracy(model: Any, X: NDArray, y: NDArray) -> float:
    """Return the mean over classes of the accuracy among the classes of the test."""
    answers = model.set_candidates(np.unique(y)).predict(X)
    return float(balanced_accuracy_score(y, answers))


def spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"
