"""What a frozen network makes of speech, with something small before and behind it.

EfficientAT mn04, which was trained on AudioSet, is to tell Arabic keywords and English
digits apart, by speakers who were not trained on. ``trained`` is the number of
parameters that are trained. The rows are those of the published ablation: the network
with an output map alone; CNN or U-Net alone, with a map of the means of the bands over
sixths of a clip; CNN or U-Net before the network. Logistic regression on embeddings is
the simplest rival, and fine-tuning all convolutions the dearest.

Keywords: 18 speakers are trained on, 6 others are the test. Digits: 4 speakers, and 2
others, which differ from seed to seed. ``setting`` is the learning rate, or C of the
logistic regression: of two, or of three, the one that does best on 6 further speakers
of the keywords, with one seed and as many clips; digits take those of the 100 clips.
Mean accuracy ± standard deviation over the seeds. ``gain_over_map`` is the mean
difference to the map alone, seed by seed, with its standard error. ``published_f1`` is
of AST on OpenMIC, 20 instruments, and the map there is a simpler one: it had a thousand
parameters.

Run ``python benchmarks/bench_reprogramming.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds and a random network, to show that it works. With
``--prepared FILE`` the clips are read from a file, which is made where it is missing:
where it is there, only the network's weights are needed of the data. ``--jobs`` trains
several models at once, which keeps a GPU busy. ``BENCHMARK_TRIALS`` may name a file
that keeps finished trials of an interrupted run, which is hours long without a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Row, run_benchmark
from numpy.typing import NDArray
from reprogramming_protocol import (
    Clips,
    FineTunedClassifier,
    Task,
    digit_task,
    keyword_task,
    random_backbone,
    read_clips,
    synthetic_task,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from trials import Scores, run_trials

from sklearn_audio._torch._device import resolve_device
from sklearn_audio._torch._inference import map_in_chunks
from sklearn_audio.pretrained import load_network
from sklearn_audio.transfer import ReprogrammedClassifier

# Accuracy and trained parameters, of a system with a setting on a task with a seed.
Found = tuple[float, int]
# How a system is trained, and the settings to choose from.
Way = tuple[Callable[..., Found], Sequence[float]]
MAP = "mn04 + map"
RATES = (3e-3, 1e-2)


def reprogrammed(
    train: Clips,
    test: Clips,
    *,
    setting: float,
    n_epochs: int,
    seed: int,
    kind: type[ReprogrammedClassifier] = ReprogrammedClassifier,
    **parameters: Any,
) -> Found:
    model = kind(max_epochs=n_epochs, lr=setting, random_state=seed, **parameters)
    model.fit(train.X, train.y)
    return float(model.score(test.X, test.y)), model.n_trainable_parameters_


def embed(clips: Clips, backbone: Any) -> NDArray:
    network = load_network(backbone) if isinstance(backbone, str) else backbone.eval()
    device = resolve_device("auto")
    X = clips.X.astype(np.float32)
    return map_in_chunks(network.to(device).embed, X, device)


def logistic_regression(
    train: Clips, test: Clips, *, setting: float, backbone: Any, **_: Any
) -> Found:
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=setting, max_iter=1000)
    ).fit(embed(train, backbone), train.y)
    n_trained = model[-1].coef_.size + model[-1].intercept_.size
    return float(model.score(embed(test, backbone), test.y)), n_trained


def systems(backbone: Any) -> dict[str, Way]:
    """Return the ways to train by name."""

    def ours(**parameters: Any) -> Way:
        return partial(reprogrammed, **parameters), RATES

    return {
        "logistic regression": (
            partial(logistic_regression, backbone=backbone),
            (0.01, 0.1, 1.0),
        ),
        MAP: ours(backbone=backbone, input_transform=None),
        "CNN + map": ours(backbone=None, input_transform="cnn"),
        "U-Net + map": ours(backbone=None, input_transform="unet"),
        "CNN + mn04 + map": ours(backbone=backbone, input_transform="cnn"),
        "U-Net + mn04 + map": ours(backbone=backbone, input_transform="unet"),
        "mn04 fine-tuned + map": (
            partial(
                reprogrammed,
                kind=FineTunedClassifier,
                backbone=backbone,
                input_transform=None,
            ),
            (1e-3, 3e-3),
        ),
    }


# Of AST on OpenMIC; the paper has no row of AST with a linear map alone.
PUBLISHED_F1 = {
    MAP: ".620",
    "CNN + map": ".608",
    "U-Net + map": ".627",
    "CNN + mn04 + map": ".781",
    "U-Net + mn04 + map": ".816",
}


class Trial(NamedTuple):
    """A system with a setting, on the clips of a task that a seed draws."""

    system: str
    task: Task
    setting: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.system}|{self.task.name}|{self.setting:g}|{self.seed}"


def judge(trial: Trial, ways: dict[str, Way]) -> Scores:
    """Return a system's accuracy, and how many parameters it trained."""
    torch.set_num_threads(1)
    train, test = trial.task.draw(trial.seed)
    accuracy, n_trained = ways[trial.system][0](
        train,
        test,
        setting=trial.setting,
        n_epochs=trial.task.n_epochs,
        seed=trial.seed,
    )
    return {"accuracy": accuracy, "trained": n_trained}


