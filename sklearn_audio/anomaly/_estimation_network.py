"""The network that says to which component of a mixture a latent vector belongs.

References
----------
.. [1] Zong, B., Song, Q., Min, M. R., Cheng, W., Lumezanu, C., Cho, D. and Chen, H.
   (2018). "Deep autoencoding Gaussian mixture model for unsupervised anomaly
   detection." ICLR. https://openreview.net/forum?id=BJJLHbb0-
"""

from __future__ import annotations

import torch
from torch import nn

_N_HIDDEN = 10
_KEPT_SHARE = 0.5


class EstimationNetwork(nn.Module):
    """Map latent vectors to memberships, through ten hidden units [1]_.

    Parameters
    ----------
    latent_dim : int
        Latent dimensions.
    n_components : int
        Components of the mixture.
    """

    def __init__(self, latent_dim: int, n_components: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(latent_dim, _N_HIDDEN)
        self.output = nn.Linear(_N_HIDDEN, n_components)

    def forward(
        self, z: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return memberships, whose rows sum to one: (B, Z) -> (B, K).

        With a generator, which has to be one of the CPU, half of the hidden units drop
        out. torch's own dropout would draw from the global random state.
        """
        hidden = self.hidden(z).tanh()  # (B, 10)
        if generator is not None:
            draws = torch.rand(hidden.shape, generator=generator).to(z.device)
            hidden = hidden * (draws < _KEPT_SHARE) / _KEPT_SHARE
        return self.output(hidden).softmax(dim=1)
