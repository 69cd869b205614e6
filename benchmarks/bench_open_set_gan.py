"""The open-set paper's Table 1 on Arabic Speech Commands, and simple scores beside it.

Ten keywords are known, ten are not. Each seed draws a tenth of the training speakers'
known clips, 18 a keyword; row (1) alone has all of them. All clips of the test speakers
are the test, half of them known. "augmentation only" is the classifier of row (4)
without outliers, trained on the same clips with the same augmentation. Whatever was
chosen was chosen on the validation speakers. ``wins_of_ours`` counts the seeds in which
row (4) with its default score has the larger AUROC. The published figures are the
paper's, on other commands in another language.

Run ``python benchmarks/bench_open_set_gan.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Row, run_benchmark
from open_set_protocol import make_sounds, read_commands
from open_set_systems import table


def measure(n_runs: int, quick: bool) -> list[Row]:
    sounds = make_sounds() if quick else read_commands()
    return table(lambda _: sounds, n_runs, quick)


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="open_set_gan",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