def choose_settings(
    ways: dict[str, Way], validation: Task, n_jobs: int
) -> dict[str, float]:
    """Return the setting of each system that is best on the validation speakers."""
    trials = [
        Trial(name, validation, setting, 0)
        for name, (_, settings) in ways.items()
        for setting in settings
    ]
    done = run_trials(partial(judge, ways=ways), trials, n_jobs=n_jobs)
    best: dict[str, tuple[float, float]] = {}
    for trial in trials:
        reached = (done[trial.name]["accuracy"], trial.setting)
        best[trial.system] = max(best.get(trial.system, (-1.0, 0.0)), reached)
    return {name: setting for name, (_, setting) in best.items()}


def measure(
    n_runs: int, quick: bool, *, prepared: Path | None, n_jobs: int
) -> list[Row]:
    if quick:
        ways = systems(random_backbone())
        synthetic = synthetic_task()
        validations = {synthetic: synthetic}
    else:
        ways = systems("efficientat_mn04")
        keywords, digits = read_clips(prepared)
        few = keyword_task(keywords, 20, 30, part="validation")
        many = keyword_task(keywords, 100, 15, part="validation")
        validations = {
            keyword_task(keywords, 20, 30): few,
            keyword_task(keywords, 100, 15): many,
            digit_task(digits, 15): many,
        }
    chosen = {
        task: choose_settings(ways, validation, n_jobs)
        for task, validation in validations.items()
    }
    cells = {
        (task, name): [
            Trial(name, task, chosen[task][name], seed) for seed in range(n_runs)
        ]
        for task in chosen
        for name in ways
    }
    seed_by_seed = [
        trial for trials in zip(*cells.values(), strict=True) for trial in trials
    ]
    done = run_trials(partial(judge, ways=ways), seed_by_seed, n_jobs=n_jobs)
    found = {
        cell: [done[trial.name] for trial in trials] for cell, trials in cells.items()
    }
    return [
        row_of(task.name, name, found[task, name], found[task, MAP], chosen[task][name])
        for task, name in cells
    ]


def row_of(
    task: str,
    name: str,
    found: list[Scores],
    of_map: list[Scores],
    setting: float,
) -> Row:
    accuracies = np.array([scores["accuracy"] for scores in found])
    gains = accuracies - [scores["accuracy"] for scores in of_map]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return {
        "clips": task,
        "system": name,
        "trained": found[0]["trained"],
        "accuracy": f"{accuracies.mean():.3f} ± {accuracies.std():.3f}",
        "gain_over_map": f"{gains.mean():+.3f} ± {error:.3f}",
        "setting": f"{setting:g}",
        "published_f1": PUBLISHED_F1.get(name, "–"),
        "n_seeds": len(found),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    options, others = parser.parse_known_args(argv)
    return run_benchmark(
        partial(measure, prepared=options.prepared, n_jobs=options.jobs),
        name="reprogramming",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=others,
    )


if __name__ == "__main__":
    raise SystemExit(main())
