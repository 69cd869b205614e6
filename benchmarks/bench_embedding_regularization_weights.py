"""How lightly a network should be drawn towards its teacher.

As the benchmark ``embedding_regularization``, on clips that it does not test. Keywords:
speakers set aside for validation, 5 clips a word of other speakers to train on. Other
sounds: 20 of the 40 classes of ESC-50 that ESC-10 does not have, drawn anew for every
seed, 5 clips of each to train on, and those of other recordings to judge by: some 60,
of fold 4 alone. Each penalty with three weights, from the same initial network as
"none".

The default weights had been chosen by four earlier draws of the same clips.

Share of clips that are named rightly, and the mean difference to "none", seed by seed,
with its standard error.

Run ``python benchmarks/bench_embedding_regularization_weights.py`` with
``SKLEARN_AUDIO_DATA`` set; ``--quick`` runs on synthetic sounds, and only shows that it
works. ``BENCHMARK_TRIALS`` may name a file that keeps finished trials of an interrupted
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from bench_embedding_regularization import (
    BASELINE,
    PENALTIES,
    Sounds,
    draw,
    hear_commands,
    hear_environment,
    make_sounds,
)
from harness import Row, real_data, run_benchmark
from numpy.typing import NDArray
from trials import Scores, run_trials

from sklearn_audio.datasets import load_esc10, load_esc50, load_speech_commands_ar
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

N_CLIPS = 5  # of each class
N_CLASSES = 20  # of the other sounds
WEIGHTS = (0.2, 0.5, 0.8)


class Trial(NamedTuple):
    """All penalties and weights on the same clips."""

    data: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.data}|{self.seed}"


def read_keywords(n_seeds: int) -> Sounds:
    """Read keywords by speakers to train on, and by those set aside for validation."""
    commands = load_speech_commands_ar(data_home=real_data())
    kept = (commands.role == "known") & (commands.split != "test")
    is_judged = commands.split[kept] == "validation"
    return Sounds(
        "speech commands",
        *hear_commands(commands.paths[kept]),
        commands.target[kept],
        [np.flatnonzero(~is_judged)] * n_seeds,
        [np.flatnonzero(is_judged)] * n_seeds,
    )


def read_other_sounds(n_seeds: int) -> Sounds:
    """Read the clips of ESC-50 whose classes ESC-10 does not have."""
    sounds = load_esc50(data_home=real_data())
    seen = np.unique(load_esc10(data_home=real_data()).target)
    kept = ~np.isin(sounds.target, seen) & (sounds.folds == 4)
    y, recordings = sounds.target[kept], sounds.groups[kept]
    parts = [split_recordings(y, recordings, seed) for seed in range(n_seeds)]
    return Sounds(
        "other sounds",
        *hear_environment(sounds.paths[kept]),
        y,
        [pool for pool, _ in parts],
        [judged for _, judged in parts],
    )


def split_recordings(
    y: NDArray, recordings: NDArray, seed: int
) -> tuple[NDArray, NDArray]:
    """Return rows to draw from and to judge by, of some classes, recordings apart."""
    rng = np.random.RandomState(seed)
    pools, judged = [], []
    for name in rng.permutation(np.unique(y)):
        rows = np.flatnonzero(y == name)
        order = rng.permutation(np.unique(recordings[rows]))
        sizes = np.cumsum([np.sum(recordings[rows] == each) for each in order])
        n_pooled = np.searchsorted(sizes, N_CLIPS) + 1
        if n_pooled < len(order):  # else nothing is left to judge by
            is_pooled = np.isin(recordings[rows], order[:n_pooled])
            pools.append(rows[is_pooled])
            judged.append(rows[~is_pooled])
    return np.concatenate(pools[:N_CLASSES]), np.concatenate(judged[:N_CLASSES])


def judge(trial: Trial, sets: dict[str, Sounds], quick: bool) -> Scores:
    """Return the accuracy of every penalty and weight, fitted on the same clips."""
    torch.set_num_threads(1)
    sounds, seed = sets[trial.data], trial.seed
    train, judged = draw(sounds, N_CLIPS, seed), sounds.tests[seed]
    size = {"width": 2, "max_epochs": 2} if quick else {}
    network = partial(EmbeddingRegularizedClassifier, random_state=seed, **size)

    def accuracy(model: EmbeddingRegularizedClassifier, **embeddings: NDArray) -> float:
        model.fit(sounds.X[train], sounds.y[train], **embeddings)
        return float(model.score(sounds.X[judged], sounds.y[judged]))

    return {BASELINE: accuracy(network(penalty=None))} | {
        f"{name}|{weight}": accuracy(
            network(penalty=penalty, weight=weight), embeddings=sounds.E[train]
        )
        for name, (penalty, _) in PENALTIES.items()
        for weight in WEIGHTS
    }


def row_of(data: str, penalty: str, runs: list[Scores]) -> Row:
    """Return a penalty's accuracies and gains by weight."""
    n_runs = len(runs)
    baseline = np.array([run[BASELINE] for run in runs])
    values = {w: np.array([run[f"{penalty}|{w}"] for run in runs]) for w in WEIGHTS}
    gains = {w: values[w] - baseline for w in WEIGHTS}
    errors = {w: gains[w].std(ddof=1) / np.sqrt(n_runs) for w in WEIGHTS}
    return {
        "data": data,
        "penalty": penalty,
        "none": f"{baseline.mean():.3f}",
        **{f"weight_{w}": f"{values[w].mean():.3f}" for w in WEIGHTS},
        **{f"gain_{w}": f"{gains[w].mean():+.3f} ± {errors[w]:.3f}" for w in WEIGHTS},
        "n_seeds": n_runs,
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    readers = [make_sounds] if quick else [read_other_sounds, read_keywords]
    sets = {sounds.name: sounds for sounds in (read(n_runs) for read in readers)}
    trials = [Trial(name, seed) for seed in range(n_runs) for name in sets]
    done = run_trials(
        partial(judge, sets=sets, quick=quick), trials, n_jobs=1 if quick else -1
    )
    return [
        row_of(name, penalty, [done[Trial(name, seed).name] for seed in range(n_runs)])
        for name in sets
        for penalty in PENALTIES
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="embedding_regularization_weights",
        description=__doc__.splitlines()[0],
        n_runs=10,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
