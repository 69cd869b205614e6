"""What embeddings of EfficientAT mn04 are worth on ESC-10 and ESC-50.

- "ESC-10": five official folds, which keep the clips of a recording together. A ridge
  classifier on embeddings stands beside a support vector machine on statistics of
  log-mel spectrograms, which no other sounds have taught anything. Mean ± standard
  deviation over the folds; there is nothing random.
- "ESC-50, fold 4": nothing is trained. Each clip is given the class whose AudioSet tag
  is the most probable one of 49; "can opening" has no tag, and its clips count as
  mistakes.

The network has been trained on two million clips of AudioSet, among them sounds of all
these classes.

Run ``python benchmarks/bench_pretrained.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds and a random network, to show that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Row, real_data, run_benchmark
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from zero_shot_protocol import SAMPLE_RATE, read_label_map

from sklearn_audio.datasets import load_esc10, load_esc50, make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    PretrainedEmbedding,
    SpectrogramStatistics,
)
from sklearn_audio.pretrained import EfficientATNetwork


def load(sounds: Any) -> NDArray:
    return AudioLoader(SAMPLE_RATE, duration=5.0).fit_transform(sounds.paths)


def judge_folds(
    clips: NDArray, y: NDArray, folds: NDArray, network: PretrainedEmbedding
) -> list[Row]:
    """Return the rows of embeddings and of statistics."""
    statistics = make_pipeline(
        LogMelSpectrogram(SAMPLE_RATE, n_mels=64, n_fft=1024), SpectrogramStatistics()
    )
    ways = {
        "embedding, RidgeClassifierCV": (
            network.transform(clips),
            RidgeClassifierCV(np.logspace(-2, 4, 7)),
        ),
        "statistics, SVC": (statistics.fit_transform(clips), SVC()),
    }
    rows: list[Row] = []
    for name, (X, classifier) in ways.items():
        model = make_pipeline(StandardScaler(), classifier)
        scores = cross_val_score(model, X, y, cv=PredefinedSplit(folds))
        rows.append(
            {
                "clips": "ESC-10",
                "system": name,
                "accuracy": f"{scores.mean():.3f} ± {scores.std():.3f}",
                "n_clips": len(y),
            }
        )
    return rows


def judge_tags(
    clips: NDArray, y: NDArray, tag_of: dict[str, int], network: PretrainedEmbedding
) -> Row:
    """Return the row of the label map."""
    names = np.array(list(tag_of))
    best = names[network.tag(clips)[:, list(tag_of.values())].argmax(axis=1)]
    return {
        "clips": "ESC-50, fold 4",
        "system": "label map, nothing trained",
        "accuracy": f"{np.mean(best == y):.3f}",
        "n_clips": len(y),
    }


def measure_quickly() -> list[Row]:
    clips, y = make_sound_events(40, ["bell", "rain"], random_state=0)
    network = PretrainedEmbedding(EfficientATNetwork(width=0.1), sample_rate=16000)
    network.fit(clips)
    folds = judge_folds(clips, y, np.arange(len(y)) % 2, network)
    return [*folds, judge_tags(clips, y, {"bell": 0, "rain": 1}, network)]


def measure(n_runs: int, quick: bool) -> list[Row]:  # noqa: ARG001
    if quick:
        return measure_quickly()
    sounds = load_esc10(data_home=real_data())
    clips = load(sounds)
    network = PretrainedEmbedding(sample_rate=SAMPLE_RATE, device="cpu").fit(clips)
    y, folds = np.asarray(sounds.target), np.asarray(sounds.folds)
    rows = judge_folds(clips, y, folds, network)
    others = load_esc50(data_home=real_data())
    labels = np.asarray(others.target)
    return [*rows, judge_tags(load(others), labels, read_label_map(), network)]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretrained",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
