"""Unpack an archive, all or nothing."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tqdm import tqdm

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
)


def unpack(archive: Path, target: Path, *, accepts: Callable[[Path], bool]) -> None:
    """Unpack a zip or tar file into a new folder, which appears only when complete.

    A single folder at the top of the archive is left out: its content goes straight
    into the target.

    Parameters
    ----------
    archive : pathlib.Path
        A zip file, or a tar file with or without compression.
    target : pathlib.Path
        The folder to make. It must not exist.
    accepts : callable
        Called with the unpacked folder; False refuses it.

    Raises
    ------
    FileNotFoundError
        If there is no such archive.
    ValueError
        If it is no archive, is damaged, holds a file that would land outside the
        target, or is refused.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"There is no archive {archive}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}-", dir=target.parent
    ) as scratch:
        folder = Path(scratch, "content")
        folder.mkdir()
        try:
            _extract(archive, folder)
        except _DAMAGE as error:
            raise ValueError(
                f"{archive} is damaged ({error}): fetch it again"
            ) from error
        root = _without_single_folder(folder)
        if not accepts(root):
            raise ValueError(f"{archive} does not hold the expected files")
        os.replace(root, target)


def _extract(archive: Path, folder: Path) -> None:
    base = folder.resolve()
    for name, content in tqdm(
        _members(archive), desc=f"Unpacking {archive.name}", unit=" files"
    ):
        path = (base / name).resolve()
        if not path.is_relative_to(base):
            raise ValueError(
                f"{archive} is refused: its file {name!r} would land outside the "
                "folder it is unpacked into"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the regular files of an archive; links and devices are left out."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                if not entry.is_dir():
                    with file.open(entry) as content:
                        yield entry.filename, content
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None:
                    yield member.name, stream
    else:
        raise ValueError(f"{archive} is neither a zip nor a tar file")


def _without_single_folder(folder: Path) -> Path:
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
