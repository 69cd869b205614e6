"""Scenes and figures that the benchmarks of anomaly detection share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from harness import Row, real_data, seconds_of
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from sklearn_audio.datasets import (
    load_urbansound8k,
    make_anomalous_scenes,
    make_sound_events,
)
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.metrics import partial_auc

SCENES = (
    "air_conditioner",
    "children_playing",
    "drilling",
    "engine_idling",
    "jackhammer",
    "street_music",
)
EVENTS = ("car_horn", "dog_bark", "gun_shot", "siren")
RATIOS_DB = (0, 6, 12)
# Mean power of a tenth of a second that is digital silence, to which nothing can be
# mixed at a ratio.
SILENCE = 1e-10

Judged = dict[str, dict[str, float]]  # of each row of a table, figures by name


# What the settings of the papers get here. The papers leave the number of epochs open;
# the width is an eighth of GANomaly's, to save time, and that of our defaults.
PAPER_SIZE = {"width": 8, "max_epochs": 50}
# Eq. 3 read as a mean, and the latent dimensions of our defaults: reconstructions then
# collapse.
COLLAPSING = {"reconstruction": "mean", "latent_dim": 4, "covariance_type": "full"}


class Recordings(NamedTuple):
    """Frames of one second of every scene, and the events to be mixed in."""

    frames: dict[str, NDArray]  # by scene: (n_frames, n_samples)
    sources: dict[str, NDArray]  # by scene, the recording of each frame: (n_frames,)
    events: list[NDArray]  # waveforms
    sample_rate: int


class Scene(NamedTuple):
    """Normal frames to train on, and tests by the events' level in dB."""

    X: NDArray  # waveforms at first: (n_frames, n_samples)
    tests: dict[int, tuple[NDArray, NDArray]]  # the same; 1 normal, -1 anomalous
    sample_rate: int

    def transformed(self, front_end: Any) -> Scene:
        """Return the scene as a front end sees it."""
        X = front_end.fit_transform(self.X)
        tests = {r: (front_end.transform(X), y) for r, (X, y) in self.tests.items()}
        return Scene(X, tests, self.sample_rate)

    def spectrograms(self) -> Scene:
        return self.transformed(
            LogMelSpectrogram(self.sample_rate, n_mels=64, n_fft=1024, hop_length=512)
        )


def read_recordings() -> Recordings:
    """Read fold 1 of UrbanSound8K."""
    sounds = load_urbansound8k(data_home=real_data())
    clips = AudioLoader(22050, duration=None).fit_transform(sounds.paths)
    names, groups = np.asarray(sounds.target), np.asarray(sounds.groups)
    rows = {name: np.flatnonzero(names == name) for name in SCENES}
    cut = {
        name: [cut_seconds(clips[row], 22050) for row in rows[name]] for name in SCENES
    }
    return Recordings(
        {name: np.concatenate(cut[name]) for name in SCENES},
        {
            name: np.repeat(groups[rows[name]], [len(frames) for frames in cut[name]])
            for name in SCENES
        },
        [clip for clip in clips[np.isin(names, EVENTS)] if clip.any()],
        22050,
    )


def cut_seconds(clip: NDArray, sample_rate: int) -> NDArray:
    """Return the whole seconds of a clip in which there is sound all the time."""
    n_frames = len(clip) // sample_rate
    frames = clip[: n_frames * sample_rate].reshape(n_frames, sample_rate)
    tenths = frames.reshape(n_frames, 10, -1)
    return frames[np.square(tenths).mean(axis=2).min(axis=1) > SILENCE]


