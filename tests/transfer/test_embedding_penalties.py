"""Penalties against loops written from their equations, and what leaves them alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from sklearn_audio.transfer._embedding_penalties import (
    _SMALLEST,
    PENALTIES,
    con_penalty,
    dis_penalty,
    distance_correlation,
    distance_correlation_penalty,
    roots,
)


def cosine(a, b):
    return sum(a * b) / np.sqrt(sum(a * a)) / np.sqrt(sum(b * b))


def con_loop(X, Y):
    return sum(1 - cosine(x, y) for x, y in zip(X, Y, strict=True)) / len(X)


def dis_loop(X, Y):
    n = len(X)
    differences = [
        abs(cosine(X[i], X[j]) - cosine(Y[i], Y[j])) for i in range(n) for j in range(n)
    ]
    return sum(differences) / n**2


def distance_covariance_loop(X, Y):
    """Return V², Definition 3 of Székely, Rizzo and Bakirov (2007)."""
    n = len(X)

    def centred(Z):
        a = [[np.sqrt(sum((Z[k] - Z[m]) ** 2)) for m in range(n)] for k in range(n)]
        of_row = [sum(a[k]) / n for k in range(n)]
        of_column = [sum(a[k][m] for k in range(n)) / n for m in range(n)]
        mean = sum(of_row) / n
        return [
            [a[k][m] - of_row[k] - of_column[m] + mean for m in range(n)]
            for k in range(n)
        ]

    A, B = centred(X), centred(Y)
    return sum(A[k][m] * B[k][m] for k in range(n) for m in range(n)) / n**2


def distance_correlation_loop(X, Y):
    """Return R, the root of V²(X, Y) / sqrt(V²(X) V²(Y))."""
    variances = distance_covariance_loop(X, X) * distance_covariance_loop(Y, Y)
    return np.sqrt(distance_covariance_loop(X, Y) / np.sqrt(variances))


LOOPS = {
    "con": con_loop,
    "dis": dis_loop,
    "distance_correlation": lambda X, Y: 1 - distance_correlation_loop(X, Y),
}
every_penalty = pytest.mark.parametrize("name", PENALTIES)


def samples(seed, n=7, n_dims=4, n_teacher_dims=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_dims)), rng.normal(size=(n, n_teacher_dims))


def rotation(n_dims, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n_dims, n_dims)))[0]


def of(penalty, *arrays):
    return float(penalty(*(torch.as_tensor(array) for array in arrays)))


@every_penalty
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 9), n_dims=st.integers(1, 6))
def test_penalties_are_those_of_the_equations(name, seed, n, n_dims):
    X, Y = samples(seed, n, n_dims, n_dims)
    assert of(PENALTIES[name], X, Y) == pytest.approx(LOOPS[name](X, Y), abs=1e-7)


@pytest.mark.parametrize("name", ["dis", "distance_correlation"])
def test_student_and_teacher_may_differ_in_their_number_of_dimensions(name):
    X, Y = samples(0, n_dims=3, n_teacher_dims=11)
    assert of(PENALTIES[name], X, Y) == pytest.approx(LOOPS[name](X, Y), abs=1e-9)


@every_penalty
def test_gradients(name):
    X, Y = (torch.tensor(Z, requires_grad=True) for Z in samples(0))
    assert gradcheck(PENALTIES[name], [X, Y])


@every_penalty
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_scale_does_not_matter(name, seed, scale):
    X, Y = samples(seed)
    expected = of(PENALTIES[name], X, Y)
    assert of(PENALTIES[name], scale * X, Y) == pytest.approx(expected, abs=1e-6)
    assert of(PENALTIES[name], X, scale * Y) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["dis", "distance_correlation"])
@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_do_not_matter_between_clips(name, seed):
    X, Y = samples(seed)
    turned = X @ rotation(4, seed)
    expected = of(PENALTIES[name], X, Y)
    assert of(PENALTIES[name], turned, Y) == pytest.approx(expected, abs=1e-6)


def test_a_rotation_matters_to_single_clips():
    X, _ = samples(0)
    assert of(con_penalty, X, X) == pytest.approx(0, abs=1e-12)
    assert of(con_penalty, X @ rotation(4, 0), X) > 0.1
    assert of(con_penalty, -X, X) == pytest.approx(2)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-2, 1e2))
def test_distances_correlate_fully_after_a_similarity(seed, scale):
    X, shift = samples(seed, n_dims=4, n_teacher_dims=4)
    similar = scale * X @ rotation(4, seed) + shift[0]
    assert of(distance_correlation_penalty, X, similar) == pytest.approx(0, abs=1e-6)
    assert of(dis_penalty, X, scale * X) == pytest.approx(0, abs=1e-6)


def test_distance_correlation_sees_what_correlation_does_not():
    x = np.linspace(-1, 1, 101)[:, None]
    assert abs(np.corrcoef(x[:, 0], x[:, 0] ** 2)[0, 1]) < 1e-9
    assert of(distance_correlation, x, x**2) > 0.4


def test_equal_rows_correlate_with_nothing():
    X, Y = samples(0)
    equal = np.repeat(X[:1], len(X), axis=0)
    for pair in [(equal, Y), (X, equal), (equal, equal)]:
        assert of(distance_correlation, *pair) == 0


def test_roots_of_rounding_errors_are_zeros_without_a_gradient():
    factors = np.array([0, 0.5, 1, 2, 2e6])
    squares = torch.tensor((factors * _SMALLEST) ** 2, requires_grad=True)
    expected = np.where(factors < 1, 0, factors * _SMALLEST)
    found = roots(squares)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-12)
    found.sum().backward()
    gradient = np.divide(0.5, expected, out=np.zeros(5), where=expected > 0)
    np.testing.assert_allclose(squares.grad, gradient, rtol=1e-12)


@every_penalty
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("which", ["student", "teacher", "both"])
@pytest.mark.parametrize("kind", ["zeros", "equal", "nearly equal", "one zero", "two"])
def test_degenerate_batches_have_finite_gradients(name, dtype, which, kind):
    rng = np.random.default_rng(0)

    def spoilt(Z):
        if kind == "zeros":
            return 0 * Z
        if kind == "equal":
            return np.repeat(Z[:1], len(Z), axis=0)
        if kind == "nearly equal":
            return np.repeat(Z[:1], len(Z), axis=0) + 1e-7 * rng.normal(size=Z.shape)
        if kind == "one zero":
            return np.concatenate([0 * Z[:1], Z[1:]])
        return Z[:2]

    X, Y = samples(0)
    if which != "teacher" or kind == "two":
        X = spoilt(X)
    if which != "student" or kind == "two":
        Y = spoilt(Y)
    X, Y = (torch.tensor(Z, dtype=dtype, requires_grad=True) for Z in (X, Y))
    penalty = PENALTIES[name](X, Y)
    penalty.backward()
    assert 0 <= penalty <= 2
    for gradient in (X.grad, Y.grad):
        assert gradient.abs().max() < 1e6
