"""Audio files: found in folders, and read in blocks of which some may fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from sklearn_audio.datasets._folder import _SUFFIXES
from sklearn_audio.feature_extraction._audio_loader import AudioLoader

# Files in memory at a time: what a network infers at once, a few times over.
_FILES_PER_BLOCK = 128


class Block(NamedTuple):
    """Some files after reading."""

    # Place in the block, and samples, of each file that could be read.
    waveforms: dict[int, NDArray]
    # Path and reason of each file that could not.
    failures: list[str]


def find_audio_files(folder: Path) -> list[str]:
    """Return the paths of the audio files in a folder at any depth, sorted."""
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    ]


def blocks_of(paths: Iterable[str]) -> Iterator[list[str]]:
    """Yield paths in blocks that fit into memory once they are read."""
    iterator = iter(paths)
    while block := list(islice(iterator, _FILES_PER_BLOCK)):
        yield block


def read_block(loader: AudioLoader, paths: list[str]) -> Block:
    """Read files at once, or one by one where some of them fail.

    Parameters
    ----------
    loader : AudioLoader
        Raises an error where a file cannot be read.
    paths : list of str
        The files.

    Returns
    -------
    block : Block
        What could be read, and why the rest could not.
    """
    waveforms: dict[int, NDArray] = {}
    failures: list[str] = []
    try:
        return Block(dict(enumerate(loader.transform(paths))), failures)
    except (OSError, TypeError, ValueError):
        pass  # an error names the first bad file alone, and maybe there are more
    for place, path in enumerate(paths):
        try:
            waveforms[place] = loader.transform([path])[0]
        except (OSError, TypeError, ValueError) as error:
            # The loader names the clip by its place in a list that nobody gave. What
            # it was told is the cause.
            failures.append(f"{path}: {error.__cause__ or error}")
    return Block(waveforms, failures)
