"""The networks that are known by name, and how one is built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from torch import nn

from sklearn_audio._download import PublishedFile
from sklearn_audio.pretrained._ast import ASTFrontEnd, ASTNetwork
from sklearn_audio.pretrained._efficient_at import EfficientATNetwork, make_front_end
from sklearn_audio.pretrained._openl3 import OpenL3Network
from sklearn_audio.pretrained._published_network import (
    PublishedNetwork,
    WeightFile,
    published_tensors,
)
from sklearn_audio.pretrained._state import read_tensors
from sklearn_audio.pretrained._vggish import VGGishNetwork

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
    files=(
        WeightFile(
            url=(
                "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"
                "mn04_as_mAP_432.pt"
            ),
            file_names=(
                "weights/efficientat_mn04/mn04_as.safetensors",
                "weights/efficientat_mn04/mn04_as_mAP_432.pt",
            ),
            checksum=(
                "tensors:"
                "fac57c082d2269a01f21423895e66f2a6628624a8247f3bf1aaf945d8325f15e"
            ),
            megabytes=4,
        ),
    ),
    licence="MIT",
    sample_rate=EfficientATNetwork.sample_rate,
    window=EfficientATNetwork.window,
    embedding_size=384,
    tag_file=_AUDIOSET_TAGS,
    build=EfficientATNetwork.from_tensors,
    make_front_end=make_front_end,
)

_VGGISH_LAYERS = WeightFile(
    url=(
        "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
        "vggish-10086976.pth"
    ),
    file_names=("weights/vggish/vggish-10086976.pth",),
    checksum="sha256:10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
    megabytes=289,
)
_VGGISH_COMPONENTS = WeightFile(
    url="https://storage.googleapis.com/audioset/vggish_pca_params.npz",
    file_names=("weights/vggish/vggish_pca_params.npz",),
    checksum="sha256:4d878af3e306defbfb37095365aa7e5a6cecb86bad13e859e626151c4e6a8b9d",
    megabytes=0.07,
)

_VGGISH = PublishedNetwork(
    name="vggish",
    page="https://doi.org/10.1109/ICASSP.2017.7952132",
    files=(_VGGISH_LAYERS,),
    licence="Apache-2.0",
    sample_rate=VGGishNetwork.sample_rate,
    window=VGGishNetwork.window,
    embedding_size=VGGishNetwork.embedding_size,
    tag_file=None,
    build=VGGishNetwork.from_tensors,
)
_VGGISH_PCA = replace(
    _VGGISH,
    name="vggish_pca",
    files=(_VGGISH_LAYERS, _VGGISH_COMPONENTS),
    build=partial(VGGishNetwork.from_tensors, postprocess=True),
)

_AST = PublishedNetwork(
    name="ast",
    page="https://doi.org/10.21437/Interspeech.2021-698",
    files=(
        WeightFile(
            url=(
                "https://huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593/"
                "resolve/f826b80d28226b62986cc218e5cec390b1096902/model.safetensors"
            ),
            file_names=("weights/ast/model.safetensors",),
            checksum=(
                "sha256:"
                "ae0c1e2ad4e1381d851fa9bf298ba13ebc9c5a914cdee2dbe427a6583869924d"
            ),
            megabytes=346,
        ),
    ),
    licence="BSD-3-Clause",
    sample_rate=ASTNetwork.sample_rate,
    window=ASTNetwork.window,
    embedding_size=768,
    tag_file=_AUDIOSET_TAGS,
    build=ASTNetwork.from_tensors,
    make_front_end=ASTFrontEnd,
)

# There are also torchopenl3_mel128_env_512 and, trained on music, ..._music_512. The
# files for 6144 values hold the same weights.
_OPENL3 = PublishedNetwork(
    name="openl3",
    page="https://doi.org/10.1109/ICASSP.2019.8682475",
    files=(
        WeightFile(
            url=(
                "https://github.com/torchopenl3/torchopenl3-models/raw/master/"
                "torchopenl3_mel256_env_512.pth.tar"
            ),
            file_names=(),
            checksum=None,
            megabytes=36,
        ),
    ),
    licence="MIT; Apache-2.0 for the port",
    sample_rate=OpenL3Network.sample_rate,
    window=OpenL3Network.window,
    embedding_size=512,
    tag_file=None,
    build=OpenL3Network.from_tensors,
)
_OPENL3_6144 = replace(
    _OPENL3,
    name="openl3_6144",
    embedding_size=6144,
    build=partial(OpenL3Network.from_tensors, embedding_size=6144),
)

NETWORKS: Mapping[str, PublishedNetwork] = MappingProxyType(
    {
        published.name: published
        for published in (
            _EFFICIENTAT_MN04,
            _VGGISH,
            _VGGISH_PCA,
            _AST,
            _OPENL3,
            _OPENL3_6144,
        )
    }
)
"""The known networks by their names: where each comes from, and what it takes."""


def load_network(name: str, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Build a network and give it its published weights, or those of a file.

    Weights are tensors alone: nothing else is unpickled.

    Parameters
    ----------
    name : str
        A key of :data:`NETWORKS`: "efficientat_mn04"; "vggish", whose embeddings are
        raw; "vggish_pca", whose embeddings are whitened and rounded, see
        :class:`VGGishNetwork`; "ast"; "openl3", whose embeddings have 512 values; or
        "openl3_6144".
    weights : str or path-like, default=None
        A file of weights, of safetensors, ``torch.save`` or ``np.savez``: a copy
        fetched by hand, or a network of the same kind that was trained on something
        else or has another width. It holds all tensors; for "vggish_pca", those of the
        principal components, too. OpenL3 is only loaded from such a file, because its
        publisher gives no checksum. By default the published weights: the copy in the
        data folder (see :func:`~sklearn_audio.datasets.get_data_home`), or else a
        download to there. Their checksum is verified every time.

    Returns
    -------
    network : torch.nn.Module
        The network on the CPU, in evaluation mode. It maps waveforms (n_clips,
        n_samples) at its `sample_rate` to embeddings (n_clips, n_dims), and its method
        ``tag``, where it has tags, maps embeddings to probabilities.

    Raises
    ------
    ConnectionError
        If there is no copy of the weights, and the server cannot be reached.
    FileNotFoundError
        If the named file does not exist.
    ImportError
        If safetensors, or pooch for a download, or transformers for "ast", is not
        installed.
    ValueError
        If there is no such network, the weights are damaged or do not fit it, or
        published weights cannot be verified.

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
    published = look_up(name)
    if weights is None:
        return published.build(published_tensors(published))
    path = Path(weights)
    try:
        return published.build(read_tensors(path))
    except ValueError as error:
        raise ValueError(f"weights={str(path)!r} cannot be used: {error}") from error


def look_up(name: str) -> PublishedNetwork:
    """Return what is published under a name; a ValueError lists the known ones."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise ValueError(
            f"There is no network {name!r}. Known are: {', '.join(NETWORKS)}."
        ) from None
