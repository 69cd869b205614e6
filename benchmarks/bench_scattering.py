"""How much faster than kymatio's torch backend the batched scattering is.

Run ``python benchmarks/bench_scattering.py``; ``--quick`` only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from harness import Row, interleaved_seconds, median_ratio, run_benchmark
from kymatio.scattering2d.frontend.torch_frontend import ScatteringTorch2D

from sklearn_audio._torch._scattering import Scattering2D


def measure_shape(image_shape: tuple[int, int], n_images: int, n_runs: int) -> Row:
    ours = Scattering2D(image_shape, n_scales=2, n_angles=8)
    theirs = ScatteringTorch2D(J=2, shape=image_shape, L=8)
    x = torch.randn(n_images, *image_shape)
    difference = (ours(x) - theirs(x)).abs().max().item()
    seconds = interleaved_seconds(
        {"ours": lambda: ours(x), "kymatio": lambda: theirs(x)}, n_runs
    )
    return {
        "image_shape": "x".join(map(str, image_shape)),
        "n_images": n_images,
        "kymatio_to_ours": round(median_ratio(seconds["kymatio"], seconds["ours"]), 2),
        "largest_difference": f"{difference:.1e}",
        "n_runs": n_runs,
    }


def measure(n_runs: int, quick: bool) -> list[Row]:
    shapes = [(32, 32)] if quick else [(32, 32), (64, 101)]
    batches = [4] if quick else [1, 32]
    return [
        measure_shape(shape, n_images, n_runs)
        for shape in shapes
        for n_images in batches
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="scattering",
        description=__doc__.splitlines()[0],
        n_runs=31,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
