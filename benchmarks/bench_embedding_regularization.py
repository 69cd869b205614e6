"""What a teacher's embeddings are worth in training, where clips are few.

5, 10 and 20 clips a class of ESC-10 and of the ten known keywords of Arabic Speech
Commands, drawn anew for every seed, the fewer from among the more. ESC-10 is tested on
one official fold a seed and drawn from the other four; the keywords are tested on the
test speakers and drawn from the training speakers. No recording and no speaker is on
both sides. The teacher is EfficientAT mn04.

"none" is the network without a teacher; the three penalties draw the same network, from
the same initial weights, towards it. All of these have the default settings, but for
the weight of Dis-Reg, 0.5; weights were chosen on validation speakers and on other
sounds than ESC-10's. None has anything of the teacher at the test. "Con-Reg, all clips"
is drawn towards the teacher on clips without a label, too: 32 clips of each class in
all, a weight of 0.5 and, to save time, half as many passes over them.

"transfer" and "concatenation" need the teacher: logistic regression on its embeddings,
and on these beside what "none" makes of the clips ("learned") or beside statistics of
the spectrograms. "statistics" is logistic regression on the latter alone, without
network or teacher.

Share of test clips that are named rightly: means ± standard deviations over the seeds.
``gain`` is the mean difference to "none", seed by seed, with its standard error.

Run ``python benchmarks/bench_embedding_regularization.py`` with ``SKLEARN_AUDIO_DATA``
set; it takes an accelerator where there is one. ``--quick`` runs on synthetic sounds,
and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from harness import Row, real_data, run_benchmark
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.base import UNLABELED
from sklearn_audio.datasets import (
    load_esc10,
    load_speech_commands_ar,
    make_sound_events,
)
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    PretrainedEmbedding,
    SpectrogramStatistics,
)
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

N_CLIPS = (5, 10, 20)  # of each class
TEACHER_RATE = 32_000  # of the network, in Hz
N_ALL_CLIPS = 32  # of each class, with and without a label
BASELINE = "none"
ALL_CLIPS = "Con-Reg, all clips"
# With their weights.
PENALTIES = {
    "Con-Reg": ("con", 0.2),
    "Dis-Reg": ("dis", 0.5),
    "distance correlation": ("distance_correlation", 0.2),
}


class Sounds(NamedTuple):
    """Clips as the network and as the teacher hear them."""

    name: str
    X: NDArray  # spectrograms: (n_clips, n_mels, n_frames)
    E: NDArray  # embeddings: (n_clips, n_dims)
    y: NDArray  # classes: (n_clips,)
    pools: list[NDArray]  # by seed, the rows to draw from
    tests: list[NDArray]  # by seed, the rows to test


def read_esc10(n_seeds: int) -> Sounds:
    sounds = load_esc10(data_home=real_data())
    is_test = [sounds.folds == 1 + seed % 5 for seed in range(n_seeds)]
    return Sounds(
        "ESC-10",
        *hear_environment(sounds.paths),
        sounds.target,
        [np.flatnonzero(~rows) for rows in is_test],
        [np.flatnonzero(rows) for rows in is_test],
    )


def read_commands(n_seeds: int) -> Sounds:
    commands = load_speech_commands_ar(data_home=real_data())
    kept = (commands.role == "known") & (commands.split != "validation")
    is_test = commands.split[kept] == "test"
    return Sounds(
        "speech commands",
        *hear_commands(commands.paths[kept]),
        commands.target[kept],
        [np.flatnonzero(~is_test)] * n_seeds,
        [np.flatnonzero(is_test)] * n_seeds,
    )


def hear_environment(paths: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Return spectrograms and the teacher's embeddings of sounds of five seconds."""
    front_end = make_pipeline(
        AudioLoader(22050, duration=5.0),
        LogMelSpectrogram(22050, n_fft=4096, hop_length=3528, n_mels=32),
    )
    return front_end.fit_transform(paths), embed(paths)


def hear_commands(paths: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Return spectrograms and the teacher's embeddings of words of a second."""
    front_end = make_pipeline(
        AudioLoader(16000, duration=1.0),
        LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32),
    )
    return front_end.fit_transform(paths), embed(paths)


def embed(paths: Sequence[str]) -> NDArray:
    clips = AudioLoader(TEACHER_RATE, duration=None).fit_transform(list(paths))
    return PretrainedEmbedding(sample_rate=TEACHER_RATE).fit_transform(clips)


def make_sounds(n_seeds: int) -> Sounds:
    """Make synthetic sounds, and a teacher that hears their bands, to try it out."""
    clips, y = make_sound_events(80, ["bell", "chirp"], random_state=0)
    X = LogMelSpectrogram(n_fft=1024, hop_length=1024, n_mels=16).fit_transform(clips)
    rows = np.arange(len(y))
    return Sounds(
        "synthetic",
        X,
        SpectrogramStatistics().fit_transform(X),
        y,
        [rows[:40]] * n_seeds,
        [rows[40:]] * n_seeds,
    )


