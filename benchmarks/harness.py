"""What the benchmarks share: interleaved timing, a command line, CSV files."""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"

Row = dict[str, str | int | float]


def real_data() -> Path:
    """Return the folder of the real sounds, or end: half a table is worse than none."""
    folder = os.environ.get("SKLEARN_AUDIO_DATA")
    if not folder:
        raise SystemExit("Set SKLEARN_AUDIO_DATA to the folder of the real data sets.")
    return Path(folder)


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleaved_seconds(
    ways: dict[str, Callable[[], object]], n_runs: int
) -> dict[str, np.ndarray]:
    """Time every way once a round, so that all meet the same state of the machine."""
    for function in ways.values():
        function()  # caches and lazy imports
    rounds = [[seconds_of(way) for way in ways.values()] for _ in range(n_runs)]
    return dict(zip(ways, np.array(rounds).T, strict=True))


def median_ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Return the median over the rounds of the ratio within a round."""
    return float(np.median(numerator / denominator))


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(path)


def run_benchmark(
    measure: Callable[[int, bool], list[Row]],
    *,
    name: str,
    description: str,
    n_runs: int,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the command line, measure on one native thread, print, write the CSV.

    Parameters
    ----------
    measure : callable
        Maps the number of rounds, and whether to be quick, to the rows of the CSV.
    name : str
        Name of the CSV file.
    description : str
        Shown by ``--help``.
    n_runs : int
        Default number of rounds.
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    status : int
        The exit status.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small, and no CSV file")
    parser.add_argument(
        "--runs", type=int, default=n_runs, help=f"rounds (default: {n_runs})"
    )
    parser.add_argument("--out", type=Path, help=f"CSV file (default: {name}.csv)")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = measure(2 if options.quick else options.runs, options.quick)
    for row in rows:
        print(", ".join(f"{key}: {value}" for key, value in row.items()))
    out = options.out or (None if options.quick else RESULTS / f"{name}.csv")
    if out is not None:
        write_csv(rows, out)
    return 0
