from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_audio._torch._adversarial import (
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)

DTYPE = torch.float64
LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=8)


def normal(*shape, seed=0, **kwargs):
    array = np.random.default_rng(seed).normal(size=shape)
    return torch.tensor(array, **kwargs)


def sigmoid(logit):
    return 1 / (1 + exp(-logit))


@given(LOGITS, LOGITS)
def test_discriminator_loss_follows_the_equation(real, fake):
    expected = 0.0
    for logit in real:
        expected -= log(sigmoid(logit)) / len(real)
    for logit in fake:
        expected -= log(sigmoid(-logit)) / len(fake)  # 1 - D, without cancellation
    real_logits, fake_logits = (torch.tensor(x, dtype=DTYPE) for x in (real, fake))
    actual = discriminator_loss(real_logits, fake_logits)
    assert actual.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(LOGITS)
def test_generator_loss_follows_the_equation(fake):
    expected = 0.0
    for logit in fake:
        expected -= log(sigmoid(logit)) / len(fake)
    actual = generator_loss(torch.tensor(fake, dtype=DTYPE))
    assert actual.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_discriminator_at_a_loss():
    undecided = torch.zeros(5)
    loss = discriminator_loss(undecided, undecided[:2])
    assert loss.item() == pytest.approx(2 * log(2))


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_logits_beyond_the_sigmoids_range(logit):
    logits = torch.full((3,), logit, requires_grad=True)
    loss = discriminator_loss(logits, logits) + generator_loss(logits)
    loss.backward()
    assert loss.item() == pytest.approx(1e4 if logit > 0 else 2e4)
    assert torch.isfinite(logits.grad).all()


def test_generator_learns_where_the_discriminator_is_sure():
    logits = torch.full((4,), -50.0, requires_grad=True)
    generator_loss(logits).backward()
    np.testing.assert_allclose(logits.grad, -1 / 4)
    saturating = torch.full((4,), -50.0, requires_grad=True)
    (-discriminator_loss(torch.zeros(4), saturating)).backward()
    np.testing.assert_allclose(saturating.grad, 0, atol=1e-20)


def test_feature_matching_follows_the_equation():
    real, fake = normal(3, 5), normal(3, 5, seed=1)
    expected = 0.0
    for i in range(3):
        for j in range(5):
            expected += (real[i, j].item() - fake[i, j].item()) ** 2 / (3 * 5)
    actual = feature_matching_loss(real, fake)
    assert actual.item() == pytest.approx(expected)


def test_feature_matching_does_not_grow_with_the_network():
    real, fake = normal(3, 5), normal(3, 5, seed=1)
    narrow = feature_matching_loss(real, fake)
    wide = feature_matching_loss(real.repeat(1, 7), fake.repeat(1, 7))
    assert wide.item() == pytest.approx(narrow.item())


@pytest.mark.parametrize(
    ("loss", "shapes"),
    [
        (discriminator_loss, [(4,), (3,)]),
        (generator_loss, [(4,)]),
        (feature_matching_loss, [(2, 3), (2, 3)]),
    ],
)
def test_gradients(loss, shapes):
    arguments = [
        normal(*shape, seed=seed, requires_grad=True)
        for seed, shape in enumerate(shapes)
    ]
    assert torch.autograd.gradcheck(loss, arguments)
