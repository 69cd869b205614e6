"""Tables 1 and 2 of the paper of the pre-trained classifier, in its own settings.

Pictures of 28 bands and 36 frames, in dB below the maximum of the clip; the networks,
optimiser and early stopping are those that the paper prints, but pre-training is on the
training clips of ESC-50 (the paper: 50,000 of ESC-US) for at most 15 epochs. The paper
measured one random split, with clips of one recording on both sides; here all five
official folds are. All labels are shown.

"scaled" pictures have their bands standardised, which the paper did not try: with
upsampling it reports a network that never learned. "Piczak" is a network of the size of
Piczak's, on whole pictures of 64 bands and 124 frames, with 500 hidden units in place
of 5000, and without his changes over time as second channel and his voting.

Accuracy, mean over folds ± standard deviation over the folds. ``gain`` is the mean
difference to the same network from scratch, with its standard error over the folds.

Run ``python benchmarks/bench_pretraining_paper.py`` with ``SKLEARN_AUDIO_DATA`` set,
which takes some minutes beside a GPU, and hours without; ``--quick`` runs on synthetic
sounds, and only shows that it works. ``BENCHMARK_TRIALS`` may name a file that keeps
finished trials of an interrupted run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from harness import Row, run_benchmark
from pretraining_protocol import (
    Pictures,
    Settings,
    Trial,
    make_pictures,
    n_cores,
    read_esc50,
)
from torch import nn
from torch.nn import functional as F
from trials import Scores, run_trials

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio._torch._estimator import as_images
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder


class Setting(NamedTuple):
    """What a row of the table is."""

    batch_size: int
    width: int
    decoder: str | None  # None: from scratch
    scaled: bool = False
    published: str = "–"

    @property
    def name(self) -> str:
        scale = ", scaled" if self.scaled else ""
        decoder = self.decoder or "from scratch"
        return f"{decoder}, batch {self.batch_size}, {self.width} filters{scale}"


PICZAK = "Piczak"
SETTINGS = [
    Setting(32, 64, None, published=".492"),
    Setting(32, 64, "unpooling", published=".507"),
    Setting(32, 64, "upsampling", published=".018"),
    Setting(32, 64, "transposed"),
    Setting(32, 64, None, scaled=True),
    Setting(32, 64, "unpooling", scaled=True),
    Setting(32, 64, "upsampling", scaled=True),
    Setting(32, 64, "transposed", scaled=True),
    Setting(16, 64, None, published=".414"),
    Setting(16, 64, "unpooling", published=".502"),
    Setting(64, 64, None, published=".474"),
    Setting(64, 64, "unpooling"),
    Setting(32, 32, None),
    Setting(32, 32, "unpooling"),
    Setting(32, 16, None),
    Setting(32, 16, "unpooling"),
]
BY_NAME = {setting.name: setting for setting in SETTINGS}


class PiczakNetwork(nn.Module):
    """Two convolutions, nearly as high as the picture, and two hidden layers."""

    def __init__(self, input_shape: tuple[int, int], n_outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, affine=False)
        self.conv1 = nn.Conv2d(1, 80, (input_shape[0] - 3, 6))
        self.conv2 = nn.Conv2d(80, 80, (1, 3))
        self.hidden = nn.LazyLinear(500)
        self.output = nn.Linear(500, n_outputs)
        self.hidden(self.features(torch.zeros(2, *input_shape)))  # learn its size

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the hidden layer sees: (B, F, T) -> (B, E)."""
        x = F.relu(self.conv1(self.norm(as_images(x))))  # (B, 80, 4, T - 5)
        x = F.max_pool2d(x, (4, 3), (1, 3))  # (B, 80, 1, T')
        x = F.relu(self.conv2(x))  # (B, 80, 1, T' - 2)
        return F.max_pool2d(x, (1, 3)).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits: (B, F, T) -> (B, K)."""
        return self.output(F.relu(self.hidden(self.features(x))))


class PiczakClassifier(TorchClassifier):
    """Piczak's network with the early stopping of the other rows."""

    _module_classes: ClassVar = {"module": PiczakNetwork}

    def __init__(self, max_epochs: int, random_state: int) -> None:
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.batch_size, self.lr = 32, 1e-3
        self.validation_fraction, self.n_iter_no_change = 0.1, 5
        self.class_weight, self.callbacks = None, None
        self.warm_start, self.verbose, self.device = False, 0, "auto"

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        n_outputs = len(self.classes_)
        return {"module": {"input_shape": self.input_shape_, "n_outputs": n_outputs}}


def make_classifier(system: str, seed: int, quick: bool) -> Any:
    if system == PICZAK:
        return PiczakClassifier(max_epochs=2 if quick else 150, random_state=seed)
    setting = BY_NAME[system]
    shared: Settings = {
        "batch_size": setting.batch_size,
        "random_state": seed,
        **({"max_epochs": 2} if quick else {}),
    }
    autoencoder = ConvAutoencoder.from_paper(
        width=4 if quick else setting.width,
        decoder=setting.decoder or "unpooling",
        standardize=setting.scaled,
        **{"max_epochs": 15, **shared},
    )
    return CAEPretrainedClassifier.from_paper(
        autoencoder=autoencoder, pretrain=setting.decoder is not None, **shared
    )


def judge(trial: Trial, pictures: Pictures, whole: Pictures, quick: bool) -> Scores:
    torch.set_num_threads(1)
    seen = whole if trial.system == PICZAK else pictures
    train, test = seen.folds[trial.fold]
    classifier = make_classifier(trial.system, trial.seed, quick)
    classifier.fit(seen.X[train], seen.y[train])
    return {"accuracy": classifier.score(seen.X[test], seen.y[test])}


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_esc50((28, 36))
    whole = pictures if quick else read_esc50((64, 124))
    n_folds = len(pictures.folds)
    systems = [*BY_NAME, PICZAK]
    n_seeds = 1 if quick else n_runs
    done = run_trials(
        partial(judge, pictures=pictures, whole=whole, quick=quick),
        [
            Trial(system, fold, seed)
            for seed in range(n_seeds)
            for system in systems
            for fold in range(n_folds)
        ],
        n_jobs=n_cores(quick),
    )
    values = {
        system: np.mean(
            [
                [done[Trial(system, i, seed).name]["accuracy"] for i in range(n_folds)]
                for seed in range(n_seeds)
            ],
            axis=0,
        )
        for system in systems
    }  # (n_folds,)
    rows = [row_of(BY_NAME[name], values) for name in BY_NAME]
    rows.append(
        {
            "system": PICZAK,
            "published": ".655",
            "accuracy": plus_minus(values[PICZAK]),
            "gain": "–",
        }
    )
    return [{**row, "n_seeds": n_seeds} for row in rows]


def row_of(setting: Setting, values: dict[str, np.ndarray]) -> Row:
    scratch = setting._replace(decoder=None).name
    differences = values[setting.name] - values[scratch]
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    is_scratch = setting.decoder is None
    return {
        "system": setting.name,
        "published": setting.published,
        "accuracy": plus_minus(values[setting.name]),
        "gain": "–" if is_scratch else f"{differences.mean():+.3f} ± {error:.3f}",
    }


def plus_minus(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining_paper",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
