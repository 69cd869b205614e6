"""Maker of scenes in which something happens that should not."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

_DESCRIPTION = """\
Scenes with anomalous events

Background clips, some of them with one foreign event mixed in at a known place and
event-to-background ratio, by :func:`sklearn_audio.datasets.make_anomalous_scenes`. The
licence is that of the clips.
"""


@validate_params(
    {
        "backgrounds": ["array-like"],
        "events": ["array-like"],
        "ebr_db": [Real, tuple, list],
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "anomalous_fraction": [Interval(Real, 0, 1, closed="both")],
        "event_duration": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_anomalous_scenes(
    backgrounds: NDArray | Sequence[NDArray],
    events: NDArray | Sequence[NDArray],
    ebr_db: float | tuple[float, float],
    *,
    sample_rate: float,
    anomalous_fraction: float = 0.5,
    event_duration: float = 0.5,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Mix foreign events into some background clips: test data for anomaly detection.

    Each background becomes one scene. A random part of them gets one event each: its
    loudest `event_duration` seconds, at a random place, at a chosen ratio of powers.
    The detector is trained on *other* backgrounds, which are normal.

    Parameters
    ----------
    backgrounds : ndarray of shape (n_clips, n_samples) or sequence of 1-D ndarray
        Normal clips, float, at `sample_rate`. Ragged clips keep their own lengths; each
        must be at least as long as the longest event to be mixed in.
    events : ndarray of shape (n_events, n_samples) or sequence of 1-D ndarray
        Clips of what is foreign to the scene, float, at `sample_rate`. Their level does
        not matter. Those shorter than `event_duration` are taken whole.
    ebr_db : float or tuple of (float, float)
        Event-to-background ratio in dB, or the range from which it is drawn uniformly
        for each anomalous scene. Both powers, mean squares of the samples, are taken
        over the very interval that the event covers. Usual values are from -6 to 12;
        lower ones are harder to detect.
    sample_rate : float
        Rate of backgrounds and events in Hz.
    anomalous_fraction : float, default=0.5
        Part of the scenes, in [0, 1], that gets an event; rounded to whole scenes. The
        area under a ROC curve does not depend on it, and is estimated best from halves.
    event_duration : float, default=0.5
        Seconds of an event that are mixed in.
    random_state : int, RandomState instance or None, default=None
        Seed. It decides which scenes are anomalous, their events, places and ratios;
        the first three are the same for every `ebr_db`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        data : ndarray of shape (n_clips, n_samples), float32
            The scenes, in the order of `backgrounds`, so that whatever belongs to a
            background, such as its recording, belongs to the scene. If backgrounds
            differ in length, a 1-D object array of waveforms.
        target : ndarray of shape (n_clips,), int
            1 for a normal scene and -1 for an anomalous one, as in `predict` of outlier
            detectors.
        onsets : ndarray of shape (n_clips,), float
            Where the event begins, in seconds; nan in a normal scene.
        durations : ndarray of shape (n_clips,), float
            How long it lasts, in seconds; nan in a normal scene.
        events : ndarray of shape (n_clips,), int
            Its index in `events`; -1 in a normal scene. All events are used equally
            often, give or take one.
        ebr_db : ndarray of shape (n_clips,), float
            Its event-to-background ratio in dB; nan in a normal scene.
        sample_rate : float
            In Hz.
        DESCR : str
            How the scenes are made.

    Raises
    ------
    ValueError
        If there are no clips, a clip is not a 1-D array of finite floats, a background
        is shorter than an event, an event is silent, a background is silent where an
        event is to go, or a parameter is out of its range.

    See Also
    --------
    make_sound_events : Synthetic clips, for backgrounds and for events.
    sklearn_audio.metrics.partial_auc : Judge a detector on the scenes.

    Notes
    -----
    Normal scenes are their backgrounds, bit for bit in float32; anomalous ones differ
    from them in nothing but the event. Scenes are neither clipped nor normalised, which
    would change that: an event can exceed [-1, 1], and a detector that needs a level
    must set it itself, in training too. The event is cut out without a fade, so that
    one that goes on beyond its loudest part begins and ends with a click.

    Whether a detector generalises can only be told from backgrounds of other recordings
    than it was trained on.

    References [1]_ and [2]_ judge detectors on scenes of DCASE 2017 Task 2, with one
    baby cry, breaking glass or gunshot each, mixed in whole. Here the loudest part is
    taken, so that ratios compare between events of any length.

    References
    ----------
    .. [1] E. Rushe and B. Mac Namee, "Anomaly detection in raw audio using deep
       autoregressive networks", ICASSP 2019.
       https://doi.org/10.1109/ICASSP.2019.8683414
    .. [2] C. Chen et al., "Acoustic anomaly detection via latent regularized Gaussian
       mixture generative adversarial networks", ICASSP 2020.
       https://doi.org/10.48550/arXiv.2002.01107

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.datasets import make_anomalous_scenes, make_sound_events
    >>> engines, _ = make_sound_events(
    ...     20, classes=["engine"], duration=2.0, random_state=0
    ... )
    >>> events, _ = make_sound_events(6, classes=["bell", "glass"], random_state=1)
    >>> scenes = make_anomalous_scenes(
    ...     engines, events, ebr_db=6, sample_rate=16000, random_state=0
    ... )
    >>> scenes.data.shape, int((scenes.target == -1).sum())
    ((20, 32000), 10)

    What was added to the first anomalous scene, over its half second:

    >>> row = np.flatnonzero(scenes.target == -1)[0]
    >>> start = round(scenes.onsets[row] * 16000)
    >>> here = slice(start, start + round(scenes.durations[row] * 16000))
    >>> background = engines[row, here]
    >>> event = scenes.data[row, here] - background
    >>> round(10 * np.log10(np.mean(event**2) / np.mean(background**2)), 2).item()
    6.0
    """
    rng = check_random_state(random_state)
    low, high = _ratio_range(ebr_db)
    longest = round(event_duration * sample_rate)
    if longest == 0:
        raise ValueError(
            f"event_duration={event_duration} is less than one sample at {sample_rate} "
            "Hz. Give more seconds."
        )
    foreign = [
        _loudest_part(event, longest, index)
        for index, event in enumerate(_check_clips(events, "events"))
    ]
    scenes = _copy(_check_clips(backgrounds, "backgrounds"))
    _check_room(scenes, max(map(len, foreign)), sample_rate)

    # The ratios come last, so that the same seed chooses the same places at any ratio.
    n_scenes = len(scenes)
    rows = rng.permutation(n_scenes)[: round(anomalous_fraction * n_scenes)]
    chosen = np.resize(rng.permutation(len(foreign)), rows.size)
    starts = np.zeros(rows.size, dtype=np.intp)
    for i, (row, event) in enumerate(zip(rows, chosen, strict=True)):
        starts[i] = rng.randint(len(scenes[row]) - len(foreign[event]) + 1)
    ratios = rng.uniform(low, high, rows.size)

    for row, event, start, ratio in zip(rows, chosen, starts, ratios, strict=True):
        _mix(scenes[row], foreign[event], start, ratio, row)
    lengths = np.array([len(event) for event in foreign])
    return Bunch(
        data=scenes,
        target=_column(n_scenes, 1, rows, -1),
        onsets=_column(n_scenes, np.nan, rows, starts / sample_rate),
        durations=_column(n_scenes, np.nan, rows, lengths[chosen] / sample_rate),
        events=_column(n_scenes, -1, rows, chosen),
        ebr_db=_column(n_scenes, np.nan, rows, ratios),
        sample_rate=sample_rate,
        DESCR=_DESCRIPTION,
    )


