"""What it costs to listen to long recordings with FramedDetector.

A WAV file of noise with a tone burst every twenty seconds, 16 kHz and 16 bits, is
scored by a detector that was trained on one minute of noise: once by ``score_curve``
and once by ``detect_events``, each of which reads the whole file. ``seconds`` is the
median time of such a pass, on one thread. GMGANDetector has its default size, but
trains for two epochs only, since scoring costs the same after any training; what the
detectors find is not looked at.

Every recording has a process of its own. ``largest_memory_mb`` is the most that this
ever took, with imports and training, and ``mb_above_one_minute`` what that is above the
process of the one-minute recording. The samples of an hour would take 230 MB if they
were held at once, and its overlapping frames 460 MB.

Run ``python benchmarks/bench_framed_detector.py``; ``--quick`` only shows that it
works.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import soundfile
from harness import Row, run_benchmark, seconds_of
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_audio.anomaly import FramedDetector, GMGANDetector
from sklearn_audio.feature_extraction import LogMelSpectrogram, SpectrogramStatistics

SAMPLE_RATE = 16000
LOUDNESS = 0.1
DETECTORS = ("SpectrogramStatistics, OneClassSVM", "GMGANDetector")
IN_A_PROCESS = """
import json, sys
from bench_framed_detector import cost_of
arguments = json.loads(sys.argv[1])
print(json.dumps([cost_of(*one) for one in arguments]))
"""


class Cost(NamedTuple):
    """Of one pass over a file, and of its process until then."""

    seconds: float
    megabytes: float


def write_recording(path: Path, minutes: float) -> None:
    """Write noise with tone bursts, second by second."""
    rng = np.random.default_rng(0)
    burst = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE // 5) / SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, subtype="PCM_16") as file:
        for second in range(round(60 * minutes)):
            samples = rng.normal(scale=LOUDNESS, size=SAMPLE_RATE)
            if second % 20 == 10:
                samples[: burst.size] += burst
            file.write(samples)


def build(name: str, quick: bool) -> Any:
    front_end = LogMelSpectrogram(SAMPLE_RATE)
    if name == "GMGANDetector":
        detector = GMGANDetector(max_epochs=2, random_state=0, device="cpu")
        return make_pipeline(
            front_end, detector.set_params(width=4) if quick else detector
        )
    statistics = SpectrogramStatistics(["std"])
    return make_pipeline(front_end, statistics, StandardScaler(), OneClassSVM(nu=0.05))


def cost_of(name: str, path: str, n_runs: int, quick: bool) -> Cost:
    """Train a detector, and measure passes over a file in this process."""
    noise = np.random.default_rng(1).normal(scale=LOUDNESS, size=(6, 10 * SAMPLE_RATE))
    framed = FramedDetector(build(name, quick), SAMPLE_RATE, contamination=None)
    framed.fit(noise)
    passes = [framed.score_curve, framed.detect_events] * n_runs
    seconds = [seconds_of(partial(one_pass, path)) for one_pass in passes]
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(float(np.median(seconds)), kilobytes / 1024)


def costs_elsewhere(arguments: Sequence[tuple[str, str, int, bool]]) -> list[Cost]:
    """Return the costs in a process of their own, on one thread."""
    output = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, json.dumps(arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout
    return [Cost(*cost) for cost in json.loads(output)]


def measure(n_runs: int, quick: bool) -> list[Row]:
    lengths = (0.2, 1) if quick else (1, 60)
    cases = [(name, minutes) for name in DETECTORS for minutes in lengths]
    with TemporaryDirectory() as folder:
        paths = {minutes: Path(folder, f"{minutes}.wav") for minutes in lengths}
        for minutes, path in paths.items():
            write_recording(path, minutes)
        arguments = [(name, str(paths[m]), n_runs, quick) for name, m in cases]
        # Starting processes takes longer than all of the quick form: it has but one.
        groups = [arguments] if quick else [[one] for one in arguments]
        found = [cost for group in groups for cost in costs_elsewhere(group)]
    costs = dict(zip(cases, found, strict=True))
    return [
        {
            "detector": name,
            "minutes": minutes,
            "seconds": f"{cost.seconds:.2g}",
            "times_faster_than_real_time": round(60 * minutes / cost.seconds),
            "largest_memory_mb": round(cost.megabytes),
            "mb_above_one_minute": round(cost.megabytes - costs[name, 1].megabytes),
            "n_runs": n_runs,
        }
        for (name, minutes), cost in costs.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="framed_detector",
        description=__doc__.splitlines()[0],
        n_runs=3,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
