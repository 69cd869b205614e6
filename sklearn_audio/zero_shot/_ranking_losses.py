r"""Losses that rank the true class above all others.

They take compatibilities :math:`F(x_n, y)` of clips with all seen classes, and are made
of the margins by which wrong classes violate the ranking,

.. math:: \ell(x_n, y_n, y) = \Delta(y_n, y) + F(x_n, y) - F(x_n, y_n),

where :math:`\Delta` is 0 for the true class and 1 for every other one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sklearn_audio.zero_shot._ranking_descent import ranking_penalties

RankingLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def margins(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    r"""Return :math:`\ell(x_n, y_n, y)` for all classes y: (B, C), (B,) -> (B, C)."""
    own = scores.gather(1, y[:, None])  # (B, 1)
    # In place of a matrix of ones: exactly zero for the true class.
    return (1 + scores - own).scatter(1, y[:, None], 0.0)


def weighted_ranking_loss(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    r"""Return the weighted ranking loss of each clip: (B, C), (B,) -> (B,).

    .. math:: \frac{\beta_{r_n}}{r_n} \sum_y \max(0, \ell(x_n, y_n, y))

    with :math:`r_n` the number of classes that violate the margin, and 0/0 = 0.
    """
    hinges = margins(scores, y).clamp(min=0)  # (B, C)
    ranks = hinges.detach().count_nonzero(dim=1)  # (B,)
    penalties = torch.from_numpy(ranking_penalties(scores.shape[1])).to(
        scores
    )  # (C + 1,)
    return penalties[ranks] / ranks.clamp(min=1) * hinges.sum(dim=1)


def summed_hinge_loss(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the sum of the violations, as DeViSE: (B, C), (B,) -> (B,)."""
    return margins(scores, y).clamp(min=0).sum(dim=1)


def largest_hinge_loss(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the largest violation, as SJE: (B, C), (B,) -> (B,)."""
    return margins(scores, y).amax(dim=1)  # the true class has a margin of zero


RANKING_LOSSES: dict[str, RankingLoss] = {
    "batch": weighted_ranking_loss,
    "devise": summed_hinge_loss,
    "sje": largest_hinge_loss,
}
