"""How much faster the filters of the scattering are made on small supports.

Before, kymatio's functions made every filter on the whole plane, and the low-pass
filter on a square of the longer side. A row of features is one band, magnified to four
by the classifier, so that its plane is long and thin and that square is huge.

Run ``python benchmarks/bench_scattering_filters.py``; ``--quick`` only shows that it
works.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from harness import Row, interleaved_seconds, median_ratio, run_benchmark
from kymatio.scattering2d.filter_bank import gabor_2d, morlet_2d
from kymatio.scattering2d.utils import compute_padding

from sklearn_audio._torch import _scattering
from sklearn_audio.open_set import ScatteringResNetClassifier

N_SCALES, N_ANGLES, N_CLIPS = 2, 8, 64
# Made on the whole plane, the filters of the longest rows take a minute.
LONG, FEWEST_RUNS = 500, 3


def make_on_whole_planes(shape: tuple[int, int]) -> None:
    """Make the filters as they were made before."""
    for side in shape:
        for _ in range(N_SCALES):
            gabor_2d(side, side, 0.8 * 2 ** (N_SCALES - 1), 0, 0)
    for scale in range(N_SCALES):
        for _ in range(scale + 1):
            for angle in range(N_ANGLES):
                theta = (N_ANGLES // 2 - 1 - angle) * np.pi / N_ANGLES
                xi = 0.75 * np.pi / 2**scale
                morlet_2d(*shape, 0.8 * 2**scale, theta, xi, 4.0 / N_ANGLES)


def make_on_supports(image_shape: tuple[int, int]) -> None:
    """Make the filters as they are made now, with nothing kept from earlier."""
    forget_filters()
    _scattering.Scattering2D(image_shape, N_SCALES, N_ANGLES)


def forget_filters() -> None:
    for function in (_scattering._low_pass, _scattering._wavelets):
        function.cache_clear()


def measure_clips(clip_shape: tuple[int, ...], n_runs: int) -> Row:
    is_row = len(clip_shape) == 1
    image_shape = (4, 4 * clip_shape[0]) if is_row else clip_shape
    padded_shape = compute_padding(*image_shape, N_SCALES)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_CLIPS, *clip_shape)).astype(np.float32)
    y = np.arange(N_CLIPS) % 2
    classifier = ScatteringResNetClassifier(
        n_scales=N_SCALES, n_angles=N_ANGLES, max_epochs=1, random_state=0
    )
    seconds = interleaved_seconds(
        {
            "before": lambda: make_on_whole_planes(padded_shape),
            "now": lambda: make_on_supports(image_shape),
            "epoch": lambda: classifier.fit(X, y),
        },
        n_runs,
    )
    before, now, epoch = seconds["before"], seconds["now"], seconds["epoch"]
    return {
        "clip_shape": "x".join(map(str, clip_shape)),
        "filters_before_to_now": round(median_ratio(before, now), 1),
        "first_epoch_before_to_now": round(
            median_ratio(before + epoch, now + epoch), 2
        ),
        "filters_to_epoch_before": round(median_ratio(before, epoch), 3),
        "filters_to_epoch_now": round(median_ratio(now, epoch), 3),
        "n_clips": N_CLIPS,
        "n_runs": n_runs,
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    shapes: list[tuple[int, ...]] = [(8, 8)]
    if not quick:
        shapes = [(32, 32), (64, 101), (152,), (1216,)]
    return [
        measure_clips(shape, min(n_runs, FEWEST_RUNS) if max(shape) > LONG else n_runs)
        for shape in shapes
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="scattering_filters",
        description=__doc__.splitlines()[0],
        n_runs=7,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
