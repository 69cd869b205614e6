"""What the loaders share: the data folder, local copies, the Bunch they return."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio._download import DATA_VARIABLE, PublishedFile, fetch, get_data_home
from sklearn_audio.datasets._unpack import unpack


class Clip(NamedTuple):
    """One audio file and what its data set says about it."""

    path: Path
    label: str | tuple[str, ...]  # its class, or all of its tags
    group: str | None = None
    fold: int | None = None
    split: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class DataSet:
    """A published data set: where copies of it lie, and how to read one."""

    name: str
    description: str
    sample_rate: int | None
    # The whole set's number of clips; fewer make a partial copy.
    n_clips: int
    # Returns the clips of a copy, given its root; none if there is no copy.
    read: Callable[[Path], list[Clip]]
    # What `read` looks for in the root, for messages.
    content: str
    # Names of root folders below the data folder; the first is unpacked into.
    folders: tuple[str, ...]
    # Where people get the set by hand.
    page: str
    archive: PublishedFile | None = None
    # The category of each class, where classes are sorted into any.
    categories: Mapping[str, str] | None = None


def load_data_set(
    data_set: DataSet,
    *,
    data_home: str | os.PathLike[str] | None,
    download: bool,
    archive: str | os.PathLike[str] | None,
    return_X_y: bool,
) -> Bunch | tuple[NDArray, NDArray]:
    """Read the local copy of a published set, after fetching it if that was asked."""
    home = get_data_home(data_home)
    clips = _largest_copy(data_set, home)
    if (download or archive is not None) and len(clips) < data_set.n_clips:
        _obtain(data_set, home, archive)
        clips = _largest_copy(data_set, home)
    if not clips:
        raise FileNotFoundError(_not_found(data_set, home))
    data = as_bunch(
        clips,
        sample_rate=data_set.sample_rate,
        description=data_set.description,
        return_X_y=return_X_y,
    )
    if data_set.categories is not None and isinstance(data, Bunch):
        data.categories = {
            label: category
            for label, category in data_set.categories.items()
            if label in data.target_names
        }
    return data


def as_bunch(
    clips: Sequence[Clip],
    *,
    sample_rate: int | None,
    description: str,
    return_X_y: bool,
) -> Bunch | tuple[NDArray, NDArray]:
    """Turn clips into the arrays that every loader returns."""
    paths = np.array([str(clip.path) for clip in clips], dtype=object)
    target, target_names = _as_target([clip.label for clip in clips])
    if return_X_y:
        return paths, target
    bunch = Bunch(
        paths=paths,
        target=target,
        target_names=target_names,
        groups=_column(clips, "group"),
        folds=_column(clips, "fold"),
        sample_rate=sample_rate,
        DESCR=description,
    )
    for name in ("split", "role"):
        values = _column(clips, name)
        if values is not None:
            bunch[name] = values
    return bunch


def _as_target(
    labels: Sequence[str | tuple[str, ...]],
) -> tuple[NDArray, NDArray[np.str_]]:
    """Return classes (n_clips,) or a table of tags (n_clips, n_tags), and the names."""
    tags = [label for label in labels if isinstance(label, tuple)]
    if not tags:
        target = np.array(labels)
        return target, np.unique(target)
    names = sorted({tag for tags_of_clip in tags for tag in tags_of_clip})
    table = [[int(name in label) for name in names] for label in tags]
    return np.array(table), np.array(names)


def _column(clips: Sequence[Clip], name: str) -> NDArray | None:
    values: list[Any] = [getattr(clip, name) for clip in clips]
    return None if None in values else np.array(values)


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a csv file's rows; none if it is missing or lacks one of the columns."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not set(columns) <= set(reader.fieldnames or ()):
            return []
        return list(reader)


def _largest_copy(data_set: DataSet, home: Path) -> list[Clip]:
    """Return the clips of the most complete copy in the folder or below it."""
    roots = [home]
    for pattern in data_set.folders:
        roots += sorted(home.glob(pattern))
    return max(map(data_set.read, roots), key=len)


def _obtain(
    data_set: DataSet, home: Path, archive: str | os.PathLike[str] | None
) -> None:
    """Unpack the given archive, or the published one, into the data folder."""
    target = home / data_set.folders[0]
    if target.exists():
        raise FileExistsError(
            f"{target} exists but does not hold the whole of {data_set.name}: "
            f"{len(data_set.read(target))} of {data_set.n_clips} clips. Move it away "
            "and call again to get the whole set, or leave download and archive out "
            "to load what is there."
        )

    def holds_clips(root: Path) -> bool:
        return bool(data_set.read(root))

    if archive is not None:
        unpack(Path(archive), target, accepts=holds_clips)
        return
    if data_set.archive is None:
        raise ValueError(
            f"download=True: {data_set.name} has no automatic download, since this "
            f"package knows no checksum of its archive. Fetch the archive from "
            f"{data_set.page} and pass archive=<its path>."
        )
    already_there = (home / data_set.archive.file_name).exists()
    name = f"the archive of {data_set.name}"
    file = fetch(data_set.archive, home, name=name, by_hand="archive")
    unpack(file, target, accepts=holds_clips)
    if not already_there:
        file.unlink()


def _not_found(data_set: DataSet, home: Path) -> str:
    folders = ", ".join(data_set.folders)
    fetching = (
        "pass download=True to fetch it"
        if data_set.archive is not None
        else f"fetch its archive from {data_set.page} and pass archive=<its path>"
    )
    return (
        f"{data_set.name} was not found: looked for {data_set.content} in {home} and "
        f"in its folders {folders}. Either {fetching}, or name the folder that holds "
        f"your copy with data_home or the environment variable {DATA_VARIABLE}."
    )
