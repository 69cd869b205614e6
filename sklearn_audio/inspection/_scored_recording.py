"""What is known about a long recording: a score per frame, events, a spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array


def check_curve(
    times: Any, scores: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one finite time and score per frame, or raise ValueError."""
    times, scores = (
        check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
        for name, values in [("times", times), ("scores", scores)]
    )
    if times.ndim != 1 or times.shape != scores.shape:
        raise ValueError(
            "times and scores must be 1-D, one number per frame each, got arrays of "
            f"shape {times.shape} and {scores.shape}."
        )
    falls = np.flatnonzero(np.diff(times) <= 0)
    if len(falls):
        before, after = times[falls[0] : falls[0] + 2]
        raise ValueError(
            f"times must rise, but frame {falls[0] + 1} starts at {after:g} s, after "
            f"one at {before:g} s. Sort frames by time, and draw one recording at once."
        )
    return times, scores


def check_events(events: Any, name: str) -> NDArray[np.float64]:
    """Return a start and an end per event, or raise ValueError."""
    if events is None or np.size(events) == 0:
        return np.empty((0, 2))
    events = check_array(events, ensure_2d=False, dtype=np.float64, input_name=name)
    if events.ndim != 2 or events.shape[1] != 2:
        raise ValueError(
            f"{name} must hold the start and the end of each event in seconds, in an "
            f"array of shape (n_events, 2), got {events.shape}."
        )
    reversed_events = np.flatnonzero(events[:, 1] < events[:, 0])
    if len(reversed_events):
        start, end = events[reversed_events[0]]
        raise ValueError(
            f"{name} holds an event that ends before it starts, at index "
            f"{reversed_events[0]}: from {start:g} s to {end:g} s."
        )
    return events


def check_spectrogram(spectrogram: Any, duration: float | None) -> NDArray | None:
    """Return the spectrogram of a recording of known length, or raise ValueError."""
    if spectrogram is None:
        return None
    if duration is None:
        raise ValueError(
            "spectrogram needs duration, the length of the recording in seconds, to be "
            "drawn above the right times."
        )
    return check_array(spectrogram, input_name="spectrogram")
