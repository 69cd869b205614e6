r"""Penalties that draw a network's embeddings towards a teacher's.

Row i of X (n, d) is what the network makes of clip i of a batch, row i of Y (n, D) what
the teacher makes of it. :math:`\hat x_i = x_i / \lVert x_i \rVert` is a direction.

References
----------
.. [1] Hung, Y.-N. and Lerch, A. (2022). "Feature-informed embedding space
   regularization for audio classification." EUSIPCO.
   https://doi.org/10.48550/arXiv.2206.04850
.. [2] Ding, Y. and Lerch, A. (2023). "Audio embeddings as teachers for music
   classification." ISMIR. https://doi.org/10.48550/arXiv.2306.17424
.. [3] Székely, G. J., Rizzo, M. L. and Bakirov, N. K. (2007). "Measuring and testing
   dependence by correlation of distances." Annals of Statistics 35(6).
   https://doi.org/10.1214/009053607000000505
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Penalty = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Lengths, spreads and correlations below it are taken for zero: what is left of them is
# rounding, and the smaller it is, the larger would be its gradient.
_SMALLEST = 1e-6


def con_penalty(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    r"""Return how far each embedding points away from the teacher's (Con-Reg [1]_).

    .. math:: 1 - \frac1n \sum_i \hat x_i^\top \hat y_i

    Parameters
    ----------
    X : Tensor of shape (n_clips, n_dims)
        Embeddings, projected to the teacher's dimensions.
    Y : Tensor of shape (n_clips, n_dims)
        The teacher's.

    Returns
    -------
    penalty : Tensor of shape ()
        Between 0, where each two point the same way, and 2. Zeros, which point nowhere,
        cost 1.
    """
    return 1 - (directions(X) * directions(Y)).sum(dim=1).mean()


def dis_penalty(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    r"""Return how much the cosines between clips differ from the teacher's (Dis-Reg).

    The mean over all pairs of a batch [1]_,

    .. math::

        \frac1{n^2} \sum_{ij}
        \left|\hat x_i^\top \hat x_j - \hat y_i^\top \hat y_j\right|

    Parameters
    ----------
    X : Tensor of shape (n_clips, n_dims)
        Embeddings.
    Y : Tensor of shape (n_clips, n_teacher_dims)
        The teacher's.

    Returns
    -------
    penalty : Tensor of shape ()
        Between 0, where all cosines are the teacher's, and 2.
    """
    return (cosines(X) - cosines(Y)).abs().mean()


def distance_correlation_penalty(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """Return 1 - R, where R is the distance correlation with the teacher's [2]_.

    Parameters
    ----------
    X : Tensor of shape (n_clips, n_dims)
        Embeddings.
    Y : Tensor of shape (n_clips, n_teacher_dims)
        The teacher's.

    Returns
    -------
    penalty : Tensor of shape ()
        Between 0, where distances are proportional to the teacher's, and 1.
    """
    return 1 - distance_correlation(X, Y)


PENALTIES: dict[str, Penalty] = {
    "con": con_penalty,
    "dis": dis_penalty,
    "distance_correlation": distance_correlation_penalty,
}


def directions(X: torch.Tensor) -> torch.Tensor:
    """Return the rows scaled to length 1, and zeros for zeros: (n, d) -> (n, d)."""
    lengths = roots(X.square().sum(dim=1, keepdim=True))  # (n, 1)
    is_zero = lengths == 0
    return (X / lengths.masked_fill(is_zero, 1.0)).masked_fill(is_zero, 0.0)


def cosines(X: torch.Tensor) -> torch.Tensor:
    """Return the cosine of the angle between every two rows: (n, d) -> (n, n)."""
    unit = directions(X)  # (n, d)
    return unit @ unit.T


def distance_correlation(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    r"""Return the distance correlation of two samples (Definition 3 and 4 of [3]_).

    With :math:`a_{ij}` the Euclidean distance of rows i and j of X,
    :math:`A_{ij} = a_{ij} - \bar a_{i\cdot} - \bar a_{\cdot j} + \bar a_{\cdot\cdot}`,
    and B the same of Y,

    .. math::

        R^2 = \sum_{ij} A_{ij} B_{ij} \Big/
        \sqrt{\textstyle \sum_{ij} A_{ij}^2 \sum_{ij} B_{ij}^2}

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_dims)
        A sample.
    Y : Tensor of shape (n_rows, n_other_dims)
        The other one, row by row.

    Returns
    -------
    correlation : Tensor of shape ()
        R, between 0 and 1; 0 where all rows of a sample are the same.
    """
    A, B = centred_distances(X), centred_distances(Y)
    scale = roots(A.square().mean()) * roots(B.square().mean())
    is_zero = scale == 0
    ratio = (A * B).mean() / scale.masked_fill(is_zero, 1.0)
    return roots(ratio.masked_fill(is_zero, 0.0))


def centred_distances(X: torch.Tensor) -> torch.Tensor:
    """Return distances without the means of rows and columns: (n, d) -> (n, n)."""
    # By matrix products the distance of a row to itself would not be zero.
    distances = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist")
    means = distances.mean(dim=0)  # (n,), of rows and columns alike
    return distances - means[:, None] - means + means.mean()


def roots(squares: torch.Tensor) -> torch.Tensor:
    """Return square roots, and zeros without a gradient for what is next to zero."""
    is_zero = squares < _SMALLEST**2
    return squares.masked_fill(is_zero, 1.0).sqrt().masked_fill(is_zero, 0.0)
