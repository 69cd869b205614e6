"""How much larger a dump is than the weights that it holds.

Run ``python benchmarks/bench_dump_size.py``; ``--quick`` only shows that it works.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from harness import Row, run_benchmark

from sklearn_audio.open_set import ScatteringResNetClassifier


def measure_estimator(estimator: ScatteringResNetClassifier) -> Row:
    X = np.random.default_rng(0).normal(size=(40, 32, 32)).astype(np.float32)
    estimator.fit(X, np.arange(40) % 10)
    states = [module.state_dict() for module in estimator.modules_.values()]
    n_bytes = sum(v.numel() * v.element_size() for s in states for v in s.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(estimator, path)
        n_dumped = path.stat().st_size
    return {
        "estimator": type(estimator).__name__,
        "width": estimator.width,
        "weights_kilobytes": round(n_bytes / 1e3, 1),
        "joblib_to_weights": round(n_dumped / n_bytes, 3),
        "pickle_to_weights": round(len(pickle.dumps(estimator)) / n_bytes, 3),
    }


def measure(n_runs: int, quick: bool) -> list[Row]:  # noqa: ARG001
    return [
        measure_estimator(
            ScatteringResNetClassifier(width=width, max_epochs=1, random_state=0)
        )
        for width in ([4] if quick else [4, 8, 16, 64])
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="dump_size",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
