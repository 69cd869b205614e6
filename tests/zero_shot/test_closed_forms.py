"""Closed forms against their equations, SciPy's solvers and a generic minimiser."""

import numpy as np
import pytest
from scipy.linalg import solve_sylvester
from scipy.optimize import minimize
from sklearn.linear_model import Ridge

from sklearn_audio.zero_shot._closed_forms import eszsl, exemplar, ridge, sae

N_CLIPS, N_FEATURES, N_DIMS, N_CLASSES = 20, 5, 4, 3


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(N_CLIPS, N_FEATURES))
    class_vectors = rng.normal(size=(N_CLASSES, N_DIMS))
    y = rng.permutation(np.arange(N_CLIPS) % N_CLASSES)
    weights = rng.uniform(0.2, 2.0, size=N_CLIPS)
    return clips, y, class_vectors, weights


def minimiser(objective):
    """Find a matrix W by BFGS, from numerical gradients alone."""
    shape = (N_FEATURES, N_DIMS)
    found = minimize(
        lambda w: objective(w.reshape(shape)), np.zeros(shape).ravel(), tol=1e-9
    )
    return found.x.reshape(shape)


def test_ridge_is_that_of_scikit_learn(problem):
    clips, y, class_vectors, weights = problem
    targets = class_vectors[y]
    reference = Ridge(alpha=0.7, fit_intercept=False)
    reference.fit(clips, targets, sample_weight=weights)
    np.testing.assert_allclose(ridge(clips, targets, weights, 0.7), reference.coef_.T)


def test_eszsl_solves_its_normal_equation(problem):
    clips, y, S, weights = problem
    W = eszsl(clips, y, S, weights, alpha=0.5, class_alpha=0.3)
    D, Y = np.diag(weights), np.where(y[:, None] == np.arange(N_CLASSES), 1, -1)
    left = clips.T @ D @ clips + 0.5 * np.eye(N_FEATURES)
    right = S.T @ S + 0.3 * np.eye(N_DIMS)
    residual = left @ W @ right - clips.T @ D @ Y @ S
    np.testing.assert_allclose(residual, 0, atol=1e-12)


def test_eszsl_minimises_its_objective(problem):
    clips, y, S, weights = problem
    gamma, lambda_ = 0.5, 0.3
    root = np.sqrt(weights)[:, None]
    Y = np.where(y[:, None] == np.arange(N_CLASSES), 1, -1)

    def objective(W):
        fit = ((root * (clips @ W @ S.T - Y)) ** 2).sum()
        of_classes = gamma * ((W @ S.T) ** 2).sum()
        of_clips = lambda_ * ((root * (clips @ W)) ** 2).sum()
        return fit + of_classes + of_clips + gamma * lambda_ * (W**2).sum()

    W = eszsl(clips, y, S, weights, alpha=gamma, class_alpha=lambda_)
    np.testing.assert_allclose(W, minimiser(objective), atol=1e-4)


def test_sae_solves_sylvesters_equation(problem):
    """Written as in the paper: S S' W + lambda W X X' = (1 + lambda) S X'."""
    clips, y, class_vectors, _ = problem
    class_vectors = np.concatenate([class_vectors, np.eye(N_DIMS)])
    y = np.arange(N_CLIPS) % len(class_vectors)
    X, S = clips.T, class_vectors[y].T
    W = sae(clips, S.T, np.ones(N_CLIPS), alpha=0.4).T
    residual = S @ S.T @ W + 0.4 * W @ X @ X.T - 1.4 * S @ X.T
    np.testing.assert_allclose(residual, 0, atol=1e-11)
    reference = solve_sylvester(S @ S.T, 0.4 * X @ X.T, 1.4 * S @ X.T)
    np.testing.assert_allclose(W, reference, atol=1e-11)


def test_sae_minimises_its_objective(problem):
    clips, y, class_vectors, weights = problem
    targets, root = class_vectors[y], np.sqrt(weights)[:, None]

    def objective(W):
        decoding = ((root * (clips - targets @ W.T)) ** 2).sum()
        return decoding + 0.4 * ((root * (clips @ W - targets)) ** 2).sum()

    W = sae(clips, targets, weights, alpha=0.4)
    np.testing.assert_allclose(W, minimiser(objective), atol=1e-4)


def test_sae_is_zero_where_its_equation_says_nothing():
    """Two features and two dimensions that are constantly zero."""
    rng = np.random.default_rng(0)
    clips, targets = rng.normal(size=(9, 4)), rng.normal(size=(9, 3))
    padded = sae(
        np.pad(clips, [(0, 0), (0, 2)]),
        np.pad(targets, [(0, 0), (0, 2)]),
        np.ones(9),
        1,
    )
    np.testing.assert_allclose(padded[:4, :3], sae(clips, targets, np.ones(9), 1))
    np.testing.assert_allclose(padded[4:], 0, atol=1e-12)
    np.testing.assert_allclose(padded[:, 3:], 0, atol=1e-12)


def test_exemplar_minimises_its_objective(problem):
    clips, y, class_vectors, weights = problem
    means = np.array([clips[y == c].mean(axis=0) for c in range(N_CLASSES)])
    weights = weights[:N_CLASSES]

    def objective(W):
        misses = ((means - class_vectors @ W.T) ** 2).sum(axis=1)
        return weights @ misses + 0.3 * (W**2).sum()

    W = exemplar(means, class_vectors, weights, 0.3)
    np.testing.assert_allclose(W, minimiser(objective), atol=1e-4)
