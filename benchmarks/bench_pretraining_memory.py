"""Memory of pre-training on arrays that are mapped into it, and larger than it.

``ConvAutoencoder.fit`` reads log-mel pictures, 64 bands and 124 frames in float32, from
a file through ``numpy.load(mmap_mode="r")``. The files are sparse: they hold zeros and
take no room on the disk, but are read as any other. One filter a layer and one epoch
keep it short; neither has to do with the size of the file.

Each file has a process of its own. ``largest_memory_mb`` is the most that it ever held
for itself (RssAnon of Linux, looked up every 20 ms), with imports and networks, and
with the up to 10,000 clips by which bands are standardised. Pages of the file that the
system keeps in memory as long as there is room do not count.

Run ``python benchmarks/bench_pretraining_memory.py``, on Linux; ``--quick`` only shows
that it works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from harness import Row, run_benchmark, seconds_of

from sklearn_audio.semi_supervised import ConvAutoencoder

SHAPE = (64, 124)
IN_A_PROCESS = """
import json, sys
from bench_pretraining_memory import cost_of
print(json.dumps(cost_of(sys.argv[1])))
"""


def write_sparse_file(path: Path, n_clips: int) -> None:
    """Make a .npy file of zeros that takes no room."""
    header = np.lib.format.header_data_from_array_1_0(np.empty((0, *SHAPE), np.float32))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, header | {"shape": (n_clips, *SHAPE)}
        )
        file.truncate(file.tell() + n_clips * np.prod(SHAPE) * 4)


def private_megabytes() -> float:
    """Return what this process holds for itself."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


class Watch:
    """Looks the memory up until it is told to stop."""

    def __init__(self) -> None:
        self.largest = 0.0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.is_over.is_set():
            self.largest = max(self.largest, private_megabytes())
            time.sleep(0.02)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()


def cost_of(path: str) -> tuple[float, float]:
    """Pre-train on a file, and return seconds and largest private memory in MB."""
    clips = np.load(path, mmap_mode="r")
    autoencoder = ConvAutoencoder(
        width=1, max_epochs=1, batch_size=256, device="cpu", random_state=0
    )
    with Watch() as watch:
        seconds = seconds_of(lambda: autoencoder.fit(clips))
    return seconds, watch.largest


def cost_elsewhere(path: Path) -> tuple[float, float]:
    output = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout
    seconds, megabytes = json.loads(output)
    return seconds, megabytes


def measure(n_runs: int, quick: bool) -> list[Row]:
    gigabytes = (0.01,) if quick else (0.2, 20)
    clip_bytes = 4 * np.prod(SHAPE)
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        for size in gigabytes:
            path = Path(folder, "clips.npy")
            n_clips = int(size * 1e9 / clip_bytes)
            write_sparse_file(path, n_clips)
            costs = [cost_elsewhere(path) for _ in range(1 if quick else n_runs)]
            rows.append(
                {
                    "gigabytes": size,
                    "n_clips": n_clips,
                    "largest_memory_mb": round(max(memory for _, memory in costs)),
                    "seconds": f"{np.median([seconds for seconds, _ in costs]):.2g}",
                    "n_runs": n_runs,
                }
            )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="pretraining_memory",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
