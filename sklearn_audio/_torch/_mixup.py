"""Mixtures of clips and of their labels.

References
----------
.. [1] Zhang, H., Cisse, M., Dauphin, Y. N. and Lopez-Paz, D. (2018). "mixup: beyond
   empirical risk minimization." ICLR. https://doi.org/10.48550/arXiv.1710.09412
"""

from __future__ import annotations

import numpy as np
import torch


def mixup(
    X: torch.Tensor, targets: torch.Tensor, alpha: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Return convex combinations of clips, and the same of their targets.

    .. math::

        \tilde x = \lambda x_i + (1 - \lambda) x_j, \quad
        \tilde t = \lambda t_i + (1 - \lambda) t_j, \quad
        \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    Parameters
    ----------
    X : Tensor of shape (n_clips, ...)
        The clips of a batch.
    targets : Tensor of shape (n_clips, n_classes)
        Their class probabilities.
    alpha : float
        Both parameters of the Beta distribution; towards 0 the clips stay unmixed.
    generator : torch.Generator
        Draws partners and shares, on the CPU.

    Returns
    -------
    X : Tensor of shape (n_clips, ...)
        The mixtures; one share a clip.
    targets : Tensor of shape (n_clips, n_classes)
        Their class probabilities.
    """
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
    shares = np.random.default_rng(seed).beta(alpha, alpha, size=len(X))
    share = torch.as_tensor(shares, dtype=X.dtype, device=X.device)  # (B,)
    partner = torch.randperm(len(X), generator=generator).to(X.device)  # (B,)
    of_clips = share.view(-1, *[1] * (X.ndim - 1))
    mixed = of_clips * X + (1 - of_clips) * X[partner]
    share = share[:, None]
    return mixed, share * targets + (1 - share) * targets[partner]
