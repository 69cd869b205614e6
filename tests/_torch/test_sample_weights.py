"""Weights that are repetitions."""

import numpy as np
import pytest
import torch

from sklearn_audio._torch._batches import ArrayDataset, BatchIterator
from sklearn_audio._torch._sample_weights import (
    check_weights,
    drop_weightless,
    repeated,
    row_order,
)


@pytest.mark.parametrize("shift", [0.0, 0.5, 0.999])
def test_whole_weights_are_repetitions_whatever_the_shift(shift):
    weights = np.array([2.0, 0.0, 1.0, 3.0])
    rows = np.array([7, 5, 6, 9])
    assert repeated(rows, weights, shift).tolist() == [7, 7, 6, 9, 9, 9]
    assert repeated(rows, None, shift) is rows


def test_other_weights_are_rounded_and_right_on_average():
    weights = np.array([0.3, 1.0, 2.6, 0.1])
    counts = []
    for shift in np.linspace(0, 1, 1000, endpoint=False):
        drawn = repeated(np.arange(4), weights, shift)
        counts.append(np.bincount(drawn, minlength=4))
        assert (np.abs(counts[-1] - weights) < 1).all()
    np.testing.assert_allclose(np.mean(counts, axis=0), weights, atol=2e-3)


def test_the_order_depends_on_what_the_rows_hold_alone():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(40, 2, 1)).astype(np.float32)  # many come twice
    y = rng.integers(0, 2, size=40)
    order, shuffled = row_order(X, y), rng.permutation(40)
    again = row_order(X[shuffled], y[shuffled])
    np.testing.assert_array_equal(X[shuffled][again], X[order])
    np.testing.assert_array_equal(y[shuffled][again], y[order])
    assert not np.array_equal(row_order(X, 1 - y), order)
    np.testing.assert_array_equal(X[row_order(X, 1 - y)], X[order])
    assert sorted(order) == list(range(40))
    clips = rng.normal(size=(40, 3))
    assert not np.array_equal(row_order(clips), np.arange(40))
    np.testing.assert_array_equal(row_order(64 * clips), row_order(clips))


def test_small_weights_are_scaled_and_large_ones_are_not():
    np.testing.assert_allclose(check_weights([0.1, 0.2], 2), [0.5, 1.0])
    np.testing.assert_allclose(check_weights([0.5, 3.0], 2), [0.5, 3.0])
    assert check_weights(None, 2) is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -1.0], "Negative values"),
        ([1.0, np.nan], "NaN"),
        ([1.0, np.inf], "infinity"),
        ([0.0, 0.0], "zero"),
        ([1.0, 1.0, 1.0], "shape"),
    ],
)
def test_weights_that_mean_nothing(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 2)


def test_nothing_is_copied_where_all_rows_weigh_something():
    X = np.arange(3.0)
    for weights in (None, np.array([1.0, 2.0, 0.5])):
        kept = drop_weightless(weights, X, None)
        assert kept[0] is X
        assert kept[2] is weights
    kept = drop_weightless(np.array([1.0, 0.0, 2.0]), X, None)
    assert kept[0].tolist() == [0.0, 2.0]
    assert kept[1] is None
    assert kept[2].tolist() == [1.0, 2.0]


def test_epochs_differ_in_what_they_draw_by_weights_that_are_not_whole():
    weights = np.array([0.5, 0.5, 1.0, 2.0])
    dataset = ArrayDataset(np.arange(4), weights=weights)
    generator = torch.Generator().manual_seed(0)
    iterator = BatchIterator(dataset, batch_size=2, generator=generator)
    epochs = [np.concatenate([b[0] for b in iterator]) for _ in range(200)]
    counts = np.array([np.bincount(epoch, minlength=4) for epoch in epochs])
    assert {len(epoch) for epoch in epochs} == {4}
    np.testing.assert_allclose(counts.mean(axis=0), weights, atol=0.15)
    validation = BatchIterator(dataset, batch_size=4)
    assert [b[0].tolist() for b in validation] == [b[0].tolist() for b in validation]
