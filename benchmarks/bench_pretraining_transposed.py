"""Pre-training by transposed convolutions: ESC-50, few labels and all.

What the benchmark ``pretraining`` leaves out, on the same pictures, folds, labels and
seeds, so that its rows are what to compare with. It stands apart because it was
measured later, and is not worth measuring all others again.

Accuracy, mean over folds, ± standard deviation over seeds. ``without_fold_4`` is the
accuracy on the folds but one, by which the defaults were chosen.

Run ``python benchmarks/bench_pretraining_transposed.py`` with ``SKLEARN_AUDIO_DATA``
set, which takes some minutes beside a GPU, and hours without; ``--quick`` runs on
synthetic sounds, and only shows that it works. ``BENCHMARK_TRIALS`` may name a file
that keeps finished trials of an interrupted run.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Row, run_benchmark
from pretraining_protocol import (
    accuracies_of,
    make_pictures,
    plus_minus,
    read_esc50,
    without_fold_4,
)

SYSTEMS = ("transposed",)


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_esc50()
    tables = accuracies_of(SYSTEMS, pictures, pictures, n_runs, quick)
    return [
        {
            "system": system,
            **{share: plus_minus(values[share].mean(axis=1)) for share in values},
            **without_fold_4(values),
            "n_seeds": n_runs,
        }
        for system, values in tables.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining_transposed",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
