"""Pre-training against training from scratch on pictures that are not halved: ESC-50.

As the benchmark ``pretraining``, on whole pictures of 64 bands and 124 frames, which
take four times as long: few labels, one seed, and 15 epochs of pre-training where the
default is 30.

Accuracy, mean over the official folds ± standard deviation over them. ``gain`` is the
mean difference to the network from scratch, with its standard error over the folds; in
brackets on how many of the folds it is above.

Run ``python benchmarks/bench_pretraining_whole.py`` with ``SKLEARN_AUDIO_DATA`` set,
which takes an hour of two cores; ``--quick`` runs on synthetic sounds, and only shows
that it works. ``BENCHMARK_TRIALS`` may name a file that keeps finished trials of an
interrupted run.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Row, run_benchmark
from pretraining_protocol import (
    FEW_EPOCHS,
    SCRATCH,
    SIMPLE,
    accuracies_of,
    make_pictures,
    read_esc50,
    row_of,
)

SYSTEMS = (FEW_EPOCHS, SCRATCH, *SIMPLE)
SHARES = (0.05, 0.1)


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_esc50((64, 124))
    tables = accuracies_of(SYSTEMS, pictures, pictures, n_runs, quick, shares=SHARES)
    return [
        {
            "system": system,
            **row_of(values, tables[SCRATCH], over_folds=True),
            "n_seeds": n_runs,
        }
        for system, values in tables.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining_whole",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
