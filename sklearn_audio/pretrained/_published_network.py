"""What is published of a network, and how it is found, fetched and verified."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sklearn_audio._download import PublishedFile, fetch, get_data_home
from sklearn_audio.pretrained._state import Tensors, checksum_of, read_tensors


@dataclass(frozen=True)
class WeightFile:
    """A file of weights: where it is offered, where copies lie, how it is told."""

    url: str
    file_names: tuple[str, ...]
    # "sha256:..." of the file, "tensors:..." as `checksum_of` has it, or None.
    checksum: str | None
    megabytes: float

    def is_published(self, file: Path) -> bool:
        """Tell whether a file, of whatever name, holds what was published."""
        kind, _, digest = str(self.checksum).partition(":")
        if kind == "tensors":
            return checksum_of(read_tensors(file)) == digest
        with file.open("rb") as content:
            return hashlib.file_digest(content, kind).hexdigest() == digest


@dataclass(frozen=True)
class PublishedNetwork:
    """Say what a published network is, and where its weights come from.

    Parameters
    ----------
    name : str
        What :func:`load_network` calls it.
    page : str
        Address of the publication.
    files : tuple of WeightFile
        What the weights are in, one file or several. Each has the attributes `url`;
        `file_names`, where a copy may lie below the data folder, of which a download
        becomes the last; `checksum`; and `megabytes`. A checksum "sha256:..." is that
        of the file, and "tensors:..." the sha256 of the tensors' names, shapes and
        values, in whatever format of file they come. None means that the publisher
        gives none: such a file is never fetched, and `weights` has to name a copy.
    licence : str
        Licence of the weights.
    sample_rate : int
        Rate of the waveforms that the network takes, in Hz.
    window : float
        Length of the waveforms that it was trained on, in seconds.
    embedding_size : int
        Number of values of an embedding.
    tag_file : PublishedFile or None
        List of the network's tags, a file of the data folder: its `url`, `file_name`
        and `checksum`. None where the network has no tags.
    build : callable
        Maps a state dict to the network in evaluation mode.
    make_front_end : callable or None, default=None
        Returns the module that maps waveforms to the spectrograms that the network's
        method ``embed`` takes; it needs no weights. None where there is no such method.

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
    files: tuple[WeightFile, ...]
    licence: str
    sample_rate: int
    window: float
    embedding_size: int
    tag_file: PublishedFile | None
    build: Callable[[Tensors], nn.Module] = field(repr=False)
    make_front_end: Callable[[], nn.Module] | None = field(default=None, repr=False)

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
            If the list is damaged, or the network has no tags.
        """
        if self.tag_file is None:
            raise ValueError(f"{self.name} has no tags, it only embeds.")
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


def published_tensors(published: PublishedNetwork) -> Tensors:
    """Return the published weights: the copies in the data folder, or else downloads.

    Raises
    ------
    ConnectionError
        If there is no copy of a file, and the server cannot be reached.
    ImportError
        If safetensors, or pooch for a download, is not installed.
    ValueError
        If a file is damaged, or cannot be verified.
    """
    for part in published.files:
        if part.checksum is None:
            raise ValueError(
                f"The weights of {published.name} are published without a checksum, so "
                f"they are not fetched. Download {part.url} yourself, if you trust "
                "it, and pass weights=<its path>."
            )
    tensors: Tensors = {}
    for part in published.files:
        tensors |= _read_published(part, published.name)
    return tensors


def _read_published(part: WeightFile, name: str) -> Tensors:
    """Read the copy in the data folder, after fetching it where there is none."""
    home = get_data_home()
    copies = [home / file_name for file_name in part.file_names]
    file = next((copy for copy in copies if copy.is_file()), None)
    if file is None:
        file = _fetch(part, copies[-1], name)
    try:
        if part.is_published(file):
            return read_tensors(file)
    except ValueError as error:
        raise ValueError(_damaged(file, name, str(error))) from error
    raise ValueError(_damaged(file, name, f"their checksum is not {part.checksum}."))


def _fetch(part: WeightFile, file: Path, name: str) -> Path:
    archive = PublishedFile(
        part.url, file.name, None, part.megabytes, accepts=part.is_published
    )
    what = f"the file of weights of {name}"
    return fetch(archive, file.parent, name=what, by_hand="weights")


def _damaged(file: Path, name: str, reason: str) -> str:
    return (
        f"{file} does not hold the published weights of {name}: {reason} "
        "Delete it and call again, which fetches it anew; or, if the weights are your "
        f"own, pass weights={str(file)!r}."
    )
