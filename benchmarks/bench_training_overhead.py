"""What the estimator's training costs beside a hand-written torch loop.

Both train the same network on the same clips with the same optimiser, for as many
epochs in batches of the same size, on one thread. The estimator also checks its input,
draws seeds, records the losses and re-estimates batch normalisation at the end.

Run ``python benchmarks/bench_training_overhead.py``; ``--quick`` only shows that it
works.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from harness import Row, interleaved_seconds, median_ratio, run_benchmark
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._resnet import ResNet
from sklearn_audio.open_set import ScatteringResNetClassifier

N_CLASSES = 10
BATCH_SIZE = 32


def make_clips(n_clips: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_clips, 32, 32)).astype(np.float32)
    return X, np.arange(n_clips) % N_CLASSES


def train_by_hand(network: nn.Module, X: NDArray, y: NDArray, n_epochs: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    clips, labels = torch.from_numpy(X), torch.from_numpy(y)
    network.train()
    torch.set_flush_denormal(True)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(clips)).split(BATCH_SIZE):
            loss = F.cross_entropy(network(clips[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.set_flush_denormal(False)


def measure_network(
    first_stage: str, width: int, n_clips: int, n_epochs: int, n_runs: int
) -> Row:
    X, y = make_clips(n_clips)

    def by_hand() -> None:
        network = ResNet((32, 32), N_CLASSES, width, first_stage, 2, 8)
        network.to(memory_format=torch.channels_last)
        train_by_hand(network, X, y, n_epochs)

    def by_estimator() -> None:
        ScatteringResNetClassifier(
            first_stage=first_stage,
            width=width,
            max_epochs=n_epochs,
            batch_size=BATCH_SIZE,
            device="cpu",
            random_state=0,
        ).fit(X, y)

    seconds = interleaved_seconds({"hand": by_hand, "fit": by_estimator}, n_runs)
    return {
        "first_stage": first_stage,
        "width": width,
        "n_clips": n_clips,
        "n_epochs": n_epochs,
        "fit_to_hand_written_loop": round(
            median_ratio(seconds["fit"], seconds["hand"]), 3
        ),
        "n_runs": n_runs,
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    n_clips, widths = (32, [2]) if quick else (96, [4, 16])
    n_epochs = 2 if quick else ScatteringResNetClassifier().max_epochs
    return [
        measure_network(first_stage, width, n_clips, n_epochs, n_runs)
        for first_stage in ("scattering", "convolution")
        for width in widths
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="training_overhead",
        description=__doc__.splitlines()[0],
        n_runs=9,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
