"""Losses of partial labels against loops over what is known."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from sklearn_audio._torch._masked_losses import (
    masked_binary_cross_entropy,
    masked_cross_entropy,
)


def binary_loop(logits, labels, weights):
    total = weight = 0.0
    for entry in np.ndindex(labels.shape):
        if not np.isnan(labels[entry]):
            present = 1 / (1 + np.exp(-logits[entry]))
            truth = present if labels[entry] == 1 else 1 - present
            total -= weights[entry] * np.log(truth)
            weight += weights[entry]
    return total / weight


def class_loop(logits, indices, weights):
    total = weight = 0.0
    for z, index, w in zip(logits, indices, weights, strict=True):
        if index != -1:
            total -= w * np.log(np.exp(z[index]) / np.exp(z).sum())
            weight += w
    return total / weight


def binary_batch(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=(9, 4)).astype(float)
    labels[rng.random(labels.shape) < 0.5] = np.nan
    return rng.normal(scale=3, size=(9, 4)), labels, rng.random((9, 4))


def class_batch(seed):
    rng = np.random.default_rng(seed)
    indices = rng.integers(-1, 4, size=9)
    return rng.normal(scale=3, size=(9, 4)), indices, rng.random(9)


CASES = {
    "labels": (masked_binary_cross_entropy, binary_loop, binary_batch),
    "classes": (masked_cross_entropy, class_loop, class_batch),
}
every_loss = pytest.mark.parametrize(
    ("loss", "loop", "make_batch"), CASES.values(), ids=CASES
)


def missing_all(targets):
    return np.full_like(targets, np.nan if targets.ndim == 2 else -1)


def is_missing(targets):
    return np.isnan(targets) if targets.ndim == 2 else targets == -1


def of(loss, *arrays):
    return float(loss(*(torch.as_tensor(array) for array in arrays)))


@every_loss
@pytest.mark.parametrize("seed", range(20))
def test_losses_are_those_of_the_loops(loss, loop, make_batch, seed):
    batch = make_batch(seed)
    assert of(loss, *batch) == pytest.approx(loop(*batch), rel=1e-9)


@every_loss
def test_what_is_missing_counts_for_nothing(loss, loop, make_batch):
    logits, targets, weights = make_batch(0)
    missing = is_missing(targets)
    expected = of(loss, logits, targets, weights)
    changed = np.where(missing, 1e3, weights)
    assert of(loss, logits, targets, changed) == pytest.approx(expected, rel=1e-12)
    tensor = torch.tensor(logits, requires_grad=True)
    loss(tensor, torch.tensor(targets), torch.tensor(weights)).backward()
    has_gradient = (tensor.grad != 0).numpy()
    np.testing.assert_array_equal(has_gradient[missing], False)
    np.testing.assert_array_equal(has_gradient[~missing], True)


@every_loss
def test_no_weight_is_as_good_as_no_label(loss, loop, make_batch):
    logits, targets, weights = make_batch(0)
    known = np.argwhere(~is_missing(targets))
    for place in map(tuple, known[::2]):
        weights[place] = 0
        fewer = targets.copy()
        fewer[place] = np.nan if targets.ndim == 2 else -1
        heavy = weights.copy()
        heavy[place] = 1
        assert of(loss, logits, targets, weights) == pytest.approx(
            of(loss, logits, fewer, heavy), rel=1e-12
        )
        targets = fewer


@every_loss
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e6])
def test_the_scale_of_the_weights_does_not_matter(loss, loop, make_batch, scale):
    logits, targets, weights = make_batch(0)
    assert of(loss, logits, targets, scale * weights) == pytest.approx(
        of(loss, logits, targets, weights), rel=1e-9
    )


@every_loss
def test_gradients(loss, loop, make_batch):
    logits, targets, weights = make_batch(0)
    inputs = [torch.tensor(array, requires_grad=True) for array in (logits, weights)]
    assert gradcheck(lambda z, w: loss(z, torch.tensor(targets), w), inputs)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_known_is_no_loss_and_no_gradient(loss, loop, make_batch, dtype):
    logits, targets, weights = make_batch(0)
    tensor = torch.tensor(logits, dtype=dtype, requires_grad=True)
    value = loss(
        tensor, torch.tensor(missing_all(targets)), torch.tensor(weights, dtype=dtype)
    )
    value.backward()
    assert value == 0
    assert (tensor.grad == 0).all()


@pytest.mark.parametrize("size", [60.0, 1e4])
def test_sure_answers_have_finite_losses_and_gradients(size):
    logits = torch.tensor([[size, -size, size, -size]], requires_grad=True)
    labels = torch.tensor([[1.0, 1.0, 0.0, torch.nan]])
    loss = masked_binary_cross_entropy(logits, labels, torch.ones(1, 4))
    loss.backward()
    assert loss.item() == pytest.approx(2 * size / 3)
    np.testing.assert_allclose(logits.grad[0], [0, -1 / 3, 1 / 3, 0], atol=1e-6)


def test_where_nothing_is_missing_the_losses_are_torchs_own():
    logits, labels, _ = map(torch.as_tensor, binary_batch(0))
    labels = (labels == 1).double()
    value = masked_binary_cross_entropy(logits, labels, torch.ones_like(labels))
    expected = F.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(value, expected)
    logits, indices, _ = map(torch.as_tensor, class_batch(0))
    indices = indices.clamp_min(0)
    value = masked_cross_entropy(logits, indices, torch.ones(len(indices)).double())
    torch.testing.assert_close(value, F.cross_entropy(logits, indices))
