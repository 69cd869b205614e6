"""Maker of synthetic sound events, known and unknown."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_audio.base import TEXT_OUTLIER_LABEL
from sklearn_audio.datasets._sound_makers import KNOWN_SOUNDS, OUTLIER_SOUNDS, Take

_MAKERS = {**KNOWN_SOUNDS, **OUTLIER_SOUNDS}
_PITCH_RANGE = 0.2  # octaves by which a source's pitch goes up or down
_MAX_ONSET = 0.25  # as a part of the clip
_PEAK_DB = (-20, -1)  # loudest sample, relative to full scale
_TAIL = 0.3  # seconds of reverberation that are kept

_DESCRIPTION = """\
Synthetic sound events

Clips of one sound each, made by :func:`sklearn_audio.datasets.make_sound_events`: no
recordings, no licence. Classes differ in timbre, pitch range and rhythm; clips of a
class differ in pitch, onset, level, strength and background noise; clips of a group
share their sources (one bell, one engine), room, microphone and kind of noise, as if
made in one recording.
"""


class _Recording(NamedTuple):
    """What the clips of one group have in common."""

    # Seed of its sources: one bell, one engine, one siren.
    seed: int
    # The room's impulse response, with the microphone's tilt of the spectrum.
    room: NDArray
    # Power of the frequency by which the noise's spectrum falls.
    noise_slope: float


@validate_params(
    {
        "n_samples": [Interval(Integral, 0, None, closed="left")],
        "classes": ["array-like", None],
        "n_outliers": [Interval(Integral, 0, None, closed="left")],
        "outlier_classes": ["array-like", None],
        "outlier_label": [str, None],
        "sample_rate": [Interval(Integral, 8000, None, closed="left")],
        "duration": [Interval(Real, 0.1, None, closed="left")],
        "snr_db": [tuple, list],
        "n_groups": [Interval(Integral, 1, None, closed="left")],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_sound_events(
    n_samples: int = 100,
    classes: Sequence[str] | None = None,
    *,
    n_outliers: int = 0,
    outlier_classes: Sequence[str] | None = None,
    outlier_label: str | None = TEXT_OUTLIER_LABEL,
    sample_rate: int = 16000,
    duration: float = 1.0,
    snr_db: tuple[float, float] = (10.0, 40.0),
    n_groups: int = 10,
    return_X_y: bool = True,
    random_state: int | RandomState | None = None,
) -> tuple[NDArray, NDArray] | Bunch:
    """Make clips of synthetic sounds, and of sounds of no known class.

    Every clip holds one sound with a random pitch, onset and level, in a room and with
    background noise. Clips belong to groups, as if to recordings: those of a group
    share their sources (one bell, one engine), room, microphone and kind of noise.
    Shuffled cross-validation is therefore flattered, as it is on real recordings;
    split by groups. Two calls with different seeds make different recordings.

    Parameters
    ----------
    n_samples : int, default=100
        Number of clips of known classes, divided evenly among the classes.
    classes : sequence of str, default=None
        The known classes. By default bell, clicks, drum, engine, pluck, rain, siren and
        whistle. Any name from this list and the next will do.
    n_outliers : int, default=0
        Number of clips of other classes, divided evenly among them.
    outlier_classes : sequence of str, default=None
        The other classes. By default those of beeps, bird, chirp, crackle, glass,
        helicopter and wind that `classes` does not name.
    outlier_label : str or None, default="unknown"
        Label of the outliers; by default the one that
        :class:`~sklearn_audio.open_set.RejectingClassifier` gives to what it rejects.
        None keeps the name of their class.
    sample_rate : int, default=16000
        Rate in Hz, at least 8000.
    duration : float, default=1.0
        Length of a clip in seconds, at least 0.1.
    snr_db : tuple of (float, float), default=(10.0, 40.0)
        Range of the ratio of sound to background noise, in dB. It is drawn uniformly
        for each clip; lower values make the classes harder to tell apart.
    n_groups : int, default=10
        Number of groups. Each class is spread evenly over them.
    return_X_y : bool, default=True
        Return ``(X, y)``; False returns a Bunch, which has the groups too.
    random_state : int, RandomState instance or None, default=None
        Seed. The same seed makes the same clips, bit for bit.

    Returns
    -------
    X : ndarray of shape (n_samples + n_outliers, round(duration * sample_rate))
        Clips in [-1, 1], float32, in random order.
    y : ndarray of shape (n_samples + n_outliers,), str
        Class of each clip, or `outlier_label`.

    data : :class:`~sklearn.utils.Bunch`, if ``return_X_y`` is False
        With these keys:

        data : ndarray of shape (n_samples + n_outliers, n_samples_per_clip)
            The clips, as `X`.
        target : ndarray of shape (n_samples + n_outliers,), str
            The labels, as `y`.
        target_names : ndarray of str
            The labels that occur, sorted.
        groups : ndarray of shape (n_samples + n_outliers,), int
            Group of each clip.
        folds : None
            There are no official folds.
        sample_rate : int
            In Hz.
        DESCR : str
            How the clips are made.

    Raises
    ------
    ValueError
        If a class is unknown, named twice, or both known and an outlier, or if a
        parameter is out of its range.

    See Also
    --------
    save_clips : Write the clips as wav files.

    Notes
    -----
    Some outliers are close to a known class, as they are in life: wind to engine,
    crackle to clicks, glass to bell, bird to whistle, chirp to siren.

    The plucked string is that of [1]_, and the bell's partials are those of [2]_.

    References
    ----------
    .. [1] K. Karplus and A. Strong, "Digital Synthesis of Plucked-String and Drum
       Timbres", Computer Music Journal 7(2), 1983. https://doi.org/10.2307/3680062
    .. [2] C. Dodge and T. A. Jerse, "Computer Music: Synthesis, Composition, and
       Performance", Schirmer, 1997.

    Examples
    --------
    Known sounds to train on, and new ones mixed with others to test on:

    >>> from sklearn_audio.datasets import make_sound_events
    >>> X, y = make_sound_events(80, random_state=0)
    >>> X_test, y_test = make_sound_events(40, n_outliers=20, random_state=1)
    >>> X.shape, X.dtype, X_test.shape
    ((80, 16000), dtype('float32'), (60, 16000))
    >>> sorted(set(y_test.tolist()) - set(y.tolist()))
    ['unknown']

    With the groups, for cross-validation that keeps a recording's clips together:

    >>> data = make_sound_events(
    ...     20, classes=["bell", "bird"], n_groups=4, return_X_y=False, random_state=0
    ... )
    >>> data.target_names.tolist(), sorted(set(data.groups.tolist()))
    (['bell', 'bird'], [0, 1, 2, 3])
    """
    rng = check_random_state(random_state)
    known, outliers = _class_names(classes, outlier_classes, n_samples, n_outliers)
    if outlier_label in known:
        raise ValueError(
            f"outlier_label={outlier_label!r} is one of the known classes: name another"
        )
    low, high = _snr_range(snr_db)

    sounds = np.concatenate(
        [_balanced(known, n_samples), _balanced(outliers, n_outliers)]
    )
    is_outlier = np.arange(sounds.size) >= n_samples
    groups = _spread(rng, sounds, n_groups)
    order = rng.permutation(sounds.size)
    sounds, is_outlier, groups = sounds[order], is_outlier[order], groups[order]

    n_per_clip = round(duration * sample_rate)
    X = np.empty((sounds.size, n_per_clip), dtype=np.float32)
    for group in range(n_groups):
        rows = np.flatnonzero(groups == group)
        recording = _draw_recording(rng, sample_rate)
        events = _make_events(rng, sounds[rows], n_per_clip, sample_rate, recording)
        snr = rng.uniform(low, high, rows.size)
        X[rows] = _record(rng, events, recording, snr, sample_rate)

    y = sounds if outlier_label is None else np.where(is_outlier, outlier_label, sounds)
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        target_names=np.unique(y),
        groups=groups,
        folds=None,
        sample_rate=sample_rate,
        DESCR=_DESCRIPTION,
    )


def _class_names(
    classes: Sequence[str] | None,
    outlier_classes: Sequence[str] | None,
    n_samples: int,
    n_outliers: int,
) -> tuple[list[str], list[str]]:
    known = list(KNOWN_SOUNDS if classes is None else classes)
    if outlier_classes is None:
        outliers = [name for name in OUTLIER_SOUNDS if name not in known]
    else:
        outliers = list(outlier_classes)
    names = known + outliers
    for name in names:
        if name not in _MAKERS:
            raise ValueError(
                f"There is no class {name!r}; there are {', '.join(sorted(_MAKERS))}"
            )
        if names.count(name) > 1:
            raise ValueError(
                f"The class {name!r} is named twice in classes and outlier_classes"
            )
    for parameter, chosen, number in (
        ("classes", known, n_samples),
        ("outlier_classes", outliers, n_outliers),
    ):
        if number and not chosen:
            raise ValueError(f"{parameter} is empty, but {number} clips are wanted")
    return known, outliers


def _snr_range(snr_db: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = map(float, snr_db)
    except (TypeError, ValueError) as error:
        raise ValueError(f"snr_db must be two numbers in dB, not {snr_db!r}") from error
    if not (np.isfinite([low, high]).all() and low <= high):
        raise ValueError(
            f"snr_db must be (lowest, highest), both finite, not {snr_db!r}"
        )
    return low, high


def _balanced(names: Sequence[str], n: int) -> NDArray:
    """Name `n` clips, the same number for each class, give or take one."""
    dtype = f"<U{max(map(len, _MAKERS))}"
    return np.resize(np.array(names, dtype=dtype), n) if n else np.empty(0, dtype)


def _spread(rng: RandomState, sounds: NDArray, n_groups: int) -> NDArray:
    """Deal the clips of each class out to the groups, from a random group on."""
    groups = np.empty(sounds.size, dtype=np.intp)
    for name in np.unique(sounds):
        rows = np.flatnonzero(sounds == name)
        groups[rows] = (np.arange(rows.size) + rng.randint(n_groups)) % n_groups
    return groups


def _draw_recording(rng: RandomState, sample_rate: int) -> _Recording:
    t = np.arange(round(_TAIL * sample_rate)) / sample_rate
    echoes = rng.standard_normal(t.size) * np.exp(-t / rng.uniform(0.01, 0.06))
    room = rng.uniform(0.02, 0.15) * echoes
    room[0] = 1.0
    tilt = rng.uniform(-0.5, 0.5)
    room[1:] += tilt * room[:-1]
    return _Recording(
        seed=rng.randint(2**31 - 1),
        room=room,
        noise_slope=rng.uniform(0, 1),
    )


def _make_events(
    rng: RandomState,
    sounds: NDArray,
    n_per_clip: int,
    sample_rate: int,
    recording: _Recording,
) -> NDArray:
    """Make one sound a row, each from its own onset on."""
    events = np.zeros((sounds.size, n_per_clip))
    for event, name in zip(events, sounds, strict=True):
        onset = rng.randint(round(_MAX_ONSET * n_per_clip))
        take = Take(
            n_samples=n_per_clip - onset,
            sample_rate=sample_rate,
            pitch=2 ** rng.uniform(-_PITCH_RANGE, _PITCH_RANGE),
            source=RandomState(recording.seed),
            rng=rng,
        )
        event[onset:] = _MAKERS[name](take)
    return events


def _record(
    rng: RandomState,
    events: NDArray,
    recording: _Recording,
    snr: NDArray,
    sample_rate: int,
) -> NDArray:
    """Put events into the room, add noise, and set the level."""
    n_clips, n = events.shape
    n_fft = next_fast_len(n + recording.room.size - 1, real=True)
    heard = irfft(rfft(events, n_fft) * rfft(recording.room, n_fft), n_fft)[:, :n]

    frequencies = rfftfreq(n_fft, 1 / sample_rate)
    # Flat below 50 Hz, where a power law would let the hum drown all else.
    colour = np.maximum(frequencies, 50.0) ** -recording.noise_slope
    noise = irfft(rfft(rng.standard_normal((n_clips, n)), n_fft) * colour, n_fft)[:, :n]
    noise *= (_rms(heard) / _rms(noise) * 10 ** (-snr / 20))[:, None]

    clips = heard + noise
    peaks = 10 ** (rng.uniform(*_PEAK_DB, n_clips) / 20)
    return clips * (peaks / np.abs(clips).max(axis=1))[:, None]


def _rms(clips: NDArray) -> NDArray:
    return np.sqrt((clips**2).mean(axis=1))
