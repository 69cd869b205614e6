"""The networks that are known by name, and how their weights are found."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sklearn_audio._download import PublishedFile, fetch, get_data_home
from sklearn_audio.pretrained._efficient_at import EfficientATNetwork
from sklearn_audio.pretrained._state import Tensors, checksum_of, read_tensors


@dataclass(frozen=True)
class PublishedNetwork:
    """Say what a published network is, and where its weights come from.

    Parameters
    ----------
    name : str
        What :func:`load_network` calls it.
    page : str
        Address of the publication.
    url : str
        Address of the weights.
    file_names : tuple of str
        Where a copy of the weights may lie, below the data folder. A download becomes
        the last of them.
    sha256 : str
        Checksum of the tensors: their names, shapes and values, in whatever format of
        file they come.
    licence : str
        Licence of the weights.
    megabytes : int
        Size of the weights.
    sample_rate : int
        Rate of the waveforms that the network takes, in Hz.
    window : float
        Length of the waveforms that it was trained on, in seconds.
    embedding_size : int
        Number of values of an embedding.
    tag_file : PublishedFile
        List of the network's tags, a file of the data folder: its `url`, `file_name`
        and `checksum`.
    build : callable
        Maps a state dict to the network in evaluation mode.

    Examples
    --------
    >>> from sklearn_audio.pretrained import NETWORKS, PublishedNetwork
    >>> published = NETWORKS["efficientat_mn04"]
    >>> isinstance(published, PublishedNetwork)
    True
    >>> published.licence, published.sample_rate, published.embedding_size
    ('MIT', 32000, 384)
    """

    name: str
    page: str
    url: str
    file_names: tuple[str, ...]
    sha256: str
    licence: str
    megabytes: int
    sample_rate: int
    window: float
    embedding_size: int
    tag_file: PublishedFile
    build: Callable[[Tensors], nn.Module] = field(repr=False)

    def read_tag_names(self) -> NDArray[np.str_]:
        """Return the names of the tags, in the order of the network's output.

        They are read from the published list: the copy in the data folder (see
        :func:`~sklearn_audio.datasets.get_data_home`), or else a download to there. Its
        checksum is verified every time.

        Returns
        -------
        names : ndarray of shape (n_tags,), dtype str
            The names.

        Raises
        ------
        ConnectionError
            If there is no copy of the list, and the server cannot be reached.
        ImportError
            If pooch, for a download, is not installed.
        ValueError
            If the list is damaged.
        """
        home = get_data_home()
        file = home / self.tag_file.file_name
        if not file.is_file():
            name = f"the list of the tags of {self.name}"
            fetch(self.tag_file, home, name=name, by_hand=None)
        content = file.read_bytes()
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if checksum != self.tag_file.checksum:
            raise ValueError(
                f"{file} is not the published list of the tags of {self.name}: its "
                f"checksum is not {self.tag_file.checksum}. Delete it and call again, "
                "which fetches it anew."
            )
        rows = csv.DictReader(StringIO(content.decode("utf-8"), newline=""))
        ordered = sorted(rows, key=lambda row: int(row["index"]))
        return np.array([row["display_name"] for row in ordered])


# The publisher's licence is CC BY 4.0.
_AUDIOSET_TAGS = PublishedFile(
    url=(
        "http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/"
        "class_labels_indices.csv"
    ),
    file_name="weights/audioset_class_labels_indices.csv",
    checksum="sha256:cdd1049833c4b86127c2773ac0d14a2754b6a6d0d1798002ed5c66e699708429",
    megabytes=0.015,
)

_EFFICIENTAT_MN04 = PublishedNetwork(
    name="efficientat_mn04",
    page="https://doi.org/10.1109/ICASSP49357.2023.10096110",
    url=(
        "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"
        "mn04_as_mAP_432.pt"
    ),
    file_names=(
        "weights/efficientat_mn04/mn04_as.safetensors",
        "weights/efficientat_mn04/mn04_as_mAP_432.pt",
    ),
    sha256="fac57c082d2269a01f21423895e66f2a6628624a8247f3bf1aaf945d8325f15e",
    licence="MIT",
    megabytes=4,
    sample_rate=EfficientATNetwork.sample_rate,
    window=EfficientATNetwork.window,
    embedding_size=384,
    tag_file=_AUDIOSET_TAGS,
    build=EfficientATNetwork.from_tensors,
)

NETWORKS: Mapping[str, PublishedNetwork] = MappingProxyType(
    {published.name: published for published in (_EFFICIENTAT_MN04,)}
)
"""The known networks by their names: where each comes from, and what it takes."""


def load_network(name: str, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Build a network and give it its published weights, or those of a file.

    Weights are tensors alone: nothing else is unpickled.

    Parameters
    ----------
    name : str
        A key of :data:`NETWORKS`, "efficientat_mn04" for instance.
    weights : str or path-like, default=None
        A file of weights, of safetensors or ``torch.save``: a copy fetched by hand, or
        a network of the same kind that was trained on something else or has another
        width. By default the published weights: the copy in the data folder (see
        :func:`~sklearn_audio.datasets.get_data_home`), or else a download to there.
        Their checksum is verified every time.

    Returns
    -------
    network : torch.nn.Module
        The network on the CPU, in evaluation mode. It maps waveforms (n_clips,
        n_samples) at its `sample_rate` to embeddings (n_clips, n_dims), and its method
        ``tag`` maps embeddings to probabilities.

    Raises
    ------
    ConnectionError
        If there is no copy of the weights, and the server cannot be reached.
    FileNotFoundError
        If the named file does not exist.
    ImportError
        If safetensors, or pooch for a download, is not installed.
    ValueError
        If there is no such network, or the weights are damaged or do not fit it.

    Examples
    --------
    A small network with random weights, saved as the published ones are:

    >>> import os, tempfile
    >>> import torch
    >>> from sklearn_audio.pretrained import EfficientATNetwork, load_network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "small.pt")
    ...     torch.save(EfficientATNetwork(width=0.1).state_dict(), path)
    ...     network = load_network("efficientat_mn04", weights=path)
    >>> network(torch.zeros(1, 32000)).shape
    torch.Size([1, 96])
    """
    published = _look_up(name)
    if weights is None:
        return published.build(_published_tensors(published))
    path = Path(weights)
    try:
        return published.build(read_tensors(path))
    except ValueError as error:
        raise ValueError(f"weights={str(path)!r} cannot be used: {error}") from error


