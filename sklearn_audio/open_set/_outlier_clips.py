"""Outliers that are made of training clips: played backwards, or spliced together."""

from __future__ import annotations

from collections.abc import Callable

import torch

# From a batch to its outliers and the classes that these were made of.
OutlierMaker = Callable[
    [torch.Tensor, torch.Tensor, torch.Generator], tuple[torch.Tensor, torch.Tensor]
]

# Outliers of each kind to one clip of a batch.
_SHARE = 0.5
# Where a clip may give way to another one, as parts of its length.
_EARLIEST_CUT, _LATEST_CUT = 0.35, 0.65


def reverse(
    X: torch.Tensor, indices: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return half of the clips backwards, and their classes.

    Parameters
    ----------
    X : Tensor of shape (n_clips, ..., n_frames)
        Clips.
    indices : Tensor of shape (n_clips,)
        Their classes, from 0.
    generator : torch.Generator
        Draws the clips; a generator of the CPU.

    Returns
    -------
    clips : Tensor of shape (max(1, n_clips // 2), ..., n_frames)
        The outliers.
    indices : Tensor of shape (max(1, n_clips // 2),)
        The classes of the clips that they were.
    """
    rows = _draw_rows(X, generator)
    return X[rows].flip(-1), indices[rows]


def splice(
    X: torch.Tensor, indices: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return clips that begin as one class and end as another.

    A clip gives way to a clip of another class at one frame, in the middle third or so.
    Half as many pairs are drawn as there are clips; pairs of one class are left out.

    Parameters
    ----------
    X : Tensor of shape (n_clips, ..., n_frames)
        Clips.
    indices : Tensor of shape (n_clips,)
        Their classes, from 0.
    generator : torch.Generator
        Draws pairs and cuts; a generator of the CPU.

    Returns
    -------
    clips : Tensor of shape (n_pairs, ..., n_frames)
        The outliers.
    indices : Tensor of shape (n_pairs,)
        The classes that they begin as.
    """
    first, second = _draw_rows(X, generator), _draw_rows(X, generator)
    differ = indices[first] != indices[second]
    first, second = first[differ], second[differ]
    n_frames = X.shape[-1]
    span = _EARLIEST_CUT + (_LATEST_CUT - _EARLIEST_CUT) * torch.rand(
        len(first), generator=generator
    )
    cuts = (span * n_frames).round().to(X.device)  # (P,)
    is_first = torch.arange(n_frames, device=X.device) < cuts[:, None]  # (P, T)
    is_first = is_first.reshape(len(first), *(1,) * (X.ndim - 2), n_frames)
    return torch.where(is_first, X[first], X[second]), indices[first]


def _draw_rows(X: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    n_rows = max(1, int(_SHARE * len(X)))
    return torch.randperm(len(X), generator=generator)[:n_rows].to(X.device)


OUTLIER_MAKERS: dict[str, OutlierMaker] = {"spliced": splice, "reversed": reverse}
