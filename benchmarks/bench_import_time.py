"""What importing the package costs beside importing scikit-learn.

Each import runs in a process of its own; the time of a process that imports nothing is
taken off.

Run ``python benchmarks/bench_import_time.py``; ``--quick`` only shows that it works.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from harness import Row, interleaved_seconds, median_ratio, run_benchmark

IMPORTS = {
    "nothing": "pass",
    "sklearn": "import sklearn",
    "sklearn_audio": "import sklearn_audio",
    "sklearn.base": "import sklearn.base",
    "sklearn_audio.metrics": "from sklearn_audio.metrics import open_set_auroc",
    "torch": "import torch",
    "sklearn_audio.open_set": (
        "from sklearn_audio.open_set import ScatteringResNetClassifier"
    ),
}


def process(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def measure(n_runs: int, quick: bool) -> list[Row]:
    imports = dict(list(IMPORTS.items())[:3]) if quick else IMPORTS
    seconds = interleaved_seconds(
        {name: process(code) for name, code in imports.items()}, n_runs
    )
    nothing = seconds.pop("nothing")
    return [
        {
            "import": name,
            "ratio_to_import_sklearn": round(
                median_ratio(times - nothing, seconds["sklearn"] - nothing), 3
            ),
            "whole_process_ratio": round(median_ratio(times, seconds["sklearn"]), 3),
            "n_runs": n_runs,
        }
        for name, times in seconds.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="import_time",
        description=__doc__.splitlines()[0],
        n_runs=21,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
