"""Algorithm 1 and WARP against loops on W itself, written from the papers."""

import numpy as np
import pytest

from sklearn_audio.zero_shot._ranking_descent import (
    algorithm1_step,
    descend,
    make_warp_step,
    ranking_penalties,
)

N_FEATURES, N_DIMS, N_CLASSES = 6, 4, 7


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(25, N_FEATURES))
    vectors = rng.normal(size=(N_CLASSES, N_DIMS))
    y = rng.integers(0, N_CLASSES, 25)
    weights = rng.uniform(0.5, 2.0, N_CLASSES)
    return clips, y, vectors, weights


def beta(r):
    return sum(1 / j for j in range(1, r + 1))


def loss_of(W, x, vectors, label, y):
    """Eq. 5."""
    difference = x @ W @ vectors[y] - x @ W @ vectors[label]
    return (y != label) + difference


def algorithm1(W, clips, labels, vectors, weights, lr):
    """Lines 3 to 11 of the paper, with a factor for each class."""
    W = W.copy()
    for x, label in zip(clips, labels, strict=True):
        losses = [(loss_of(W, x, vectors, label, y), y) for y in range(len(vectors))]
        losses.sort(key=lambda pair: -pair[0])  # equal ones in the classes' order
        for r, (loss, y) in enumerate(losses, start=1):
            if loss > 0:
                penalty = beta((len(vectors) - 1) // r)
                step = penalty * np.outer(x, vectors[y] - vectors[label])
                W -= lr * weights[label] * step
    return W


def warp(W, clips, labels, vectors, weights, lr, draws):
    """Weston et al.: draw until one violates the margin, at most C - 1 times."""
    W = W.copy()
    for x, label, drawn in zip(clips, labels, draws, strict=True):
        others = [y for y in range(len(vectors)) if y != label]
        for n_draws, draw in enumerate(drawn, start=1):
            y = others[draw]
            if loss_of(W, x, vectors, label, y) > 0:
                penalty = beta((len(vectors) - 1) // n_draws)
                step = penalty * np.outer(x, vectors[y] - vectors[label])
                W -= lr * weights[label] * step
                break
    return W


def test_ranking_penalties_are_harmonic_numbers():
    np.testing.assert_allclose(ranking_penalties(5), [beta(r) for r in range(6)])


@pytest.mark.parametrize("lr", [0.01, 0.3])
def test_algorithm_1_from_zeros_over_some_epochs(problem, lr):
    clips, y, vectors, weights = problem
    W = expected = np.zeros((N_FEATURES, N_DIMS))
    for _ in range(3):
        W, _ = descend(W, clips, y, vectors, weights, lr, algorithm1_step)
        expected = algorithm1(expected, clips, y, vectors, weights, lr)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(W, expected, atol=1e-10)


def test_warp_from_zeros_over_some_epochs(problem):
    clips, y, vectors, weights = problem
    draws = np.random.default_rng(1).integers(0, N_CLASSES - 1, (3, 25, N_CLASSES - 1))
    queue = iter(draws.reshape(-1, N_CLASSES - 1))
    step = make_warp_step(lambda high, size: next(queue))
    W = expected = np.zeros((N_FEATURES, N_DIMS))
    for drawn in draws:
        W, _ = descend(W, clips, y, vectors, weights, 0.1, step)
        expected = warp(expected, clips, y, vectors, weights, 0.1, drawn)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(W, expected, atol=1e-10)


def test_the_size_of_a_batch_does_not_matter(problem):
    clips, y, vectors, weights = problem
    W = np.zeros((N_FEATURES, N_DIMS))
    whole, _ = descend(W, clips, y, vectors, weights, 0.1, algorithm1_step)
    for rows in np.array_split(np.arange(25), 4):
        W, _ = descend(W, clips[rows], y[rows], vectors, weights, 0.1, algorithm1_step)
    np.testing.assert_allclose(W, whole, atol=1e-12)


def test_warp_weighs_a_violator_by_the_rank_that_the_draws_suggest():
    """Class 0 is true; of six others, 4 to 6 violate the margin."""
    scores = np.array([2.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0])
    queue = iter([[0, 1, 3, 0, 0, 0], [4, 0, 0, 0, 0, 0], [0, 1, 2, 0, 1, 2]])
    step = make_warp_step(lambda high, size: np.array(next(queue)))
    penalties = ranking_penalties(7)
    third, loss = step(scores, 0, penalties)
    np.testing.assert_allclose(third, beta(2) * np.array([-1, 0, 0, 0, 1, 0, 0]))
    assert loss == pytest.approx(beta(2) * 2)
    first, _ = step(scores, 0, penalties)
    np.testing.assert_allclose(first, beta(6) * np.array([-1, 0, 0, 0, 0, 1, 0]))
    none, loss = step(scores, 0, penalties)
    assert not none.any()
    assert loss == 0


def test_the_loss_is_the_weighted_mean_before_each_step(problem):
    clips, y, vectors, weights = problem
    W = np.random.default_rng(2).normal(size=(N_FEATURES, N_DIMS))
    _, loss = descend(W, clips[:1], y[:1], vectors, weights, 0.1, algorithm1_step)
    losses = sorted(
        [loss_of(W, clips[0], vectors, y[0], other) for other in range(N_CLASSES)],
        reverse=True,
    )
    expected = sum(
        beta((N_CLASSES - 1) // r) * max(0.0, value)
        for r, value in enumerate(losses, start=1)
    )
    assert loss == pytest.approx(weights[y[0]] * expected)
