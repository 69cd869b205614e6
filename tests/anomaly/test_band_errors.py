"""Errors of copies, band by band, and how unusual they are."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.preprocessing import StandardScaler

from sklearn_audio.anomaly._band_errors import (
    band_errors,
    error_distances,
    usual_errors,
)


@pytest.fixture
def errors():
    """Errors of 20 clips, in two windows and seven bands, which are correlated."""
    errors = np.random.default_rng(0).gamma(2.0, size=(20, 2, 7)) * np.arange(1, 8)
    return errors + errors[:, :, ::-1]


@pytest.mark.parametrize(
    ("n_frames", "n_smoothed", "length", "step"),
    [(32, 4, 13, 2), (44, 5, 18, 2), (17, 2, 7, 1), (2, 1, 1, 1), (1, 1, 1, 1)],
)
def test_errors_of_windows(n_frames, n_smoothed, length, step):
    X, copy = np.random.default_rng(0).normal(size=(2, 3, 4, n_frames))
    n_smooth = n_frames - n_smoothed + 1
    starts = range(0, n_smooth - length + 1, step)
    expected = np.zeros((3, len(starts), 4))
    for i, j, k in np.ndindex(expected.shape):
        error = X[i, k] - copy[i, k]
        smooth = [error[t : t + n_smoothed].mean() for t in range(n_smooth)]
        window = smooth[starts[j] : starts[j] + length]
        expected[i, j, k] = np.sqrt(np.mean(np.square(window)))
    ours = band_errors(torch.from_numpy(X), torch.from_numpy(copy))
    np.testing.assert_allclose(ours, expected)


def test_an_event_stands_out_of_noise_of_the_same_power():
    """What errs in one direction for a while counts more than what errs to and fro."""
    noise = np.random.default_rng(0).choice([-1.0, 1.0], size=(1, 1, 160))
    event = np.repeat(noise[:, :, ::20], 20, axis=2)
    of_noise, of_event = (
        band_errors(torch.from_numpy(x), torch.zeros(1, 1, 160)).mean()
        for x in (noise, event)
    )
    assert of_event > 2 * of_noise


def test_errors_of_rows_are_absolute():
    X, copy = np.random.default_rng(0).normal(size=(2, 3, 4))
    ours = band_errors(torch.from_numpy(X), torch.from_numpy(copy))
    np.testing.assert_allclose(ours[:, 0], np.abs(X - copy))


def test_distances_are_those_of_a_shrunk_covariance(errors):
    new = 1.5 * errors[:9]
    scaler = StandardScaler().fit(errors.reshape(-1, 7))
    usual = LedoitWolf().fit(scaler.transform(errors.reshape(-1, 7)))
    squares = usual.mahalanobis(scaler.transform(new.reshape(-1, 7))) / 7
    distances = np.sqrt(squares).reshape(9, 2).mean(axis=1)
    ours = error_distances(torch.from_numpy(new), usual_errors(errors))
    np.testing.assert_allclose(ours, distances, rtol=1e-4)


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
    shared = rng.normal(10, 1, size=(500, 1, 1))
    usual = usual_errors(shared + rng.normal(0, 0.1, size=(500, 1, 2)))
    both, one = error_distances(torch.tensor([[[13.0, 13.0]], [[12.0, 10.0]]]), usual)
    assert one > 1.7 * both


def test_a_band_that_always_errs_alike_has_a_say(errors):
    errors[..., 2] = 3.0
    usual = usual_errors(errors)
    moved = errors[:1].copy()
    moved[..., 2] = 4.0
    before = error_distances(torch.from_numpy(errors[:1]), usual)
    after = error_distances(torch.from_numpy(moved), usual)
    assert torch.isfinite(after).all()
    assert after > 10 * before


def test_fewer_clips_than_bands(errors):
    few = errors[:3]
    distances = error_distances(torch.from_numpy(errors), usual_errors(few))
    assert torch.isfinite(distances).all()
