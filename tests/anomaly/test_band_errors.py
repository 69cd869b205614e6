"""Errors of copies, band by band, and how unusual they are."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from sklearn_audio.anomaly._band_errors import (
    band_errors,
    error_distances,
    usual_errors,
)


@pytest.fixture
def errors():
    mixed = np.random.default_rng(0).gamma(2.0, size=(40, 7)) @ np.diag(np.arange(1, 8))
    return mixed + mixed[:, ::-1]  # correlated


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4)], ids=["spectrograms", "rows"])
def test_errors_are_means_over_time(shape):
    rng = np.random.default_rng(0)
    X, copy = rng.normal(size=(2, *shape))
    expected = np.zeros((3, 4))
    for i, j in np.ndindex(3, 4):
        expected[i, j] = np.mean(np.abs(X[i, j] - copy[i, j]))
    ours = band_errors(torch.from_numpy(X), torch.from_numpy(copy))
    np.testing.assert_allclose(ours, expected)


def test_distances_are_those_of_a_shrunk_covariance(errors):
    new = torch.from_numpy(1.5 * errors[:9])
    scaled = (errors - errors.mean(axis=0)) / errors.std(axis=0)
    new_scaled = (new.numpy() - errors.mean(axis=0)) / errors.std(axis=0)
    expected = LedoitWolf().fit(scaled).mahalanobis(new_scaled) / 7
    ours = error_distances(new, usual_errors(errors))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_the_unit_of_a_band_does_not_matter(errors):
    units = np.linspace(0.2, 3, 7)
    ours = error_distances(torch.from_numpy(2 * errors), usual_errors(errors))
    others = error_distances(
        torch.from_numpy(2 * errors * units), usual_errors(errors * units)
    )
    np.testing.assert_allclose(ours, others, rtol=1e-6)


def test_what_one_error_leads_to_expect_of_another_counts():
    """Two bands err alike: an error in one alone is odder than one in both."""
    rng = np.random.default_rng(0)
    shared = rng.normal(10, 1, size=(500, 1))
    usual = usual_errors(shared + rng.normal(0, 0.1, size=(500, 2)))
    both, one = error_distances(torch.tensor([[13.0, 13.0], [12.0, 10.0]]), usual)
    assert one > 3 * both


def test_a_band_that_always_errs_alike_has_a_say(errors):
    errors[:, 2] = 3.0
    usual = usual_errors(errors)
    moved = errors[:1].copy()
    moved[:, 2] = 4.0
    before = error_distances(torch.from_numpy(errors[:1]), usual)
    after = error_distances(torch.from_numpy(moved), usual)
    assert torch.isfinite(after).all()
    assert after > 100 * before


def test_fewer_clips_than_bands(errors):
    few = errors[:3]
    distances = error_distances(torch.from_numpy(errors), usual_errors(few))
    assert torch.isfinite(distances).all()
