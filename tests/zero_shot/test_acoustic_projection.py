"""AcousticProjection: three maps, one product."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_audio.zero_shot._acoustic_projection import AcousticProjection

SIZES = {"n_features": 5, "n_dims": 3, "rank": 2}
each_projection = pytest.mark.parametrize(
    "projection", ["bilinear", "factored", "nonlinear"]
)


def make(projection):
    module = AcousticProjection(projection=projection, **SIZES).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(generator=generator)
    return module


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(6, 5))), torch.tensor(rng.normal(size=(4, 3)))


@each_projection
def test_scores_are_products_of_projected_clips_and_class_vectors(projection, data):
    X, vectors = data
    module = make(projection)
    layers = [layer for layer in (module.inner, module.outer) if layer is not None]
    if projection == "nonlinear":
        layers.insert(1, nn.Tanh())
    expected = nn.Sequential(*layers)(X) @ vectors.T
    torch.testing.assert_close(module(X, vectors), expected)


@pytest.mark.parametrize("projection", ["bilinear", "factored"])
def test_linear_projections_have_a_matrix(projection, data):
    X, vectors = data
    module = make(projection)
    torch.testing.assert_close(module(X, vectors), X @ module.matrix() @ vectors.T)


@each_projection
def test_gradients(projection, data):
    X, vectors = data
    module = make(projection)
    weights = dict(module.named_parameters())

    def score(*values):
        named = dict(zip(weights, values, strict=True))
        return torch.func.functional_call(module, named, (X, vectors))

    inputs = [weight.detach().requires_grad_() for weight in weights.values()]
    assert torch.autograd.gradcheck(score, inputs)


def test_only_a_single_matrix_begins_at_zero():
    zeros = AcousticProjection(projection="bilinear", **SIZES)
    assert not zeros.matrix().any()
    factors = AcousticProjection(projection="factored", **SIZES)
    assert all(weight.any() for weight in factors.parameters())


def test_the_layers_are_those_of_the_paper():
    """FC 128, tanh, FC 300."""
    module = AcousticProjection(
        n_features=384, n_dims=300, projection="nonlinear", rank=128
    )
    n_parameters = sum(weight.numel() for weight in module.parameters())
    assert n_parameters == 384 * 128 + 128 + 128 * 300 + 300
