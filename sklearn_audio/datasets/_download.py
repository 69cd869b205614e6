"""Fetch an archive over the network and unpack it, all or nothing."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt; twice that before the third
_CHUNK = 2**20  # bytes
_TIMEOUT = 30  # seconds without an answer

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
)


@dataclass(frozen=True)
class Archive:
    """A published archive file."""

    url: str
    # Where a copy fetched by hand is looked for, below the data folder.
    file_name: str
    # "sha256:..." or "md5:..."
    checksum: str
    megabytes: int


def fetch(archive: Archive, folder: Path, *, name: str) -> Path:
    """Download an archive and check it, or check the copy that lies in the folder.

    Parameters
    ----------
    archive : Archive
        What to fetch.
    folder : pathlib.Path
        Where the file goes. A file of that name with the right checksum is taken
        without touching the network.
    name : str
        The data set's name, for messages.

    Returns
    -------
    file : pathlib.Path
        The checked file.

    Raises
    ------
    ImportError
        If pooch is not installed.
    ConnectionError
        If the server cannot be reached, or breaks off three times.
    ValueError
        If the file has another checksum than the published one; it is not kept.
    """
    pooch = _import_pooch()
    import requests

    file = folder / archive.file_name
    failure: Exception | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt * _PAUSE)
        try:
            pooch.retrieve(
                archive.url,
                known_hash=archive.checksum,
                fname=archive.file_name,
                path=folder,
                downloader=_download,
            )
            return file
        except requests.RequestException as error:
            failure = error
        except ValueError as error:
            raise ValueError(_changed(archive, name)) from error
    raise ConnectionError(_unreachable(archive, file, name)) from failure


def _download(url: str, output_file: str, _: object) -> None:
    """Stream a file to the disk, as pooch asks for it.

    pooch's own downloader leaves the connection and its progress bar open when the
    transfer breaks off.
    """
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        size = int(response.headers.get("content-length", 0)) or None
        with (
            open(output_file, "wb") as file,
            tqdm(total=size, unit="B", unit_scale=True) as progress,
        ):
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))


def _import_pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "Downloads need pooch: pip install sklearn-audio[data]"
        ) from error
    return pooch


def _unreachable(archive: Archive, file: Path, name: str) -> str:
    return (
        f"The archive of {name} could not be fetched from {archive.url} "
        f"({archive.megabytes} MB, {_ATTEMPTS} attempts). If there is no network here, "
        f"fetch it elsewhere, put it at {file} and call again with download=True, or "
        "pass archive=<its path>."
    )


def _changed(archive: Archive, name: str) -> str:
    return (
        f"What {archive.url} sent is not the published archive of {name}: its checksum "
        f"is not {archive.checksum}. Nothing was kept. If its publisher has replaced "
        "the archive, fetch it by hand and pass archive=<its path>."
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
