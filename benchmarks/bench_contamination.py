"""The fraction of fresh normal clips that anomaly detectors call anomalous.

Half of the recordings of a scene of UrbanSound8K, drawn anew for each draw, are normal.
A fifth of their frames of one second is set aside, and the detector is trained on the
others with its default settings. ``flagged_same_recordings`` is the fraction of the
frames set aside that is called anomalous, and ``flagged_new_recordings`` that of the
frames of the other half of the recordings; all of them are normal, so that both should
be ``contamination``. They are means over scenes and draws, with the standard error over
the draws.

Rows differ in where the threshold comes from: the scores of the training clips
themselves (``novelty=False``, and the default of former versions), scores out of fold
without groups, and scores out of fold with the recordings as groups. The second is
meant for new clips of the same recordings, the third for new recordings. A scene has
few recordings: ``n_recordings`` is the mean number that the detector is trained on, and
``sd_new_recordings`` the standard deviation of ``flagged_new_recordings`` over scenes
and draws, which falls with more of them.

Nearest neighbours are given the standard deviation of each band, all others log-mel
spectrograms. The rows of the networks, whose folds take hours, are still to come.

Run ``python benchmarks/bench_contamination.py`` with ``SKLEARN_AUDIO_DATA`` set;
``--quick`` runs on synthetic sounds, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from anomaly_protocol import Recordings, make_recordings, read_recordings
from harness import Row, run_benchmark
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from trials import Scores, run_trials

from sklearn_audio.anomaly import (
    ConvAutoencoderDetector,
    GMGANDetector,
    NearestNeighborsDetector,
    WaveNetDetector,
)
from sklearn_audio.base import conformal_threshold
from sklearn_audio.feature_extraction import LogMelSpectrogram, SpectrogramStatistics

DETECTORS = {
    "5 nearest neighbours": NearestNeighborsDetector,
    "autoencoder": ConvAutoencoderDetector,
    "WaveNet": WaveNetDetector,
    "GMGAN": GMGANDetector,
}
CONTAMINATIONS = (0.05, 0.1)
TRAINING = "training clips"
UNGROUPED = "out of fold"
GROUPED = "out of fold, grouped"
SHARE_SET_ASIDE = 0.2


class Trial(NamedTuple):
    """A detector on one draw of a scene's recordings."""

    detector: str
    scene: str
    draw: int
    quick: bool

    @property
    def name(self) -> str:
        return f"{self.detector}/{self.scene}/{self.draw}"


class Draw(NamedTuple):
    """Normal clips of one scene, as the detector sees them."""

    X: NDArray
    groups: NDArray
    same_recordings: NDArray
    new_recordings: NDArray


def draw_clips(recordings: Recordings, trial: Trial) -> Draw:
    """Halve the recordings, and set a fifth of the first half's frames aside."""
    frames = recordings.frames[trial.scene]
    sources = recordings.sources[trial.scene]
    rng = np.random.RandomState(trial.draw)
    drawn = rng.permutation(np.unique(sources))
    is_normal = np.isin(sources, drawn[: len(drawn) // 2])
    is_aside = is_normal & (rng.uniform(size=len(frames)) < SHARE_SET_ASIDE)
    is_training = is_normal & ~is_aside
    front_end = LogMelSpectrogram(
        recordings.sample_rate, n_mels=64, n_fft=1024, hop_length=512
    )
    parts = [front_end.fit_transform(frames[is_training])]
    parts += [front_end.transform(frames[rows]) for rows in (is_aside, ~is_normal)]
    if trial.detector == "5 nearest neighbours":
        statistics = SpectrogramStatistics(["std"])
        parts = [statistics.fit_transform(X) for X in parts]
        scaler = StandardScaler().fit(parts[0])
        parts = [scaler.transform(X) for X in parts]
    return Draw(parts[0], sources[is_training], *parts[1:])


def make_detector(trial: Trial) -> Any:
    if trial.detector == "5 nearest neighbours":
        return NearestNeighborsDetector()
    small = {"width": 2, "max_epochs": 1, "cv": 2} if trial.quick else {}
    settings = {"device": "cpu", "random_state": trial.draw, **small}
    return DETECTORS[trial.detector](**settings)


def judge(recordings: Recordings, trial: Trial) -> Scores:
    """Return the fractions that are called anomalous, by threshold and by clips."""
    clips = draw_clips(recordings, trial)
    detector = make_detector(trial)
    grouped = detector.fit(clips.X, groups=clips.groups).calibration_scores_
    ungrouped = detector.fit(clips.X).calibration_scores_
    # The same model both times: only the folds differ.
    own = np.sort(detector.score_samples(clips.X))
    fresh = {
        "same": detector.score_samples(clips.same_recordings),
        "new": detector.score_samples(clips.new_recordings),
    }
    figures = {"n_recordings": float(len(np.unique(clips.groups)))}
    for contamination in CONTAMINATIONS:
        thresholds = {
            TRAINING: float(np.quantile(own, contamination)),
            UNGROUPED: conformal_threshold(ungrouped, contamination),
            GROUPED: conformal_threshold(grouped, contamination),
        }
        for source, threshold in thresholds.items():
            for which, scores in fresh.items():
                key = f"{source}/{contamination}/{which}"
                figures[key] = float(np.mean(scores < threshold))
    return figures


def measure(n_runs: int, quick: bool) -> list[Row]:
    recordings = make_recordings() if quick else read_recordings()
    names = list(recordings.frames)
    trials = [
        Trial(detector, scene, draw, quick)
        for draw in range(n_runs)
        for detector in DETECTORS
        for scene in names
    ]
    done = run_trials(partial(judge, recordings), trials, n_jobs=1)
    return [
        row_of(detector, contamination, source, done, names, n_runs)
        for detector in DETECTORS
        for contamination in CONTAMINATIONS
        for source in (TRAINING, UNGROUPED, GROUPED)
    ]


def row_of(
    detector: str,
    contamination: float,
    source: str,
    done: dict[str, Scores],
    names: list[str],
    n_runs: int,
) -> Row:
    runs = [
        [done[f"{detector}/{name}/{draw}"] for name in names] for draw in range(n_runs)
    ]

    def table(figure: str) -> NDArray:
        return np.array([[trial[figure] for trial in run] for run in runs])

    same, new = (table(f"{source}/{contamination}/{key}") for key in ("same", "new"))
    return {
        "detector": detector,
        "contamination": f"{contamination:.2f}",
        "threshold": source,
        "flagged_same_recordings": mean_and_error(same),
        "flagged_new_recordings": mean_and_error(new),
        "sd_new_recordings": f"{new.std():.3f}",
        "n_recordings": f"{table('n_recordings').mean():.1f}",
        "n_draws": n_runs,
    }


def mean_and_error(fractions: NDArray) -> str:
    """Return the mean over draws and scenes: (n_draws, n_scenes)."""
    means = fractions.mean(axis=1)
    return f"{means.mean():.3f} ± {means.std(ddof=1) / np.sqrt(len(means)):.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="contamination",
        description=__doc__.splitlines()[0],
        n_runs=10,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
