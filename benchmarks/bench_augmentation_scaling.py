"""The default augmentation on spectrograms in dB, scaled to [-1, 1], and standardised.

Ten known keywords of Arabic Speech Commands: 12 clips of each, tested on the clips of
the test speakers. Spectrograms have 32 bands and 32 frames. All classifiers are smaller
than their defaults, and train for 40 epochs. The same seed draws the same clips and
weights for every column.

"none" is ``augmenter=None``. "one unit = 1 dB" is
``SpectrogramAugmenter(decibels_per_unit=1.0)``, which was the default until the unit
was derived from the training clips; "auto" is the default since then.

Accuracy on the test clips: mean ± standard deviation over the seeds. ``gain`` is the
mean difference between "auto" and "none", seed by seed, with its standard error.

Run ``python benchmarks/bench_augmentation_scaling.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works. The environment
variable ``BENCHMARK_TRIALS`` names a file that keeps finished trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from harness import Row, real_data, run_benchmark
from numpy.typing import NDArray
from trials import Scores, run_trials

from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.datasets import load_speech_commands_ar, make_sound_events
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.open_set import OpenSetGANClassifier
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

SCALINGS = ("db", "unit", "standardize")
AUGMENTERS = {
    "none": None,
    "one unit = 1 dB": SpectrogramAugmenter(decibels_per_unit=1.0),
    "auto": "auto",
}
N_CLIPS = 12  # per class


class Waveforms(NamedTuple):
    """Clips and their classes, which of them are the test, and the front end."""

    X: NDArray  # (n_clips, n_samples)
    y: NDArray  # (n_clips,)
    is_test: NDArray  # (n_clips,)
    front_end: LogMelSpectrogram


class Trial(NamedTuple):
    """One classifier, trained on one draw of clips."""

    quick: bool
    estimator: str
    scaling: str
    augmenter: str
    seed: int

    @property
    def name(self) -> str:
        return ", ".join(map(str, self))


@cache
def read(quick: bool) -> Waveforms:
    if quick:
        X, y = make_sound_events(80, ["bell", "chirp"], random_state=0)
        front_end = LogMelSpectrogram(n_fft=1024, hop_length=1024, n_mels=16)
        return Waveforms(X, y, np.arange(80) >= 40, front_end)
    commands = load_speech_commands_ar(data_home=real_data())
    kept = (commands.role == "known") & (commands.split != "validation")
    X = AudioLoader(16000, duration=1.0).fit_transform(commands.paths[kept])
    front_end = LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32)
    return Waveforms(
        X, commands.target[kept], commands.split[kept] == "test", front_end
    )


def estimators(seed: int, quick: bool) -> dict[str, Any]:
    size = {"width": 4, "max_epochs": 2} if quick else {"width": 8, "max_epochs": 40}
    encoder = {"width": 4 if quick else 16, "max_epochs": 2 if quick else 20}
    return {
        "EmbeddingRegularizedClassifier": EmbeddingRegularizedClassifier(
            random_state=seed, **size
        ),
        "CAEPretrainedClassifier": CAEPretrainedClassifier(
            ConvAutoencoder(**encoder),
            max_epochs=size["max_epochs"],
            random_state=seed,
        ),
        "OpenSetGANClassifier": OpenSetGANClassifier(
            first_stage="convolution",
            gan_width=4 if quick else 8,
            ensemble=False,
            rejection_rate=None,
            random_state=seed,
            **size,
        ),
    }


def judge(trial: Trial) -> Scores:
    sounds = read(trial.quick)
    rng = np.random.RandomState(trial.seed)
    pool = rng.permutation(np.flatnonzero(~sounds.is_test))
    train = np.concatenate(
        [pool[sounds.y[pool] == label][:N_CLIPS] for label in np.unique(sounds.y)]
    )
    front_end = sounds.front_end.set_params(scaling=trial.scaling)
    X = front_end.fit_transform(sounds.X[train])
    classifier = estimators(trial.seed, trial.quick)[trial.estimator]
    classifier.set_params(augmenter=AUGMENTERS[trial.augmenter]).fit(X, sounds.y[train])
    test = np.flatnonzero(sounds.is_test)
    X_test = front_end.transform(sounds.X[test])
    return {"accuracy": classifier.score(X_test, sounds.y[test])}


def measure(n_runs: int, quick: bool) -> list[Row]:
    rows = list(product(estimators(0, quick), SCALINGS))
    trials = [
        Trial(quick, *row, augmenter, seed)
        for row, augmenter, seed in product(rows, AUGMENTERS, range(n_runs))
    ]
    scores = run_trials(judge, trials, n_jobs=1)
    found = np.reshape(
        [scores[trial.name]["accuracy"] for trial in trials],
        (len(rows), len(AUGMENTERS), n_runs),
    )
    return [
        summarised(*row, dict(zip(AUGMENTERS, accuracies, strict=True)))
        for row, accuracies in zip(rows, found, strict=True)
    ]


def summarised(estimator: str, scaling: str, accuracies: dict[str, NDArray]) -> Row:
    """Return a row from the accuracies of each augmenter, (n_seeds,) each."""
    gains = accuracies["auto"] - accuracies["none"]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return {
        "estimator": estimator,
        "scaling": scaling,
        **{
            name: f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"
            for name, values in accuracies.items()
        },
        "gain": f"{gains.mean():+.3f} ± {error:.3f}",
        "n_seeds": len(gains),
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="augmentation_scaling",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
