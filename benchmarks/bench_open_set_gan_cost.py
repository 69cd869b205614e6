"""What training the open-set GAN costs: beside a hand-written loop, and altogether.

Rows of ``fit_to_hand_written_loop`` compare one network's training with a plain torch
loop over the same networks, losses and augmentation, in turns on one thread. Rows of
``whole fit`` train the default, four networks, in a process of its own with two jobs:
its time in seconds on the machine of the benchmark, and the largest memory that any of
its processes took. The fit of 1800 clips is a tenth of the epochs long, and its time is
multiplied by ten.

Run ``python benchmarks/bench_open_set_gan_cost.py``; ``--quick`` only shows that it
works.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch
from harness import Row, interleaved_seconds, median_ratio, run_benchmark
from numpy.typing import NDArray
from torch.nn import functional as F

from sklearn_audio._torch._adversarial import discriminator_loss, generator_loss
from sklearn_audio._torch._clip_networks import Detector, Generator, PosteriorEncoder
from sklearn_audio._torch._resnet import ResNet
from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.open_set import OpenSetGANClassifier
from sklearn_audio.open_set._gan_losses import (
    confidence_loss,
    kl_loss,
    structure_loss,
)
from sklearn_audio.open_set._outlier_clips import splice

N_CLASSES = 10
BATCH_SIZE = 32
SHAPE = (32, 32)
WHOLE_FIT = """
import json, resource, sys, time
import numpy as np
from sklearn_audio.open_set import OpenSetGANClassifier
n_clips, max_epochs, width, n_jobs = (int(value) for value in sys.argv[1:])
X = np.random.default_rng(0).normal(-40, 10, (n_clips, 32, 32)).astype(np.float32)
y = np.arange(n_clips) % 10
classifier = OpenSetGANClassifier(
    max_epochs=max_epochs, width=width, n_jobs=n_jobs, random_state=0, device="cpu"
)
start = time.perf_counter()
classifier.fit(X, y)
seconds = time.perf_counter() - start
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
kilobytes = max(resource.getrusage(one).ru_maxrss for one in who)
print(json.dumps([seconds, kilobytes / 1024]))
"""


def make_clips(n_clips: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(0)
    X = rng.normal(-40, 10, size=(n_clips, *SHAPE)).astype(np.float32)
    return X, np.arange(n_clips) % N_CLASSES


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    (group,) = optimizer.param_groups
    loss.backward(inputs=group["params"])
    optimizer.step()


def train_spliced(X: NDArray, y: NDArray, width: int, n_epochs: int) -> None:
    """Train as outliers="spliced" does."""
    network = ResNet(SHAPE, 2 * N_CLASSES, width, "convolution", 2, 8)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    augment, generator = SpectrogramAugmenter(), torch.Generator().manual_seed(0)
    clips, labels = torch.from_numpy(X), torch.from_numpy(y)
    network.train()
    for _ in range(n_epochs):
        for rows in torch.randperm(len(clips)).split(BATCH_SIZE):
            known = augment(clips[rows], generator)
            spliced, begins_as = splice(clips[rows], labels[rows], generator)
            targets = torch.cat([labels[rows], begins_as + N_CLASSES])
            logits = network(torch.cat([known, augment(spliced, generator)]))
            step(optimizer, F.cross_entropy(logits, targets, label_smoothing=0.2))


def train_game(X: NDArray, y: NDArray, width: int, n_epochs: int) -> None:
    """Train as outliers="generated" does, with a confidence loss from the start."""
    network = ResNet(SHAPE, N_CLASSES, width, "convolution", 2, 8)
    encoder, generator = (
        PosteriorEncoder(SHAPE, 2 * width, 20),
        Generator(SHAPE, 2 * width, 20),
    )
    detector = Detector(SHAPE, 2 * width, use_spectral_norm=False)
    modules = (network, encoder, generator, detector)
    for module in modules:
        module.to(memory_format=torch.channels_last).train()
    makers = [*encoder.parameters(), *generator.parameters()]
    classifier_step = torch.optim.AdamW(network.parameters(), lr=2e-3)
    maker_step = torch.optim.Adam(makers, lr=2e-4, betas=(0.5, 0.999))
    detector_step = torch.optim.Adam(detector.parameters(), lr=4e-4, betas=(0.5, 0.999))
    augment, draws = SpectrogramAugmenter(), torch.Generator().manual_seed(0)
    clips, labels = torch.from_numpy(X), torch.from_numpy(y)
    low, high = float(X.min()), float(X.max())

    def scaled(x: torch.Tensor) -> torch.Tensor:
        return (x - low) * (2 / (high - low)) - 1

    def unscaled(x: torch.Tensor) -> torch.Tensor:
        return low + (x + 1) * ((high - low) / 2)

    def latents(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(mean.shape, generator=draws)
        return mean + (log_variance / 2).exp() * noise

    for _ in range(n_epochs):
        for rows in torch.randperm(len(clips)).split(BATCH_SIZE):
            real = scaled(augment(clips[rows], draws))
            posterior = encoder(real)
            fake = generator(latents(*posterior))
            step(
                detector_step,
                discriminator_loss(detector(real), detector(fake.detach())),
            )
            copy = generator(latents(*posterior))
            with torch.no_grad():
                features = detector.features(real)
            structure = structure_loss(
                real, copy, features, detector.features(copy), alpha=100.0, beta=1.0
            )
            loss = structure + 0.01 * kl_loss(*posterior)
            loss = loss + generator_loss(detector(fake))
            loss = loss + 0.1 * confidence_loss(network(unscaled(fake)))
            step(maker_step, loss)
            with torch.no_grad():
                fresh = unscaled(generator(latents(*encoder(real))))
            logits = network(augment(clips[rows], draws))
            loss = F.cross_entropy(logits, labels[rows], label_smoothing=0.2)
            step(classifier_step, loss + 0.1 * confidence_loss(network(fresh)))


def compare(
    outliers: str,
    by_hand: Callable[[NDArray, NDArray, int, int], None],
    n_runs: int,
    quick: bool,
) -> Row:
    n_clips, n_epochs, width = (32, 2, 4) if quick else (96, 20, 16)
    X, y = make_clips(n_clips)
    classifier = OpenSetGANClassifier(
        outliers=outliers,
        ensemble=False,
        rejection_rate=None,
        width=width,
        gan_width=2 * width,
        warmup=0.0,
        max_epochs=n_epochs,
        batch_size=BATCH_SIZE,
        device="cpu",
        random_state=0,
    )

    def hand() -> None:
        torch.set_flush_denormal(True)
        by_hand(X, y, width, n_epochs)
        torch.set_flush_denormal(False)

    ways = {"hand": hand, "fit": lambda: classifier.fit(X, y)}
    seconds = interleaved_seconds(ways, n_runs)
    ratio = median_ratio(seconds["fit"], seconds["hand"])
    return {
        "measured": "fit_to_hand_written_loop",
        "outliers": outliers,
        "n_clips": n_clips,
        "value": round(ratio, 3),
        "unit": "ratio",
        "n_runs": n_runs,
    }


def whole_fit(
    n_clips: int, max_epochs: int, share: float, width: int, n_jobs: int = 2
) -> list[Row]:
    arguments = [str(value) for value in (n_clips, max_epochs, width, n_jobs)]
    output = subprocess.run(
        [sys.executable, "-c", WHOLE_FIT, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    seconds, megabytes = json.loads(output)
    return [
        {
            "measured": f"whole fit, {what}",
            "outliers": "spliced",
            "n_clips": n_clips,
            "value": value,
            "unit": unit,
            "n_runs": 1,
        }
        for what, value, unit in (
            ("time", round(seconds / share), "s"),
            ("largest memory of a process", round(megabytes), "MB"),
        )
    ]


def measure(n_runs: int, quick: bool) -> list[Row]:
    rows = [
        compare("spliced", train_spliced, n_runs, quick),
        compare("generated", train_game, n_runs, quick),
    ]
    if quick:
        # Starting processes takes longer than all of the quick form: it has but one.
        return rows + whole_fit(40, 1, 0.01, width=4, n_jobs=1)
    return rows + whole_fit(180, 100, 1.0, 16) + whole_fit(1800, 10, 0.1, 16)


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="open_set_gan_cost",
        description=__doc__.splitlines()[0],
        n_runs=9,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
