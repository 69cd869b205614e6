import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_audio.anomaly._frames import cut_frames


def cut_by_hand(recording, frame_length, hop_length):
    starts = list(range(0, len(recording) - frame_length + 1, hop_length))
    if starts[-1] + frame_length < len(recording):
        starts.append(len(recording) - frame_length)
    return starts, [recording[start : start + frame_length] for start in starts]


@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    frame_length=st.integers(1, 12),
    data=st.data(),
)
def test_blocks_of_any_length_give_the_frames_of_the_whole(sizes, frame_length, data):
    hop_length = data.draw(st.integers(1, frame_length))
    recording = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(recording, np.cumsum(sizes)[:-1])
    pieces = cut_frames(blocks, frame_length, hop_length)
    if len(recording) < frame_length:
        with pytest.raises(ValueError, match=f"has {len(recording)} samples, but a"):
            list(pieces)
        return
    starts, frames = map(np.concatenate, zip(*pieces, strict=True))
    true_starts, true_frames = cut_by_hand(recording, frame_length, hop_length)
    np.testing.assert_array_equal(starts, true_starts)
    np.testing.assert_array_equal(frames, true_frames)
    assert frames.dtype == np.float32


def test_no_more_than_a_block_and_a_frame_is_held():
    blocks = (np.zeros(100, dtype=np.float32) for _ in range(50))
    pieces = cut_frames(blocks, 30, 7)
    assert max(len(frames) for _, frames in pieces) <= (100 + 30) // 7