def _look_up(name: str) -> PublishedNetwork:
    try:
        return NETWORKS[name]
    except KeyError:
        raise ValueError(
            f"There is no network {name!r}. Known are: {', '.join(NETWORKS)}."
        ) from None


def _published_tensors(published: PublishedNetwork) -> Tensors:
    """Read the copy in the data folder, after fetching it where there is none."""
    home = get_data_home()
    copies = [home / name for name in published.file_names]
    file = next((copy for copy in copies if copy.is_file()), None)
    if file is None:
        file = _fetch(published, copies[-1])
    try:
        tensors = read_tensors(file)
        is_published = checksum_of(tensors) == published.sha256
    except ValueError as error:
        raise ValueError(_damaged(published, file, str(error))) from error
    if not is_published:
        reason = f"the checksum of its tensors is not {published.sha256}."
        raise ValueError(_damaged(published, file, reason))
    return tensors


def _fetch(published: PublishedNetwork, file: Path) -> Path:
    def accepts(download: Path) -> bool:
        return checksum_of(read_tensors(download)) == published.sha256

    archive = PublishedFile(
        published.url, file.name, None, published.megabytes, accepts
    )
    name = f"the file of weights of {published.name}"
    return fetch(archive, file.parent, name=name, by_hand="weights")


def _damaged(published: PublishedNetwork, file: Path, reason: str) -> str:
    return (
        f"{file} does not hold the published weights of {published.name}: {reason} "
        "Delete it and call again, which fetches it anew; or, if the weights are your "
        f"own, pass weights={str(file)!r}."
    )
