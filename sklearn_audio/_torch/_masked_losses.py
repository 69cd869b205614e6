"""Losses that know of missing labels, and that some labels are surer than others."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from sklearn_audio.base import UNLABELED

# Of a batch: what nothing is divided by, where nothing is known.
_LEAST_WEIGHT = 1e-12


def masked_binary_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    r"""Return the weighted mean cross-entropy of the entries that are known.

    .. math:: \frac{\sum_{(i, l) \in K} w_{il} \left(-y_{il} \log \sigma(z_{il})
        - (1 - y_{il}) \log \sigma(-z_{il})\right)}{\sum_{(i, l) \in K} w_{il}}

    Parameters
    ----------
    logits : Tensor of shape (n_clips, n_labels)
        Log odds z.
    labels : Tensor of shape (n_clips, n_labels)
        0 and 1, and NaN where the label is missing.
    weights : Tensor of shape (n_clips, n_labels)
        Not negative.

    Returns
    -------
    loss : Tensor of shape ()
        0 where nothing is known.
    """
    is_known = ~labels.isnan()  # (B, L)
    # NaN times zero is NaN, in the gradient too: it must not meet the logits at all.
    known = torch.where(is_known, labels, 0.0)  # (B, L)
    losses = F.binary_cross_entropy_with_logits(logits, known, reduction="none")
    return _weighted_mean(losses, weights * is_known)


def masked_cross_entropy(
    logits: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the weighted mean cross-entropy of the clips whose class is known.

    Parameters
    ----------
    logits : Tensor of shape (n_clips, n_classes)
        Logits of the classes.
    indices : Tensor of shape (n_clips,)
        Classes, and -1 where there is none.
    weights : Tensor of shape (n_clips,)
        Not negative.

    Returns
    -------
    loss : Tensor of shape ()
        0 where nothing is known.
    """
    losses = F.cross_entropy(
        logits, indices, ignore_index=UNLABELED, reduction="none"
    )  # (B,)
    return _weighted_mean(losses, weights * (indices != UNLABELED))


def _weighted_mean(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (losses * weights).sum() / weights.sum().clamp_min(_LEAST_WEIGHT)
