"""Windows: they cover the clip, and go through a function one like the other."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_audio.feature_extraction._windows import cut_windows, map_windows

CPU = torch.device("cpu")


@given(
    n_samples=st.integers(1, 60),
    window=st.integers(1, 25),
    hop=st.integers(1, 25),
    shortest=st.integers(1, 30),
)
def test_windows_cover_the_clip_and_nothing_else(n_samples, window, hop, shortest):
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    windows = cut_windows(samples, window, hop, shortest)
    length = min(window, n_samples)
    assert {part.size for part in windows} == {max(length, shortest)}
    starts = [int(part[0]) - 1 for part in windows]
    assert starts[:-1] == list(range(0, n_samples - length, hop))
    assert starts[-1] == n_samples - length
    for start, part in zip(starts, windows, strict=True):
        np.testing.assert_array_equal(part[:length], samples[start : start + length])
        np.testing.assert_array_equal(part[length:], 0)
    if hop <= window:
        assert set(np.concatenate(windows)) - {0} == set(samples)


def test_without_a_window_the_clip_is_one():
    samples = np.arange(50, dtype=np.float32)
    (whole,) = cut_windows(samples, None, 1, 1)
    np.testing.assert_array_equal(whole, samples)


@given(sizes=st.lists(st.integers(1, 3), max_size=12), batch_size=st.integers(1, 5))
def test_batches_are_full_uniform_and_in_order(sizes, batch_size):
    shapes = []

    def function(x):
        shapes.append(tuple(x.shape))
        return x.sum(dim=1, keepdim=True)

    windows = [(n, np.full(size, n, np.float32)) for n, size in enumerate(sizes)]
    outputs = list(map_windows(function, windows, batch_size=batch_size, device=CPU))
    assert [(n, float(row[0])) for n, row in outputs] == [
        (n, n * size) for n, size in enumerate(sizes)
    ]
    assert {rows for rows, _ in shapes} <= {batch_size}


def test_windows_are_taken_when_they_are_needed():
    taken = []

    def windows():
        for number in range(100):
            taken.append(number)
            yield number, np.zeros(4, np.float32)

    outputs = map_windows(lambda x: x, windows(), batch_size=3, device=CPU)
    next(outputs)
    assert len(taken) == 4


def test_no_gradient_is_kept():
    layer = torch.nn.Linear(4, 2)
    outputs = map_windows(
        layer, [(0, np.ones(4, np.float32))], batch_size=2, device=CPU
    )
    _, row = next(outputs)
    expected = layer(torch.ones(4)).detach()
    np.testing.assert_allclose(row, expected, rtol=1e-6)