def _ratio_range(ebr_db: Any) -> tuple[float, float]:
    bounds = (ebr_db, ebr_db) if isinstance(ebr_db, Real) else ebr_db
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"ebr_db must be one number in dB or two, not {ebr_db!r}."
        ) from error
    if not (np.isfinite([low, high]).all() and low <= high):
        raise ValueError(
            f"ebr_db must be finite, a number or (lowest, highest), not {ebr_db!r}."
        )
    return low, high


def _check_clips(clips: Any, name: str) -> list[NDArray]:
    """Return the waveforms one by one, uncopied, or raise ValueError."""
    checked = [np.asarray(clip) for clip in clips]
    if not checked:
        raise ValueError(f"{name} is empty: give one clip at least.")
    for index, clip in enumerate(checked):
        if clip.ndim != 1 or clip.size == 0:
            raise ValueError(
                f"{name}: clip {index} must be a 1-D array of samples, but its shape "
                f"is {clip.shape}. Give a 2-D array, one clip a row, or a list of 1-D "
                "arrays; AudioLoader reads files."
            )
        if not np.issubdtype(clip.dtype, np.floating):
            raise ValueError(
                f"{name}: clip {index} must hold floats, but its dtype is "
                f"{clip.dtype}. Divide integers by their full scale."
            )
        if not np.isfinite(clip).all():
            raise ValueError(
                f"{name}: clip {index} holds NaN or infinity at sample "
                f"{np.flatnonzero(~np.isfinite(clip))[0]}. Repair it or leave it out."
            )
    return checked


def _copy(clips: list[NDArray]) -> NDArray:
    """Return new clips in float32: the rows of one array if they are equally long."""
    if len({clip.size for clip in clips}) == 1:
        return np.array(clips, dtype=np.float32)
    copies = np.empty(len(clips), dtype=object)
    copies[:] = [clip.astype(np.float32) for clip in clips]
    return copies


def _check_room(scenes: NDArray, longest: int, sample_rate: float) -> None:
    for index, scene in enumerate(scenes):
        if len(scene) < longest:
            raise ValueError(
                f"backgrounds: clip {index} has {len(scene)} samples "
                f"({len(scene) / sample_rate:.3g} s), fewer than the longest event, "
                f"{longest} ({longest / sample_rate:.3g} s). Leave it out, or give a "
                "shorter event_duration."
            )


def _loudest_part(event: NDArray, length: int, index: int) -> NDArray:
    """Return the stretch of most energy, the earliest of equals, in float64."""
    event = event.astype(np.float64)
    length = min(length, event.size)
    energy = np.concatenate([[0.0], np.cumsum(event**2)])
    start = np.argmax(energy[length:] - energy[:-length])
    loudest = event[start : start + length]
    if _power(loudest) == 0:
        raise ValueError(
            f"events: clip {index} is silent, and no gain makes it heard. Leave it out."
        )
    return loudest


def _mix(scene: NDArray, event: NDArray, start: int, ratio: float, index: int) -> None:
    """Add the event to the scene, in place, at so many dB above what is there."""
    background = scene[start : start + event.size].astype(np.float64)
    power = _power(background)
    if power == 0:
        raise ValueError(
            f"backgrounds: clip {index} is silent in samples {start} to "
            f"{start + event.size - 1}, where an event is to be heard at {ratio:.3g} "
            "dB above it. Leave the clip out, cut off its silence, or add faint noise."
        )
    gain = np.sqrt(power / _power(event)) * 10 ** (ratio / 20)
    scene[start : start + event.size] = background + gain * event


def _power(samples: NDArray) -> float:
    return np.mean(samples**2)


def _column(n_scenes: int, elsewhere: Any, rows: NDArray, values: Any) -> NDArray:
    """Return one value a scene: those given in these rows, and one for all others."""
    column = np.full(n_scenes, elsewhere)
    column[rows] = values
    return column
