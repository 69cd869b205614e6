r"""Ranking by descent one clip at a time: the paper's Algorithm 1, and WARP.

Both change the compatibility matrix after every clip, by a step along
:math:`\theta(x_n) [\varphi(y) - \varphi(y_n)]^\top` for some wrong classes y. All steps
lie between the clips and the class vectors of a batch, :math:`W = W_0 - \Theta^\top A
\Phi`. So it is enough to keep the coefficients :math:`A` (B, C); scores then follow
from the inner products of the clips and those of the classes. The result is the same
as that of steps on :math:`W` itself, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
# Scores (C,), true class, penalties (C,) -> steps along each class vector (C,), loss.
Step = Callable[[Matrix, int, Matrix], tuple[Matrix, float]]


def algorithm1_step(scores: Matrix, y: int, penalties: Matrix) -> tuple[Matrix, float]:
    r"""Return the step of Algorithm 1 for a clip, lines 4 to 10.

    Losses are sorted in descending order, equal ones in that of the classes; a violator
    at place r of C weighs :math:`\beta_{\lfloor (C-1)/r \rfloor}`.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
        Compatibilities of the clip.
    y : int
        Its class.
    penalties : ndarray of shape (n_classes + 1,)
        :math:`\beta_0, \dots, \beta_C`.

    Returns
    -------
    step : ndarray of shape (n_classes,)
        How far to go along each class vector.
    loss : float
        Weighted sum of the violations.
    """
    n_classes = len(scores)
    losses = 1 + scores - scores[y]  # (C,)
    losses[y] = 0
    order = np.argsort(-losses, kind="stable")  # (C,)
    places = np.arange(1, n_classes + 1)
    weights = np.empty(n_classes)
    weights[order] = penalties[(n_classes - 1) // places]
    weights[losses <= 0] = 0
    loss = float(weights @ losses)
    return _towards(weights, y), loss


def make_warp_step(draw: Callable[[int, int], NDArray[np.intp]]) -> Step:
    r"""Return WARP's step, which draws wrong classes until one violates the margin.

    After N draws, the violator is estimated to be at rank :math:`\lfloor (C-1)/N
    \rfloor` and weighs :math:`\beta` of it. After C - 1 draws without a violator,
    there is no step.

    Parameters
    ----------
    draw : callable
        Maps (high, size) to that many integers in [0, high), drawn with replacement.

    Returns
    -------
    step : callable
        As :func:`algorithm1_step`.
    """

    def warp_step(scores: Matrix, y: int, penalties: Matrix) -> tuple[Matrix, float]:
        """Return the step of WARP for a clip."""
        n_others = len(scores) - 1
        drawn = draw(n_others, n_others)
        drawn = drawn + (drawn >= y)  # all classes but the true one
        losses = 1 + scores[drawn] - scores[y]  # (C - 1,)
        weights = np.zeros(len(scores))
        if not (losses > 0).any():
            return weights, 0.0
        n_draws = int(np.argmax(losses > 0)) + 1
        penalty = penalties[n_others // n_draws]
        weights[drawn[n_draws - 1]] = penalty
        return _towards(weights, y), float(penalty * losses[n_draws - 1])

    return warp_step


def descend(
    W: Matrix,
    clips: Matrix,
    y: NDArray[np.intp],
    class_vectors: Matrix,
    weights: Matrix,
    lr: float,
    step: Step,
) -> tuple[Matrix, float]:
    """Take one step for each clip, in order.

    Parameters
    ----------
    W : ndarray of shape (n_features, n_dims)
        Compatibility matrix before.
    clips : ndarray of shape (n_clips, n_features)
        Clips' vectors.
    y : ndarray of shape (n_clips,)
        Rows of their classes.
    class_vectors : ndarray of shape (n_classes, n_dims)
        Vectors of the seen classes.
    weights : ndarray of shape (n_classes,)
        Factor of the step for clips of each class.
    lr : float
        Length of a step.
    step : callable
        Such as :func:`algorithm1_step`.

    Returns
    -------
    W : ndarray of shape (n_features, n_dims)
        Compatibility matrix after.
    loss : float
        Mean over the clips of the loss that each one met.
    """
    penalties = ranking_penalties(len(class_vectors))
    scores = clips @ W @ class_vectors.T  # (B, C)
    clip_products = clips @ clips.T  # (B, B)
    class_products = class_vectors @ class_vectors.T  # (C, C)
    coefficients = np.zeros_like(scores)  # (B, C)
    losses = np.zeros(len(clips))
    for n, label in enumerate(y):
        moved = clip_products[n, :n] @ coefficients[:n] @ class_products  # (C,)
        towards, losses[n] = step(scores[n] - moved, label, penalties)
        coefficients[n] = lr * weights[label] * towards
    return W - clips.T @ coefficients @ class_vectors, float(
        weights[y] @ losses / len(y)
    )


def ranking_penalties(n: int) -> Matrix:
    r"""Return :math:`\beta_r = \sum_{j=1}^r 1/j` for r = 0, ..., n: (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])


def _towards(weights: Matrix, y: int) -> Matrix:
    """Let each step along a wrong class vector be one away from the true one."""
    weights[y] = -weights.sum()
    return weights
