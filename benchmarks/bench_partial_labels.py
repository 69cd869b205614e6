"""What partial labels teach, by how they are treated and how many are hidden.

Birds (19 labels) and emotions in music (6 labels) are complete tables of features, a
third of whose clips are the test. The mixtures are of two or three sounds of ESC-10 (10
labels), four folds against the fifth, as embeddings of a pre-trained network. Labels of
the training clips are hidden at random, anew for every seed; the test is complete.

Rows: a network that takes hidden labels for absent (B0), one that masks them (B1), and
the classifiers of the package, with their defaults and as in the paper, in the same
network. "All known" is the same with no label hidden, and the most that a treatment of
missing labels can reach. Logistic regressions, one a label, are the simple rivals.

Mean average precision over labels ± standard deviation over seeds. ``gain`` is the mean
difference to B1, seed by seed, with its standard error. Defaults were chosen on splits
of the training clips alone.

Run ``python benchmarks/bench_partial_labels.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on a synthetic table, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Row, run_benchmark
from joblib import Parallel, delayed
from numpy.typing import NDArray
from partial_label_protocol import (
    MASKED,
    Clips,
    hide,
    make_clips,
    mix_esc10,
    read_table,
    systems,
)

from sklearn_audio.metrics import masked_average_precision_score

HIDDEN = {
    "birds": (0.5, 0.8, 0.9, 0.95),
    "emotions": (0.5, 0.8, 0.9, 0.95),
    "mixtures": (0.1, 0.5, 0.8, 0.94),
    "synthetic": (0.5, 0.9),
}
ALL_KNOWN = "all known"


def judge(clips: Clips, share: float, seed: int, name: str, quick: bool) -> float:
    model: Any = systems(seed, quick)[name]()
    model.fit(clips.X, hide(clips.Y, share, seed))
    # A label that no clip of the test has cannot be ranked.
    is_present = clips.Y_test.any(axis=0)
    return masked_average_precision_score(
        clips.Y_test[:, is_present], model.predict_proba(clips.X_test)[:, is_present]
    )


def rows_of(clips: Clips, found: dict[tuple[str, float], NDArray]) -> list[Row]:
    """Return rows from the scores of each system and share, (n_seeds,) each."""
    names = list(dict.fromkeys(name for name, _ in found))
    shares = HIDDEN[clips.name]
    rows: list[Row] = []
    for name in names:
        row: Row = {"data": clips.name, "system": name}
        for i, share in enumerate(shares):
            scores = found[name, share]
            row[f"hidden_{i + 1}"] = (
                f"{share:.0%}: {scores.mean():.3f} ± {scores.std(ddof=1):.3f}"
            )
        for i, share in enumerate(shares):
            gains = found[name, share] - found[MASKED, share]
            error = gains.std(ddof=1) / np.sqrt(len(gains))
            row[f"gain_{i + 1}"] = f"{gains.mean():+.3f} ± {error:.3f}"
        row["all_known"] = "–"
        if (name, 0.0) in found:
            row["all_known"] = f"{found[name, 0.0].mean():.3f}"
        row["n_seeds"] = len(found[name, shares[0]])
        rows.append(row)
    return rows


def measure(n_runs: int, quick: bool) -> list[Row]:
    sets = [make_clips()] if quick else [*map(read_table, ("birds", "emotions"))]
    if not quick:
        sets.append(mix_esc10())
    rows: list[Row] = []
    for clips in sets:
        cells = [
            (name, share) for share in HIDDEN[clips.name] for name in systems(0, quick)
        ]
        cells += [(name, 0.0) for name in (MASKED, "logistic regression, masked")]
        scores = Parallel(n_jobs=1 if quick else -1, verbose=0 if quick else 5)(
            delayed(judge)(clips, share, seed, name, quick)
            for name, share in cells
            for seed in range(n_runs)
        )
        found = dict(zip(cells, np.reshape(scores, (len(cells), n_runs)), strict=True))
        rows += rows_of(clips, found)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="partial_labels",
        description=__doc__.splitlines()[0],
        n_runs=5,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
