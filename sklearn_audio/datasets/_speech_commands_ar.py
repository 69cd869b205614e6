"""Arabic Speech Commands."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio.datasets._base import Clip, DataSet, load_data_set, read_table

_DESCRIPTION = """\
Arabic Speech Commands, version 1

Arabic keywords for small devices, named here by their English translations.

Size       12000 clips: 40 keywords x 30 speakers x 10 repetitions; 384 MB
Audio      wav (or Vorbis, in re-encoded copies), 16 kHz, mono, 1 second
Target     the keyword
Groups     the speaker
Split      "train", "validation" or "test", as published: no speaker is in two of them
Role       "known" for ten commands (close, down, left, no, open, right, start, stop,
           up, yes), "unknown" for the other keywords: a choice of this package, for
           open-set experiments
Licence    CC BY 4.0
Citation   A. Ghandoura, F. Hjabo and O. Al Dakkak, "Building and benchmarking an Arabic
           Speech Commands dataset for small-footprint keyword spotting", Engineering
           Applications of Artificial Intelligence 102, 2021.
           https://doi.org/10.1016/j.engappai.2021.104267
Data       https://doi.org/10.5281/zenodo.4662481
"""

_KNOWN_WORDS = frozenset(
    ("close", "down", "left", "no", "open", "right", "start", "stop", "up", "yes")
)
_SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def _read(root: Path) -> list[Clip]:
    return _read_single_table(root) or _read_published_tables(root)


def _read_published_tables(root: Path) -> list[Clip]:
    """Read the archive's layout: one table a split, files named by their speaker."""
    return [
        _clip(root / row["file"], row["class"], Path(row["file"]).name, split)
        for split in _SPLITS
        for row in read_table(root / f"{split}.csv", ("file", "class"))
        if (root / row["file"]).is_file()
    ]


def _read_single_table(root: Path) -> list[Clip]:
    """Read a copy with one table, ``meta.csv``."""
    columns = ("filename", "keyword", "speaker", "split")
    return [
        _clip(root / row["filename"], row["keyword"], row["speaker"], row["split"])
        for row in read_table(root / "meta.csv", columns)
        if (root / row["filename"]).is_file()
    ]


def _clip(path: Path, keyword: str, speaker: str, split: str) -> Clip:
    label = keyword.strip().replace(" ", "_")
    return Clip(
        path,
        label=label,
        # A published file is named <speaker>_NO_<repetition>.wav.
        group=speaker.split("_")[0],
        split=_SPLITS.get(split, split),
        role="known" if label in _KNOWN_WORDS else "unknown",
    )


_SPEECH_COMMANDS_AR = DataSet(
    name="Arabic Speech Commands",
    description=_DESCRIPTION,
    sample_rate=16000,
    n_clips=12_000,
    read=_read,
    content="train.csv and its like, or meta.csv, with their audio files",
    folders=(
        "arabic-speech-commands-dataset",
        "*arabic-speech-commands-dataset*",
        "speech_commands_ar*",
    ),
    page="https://doi.org/10.5281/zenodo.4662481",
)


def load_speech_commands_ar(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Load Arabic Speech Commands: 40 Arabic keywords by 30 speakers.

    12000 clips of 1 second at 16 kHz; CC BY 4.0. The set has no automatic download,
    because this package knows no checksum of its archive. Fetch the archive from
    https://doi.org/10.5281/zenodo.4662481 and pass it as `archive` once.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set, or in which its folder lies. By default see
        :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        True raises, unless the whole set is there: see above.
    archive : str or path-like, default=None
        The published archive, fetched by hand; it is unpacked into `data_home` if the
        whole set is not there yet. You vouch for it: no checksum is compared.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        paths : ndarray of shape (n_clips,), object
            Paths of the audio files, as str.
        target : ndarray of shape (n_clips,), str
            The keyword in English, with underscores for spaces.
        target_names : ndarray of str
            The keywords that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The speaker.
        folds : None
            The set has no official folds.
        split : ndarray of shape (n_clips,), str
            "train", "validation" or "test": the official split, which no speaker
            straddles.
        role : ndarray of shape (n_clips,), str
            "known" for close, down, left, no, open, right, start, stop, up and yes;
            "unknown" for the other keywords. A choice of this package.
        sample_rate : int
            16000 Hz.
        DESCR : str
            Origin, size, licence and citation.

    (paths, target) : tuple of ndarray, if ``return_X_y`` is True
        The same arrays.

    Raises
    ------
    FileNotFoundError
        If no copy, or only an empty one, is found.
    ValueError
        If `download` is True and the whole set is not there, or the archive is
        damaged.

    References
    ----------
    .. [1] A. Ghandoura, F. Hjabo and O. Al Dakkak, "Building and benchmarking an Arabic
       Speech Commands dataset for small-footprint keyword spotting", Engineering
       Applications of Artificial Intelligence 102, 2021.
       https://doi.org/10.1016/j.engappai.2021.104267

    Examples
    --------
    One file named as in the published set makes a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_speech_commands_ar
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "00000030_NO_01.wav").touch()
    ...     table = "file,class\n00000030_NO_01.wav,zoom in\n"
    ...     _ = Path(folder, "test.csv").write_text(table)
    ...     data = load_speech_commands_ar(data_home=folder)
    >>> data.target.tolist(), data.groups.tolist(), data.split.tolist()
    (['zoom_in'], ['00000030'], ['test'])
    """
    return load_data_set(
        _SPEECH_COMMANDS_AR,
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
