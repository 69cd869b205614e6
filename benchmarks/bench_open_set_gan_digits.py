"""The open-set paper's Table 1 on Free Spoken Digits, and simple scores beside it.

The digits 0 to 4 are known, 5 to 9 are not. Each seed takes two speakers for the test,
all their clips, and draws a tenth of the other four speakers' known clips, 20 a digit;
row (1) alone has all of them. The rows are those of the table on Arabic Speech
Commands, with the same settings: nothing was chosen on digits.

Run ``python benchmarks/bench_open_set_gan_digits.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Row, run_benchmark
from open_set_protocol import make_sounds, read_digits
from open_set_systems import table


def measure(n_runs: int, quick: bool) -> list[Row]:
    if quick:
        sounds = make_sounds()
        return table(lambda _: sounds, n_runs, quick)
    return table(read_digits, n_runs, quick)


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="open_set_gan_digits",
        description=__doc__.splitlines()[0],
        n_runs=6,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
