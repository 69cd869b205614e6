"""Where downloads are kept, and how a published file gets there: all or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

DATA_VARIABLE = "SKLEARN_AUDIO_DATA"

_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt; twice that before the third
_CHUNK = 2**20  # bytes
_TIMEOUT = 30  # seconds without an answer


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that the loaders look in and download to.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. By default the one that the environment variable
        ``SKLEARN_AUDIO_DATA`` names and, without that variable, ``sklearn_audio`` in
        the user's cache folder (``~/.cache`` or ``XDG_CACHE_HOME`` on Linux).

    Returns
    -------
    folder : pathlib.Path
        The folder, absolute. It is not created.

    Examples
    --------
    >>> from sklearn_audio.datasets import get_data_home
    >>> get_data_home("sounds").name
    'sounds'
    """
    chosen = data_home or os.environ.get(DATA_VARIABLE) or _user_cache()
    return Path(chosen).expanduser().absolute()


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base, "sklearn_audio")


@dataclass(frozen=True)
class PublishedFile:
    """A file that its publisher offers for download."""

    url: str
    # Where a copy fetched by hand is looked for, in the folder of `fetch`.
    file_name: str
    # "sha256:..." or "md5:..." of the file, or None where `accepts` judges its content.
    checksum: str | None
    megabytes: float
    # Called with the downloaded file; False refuses it.
    accepts: Callable[[Path], bool] | None = None


def fetch(
    published: PublishedFile, folder: Path, *, name: str, by_hand: str | None
) -> Path:
    """Download a file and check it, or check the copy that lies in the folder.

    Parameters
    ----------
    published : PublishedFile
        What to fetch.
    folder : pathlib.Path
        Where the file goes. A file of that name with the right checksum is taken
        without touching the network.
    name : str
        What the file is, for messages.
    by_hand : str or None
        The argument that names a copy fetched by hand, for messages. None where there
        is no such argument.

    Returns
    -------
    file : pathlib.Path
        The checked file, which appears only when it is complete and right.

    Raises
    ------
    ImportError
        If pooch is not installed.
    ConnectionError
        If the server cannot be reached, or breaks off three times.
    ValueError
        If what was sent is not what was published; it is not kept.
    """
    pooch = _import_pooch()
    import requests

    file = folder / published.file_name
    failure: Exception | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt * _PAUSE)
        try:
            pooch.retrieve(
                published.url,
                known_hash=published.checksum,
                fname=published.file_name,
                path=folder,
                downloader=partial(_download, accepts=published.accepts),
            )
            return file
        except requests.RequestException as error:
            failure = error
        except ValueError as error:
            raise ValueError(_changed(published, file, name, by_hand)) from error
    raise ConnectionError(_unreachable(published, file, name, by_hand)) from failure


def _download(
    url: str,
    output_file: str,
    _: object,
    *,
    accepts: Callable[[Path], bool] | None,
) -> None:
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
    if accepts is not None and not accepts(Path(output_file)):
        raise ValueError("its content is not the published one")


def _import_pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "Downloads need pooch: pip install sklearn-audio[data]"
        ) from error
    return pooch


def _unreachable(
    published: PublishedFile, file: Path, name: str, by_hand: str | None
) -> str:
    or_pass = f", or pass {by_hand}=<its path>" if by_hand else ""
    return (
        f"{name} could not be fetched from {published.url} ({published.megabytes} MB, "
        f"{_ATTEMPTS} attempts). If there is no network here, fetch it elsewhere, put "
        f"it at {file} and call again{or_pass}."
    )


def _changed(
    published: PublishedFile, file: Path, name: str, by_hand: str | None
) -> str:
    checksum = published.checksum or "that of the published content"
    remedy = (
        f"fetch it by hand and pass {by_hand}=<its path>"
        if by_hand
        else f"put a copy with that checksum at {file}"
    )
    return (
        f"What {published.url} sent is not {name} as published: its checksum is not "
        f"{checksum}. Nothing was kept. If its publisher has replaced it, {remedy}."
    )
