"""The Gaussian mixture of an estimation network, in double precision.

References
----------
.. [1] Chen, C., Chen, P., Song, H., Tao, Y., Xie, Y., Ding, S. and Ma, L. (2020).
   "Acoustic anomaly detection via latent regularized Gaussian mixture generative
   adversarial networks." ICASSP. https://doi.org/10.48550/arXiv.2002.01107
.. [2] Zong, B., Song, Q., Min, M. R., Cheng, W., Lumezanu, C., Cho, D. and Chen, H.
   (2018). "Deep autoencoding Gaussian mixture model for unsupervised anomaly
   detection." ICLR. https://openreview.net/forum?id=BJJLHbb0-
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

# Added to the variances, relative to their mean: as little of it as makes the Cholesky
# decomposition succeed. The last always does.
_JITTERS = tuple(10.0**power for power in range(-6, 1))
# Variances are at least this large, so that clips that are all alike have a density.
_SMALLEST_VARIANCE = 1e-6
# Clips that a component has at least, so that one without any has a mean.
_SMALLEST_COUNT = 1e-6


class Mixture(NamedTuple):
    """A mixture of K Gaussians in Z dimensions."""

    weights: torch.Tensor  # (K,)
    means: torch.Tensor  # (K, Z)
    covariances: torch.Tensor  # (K, Z, Z)
    factors: torch.Tensor  # (K, Z, Z): lower Cholesky factors of the covariances


def estimate_mixture(
    z: torch.Tensor, memberships: torch.Tensor, covariance_type: str
) -> Mixture:
    r"""Return the mixture to which points belong by given shares (Eq. 5 of [1]_).

    .. math::

        \alpha_k = \frac1n \sum_i \gamma_{ik}, \quad
        \mu_k = \frac{\sum_i \gamma_{ik} z_i}{\sum_i \gamma_{ik}}, \quad
        \Sigma_k = \frac{\sum_i \gamma_{ik} (z_i - \mu_k)(z_i - \mu_k)^\top}
                        {\sum_i \gamma_{ik}}

    Parameters
    ----------
    z : Tensor of shape (n_points, n_dims)
        The points.
    memberships : Tensor of shape (n_points, n_components)
        :math:`\gamma`; rows sum to one.
    covariance_type : {"full", "diag"}
        Whether dimensions may be correlated within a component.

    Returns
    -------
    mixture : Mixture
        In float64, on the device of the points. The variances are enlarged, by a
        millionth of their mean at first and by more where that does not do, until every
        covariance has a Cholesky factor.
    """
    z, memberships = z.double(), memberships.double()
    counts = memberships.sum(dim=0).clamp_min(_SMALLEST_COUNT)  # (K,)
    means = memberships.T @ z / counts[:, None]  # (K, Z)
    gaps = z - means[:, None]  # (K, n, Z)
    weighted = memberships.T[:, :, None] * gaps  # (K, n, Z)
    if covariance_type == "diag":
        variances = (weighted * gaps).sum(dim=1) / counts[:, None]  # (K, Z)
        covariances, factors = _diagonal(variances)
    else:
        covariances, factors = _regularised(weighted.mT @ gaps / counts[:, None, None])
    return Mixture(counts / counts.sum(), means, covariances, factors)


def _diagonal(variances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return diagonal covariances, enlarged as all are, and their factors."""
    scales = variances.mean(dim=1, keepdim=True).detach()
    enlarged = variances + _JITTERS[0] * scales + _SMALLEST_VARIANCE  # (K, Z)
    return torch.diag_embed(enlarged), torch.diag_embed(enlarged.sqrt())


def _regularised(covariances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return covariances with enough on their diagonals, and their factors."""
    n_dims = covariances.shape[-1]
    identity = torch.eye(n_dims, dtype=covariances.dtype, device=covariances.device)
    scales = covariances.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None].detach()
    for jitter in _JITTERS:
        enlarged = covariances + (jitter * scales + _SMALLEST_VARIANCE) * identity
        factors, failures = torch.linalg.cholesky_ex(enlarged)
        if not failures.any():
            break
    return enlarged, factors


def energy(z: torch.Tensor, mixture: Mixture) -> torch.Tensor:
    r"""Return minus the logarithm of the mixture's density at points (Eq. 6 of [1]_).

    .. math::

        E(z) = -\log \sum_k \alpha_k
        \frac{\exp(-\frac12 (z - \mu_k)^\top \Sigma_k^{-1} (z - \mu_k))}
             {\sqrt{\lvert 2 \pi \Sigma_k \rvert}}

    Parameters
    ----------
    z : Tensor of shape (n_points, n_dims)
        The points.
    mixture : Mixture
        The mixture.

    Returns
    -------
    energies : Tensor of shape (n_points,), dtype float64
        High where points are rare.
    """
    gaps = z.double() - mixture.means[:, None]  # (K, n, Z)
    whitened = torch.linalg.solve_triangular(mixture.factors, gaps.mT, upper=False)
    distances = whitened.square().sum(dim=1)  # (K, n)
    half_log_dets = mixture.factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)  # (K,)
    constant = z.shape[1] / 2 * math.log(2 * math.pi)
    log_weights = mixture.weights.log()
    log_densities = (log_weights - half_log_dets)[:, None] - distances / 2  # (K, n)
    return constant - log_densities.logsumexp(dim=0)


def estimation_loss(
    z: torch.Tensor,
    memberships: torch.Tensor,
    covariance_type: str,
    density_weight: float,
    covariance_penalty: float,
) -> torch.Tensor:
    r"""Return what the estimation network minimises (Eq. 7 of [1]_).

    .. math:: L_{es} = \lambda_1 \frac1n \sum_i E(z_i)
              + \lambda_2 \sum_k \sum_j \frac{1}{(\Sigma_k)_{jj}}

    The paper sums the energies, and so weights them by the batch size; here they are
    averaged, as in [2]_.

    Parameters
    ----------
    z : Tensor of shape (n_points, n_dims)
        Latent points of a batch.
    memberships : Tensor of shape (n_points, n_components)
        What the network says of them; rows sum to one.
    covariance_type : {"full", "diag"}
        Whether dimensions may be correlated within a component.
    density_weight : float
        :math:`\lambda_1`.
    covariance_penalty : float
        :math:`\lambda_2`, which keeps components from shrinking to a point.

    Returns
    -------
    loss : Tensor of shape (), dtype float64
        Any number: a density may be above one.
    """
    mixture = estimate_mixture(z, memberships, covariance_type)
    variances = mixture.covariances.diagonal(dim1=1, dim2=2)  # (K, Z)
    density = energy(z, mixture).mean()
    return density_weight * density + covariance_penalty * (1 / variances).sum()
