r"""Compatibility matrices that are the solution of an equation, in float64.

Throughout, :math:`\Theta` (n, d) holds the clips' vectors, :math:`\Phi` (C, s) those of
the seen classes, :math:`T` (n, s) the class vector of each clip, and :math:`D` the
clips' weights on a diagonal; the result is :math:`W` (d, s) of
:math:`F(x, y) = \theta(x)^\top W \varphi(y)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve

Matrix = NDArray[np.float64]


def ridge(clips: Matrix, targets: Matrix, weights: Matrix, alpha: float) -> Matrix:
    r"""Regress the class vectors on the clips' vectors.

    .. math:: \min_W \lVert D^{1/2} (\Theta W - T) \rVert^2 + \alpha \lVert W \rVert^2

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_features)
        :math:`\Theta`.
    targets : ndarray of shape (n_clips, n_dims)
        :math:`T`.
    weights : ndarray of shape (n_clips,)
        Diagonal of :math:`D`.
    alpha : float
        Penalty.

    Returns
    -------
    W : ndarray of shape (n_features, n_dims)
        The solution.
    """
    return _penalised_solve(_gram(clips, weights), alpha, (clips.T * weights) @ targets)


def eszsl(
    clips: Matrix,
    y: NDArray[np.intp],
    class_vectors: Matrix,
    weights: Matrix,
    alpha: float,
    class_alpha: float,
) -> Matrix:
    r"""Solve the "embarrassingly simple" equation of Romera-Paredes and Torr.

    With :math:`Y` (n, C) = 1 at a clip's class and -1 elsewhere,

    .. math:: W = (\Theta^\top D \Theta + \gamma I)^{-1} \Theta^\top D Y \Phi
              (\Phi^\top \Phi + \lambda I)^{-1}

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_features)
        :math:`\Theta`.
    y : ndarray of shape (n_clips,)
        Row of each clip's class.
    class_vectors : ndarray of shape (n_classes, n_dims)
        :math:`\Phi`.
    weights : ndarray of shape (n_clips,)
        Diagonal of :math:`D`.
    alpha : float
        :math:`\gamma`.
    class_alpha : float
        :math:`\lambda`.

    Returns
    -------
    W : ndarray of shape (n_features, n_dims)
        The solution.
    """
    signs = np.full((len(clips), len(class_vectors)), -1.0)  # (n, C)
    signs[np.arange(len(clips)), y] = 1.0
    right = (clips.T * weights) @ signs @ class_vectors  # (d, s)
    left = _penalised_solve(_gram(clips, weights), alpha, right)
    return _penalised_solve(class_vectors.T @ class_vectors, class_alpha, left.T).T


def sae(clips: Matrix, targets: Matrix, weights: Matrix, alpha: float) -> Matrix:
    r"""Encode clips as class vectors from which the clips can be decoded again.

    The semantic autoencoder of Kodirov et al.:

    .. math:: \min_W \lVert D^{1/2} (\Theta - T W^\top) \rVert^2
              + \lambda \lVert D^{1/2} (\Theta W - T) \rVert^2,

    whose normal equation is one of Sylvester's, with :math:`\Theta^\top D \Theta` and
    :math:`T^\top D T` as coefficients. Both are symmetric, so that it falls apart into
    scalars between their eigenvectors. Where both eigenvalues are zero, the equation
    says nothing, and the result is zero.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_features)
        :math:`\Theta`.
    targets : ndarray of shape (n_clips, n_dims)
        :math:`T`.
    weights : ndarray of shape (n_clips,)
        Diagonal of :math:`D`.
    alpha : float
        :math:`\lambda`: how much encoding counts beside decoding.

    Returns
    -------
    W : ndarray of shape (n_features, n_dims)
        The solution.
    """
    a, A = eigh(alpha * _gram(clips, weights))  # (d,), (d, d)
    b, B = eigh(_gram(targets, weights))  # (s,), (s, s)
    sums = a[:, np.newaxis] + b  # (d, s)
    right = A.T @ ((1 + alpha) * (clips.T * weights) @ targets) @ B  # (d, s)
    is_zero = sums <= np.finfo(float).eps * sum(sums.shape) * sums.max()
    return A @ np.where(is_zero, 0.0, right / np.where(is_zero, 1.0, sums)) @ B.T


def exemplar(
    class_means: Matrix, class_vectors: Matrix, weights: Matrix, alpha: float
) -> Matrix:
    r"""Regress the classes' mean clips on the class vectors.

    .. math:: \min_W \sum_c d_c \lVert m_c - W \varphi_c \rVert^2
              + \alpha \lVert W \rVert^2

    Parameters
    ----------
    class_means : ndarray of shape (n_classes, n_features)
        :math:`m_c`.
    class_vectors : ndarray of shape (n_classes, n_dims)
        :math:`\Phi`.
    weights : ndarray of shape (n_classes,)
        :math:`d_c`.
    alpha : float
        Penalty.

    Returns
    -------
    W : ndarray of shape (n_features, n_dims)
        The solution.
    """
    return ridge(class_vectors, class_means, weights, alpha).T


def _gram(rows: Matrix, weights: Matrix) -> Matrix:
    return (rows.T * weights) @ rows


def _penalised_solve(gram: Matrix, alpha: float, right: Matrix) -> Matrix:
    return solve(gram + alpha * np.eye(len(gram)), right, assume_a="pos")
