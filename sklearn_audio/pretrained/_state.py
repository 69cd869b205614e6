"""Tensors of a checkpoint: read from a file, identified, and put into a network."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Tensors = dict[str, torch.Tensor]

# What torch.save began its files with before PyTorch 1.6, which made them archives.
_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)


def read_tensors(path: Path) -> Tensors:
    """Read a state dict from a file of safetensors, ``torch.save`` or ``np.savez``.

    The content tells which it is. Nothing but tensors is ever unpickled.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        The tensors on the CPU, without the counts of batches.

    Raises
    ------
    ImportError
        If the file needs safetensors, which is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of weights {path}")
    tensors = _reader_of(path)(path)
    is_state = isinstance(tensors, dict) and all(
        isinstance(value, torch.Tensor) for value in tensors.values()
    )
    if not is_state:
        raise ValueError(f"{path} holds something else than a state dict of tensors.")
    return {key: v for key, v in tensors.items() if not _is_batch_count(key)}


def _reader_of(path: Path) -> Callable[[Path], Any]:
    if zipfile.is_zipfile(path):
        return _read_npz if _holds_arrays(path) else _read_torch
    with path.open("rb") as file:
        is_old = file.read(len(_MAGIC)) == _MAGIC
    return _read_torch if is_old else _read_safetensors


def _holds_arrays(archive: Path) -> bool:
    with zipfile.ZipFile(archive) as content:
        return all(name.endswith(".npy") for name in content.namelist())


def _read_npz(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except (TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged, or holds more than arrays of numbers, which is not "
            f"read for safety: {error}"
        ) from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged, or holds more than tensors, which is not read for "
            f"safety: {error}"
        ) from error


def _read_safetensors(path: Path) -> Tensors:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            f"Reading {path} needs safetensors: pip install sklearn-audio[pretrained]"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged, or no file of safetensors, torch.save or np.savez: "
            f"{error}"
        ) from error


def checksum_of(tensors: Tensors) -> str:
    """Return the sha256 of names, shapes and values, whatever file they came in.

    The same weights are published in several formats, and each file of torch.save has
    its own bytes.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_tensors(network: nn.Module, tensors: Tensors) -> None:
    """Put tensors into a network of exactly their layout.

    Raises
    ------
    ValueError
        If a tensor is missing, superfluous, or of another shape; it is named.
    """
    expected, given = _shapes(network.state_dict()), _shapes(tensors)
    if given != expected:
        names = [n for n in expected | given if expected.get(n) != given.get(n)]
        raise ValueError(
            f"{len(names)} tensors do not fit {type(network).__name__}, the first of "
            f"them {names[0]}: its shape is {given.get(names[0], 'missing')} where "
            f"{expected.get(names[0], 'none')} is expected."
        )
    network.load_state_dict(tensors, strict=False)  # counts of batches may be missing


def _shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in tensors.items() if not _is_batch_count(k)}


def _is_batch_count(name: str) -> bool:
    """Tell the counts of training batches, which some files leave out."""
    return name.endswith(".num_batches_tracked")
