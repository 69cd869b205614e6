"""Backbones: found by name or given, frozen, and recognised again."""

from __future__ import annotations

import hashlib
import os
from copy import deepcopy

import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_audio.pretrained._registry import NETWORKS, load_network

BACKBONES = frozenset(
    name for name, published in NETWORKS.items() if published.make_front_end
)


class Backbone(nn.Module):
    """A network from spectrograms to embeddings, which nothing is to change.

    Parameters
    ----------
    network : nn.Module
        Its method ``embed`` is called where it has one, as published networks do whose
        input is waveforms; otherwise the module itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings: (B, F, T) -> (B, D)."""
        embed = getattr(self.network, "embed", self.network)
        return embed(spectrograms)


def load_backbone(
    backbone: str | nn.Module, weights: str | os.PathLike[str] | None
) -> Backbone:
    """Return the backbone of that name, or a copy of the given one.

    Raises
    ------
    ConnectionError, FileNotFoundError, ImportError
        If there are no weights, see :func:`load_network`.
    ValueError
        If the weights are damaged, or are given beside a module.
    """
    if isinstance(backbone, str):
        return Backbone(load_network(backbone, weights))
    if weights is not None:
        raise ValueError(
            f"weights={os.fspath(weights)!r} is for networks known by name; give your "
            "own module its weights before you pass it as backbone."
        )
    return Backbone(deepcopy(backbone))


def build_backbone(name: str, weights: dict[str, NDArray]) -> Backbone:
    """Return the backbone of a dump that holds it."""
    tensors = {key: torch.tensor(array) for key, array in weights.items()}
    return Backbone(NETWORKS[name].build(tensors))


def checksum_of(backbone: nn.Module) -> str:
    """Return the sha256 of all weights, in whatever order and under whatever names.

    Versions of a library may call its layers differently.
    """
    tensors = (v.detach().cpu() for v in backbone.state_dict().values())
    digests = sorted(
        hashlib.sha256(f"{tuple(v.shape)}".encode() + v.numpy().tobytes()).digest()
        for v in tensors
        if v.is_floating_point()  # not the counts of batches, which may be missing
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()


def find_backbone(
    name: str, weights: str | os.PathLike[str] | None, checksum: str
) -> Backbone:
    """Return the backbone of a dump that does not hold it.

    Raises
    ------
    FileNotFoundError
        If there are no weights, and they cannot be fetched.
    ValueError
        If they are damaged, or others than the model was trained with.
    """
    remedy = "Models that are dumped with include_backbone=True do not need it."
    try:
        backbone = load_backbone(name, weights)
    except (ConnectionError, FileNotFoundError) as error:
        raise FileNotFoundError(
            f"The dump needs the weights of its backbone {name}, which it does not "
            f"hold. {error} {remedy}"
        ) from error
    found = checksum_of(backbone)
    if found != checksum:
        where = "the published ones" if weights is None else f"{os.fspath(weights)!r}"
        raise ValueError(
            f"The dump was made with other weights of its backbone {name} than "
            f"{where}: their checksum is {found}, not {checksum}. Put the former ones "
            f"back. {remedy}"
        )
    return backbone
