"""What an epoch of BilinearZeroShot costs beside its bare matrix products.

2000 clips of 128 numbers, 50 classes of 300, batches of the default size, one thread on
the CPU. An epoch of a gradient solver is a twentieth of what 21 epochs take longer than
one. The bare products are the four that the forward and the backward pass cannot do
without: clips times W, times class vectors, and both ways back. ``epoch_to_products``
is the median ratio of interleaved rounds. The closed forms, which take no epochs, have
the ratio of a whole fit to a single such epoch.

Run ``python benchmarks/bench_zero_shot_speed.py``; ``--quick`` shows that it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from harness import Row, interleaved_seconds, median_ratio, run_benchmark

from sklearn_audio.zero_shot import BilinearZeroShot

N_CLASSES, N_DIMS = 50, 300
N_EPOCHS = 20
BATCH_SIZE = 256
CLOSED_FORMS = ("exemplar", "ridge", "eszsl", "sae")
BY_DESCENT = ("batch", "devise", "sje")


def measure(n_runs: int, quick: bool) -> list[Row]:
    n_clips, n_features = (300, 8) if quick else (2000, 128)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_clips, n_features)).astype(np.float32)
    y = rng.integers(0, N_CLASSES, n_clips)
    vectors = {name: rng.normal(size=N_DIMS) for name in range(N_CLASSES)}

    def fit(solver: str, n_epochs: int) -> Callable[[], object]:
        model = BilinearZeroShot(
            vectors,
            solver=solver,
            max_epochs=n_epochs,
            batch_size=BATCH_SIZE,
            temperature=1.0,
            device="cpu",
            random_state=0,
        )
        return lambda: model.fit(X, y)

    clips = torch.from_numpy(X)
    weights = torch.randn(
        n_features, N_DIMS, generator=torch.Generator().manual_seed(0)
    )
    classes = torch.from_numpy(np.array(list(vectors.values()), dtype=np.float32))

    def products() -> None:
        for _ in range(N_EPOCHS):
            for x in clips.split(BATCH_SIZE):
                scores = x @ weights @ classes.T  # (B, C)
                _ = x.T @ (scores @ classes)  # (d, s)

    ways = {"products": products}
    for solver in BY_DESCENT:
        ways |= {f"{solver}, 1": fit(solver, 1), solver: fit(solver, N_EPOCHS + 1)}
    ways |= {solver: fit(solver, 1) for solver in CLOSED_FORMS}
    seconds = interleaved_seconds(ways, n_runs)
    rows: list[Row] = []
    for solver in (*BY_DESCENT, *CLOSED_FORMS):
        cost = seconds[solver]
        if solver in BY_DESCENT:
            cost = (cost - seconds[f"{solver}, 1"]) / N_EPOCHS
        ratio = median_ratio(cost, seconds["products"] / N_EPOCHS)
        rows.append(
            {
                "solver": solver,
                "measured": "epoch" if solver in BY_DESCENT else "fit",
                "milliseconds": f"{1000 * np.median(cost):.1f}",
                "epoch_to_products": f"{ratio:.2f}",
                "n_runs": n_runs,
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="zero_shot_speed",
        description=__doc__.splitlines()[0],
        n_runs=21,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
