"""Networks that take clips to the space of the class vectors."""

from __future__ import annotations

import torch
from torch import nn


class AcousticProjection(nn.Module):
    r"""Map a clip's vector to where its class's vector should be, and compare.

    The map's product with a class vector is the compatibility; with a single matrix,
    :math:`\theta(x)^\top W \varphi(y)`.

    Parameters
    ----------
    n_features : int
        Numbers in a clip's vector.
    n_dims : int
        Numbers in a class vector.
    projection : {"bilinear", "factored", "nonlinear"}
        One matrix that begins at zero; a product of two; or two affine maps with tanh
        between them.
    rank : int
        Numbers between the two maps.
    """

    def __init__(
        self, *, n_features: int, n_dims: int, projection: str, rank: int
    ) -> None:
        super().__init__()
        self.is_linear = projection != "nonlinear"
        self.inner: nn.Linear | None = None
        if projection == "bilinear":
            self.outer = nn.Linear(n_features, n_dims, bias=False)
            nn.init.zeros_(self.outer.weight)
        else:
            # Zeros would be a saddle point here, which descent never leaves.
            bias = not self.is_linear
            self.inner = nn.Linear(n_features, rank, bias=bias)
            self.outer = nn.Linear(rank, n_dims, bias=bias)

    def forward(self, X: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Score clips against class vectors: (B, n_features), (C, n_dims) -> (B, C)."""
        weights, offsets = self.pull_back(vectors)
        return torch.addmm(offsets, self.encode(X), weights)

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        """Take clips to the last layer: (B, n_features) -> (B, h)."""
        if self.inner is not None:
            X = self.inner(X)  # (B, rank)
        return X if self.is_linear else torch.tanh(X)

    def pull_back(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take class vectors to the near side of the last layer: (h, C) and (C,).

        With fewer classes than clips, this is cheaper than to take clips to its far
        side.
        """
        weight, bias = self.outer.weight, self.outer.bias
        offsets = vectors.new_zeros(len(vectors)) if bias is None else vectors @ bias
        return weight.T @ vectors.T, offsets

    def matrix(self) -> torch.Tensor:
        """Return W of a linear projection: (n_features, n_dims)."""
        W = self.outer.weight.detach().T
        return W if self.inner is None else self.inner.weight.detach().T @ W

    def set_matrix(self, W: torch.Tensor) -> None:
        """Replace W of a bilinear projection: (n_features, n_dims)."""
        with torch.no_grad():
            self.outer.weight.copy_(W.T)
