"""Audio files: found in folders, and read in blocks of which some may fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from sklearn_audio.datasets._folder import AUDIO_SUFFIXES
from sklearn_audio.feature_extraction._audio_loader import AudioLoader

# Files in memory at a time: what a network infers at once, a few times over.
_FILES_PER_BLOCK = 128
# What the loader raises where a file is at fault.
_FAILURES = (OSError, TypeError, ValueError)


class Block(NamedTuple):
    """Some files after reading."""

    # The files that could be read, and what is in them.
    paths: list[str]
    waveforms: list[NDArray]
    # Path and reason of each file that could not.
    failures: list[str]

    @property
    def n_files(self) -> int:
        """Count the files that were tried."""
        return len(self.paths) + len(self.failures)


def find_audio_files(folder: Path) -> list[str]:
    """Return the paths of the audio files in a folder at any depth, sorted."""
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    ]


def read_blocks(loader: AudioLoader, paths: Iterable[str]) -> Iterator[Block]:
    """Read files, as many at a time as fit into memory.

    Parameters
    ----------
    loader : AudioLoader
        Raises an error where a file cannot be read.
    paths : iterable of str
        The files.

    Yields
    ------
    block : Block
        What could be read of the next files, and why the rest could not.
    """
    iterator = iter(paths)
    while names := list(islice(iterator, _FILES_PER_BLOCK)):
        try:
            yield Block(names, list(loader.transform(names)), [])
        except _FAILURES:
            # The error names the first bad file alone, and maybe there are more.
            yield _read_one_by_one(loader, names)


def _read_one_by_one(loader: AudioLoader, paths: list[str]) -> Block:
    block = Block([], [], [])
    for path in paths:
        try:
            waveform = loader.transform([path])[0]
        except _FAILURES as error:
            # The loader names the clip by its place in a list that nobody gave. What
            # it was told is the cause.
            block.failures.append(f"{path}: {error.__cause__ or error}")
        else:
            block.paths.append(path)
            block.waveforms.append(waveform)
    return block
