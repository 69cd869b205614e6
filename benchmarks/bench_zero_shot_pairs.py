"""One category of ESC-50 trained on, another one tested: Table 3 of the paper.

The default :class:`~sklearn_audio.zero_shot.BilinearZeroShot` on the clips, embeddings
and vectors of the benchmark ``zero_shot``. Rows are the categories that are trained on,
columns those that are tested: the mean over classes of the share of clips that are
named rightly, and in brackets the share that the paper prints, of VGGish embeddings and
Algorithm 1. Chance is .100. There is nothing random, and so one round.

Run ``python benchmarks/bench_zero_shot_pairs.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic clips, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from harness import Row, run_benchmark
from zero_shot_protocol import (
    CATEGORIES,
    accuracy,
    make_sounds,
    read_sounds,
    trials_of,
)

from sklearn_audio.model_selection import ZeroShotSplit
from sklearn_audio.zero_shot import BilinearZeroShot

# By training category, in the order of CATEGORIES; none is tested on itself.
PUBLISHED = {
    "animals": ("", ".210", ".215", ".167", ".155"),
    "natural": (".142", "", ".157", ".142", ".262"),
    "human": (".162", ".145", "", ".177", ".175"),
    "interior": (".150", ".097", ".112", "", ".247"),
    "exterior": (".140", ".235", ".147", ".130", ""),
}


def measure(n_runs: int, quick: bool) -> list[Row]:  # noqa: ARG001
    sounds = make_sounds() if quick else read_sounds()
    cv = ZeroShotSplit(strategy="category_pairs", categories=sounds.categories)
    found = {}
    for trial in trials_of(sounds, cv, seed=0):
        trained, tested = (
            sounds.categories[part.y[0]] for part in (trial.train, trial.test)
        )
        model = BilinearZeroShot(sounds.vectors).fit(trial.train.X, trial.train.y)
        found[trained, tested] = accuracy(model, trial.test.X, trial.test.y)
    rows: list[Row] = []
    for trained in CATEGORIES:
        row: Row = {"trained_on": trained}
        for tested, published in zip(CATEGORIES, PUBLISHED[trained], strict=True):
            is_pair = (trained, tested) in found
            row[tested] = (
                f"{found[trained, tested]:.3f} ({published})" if is_pair else "–"
            )
        rows.append(row)
    means: Row = {"trained_on": "mean"}
    for i, tested in enumerate(CATEGORIES):
        measured = np.mean(
            [value for pair, value in found.items() if pair[1] == tested]
        )
        printed = np.mean([float(row[i]) for row in PUBLISHED.values() if row[i]])
        means[tested] = f"{measured:.3f} ({f'{printed:.3f}'.lstrip('0')})"
    return [*rows, means]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="zero_shot_pairs",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
