"""How familiar a clip is, from what a network makes of it.

References
----------
.. [1] Lee, K., Lee, K., Lee, H. and Shin, J. (2018). "A simple unified framework for
   detecting out-of-distribution samples and adversarial attacks." NeurIPS.
   https://doi.org/10.48550/arXiv.1807.03888
.. [2] Ledoit, O. and Wolf, M. (2004). "A well-conditioned estimator for
   large-dimensional covariance matrices." Journal of Multivariate Analysis 88(2).
   https://doi.org/10.1016/S0047-259X(03)00096-4
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.covariance import ledoit_wolf


def max_logit(logits: NDArray) -> NDArray:
    r"""Return the largest logit, :math:`\max_k f_k(x)`."""
    return logits.max(axis=1)


def max_softmax(logits: NDArray, n_classes: int) -> NDArray:
    r"""Return the largest known probability, :math:`\max_{k \le K} p_k(x)`.

    Outputs beyond the K known classes take their share of the probability: a clip that
    looks like an outlier is not familiar.
    """
    return softmax(logits, axis=1)[:, :n_classes].max(axis=1)


def energy(logits: NDArray) -> NDArray:
    r"""Return the negative free energy, :math:`\log \sum_k \exp f_k(x)`."""
    return logsumexp(logits, axis=1)


def measure_embeddings(
    embeddings: NDArray, indices: NDArray, n_classes: int
) -> tuple[NDArray, NDArray]:
    """Return the means of the classes in an embedding space, and their precision.

    The covariance within the classes is shrunk as Ledoit and Wolf do [2]_: there are
    about as many dimensions as clips.

    Parameters
    ----------
    embeddings : ndarray of shape (n_clips, n_dims)
        Clips of known classes.
    indices : ndarray of shape (n_clips,)
        Their classes, from 0.
    n_classes : int
        Number of classes.

    Returns
    -------
    means : ndarray of shape (n_classes, n_dims)
        One a class.
    precision : ndarray of shape (n_dims, n_dims)
        Inverse of the covariance within the classes, which is common to all of them.
    """
    means = np.stack([embeddings[indices == k].mean(axis=0) for k in range(n_classes)])
    covariance, _ = ledoit_wolf(embeddings - means[indices], assume_centered=True)
    # A network may leave dimensions unused: without any variance.
    floor = np.finfo(np.float32).eps * max(np.trace(covariance), 1.0)
    return means, np.linalg.inv(covariance + floor * np.eye(embeddings.shape[1]))


def mahalanobis(embeddings: NDArray, means: NDArray, precision: NDArray) -> NDArray:
    r"""Return the negative distance to the nearest class mean [1]_.

    .. math:: -\min_k \sqrt{(e - \mu_k)^\top \Sigma^{-1} (e - \mu_k)}
    """
    squares = []
    for mean in means:
        gap = embeddings - mean  # (n, d)
        squares.append(((gap @ precision) * gap).sum(axis=1))
    return -np.sqrt(np.clip(np.min(squares, axis=0), 0.0, None))
