"""Pre-training on all clips against training from scratch: digits of new speakers.

As the benchmark ``pretraining``, on the Free Spoken Digit Dataset: three folds of two
speakers each, none of whom is on both sides; 20 repetitions of each digit by each
speaker; spectrograms of 32 bands and 32 frames. No setting was chosen by it.

Run ``python benchmarks/bench_pretraining_digits.py`` with ``SKLEARN_AUDIO_DATA`` set,
which takes some minutes beside a GPU, and hours without; ``--quick`` runs on synthetic
sounds, and only shows that it works. ``BENCHMARK_TRIALS`` may name a file that keeps
finished trials of an interrupted run.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Row, run_benchmark
from pretraining_protocol import (
    DEFAULT,
    SCRATCH,
    SIMPLE,
    accuracies_of,
    make_pictures,
    read_digits,
    row_of,
)

SYSTEMS = (DEFAULT, SCRATCH, *SIMPLE)


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_digits()
    tables = accuracies_of(SYSTEMS, pictures, pictures, n_runs, quick)
    return [
        {"system": system, **row_of(values, tables[SCRATCH]), "n_seeds": n_runs}
        for system, values in tables.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining_digits",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
