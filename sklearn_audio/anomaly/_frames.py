"""Overlapping frames of a recording that comes in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def cut_frames(
    blocks: Iterable[NDArray], frame_length: int, hop_length: int
) -> Iterator[tuple[NDArray[np.intp], NDArray]]:
    """Cut a recording that comes in blocks into overlapping frames.

    Parameters
    ----------
    blocks : iterable of ndarray of shape (n_samples,)
        The recording.
    frame_length, hop_length : int
        Samples of a frame, and from the start of one to the start of the next, which is
        no more.

    Yields
    ------
    starts : ndarray of shape (n_frames,), dtype intp
        First sample of each frame, counted from the start of the recording.
    frames : ndarray of shape (n_frames, frame_length)
        Read-only view of the frames that are new with a block. One last frame ends with
        the recording where no other does.

    Raises
    ------
    ValueError
        If the recording is shorter than one frame.
    """
    buffer, buffer_start, next_frame = np.empty(0, dtype=np.float32), 0, 0
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        if buffer.size < next_frame + frame_length:
            continue
        frames = sliding_window_view(buffer[next_frame:], frame_length)[::hop_length]
        offsets = next_frame + hop_length * np.arange(len(frames))
        yield buffer_start + offsets, frames
        # The last frame stays, for the recording may end before the next one does.
        buffer = buffer[offsets[-1] :]
        buffer_start, next_frame = buffer_start + offsets[-1], hop_length
    if buffer.size < frame_length:
        raise ValueError(
            f"has {buffer.size} samples, but a frame has {frame_length}. Leave it out, "
            "or lower frame_duration. Silence in the place of what is missing would "
            "itself be anomalous."
        )
    if buffer.size > frame_length:
        last = buffer.size - frame_length
        yield np.array([buffer_start + last]), buffer[np.newaxis, last:]