def draw(sounds: Sounds, n_clips: int, seed: int) -> NDArray:
    """Return rows of some clips of each class; of fewer, the first of the same."""
    rng = np.random.RandomState(seed)
    pool = rng.permutation(sounds.pools[seed])
    classes = np.unique(sounds.y)
    return np.concatenate([pool[sounds.y[pool] == k][:n_clips] for k in classes])


def judge(sounds: Sounds, n_clips: int, seed: int, quick: bool) -> dict[str, float]:
    """Return the accuracy of every system, fitted on the same clips."""
    train, test = draw(sounds, n_clips, seed), sounds.tests[seed]
    X, E, y = sounds.X[train], sounds.E[train], sounds.y[train]
    X_test, E_test, y_test = sounds.X[test], sounds.E[test], sounds.y[test]
    size = {"width": 2, "max_epochs": 2} if quick else {}
    network = partial(EmbeddingRegularizedClassifier, random_state=seed, **size)
    alone = network(penalty=None).fit(X, y)
    figures = {BASELINE: alone.score(X_test, y_test)}
    for name, (penalty, weight) in PENALTIES.items():
        drawn = network(penalty=penalty, weight=weight).fit(X, y, embeddings=E)
        figures[name] = drawn.score(X_test, y_test)
    figures[ALL_CLIPS] = judge_on_all_clips(sounds, n_clips, seed, network, quick)

    def linear(features: NDArray, features_test: NDArray) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        return model.fit(features, y).score(features_test, y_test)

    learned, learned_test = alone.embed(X), alone.embed(X_test)
    statistics, statistics_test = map(
        SpectrogramStatistics().fit_transform, (X, X_test)
    )
    return figures | {
        "transfer": linear(E, E_test),
        "concatenation, learned": linear(
            np.hstack([E, learned]), np.hstack([E_test, learned_test])
        ),
        "concatenation, statistics": linear(
            np.hstack([E, statistics]), np.hstack([E_test, statistics_test])
        ),
        "statistics": linear(statistics, statistics_test),
    }


def judge_on_all_clips(
    sounds: Sounds,
    n_clips: int,
    seed: int,
    network: Callable[..., EmbeddingRegularizedClassifier],
    quick: bool,
) -> float:
    """Return the accuracy with the teacher's embeddings of clips without a label."""
    labelled, every = (draw(sounds, n, seed) for n in (n_clips, N_ALL_CLIPS))
    codes = np.unique(sounds.y, return_inverse=True)[1]
    few = np.where(np.isin(every, labelled), codes[every], UNLABELED)
    passes = {} if quick else {"max_epochs": 40}
    drawn = network(penalty="con", weight=0.5, **passes)
    drawn.fit(sounds.X[every], few, embeddings=sounds.E[every])
    test = sounds.tests[seed]
    return drawn.score(sounds.X[test], codes[test])


def rows_of(name: str, runs: NDArray, systems: list[str], sizes: Any) -> list[Row]:
    """Return a data set's rows from its accuracies (n_runs, n_sizes, n_systems)."""
    gains = runs - runs[:, :, [systems.index(BASELINE)]]
    means, errors = gains.mean(axis=0), gains.std(axis=0, ddof=1) / len(runs) ** 0.5
    spreads = runs.std(axis=0)
    return [
        {
            "data": name,
            "system": system,
            **{
                f"{size}_clips": f"{runs[:, i, j].mean():.3f} ± {spreads[i, j]:.3f}"
                for i, size in enumerate(sizes)
            },
            **{
                f"gain_{size}": f"{means[i, j]:+.3f} ± {errors[i, j]:.3f}"
                for i, size in enumerate(sizes)
            },
            "n_seeds": len(runs),
        }
        for j, system in enumerate(systems)
    ]


def measure(n_runs: int, quick: bool) -> list[Row]:
    readers = [make_sounds] if quick else [read_esc10, read_commands]
    sizes = (2, 4) if quick else N_CLIPS
    rows: list[Row] = []
    for read in readers:
        sounds = read(n_runs)
        runs = Parallel(n_jobs=1 if quick else -1, verbose=0 if quick else 10)(
            delayed(judge)(sounds, size, seed, quick)
            for seed in range(n_runs)
            for size in sizes
        )
        systems = list(runs[0])
        figures = np.array([[run[system] for system in systems] for run in runs])
        figures = figures.reshape(n_runs, len(sizes), len(systems))
        rows += rows_of(sounds.name, figures, systems, sizes)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="embedding_regularization",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
