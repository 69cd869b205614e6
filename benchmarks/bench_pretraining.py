"""Pre-training on all clips against training from scratch: ESC-50, few labels.

The five official folds, none of which shares a recording with another one. The labels
of 5 to 100 % of the training clips are shown, the same ones to every system, and drawn
anew for every seed; all training clips are pre-trained on. Pictures of 32 bands and 62
frames: halved in both directions, to save time. Networks are the defaults of
CAEPretrainedClassifier, with 64 filters, and differ in what is pre-trained; upsampling
is measured at two shares, and transposed convolutions by ``pretraining_transposed``.
Simple classifiers see means, deviations and mean changes of the bands of the whole
pictures.

Accuracy, mean over folds, ± standard deviation over seeds. ``gain`` is the mean
difference to the network from scratch, fold by fold and seed by seed, with its standard
error; in brackets on how many of the folds it is above, in the mean over the seeds.
``without_fold_4`` is the accuracy on the folds but one: the defaults were chosen by
what networks trained on folds 1 to 3 reach on fold 4.

Run ``python benchmarks/bench_pretraining.py`` with ``SKLEARN_AUDIO_DATA`` set, which
takes some minutes beside a GPU, and a day without; ``--quick`` runs on synthetic
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
    read_esc50,
    row_of,
    without_fold_4,
)

SYSTEMS = (DEFAULT, SCRATCH, "upsampling", *SIMPLE)


def measure(n_runs: int, quick: bool) -> list[Row]:
    pictures = make_pictures() if quick else read_esc50()
    whole = pictures if quick else read_esc50((64, 124))
    tables = accuracies_of(SYSTEMS, pictures, whole, n_runs, quick)
    return [
        {
            "system": system,
            **row_of(values, tables[SCRATCH]),
            **without_fold_4(values),
            "n_seeds": n_runs,
        }
        for system, values in tables.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
