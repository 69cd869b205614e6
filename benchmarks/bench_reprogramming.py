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
of the keywords, with one seed and 100 clips each. Mean accuracy ± standard deviation
over the seeds. ``gain_over_map`` is the mean difference to the map alone, seed by seed,
with its standard error. ``published_f1`` is of AST on OpenMIC, 20 instruments, and the
map there is a simpler one: it had a thousand parameters.

Run ``python benchmarks/bench_reprogramming.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds and a random network, to show that it works. With
``--prepared FILE`` the clips are read from a file, which is made where it is missing:
where it is there, only the network's weights are needed of the data. ``--jobs`` trains
several models at once, which keeps a GPU busy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, run_benchmark
from joblib import Parallel, delayed
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

from sklearn_audio._torch._device import resolve_device
from sklearn_audio._torch._inference import map_in_chunks
from sklearn_audio.pretrained import load_network
from sklearn_audio.transfer import ReprogrammedClassifier

# Accuracy and trained parameters, of a system with a setting on a task with a seed.
Found = tuple[float, int]
MAP = "mn04 + map"
RATES = (3e-3, 1e-2)
BATCH_SIZE = 64


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
    model = kind(
        max_epochs=n_epochs,
        batch_size=BATCH_SIZE,
        lr=setting,
        random_state=seed,
        **parameters,
    ).fit(train.X, train.y)
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


def systems(backbone: Any) -> dict[str, tuple[Callable[..., Found], Sequence[float]]]:
    """Return the ways to train by name, with the settings to choose from."""

    def ours(**parameters: Any) -> tuple[Callable[..., Found], Sequence[float]]:
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


def run_one(
    system: Callable[..., Found], task: Task, setting: float, seed: int
) -> Found:
    train, test = task.draw(seed)
    return system(train, test, setting=setting, n_epochs=task.n_epochs, seed=seed)


def choose_settings(
    ways: dict[str, tuple[Callable[..., Found], Sequence[float]]],
    validation: Task,
    run: Callable[[list[Any]], list[Found]],
) -> dict[str, float]:
    """Return the setting of each system that is best on the validation speakers."""
    trials = [(name, s) for name, (_, settings) in ways.items() for s in settings]
    found = run([delayed(run_one)(ways[n][0], validation, s, 0) for n, s in trials])
    best: dict[str, tuple[float, float]] = {}
    for (name, setting), (accuracy, _) in zip(trials, found, strict=True):
        best[name] = max(best.get(name, (-1.0, 0.0)), (accuracy, setting))
    return {name: setting for name, (_, setting) in best.items()}


def measure(
    n_runs: int, quick: bool, *, prepared: Path | None, n_jobs: int
) -> list[Row]:
    if quick:
        ways = systems(random_backbone())
        tasks = [synthetic_task()]
        validation = tasks[0]
    else:
        ways = systems("efficientat_mn04")
        keywords, digits = read_clips(prepared)
        validation = keyword_task(keywords, 100, 15, part="validation")
        tasks = [
            keyword_task(keywords, 20, 30),
            keyword_task(keywords, 100, 15),
            digit_task(digits, 15),
        ]
    run = Parallel(n_jobs=n_jobs, verbose=5 if n_jobs > 1 else 0)
    chosen = choose_settings(ways, validation, run)
    trials = [(t, n, seed) for t in tasks for n in ways for seed in range(n_runs)]
    found = run(
        [delayed(run_one)(ways[n][0], t, chosen[n], seed) for t, n, seed in trials]
    )
    cells: dict[tuple[str, str], list[Found]] = {}
    for (task, name, _), result in zip(trials, found, strict=True):
        cells.setdefault((task.name, name), []).append(result)
    return [
        row_of(task.name, name, cells[task.name, name], cells[task.name, MAP], chosen)
        for task in tasks
        for name in ways
    ]


def row_of(
    task: str,
    name: str,
    found: list[Found],
    of_map: list[Found],
    chosen: dict[str, float],
) -> Row:
    accuracies = np.array([accuracy for accuracy, _ in found])
    gains = accuracies - [accuracy for accuracy, _ in of_map]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return {
        "clips": task,
        "system": name,
        "trained": found[0][1],
        "accuracy": f"{accuracies.mean():.3f} ± {accuracies.std():.3f}",
        "gain_over_map": f"{gains.mean():+.3f} ± {error:.3f}",
        "setting": f"{chosen[name]:g}",
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
        n_runs=3,
        argv=others,
    )


if __name__ == "__main__":
    raise SystemExit(main())
