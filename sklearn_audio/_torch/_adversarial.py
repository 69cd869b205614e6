"""Losses of adversarial games, on logits.

References
----------
.. [1] Goodfellow, I. et al. (2014). "Generative adversarial nets." NeurIPS.
   https://doi.org/10.48550/arXiv.1406.2661
.. [2] Salimans, T., Goodfellow, I., Zaremba, W., Cheung, V., Radford, A. and Chen, X.
   (2016). "Improved techniques for training GANs." NeurIPS.
   https://doi.org/10.48550/arXiv.1606.03498
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def discriminator_loss(
    real_logits: torch.Tensor, fake_logits: torch.Tensor
) -> torch.Tensor:
    r"""Return what the discriminator minimises [1]_.

    .. math:: L_D = -E_x[\log D(x)] - E_z[\log(1 - D(G(z)))], \quad D = \sigma(\ell)

    Parameters
    ----------
    real_logits, fake_logits : Tensor of shape (n_clips,)
        :math:`\ell`, of real clips and of generated ones.

    Returns
    -------
    loss : Tensor of shape ()
        At least 0; 2 log 2 where the discriminator is at a loss.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    r"""Return what the generator minimises, in the form that does not saturate [1]_.

    .. math:: L_{GD} = -E_z[\log D(G(z))], \quad D = \sigma(\ell)

    Parameters
    ----------
    fake_logits : Tensor of shape (n_clips,)
        :math:`\ell` of generated clips.

    Returns
    -------
    loss : Tensor of shape ()
        At least 0.
    """
    return F.softplus(-fake_logits).mean()


def feature_matching_loss(
    real_features: torch.Tensor, fake_features: torch.Tensor
) -> torch.Tensor:
    r"""Return how far generated features are from real ones [2]_.

    .. math:: \frac{1}{n d} \sum_i \lVert f(x_i) - f(\tilde x_i) \rVert_2^2

    Parameters
    ----------
    real_features, fake_features : Tensor of shape (n_clips, n_features)
        Of real clips and of their counterparts, row by row; or the means of both.

    Returns
    -------
    loss : Tensor of shape ()
        The mean over clips and features, so that it does not grow with a network.
    """
    return F.mse_loss(fake_features, real_features)
