"""Pre-training by transposed convolutions: ESC-50, few labels and all.

What the benchmark ``pretraining`` leaves out, on the same pictures, folds, labels and
seeds, so that its rows are what to compare with. It stands apart because it was
measured later than those, which take a day.

Accuracy, mean over folds, ± standard deviation over seeds. ``without_fold_4`` is the
accuracy on the folds but one, by which the defaults were chosen.

Run ``python benchmarks/bench_pretraining_transposed.py`` with ``SKLEARN_AUDIO_DATA``
set, which takes two hours of two cores; ``--quick`` runs on synthetic sounds, and only
shows that it works. ``BENCHMARK_TRIALS`` may name a file that keeps finished trials of
an interrupted run.
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

SYSTEM = "transposed"


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_esc50()
    values = accuracies_of([SYSTEM], pictures, pictures, n_runs, quick)[SYSTEM]
    row: Row = {share: plus_minus(values[share].mean(axis=1)) for share in values}
    return [{"system": SYSTEM, **row, **without_fold_4(values), "n_seeds": n_runs}]


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
