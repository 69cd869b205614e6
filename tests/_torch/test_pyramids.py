"""Pyramids of any picture's size, and their mirror images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sklearn_audio._torch._pyramids import (
    InversePyramid,
    Pyramid,
    layer_shapes,
    layer_widths,
)

SIDES = st.integers(1, 70)


def test_the_papers_picture_takes_three_halvings():
    assert layer_shapes((32, 32)) == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert layer_widths(128, 3) == [128, 256, 512]


def test_the_papers_detector_has_its_parameters():
    pyramid = Pyramid((32, 32), 128, nn.ReLU)
    kernels = 16 * (1 * 128 + 128 * 256 + 256 * 512)
    biases_and_norms = 128 + 2 * (256 + 512)
    n_parameters = sum(p.numel() for p in pyramid.parameters())
    assert n_parameters == kernels + biases_and_norms
    assert pyramid.output_shape == (512, 4, 4)


@settings(max_examples=30, deadline=None)
@given(height=SIDES, width=SIDES)
def test_any_picture_is_reduced_and_comes_back_with_its_shape(height, width):
    x = torch.zeros(2, 1, height, width)
    pyramid = Pyramid((height, width), 2, nn.ReLU).eval()
    top = pyramid(x)
    assert top.shape == (2, *pyramid.output_shape)
    assert max(top.shape[2:]) < 8
    mirror = InversePyramid((height, width), 2).eval()
    assert mirror.input_shape == pyramid.output_shape
    assert mirror(top).shape == x.shape


def test_fewer_layers_leave_a_larger_top():
    pyramid = Pyramid((32, 32), 4, nn.ReLU, n_layers=2)
    assert pyramid.output_shape == (8, 8, 8)


def test_spectral_norm_bounds_every_layer():
    pyramid = Pyramid((16, 16), 4, nn.ReLU, normalise=False, use_spectral_norm=True)
    pyramid.train()
    for _ in range(30):  # power iterations
        pyramid(torch.zeros(2, 1, 16, 16))
    layers = [layer for layer in pyramid.layers if isinstance(layer, nn.Conv2d)]
    assert len(layers) == 2
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        torch.testing.assert_close(norm.item(), 1.0, rtol=0.01, atol=0)


@pytest.mark.parametrize("make", [Pyramid, InversePyramid])
def test_weights_are_small_normal_numbers(make):
    arguments = (nn.ReLU,) if make is Pyramid else ()
    module = make((32, 32), 32, *arguments)
    weights = torch.cat([p.flatten() for p in module.parameters() if p.ndim == 4])
    assert abs(weights.mean().item()) < 1e-3
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)