def make_recordings() -> Recordings:
    """Make a synthetic scene, to show that a benchmark works."""
    frames = {
        name: make_sound_events(24, [name], random_state=0)[0] for name in ("engine",)
    }
    events, _ = make_sound_events(6, ["bell"], duration=0.5, random_state=1)
    sources = {name: np.arange(24) // 3 for name in frames}
    return Recordings(frames, sources, list(events), 16000)


def split(recordings: Recordings, name: str, seed: int) -> Scene:
    """Halve the recordings of a scene: one half is normal, the other one is the test.

    The same seed makes the same halves, and puts the same events to the same places at
    any ratio.
    """
    frames, sources = recordings.frames[name], recordings.sources[name]
    drawn = np.random.RandomState(seed).permutation(np.unique(sources))
    is_training = np.isin(sources, drawn[: len(drawn) // 2])
    tests = {}
    for ratio in RATIOS_DB:
        mixed = make_anomalous_scenes(
            frames[~is_training],
            recordings.events,
            ratio,
            sample_rate=recordings.sample_rate,
            random_state=seed,
        )
        tests[ratio] = mixed.data, mixed.target
    return Scene(frames[is_training], tests, recordings.sample_rate)


def fit_and_judge(detector: Any, scene: Scene) -> dict[str, float]:
    """Return AUC and pAUC at every ratio, and the seconds that the fit took."""
    seconds = seconds_of(lambda: detector.fit(scene.X))
    return {**judge(detector, scene), "seconds": seconds}


def judge(detector: Any, scene: Scene) -> dict[str, float]:
    """Return AUC and pAUC of a fitted detector at every ratio, by name."""
    figures = {}
    for ratio, (X, y) in scene.tests.items():
        scores = detector.score_samples(X)
        figures[f"auc_{ratio}dB"] = float(roc_auc_score(y, scores))
        figures[f"pauc_{ratio}dB"] = partial_auc(y, scores)
    return dict(sorted(figures.items(), key=lambda item: item[0].startswith("pauc")))


def judge_scene(
    judge_all: Callable[[Scene, int, bool], Judged],
    recordings: Recordings,
    name: str,
    seed: int,
    quick: bool,
) -> Judged:
    return judge_all(split(recordings, name, seed), seed, quick)


def table(
    judge_all: Callable[[Scene, int, bool], Judged],
    published: dict[str, str],
    n_runs: int,
    quick: bool,
) -> list[Row]:
    """Return one row a system, of means over scenes and rounds.

    Parameters
    ----------
    judge_all : callable
        Maps a scene, a seed and whether to be quick to the figures of every system. The
        first one is that with which all others are compared.
    published : dict of str to str
        Published mean AUCs by system.
    n_runs : int
        Rounds, each with other halves of the recordings.
    quick : bool
        Whether to take synthetic sounds.

    Returns
    -------
    rows : list of dict
        The table.
    """
    recordings = make_recordings() if quick else read_recordings()
    names = list(recordings.frames)
    results = Parallel(n_jobs=1 if quick else 2)(
        delayed(judge_scene)(judge_all, recordings, name, seed, quick)
        for seed in range(n_runs)
        for name in names
    )
    systems = list(results[0])
    first = np.array([auc(result[systems[0]]) for result in results])
    return [
        {
            "system": system,
            "published_auc": published.get(system, "–"),
            **figures_of([result[system] for result in results], first, names),
        }
        for system in systems
    ]


def auc(figures: dict[str, float]) -> float:
    """Return the mean over the ratios."""
    return float(np.mean([figures[f"auc_{ratio}dB"] for ratio in RATIOS_DB]))


def figures_of(runs: list[dict[str, float]], first: NDArray, names: list[str]) -> Row:
    """Return a system's figures from its runs, scene after scene, round by round."""
    means = {name: np.mean([run[name] for run in runs]) for name in runs[0]}
    seconds = means.pop("seconds")
    gains = np.array([auc(run) for run in runs]) - first
    gains = gains.reshape(-1, len(names)).mean(axis=1)  # (n_runs,)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    by_scene = np.array([(run["auc_0dB"] + run["auc_6dB"]) / 2 for run in runs])
    by_scene = by_scene.reshape(-1, len(names)).mean(axis=0)  # (n_scenes,)
    return {
        **{name: f"{mean:.3f}" for name, mean in means.items()},
        "auc_gain": f"{gains.mean():+.3f} ± {error:.3f}",
        **{name: f"{mean:.3f}" for name, mean in zip(names, by_scene, strict=True)},
        "seconds": f"{seconds:.1f}",
        "n_rounds": len(gains),
    }
