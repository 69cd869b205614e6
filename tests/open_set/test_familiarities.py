"""Familiarities against SciPy, scikit-learn and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial import distance
from sklearn.covariance import LedoitWolf

from sklearn_audio.open_set._familiarities import (
    energy,
    mahalanobis,
    max_logit,
    max_softmax,
    measure_embeddings,
)

LOGITS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.floats(-30, 30),
)


@pytest.fixture(scope="module")
def embeddings():
    """Clips of three classes in five correlated dimensions."""
    rng = np.random.default_rng(0)
    indices = rng.permutation(np.repeat([0, 1, 2], 20))
    spread = rng.normal(size=(5, 5))
    centers = 5 * rng.normal(size=(3, 5))
    return centers[indices] + rng.normal(size=(60, 5)) @ spread, indices


@given(LOGITS)
def test_logits_against_a_loop(logits):
    probabilities = max_softmax(logits, logits.shape[1])
    for row, largest, surest, sum_of_all in zip(
        logits, max_logit(logits), probabilities, energy(logits), strict=True
    ):
        exponentials = [np.exp(logit) for logit in row]
        assert largest == max(row)
        np.testing.assert_allclose(surest, max(exponentials) / sum(exponentials))
        np.testing.assert_allclose(
            sum_of_all, np.log(sum(exponentials)), rtol=1e-7, atol=1e-12
        )


@given(LOGITS, st.floats(-20, 20))
def test_only_the_probability_forgets_how_large_all_logits_are(logits, shift):
    shifted, n = logits + shift, logits.shape[1]
    np.testing.assert_allclose(max_softmax(shifted, n), max_softmax(logits, n))
    for familiarity in (max_logit, energy):
        np.testing.assert_allclose(
            familiarity(shifted), familiarity(logits) + shift, atol=1e-9
        )


def test_outliers_take_their_share_of_the_probability():
    logits = np.log([[0.2, 0.1, 0.3, 0.4]])
    np.testing.assert_allclose(max_softmax(logits, 2), [0.2])


def test_logits_of_any_size_stay_finite():
    logits = np.array([[1e4, -1e4], [-1e4, -1e4]])
    np.testing.assert_allclose(energy(logits), [1e4, -1e4 + np.log(2)])
    np.testing.assert_allclose(max_softmax(logits, 2), [1.0, 0.5])


def test_means_and_precision_are_those_of_ledoit_and_wolf(embeddings):
    X, indices = embeddings
    means, precision = measure_embeddings(X, indices, 3)
    gaps = []
    for clip, k in zip(X, indices, strict=True):
        own_class = [other for other, j in zip(X, indices, strict=True) if j == k]
        np.testing.assert_allclose(means[k], sum(own_class) / len(own_class))
        gaps.append(clip - means[k])
    expected = LedoitWolf(assume_centered=True).fit(gaps).precision_
    np.testing.assert_allclose(precision, expected, rtol=1e-4)


def test_mahalanobis_is_the_distance_to_the_nearest_mean(embeddings):
    X, indices = embeddings
    means, precision = measure_embeddings(X, indices, 3)
    expected = [
        -min(distance.mahalanobis(clip, mean, precision) for mean in means)
        for clip in X
    ]
    np.testing.assert_allclose(mahalanobis(X, means, precision), expected)
    np.testing.assert_allclose(mahalanobis(means, means, precision), 0.0, atol=1e-12)


def test_a_direction_counts_by_how_little_known_clips_vary_in_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2)) * [10.0, 0.1]
    statistics = measure_embeddings(X, np.zeros(4000, dtype=int), 1)
    usual, strange = mahalanobis(np.array([[10.0, 0.0], [0.0, 10.0]]), *statistics)
    assert usual > -2
    assert strange < -20


@pytest.mark.parametrize("unused", [[4], [1, 3], [0, 1, 2, 3, 4]])
def test_dimensions_without_variance_leave_distances_finite(embeddings, unused):
    X, indices = embeddings
    X = X.copy()
    X[:, unused] = 3.0
    means, precision = measure_embeddings(X, indices, 3)
    assert np.isfinite(precision).all()
    scores = mahalanobis(X, means, precision)
    assert np.isfinite(scores).all()
    strangers = X.copy()
    strangers[:, unused] += 1.0
    assert (mahalanobis(strangers, means, precision) < scores).all()


def test_a_clip_a_class_is_its_own_mean():
    X = np.array([[0.0, 1.0], [4.0, -2.0], [7.0, 7.0]])
    means, precision = measure_embeddings(X, np.arange(3), 3)
    np.testing.assert_array_equal(means, X)
    np.testing.assert_allclose(mahalanobis(X, means, precision), 0.0, atol=1e-6)
    far = mahalanobis(X + np.array([0.0, 0.5]), means, precision)
    assert np.isfinite(far).all()
    assert (far < 0).all()


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_floor_of_the_variances_goes_with_their_sum_and_is_never_0(scale):
    embeddings = scale * np.random.default_rng(0).normal(size=(40, 3)) * [1, 1, 0]
    means, precision = measure_embeddings(embeddings, np.arange(40) % 2, 2)
    residuals = embeddings - means[np.arange(40) % 2]
    covariance = LedoitWolf(assume_centered=True).fit(residuals).covariance_
    floor = np.finfo(np.float32).eps * max(np.trace(covariance), 1.0)
    found = np.diagonal(np.linalg.inv(precision) - covariance)
    np.testing.assert_allclose(found, floor, rtol=1e-3)


def test_a_square_that_rounding_made_negative_is_no_distance():
    found = mahalanobis(np.ones((1, 2)), np.zeros((1, 2)), -1e-12 * np.eye(2))
    np.testing.assert_array_equal(found, [0.0])
