"""The mixture against scikit-learn's, and where covariances are singular."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.mixture._gaussian_mixture import _estimate_gaussian_parameters

from sklearn_audio.anomaly import _gaussian_mixture as mixture_module
from sklearn_audio.anomaly._gaussian_mixture import (
    energy,
    estimate_mixture,
    estimation_loss,
)

types = pytest.mark.parametrize("covariance_type", ["full", "diag"])


def make_points(n_points=200, n_dims=3, n_components=2, random_state=0):
    rng = np.random.default_rng(random_state)
    z = rng.normal(size=(n_points, n_dims)) @ rng.normal(size=(n_dims, n_dims))
    memberships = rng.dirichlet(np.ones(n_components), size=n_points)
    return torch.from_numpy(z), torch.from_numpy(memberships)


def unregularised(monkeypatch):
    monkeypatch.setattr(mixture_module, "_JITTERS", (0.0,))
    monkeypatch.setattr(mixture_module, "_SMALLEST_VARIANCE", 0.0)


@types
def test_equals_scikit_learns_mixture_of_the_same_memberships(
    monkeypatch, covariance_type
):
    unregularised(monkeypatch)
    z, memberships = make_points()
    counts, means, covariances = _estimate_gaussian_parameters(
        z.numpy(), memberships.numpy(), 0.0, covariance_type
    )
    ours = estimate_mixture(z, memberships, covariance_type)
    np.testing.assert_allclose(ours.weights, counts / len(z), rtol=1e-6)
    np.testing.assert_allclose(ours.means, means, rtol=1e-6)
    variances = ours.covariances.numpy()
    if covariance_type == "diag":
        assert np.count_nonzero(variances) == 2 * 3
        variances = np.diagonal(variances, axis1=1, axis2=2)
    np.testing.assert_allclose(variances, covariances, rtol=1e-6)

    theirs = GaussianMixture(2, covariance_type=covariance_type)
    theirs.weights_, theirs.means_, theirs.covariances_ = (
        counts / len(z),
        means,
        covariances,
    )
    theirs.precisions_cholesky_ = (
        1 / np.sqrt(covariances)
        if covariance_type == "diag"
        else np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)
    )
    np.testing.assert_allclose(
        energy(z, ours), -theirs.score_samples(z.numpy()), rtol=1e-6
    )


def test_energy_is_minus_the_logarithm_of_a_density():
    z, memberships = make_points()
    mixture = estimate_mixture(z, memberships, "full")
    density = sum(
        weight * multivariate_normal(mean, covariance).pdf(z)
        for weight, mean, covariance in zip(
            *(part.numpy() for part in mixture[:3]), strict=True
        )
    )
    np.testing.assert_allclose(energy(z, mixture), -np.log(density), rtol=1e-9)


@types
def test_loss_is_the_mean_energy_and_a_penalty(covariance_type):
    z, memberships = make_points()
    mixture = estimate_mixture(z, memberships, covariance_type)
    expected = 0.5 * np.mean(energy(z, mixture).numpy())
    for covariance in mixture.covariances.numpy():
        for j in range(3):
            expected += 0.1 / covariance[j, j]
    loss = estimation_loss(z, memberships, covariance_type, 0.5, 0.1)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


@types
def test_gradients(covariance_type):
    z, memberships = make_points(12, 2)
    logits = memberships.log().requires_grad_()

    def loss(z, logits):
        return estimation_loss(z, logits.softmax(dim=1), covariance_type, 0.5, 0.1)

    assert torch.autograd.gradcheck(loss, (z.requires_grad_(), logits))


@types
@pytest.mark.parametrize("n_points", [1, 2, 5])
def test_fewer_points_than_dimensions(covariance_type, n_points):
    z, memberships = make_points(n_points, n_dims=8, n_components=4)
    z.requires_grad_()
    loss = estimation_loss(z, memberships, covariance_type, 0.1, 0.005)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e6])
@types
def test_points_that_are_all_alike_or_on_a_line(covariance_type, scale):
    _, memberships = make_points(50, 3)
    line = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None] * torch.ones(3)
    for z in (torch.full((50, 3), 0.1), line):
        mixture = estimate_mixture(scale * z, memberships, covariance_type)
        assert torch.isfinite(energy(scale * z, mixture)).all()


def test_a_component_without_points():
    z, memberships = make_points(50, 3)
    memberships = torch.stack([torch.ones(50), torch.zeros(50)], dim=1)
    alone = estimate_mixture(z, memberships[:, :1], "full")
    energies = energy(z, estimate_mixture(z, memberships, "full"))
    np.testing.assert_allclose(energies, energy(z, alone), atol=1e-4)


def test_far_away_points_have_finite_energies_in_order():
    z, memberships = make_points()
    mixture = estimate_mixture(z, memberships, "full")
    far = torch.tensor([[10.0] * 3, [1e3] * 3, [1e6] * 3, [1e9] * 3])
    energies = energy(far, mixture)
    assert torch.isfinite(energies).all()
    assert (energies.diff() > 0).all()
