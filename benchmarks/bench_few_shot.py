"""Few clips of new classes: setting 4 of the zero-shot paper.

The classes of one category of ESC-50 are new: 1, 2 or 4 clips of each are trained on,
beside all clips of the other four categories, and the rest is tested with the ten
classes as candidates. Clips, embeddings and vectors are those of the benchmark
``zero_shot``, without "washing machine", of which there is but one recording: no
recording is on both sides. Shots are drawn anew for every seed, the same for all
systems.

The first systems know no names: class prototypes, which are mean clips, and logistic
regression, on the shots alone or on all clips. "one-hot" is the default estimator on
the shots without names. Mean over classes, categories and seeds of the share of clips
that are named rightly, ± standard deviation over the seeds. ``gain_over_logistic`` is
the mean difference to logistic regression on the shots, seed by seed, with its standard
error. ``published_5_shots`` is the paper's setting 4, with VGGish embeddings, 5 of 40
clips a class, and recordings on both sides.

Run ``python benchmarks/bench_few_shot.py`` with ``SKLEARN_AUDIO_DATA`` set; ``--quick``
runs on synthetic clips, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from harness import Row, run_benchmark
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from zero_shot_protocol import (
    Sounds,
    Trial,
    accuracy,
    make_sounds,
    read_sounds,
    spread,
    trials_of,
)

from sklearn_audio.model_selection import ZeroShotSplit
from sklearn_audio.zero_shot import BilinearZeroShot

System = Callable[[Trial], float]
SOLVERS = ("ridge", "eszsl", "sae", "batch", "algorithm1", "warp", "devise", "sje")
BASELINE = "logistic regression on the shots"
PUBLISHED_5_SHOTS = {"algorithm1": ".617"}
SINGLE_RECORDING = "washing_machine"


def shots_of(trial: Trial) -> Sounds:
    """Return what there is of the new classes to train on."""
    return trial.train.of(np.isin(trial.train.y, trial.test.y))


def logistic_regression(trial: Trial) -> float:
    shots = shots_of(trial)
    model = make_pipeline(
        StandardScaler(), Normalizer(), LogisticRegression(C=10, max_iter=1000)
    ).fit(shots.X, shots.y)
    return float(balanced_accuracy_score(trial.test.y, model.predict(trial.test.X)))


def prototypes(trial: Trial) -> float:
    shots = shots_of(trial)
    scaler = make_pipeline(StandardScaler(), Normalizer()).fit(shots.X)
    X, names = scaler.transform(shots.X), np.unique(shots.y)
    means = np.array([X[shots.y == name].mean(axis=0) for name in names])  # (C, d)
    cosines = scaler.transform(trial.test.X) @ Normalizer().transform(means).T
    return float(balanced_accuracy_score(trial.test.y, names[cosines.argmax(axis=1)]))


def logistic_regression_on_all(trial: Trial) -> float:
    model = make_pipeline(
        StandardScaler(),
        Normalizer(),
        LogisticRegression(C=10, class_weight="balanced", max_iter=1000),
    ).fit(trial.train.X, trial.train.y)
    names = np.unique(trial.test.y)
    scores = model.decision_function(trial.test.X)[:, np.isin(model.classes_, names)]
    return float(balanced_accuracy_score(trial.test.y, names[scores.argmax(axis=1)]))


def one_hot(trial: Trial) -> float:
    shots = shots_of(trial)
    model = BilinearZeroShot().fit(shots.X, shots.y)
    return accuracy(model, trial.test.X, trial.test.y)


def bilinear(trial: Trial, **settings: Any) -> float:
    model = BilinearZeroShot(
        trial.train.vectors, device="cpu", random_state=trial.seed, **settings
    ).fit(trial.train.X, trial.train.y)
    return accuracy(model, trial.test.X, trial.test.y)


def systems(quick: bool) -> dict[str, System]:
    small = {"max_epochs": 2} if quick else {}
    return {
        BASELINE: logistic_regression,
        "logistic regression on all": logistic_regression_on_all,
        "prototypes": prototypes,
        "one-hot": one_hot,
        "exemplar = default": bilinear,
        **{solver: partial(bilinear, solver=solver, **small) for solver in SOLVERS},
    }


def judge(system: System, sounds: Sounds, n_shots: int, seed: int) -> float:
    cv = ZeroShotSplit(
        strategy="leave_category_out",
        n_shots=n_shots,
        categories=sounds.categories,
        random_state=seed,
    )
    return float(np.mean([system(trial) for trial in trials_of(sounds, cv, seed)]))


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_sounds()
    sounds = sounds.of(sounds.y != SINGLE_RECORDING)
    n_shots = (1, 2) if quick else (1, 2, 4)
    found = {
        name: np.array(
            [
                [judge(system, sounds, k, seed) for k in n_shots]
                for seed in range(n_runs)
            ]
        )  # (n_runs, n_n_shots)
        for name, system in systems(quick).items()
    }
    rows: list[Row] = []
    for name, figures in found.items():
        gains = (figures - found[BASELINE]).mean(axis=1)  # (n_runs,)
        error = gains.std(ddof=1) / np.sqrt(n_runs)
        rows.append(
            {
                "system": name,
                **{f"{k}_shots": spread(figures[:, i]) for i, k in enumerate(n_shots)},
                "gain_over_logistic": f"{gains.mean():+.3f} ± {error:.3f}",
                "published_5_shots": PUBLISHED_5_SHOTS.get(name, "–"),
                "n_seeds": n_runs,
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="few_shot",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
