"""Google's Speech Commands."""

from __future__ import annotations

import os
import re
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio._download import PublishedFile
from sklearn_audio.datasets._base import Clip, DataSet, load_data_set

_DESCRIPTION = """\
Speech Commands, version {version}

Single English words, recorded by volunteers through their browsers. Ten words are the
commands that a device should know; the others stand for all it should not react to.

Size       {n_clips} clips, {n_words} words; {gigabytes} GB
Audio      wav, 16 kHz, mono, up to 1 second
Target     the word; the long recordings of background noise are left out
Groups     the speaker, an anonymous code
Split      "train", "validation" or "test", as published: no speaker is in two of them
Role       "known" for the ten commands (yes, no, up, down, left, right, on, off, stop,
           go), "unknown" for the other words
Licence    CC BY 4.0
Citation   P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech
           Recognition", 2018. https://doi.org/10.48550/arXiv.1804.03209
"""

_KNOWN_WORDS = frozenset(
    ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
)
_FILE_NAME = re.compile(r"(?P<speaker>[^_]+)_nohash_\d+\.wav")
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


def _read(root: Path) -> list[Clip]:
    if not root.is_dir():
        return []
    splits = _read_splits(root)
    clips = []
    for folder in sorted(root.iterdir()):
        # Names with an underscore in front hold no words but background noise.
        if folder.name.startswith(("_", ".")) or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            name = _FILE_NAME.fullmatch(path.name)
            if name is None:
                continue
            word = folder.name
            clips.append(
                Clip(
                    path,
                    label=word,
                    group=name["speaker"],
                    split=splits.get(f"{word}/{path.name}", "train"),
                    role="known" if word in _KNOWN_WORDS else "unknown",
                )
            )
    return clips if splits else [clip._replace(split=None) for clip in clips]


def _read_splits(root: Path) -> dict[str, str]:
    """Map "word/file" to its split; files in neither list are for training."""
    splits = {}
    for split, file_name in _LISTS.items():
        path = root / file_name
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            splits.update({line.strip(): split for line in lines})
    return splits


def _version(
    number: int, n_clips: int, n_words: int, megabytes: int, sha256: str
) -> DataSet:
    label = f"speech_commands_v0.0{number}"
    return DataSet(
        name=f"Speech Commands version {number}",
        description=_DESCRIPTION.format(
            version=number,
            n_clips=n_clips,
            n_words=n_words,
            gigabytes=megabytes / 1000,
        ),
        sample_rate=16000,
        n_clips=n_clips,
        read=_read,
        content="<word>/<speaker>_nohash_<repetition>.wav",
        folders=(label, f"SpeechCommands/{label}", "speech_commands"),
        page="https://doi.org/10.48550/arXiv.1804.03209",
        archive=PublishedFile(
            url=f"https://storage.googleapis.com/download.tensorflow.org/data/{label}.tar.gz",
            file_name=f"{label}.tar.gz",
            checksum=f"sha256:{sha256}",
            megabytes=megabytes,
        ),
    )


# The checksums are those of torchaudio.
_VERSIONS = {
    1: _version(
        1,
        n_clips=64_721,
        n_words=30,
        megabytes=1489,
        sha256="743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    ),
    2: _version(
        2,
        n_clips=105_829,
        n_words=35,
        megabytes=2429,
        sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
}


def load_speech_commands(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    version: int = 2,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load Google's Speech Commands: single English words by thousands of speakers.

    105829 clips of up to 1 second at 16 kHz in 35 words (version 2); CC BY 4.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set, or in which its folder lies. By default see
        :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        Fetch the published archive (2.4 GB; version 1: 1.5 GB) into `data_home`, if
        the whole set is not there yet. Needs the extra ``data``.
    archive : str or path-like, default=None
        The published archive, fetched by hand; it is unpacked into `data_home` if the
        whole set is not there yet. You vouch for it: no checksum is compared.
    version : {1, 2}, default=2
        Version 2 has 35 words and version 1 has 30. A copy in `data_home` itself, or
        in its folder ``speech_commands``, is taken for the version asked for.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        paths : ndarray of shape (n_clips,), object
            Paths of the audio files, as str. Background noise is left out.
        target : ndarray of shape (n_clips,), str
            The word.
        target_names : ndarray of str
            The words that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The speaker.
        folds : None
            The set has no official folds.
        split : ndarray of shape (n_clips,), str
            "train", "validation" or "test": the official split, which no speaker
            straddles. Missing where the copy has no lists of the split.
        role : ndarray of shape (n_clips,), str
            "known" for the ten commands yes, no, up, down, left, right, on, off, stop
            and go; "unknown" for the other words.
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
    ConnectionError
        If the archive cannot be downloaded.
    ValueError
        If `version` is unknown, or the archive is damaged or not the published one.

    References
    ----------
    .. [1] P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech
       Recognition", 2018. https://doi.org/10.48550/arXiv.1804.03209

    Examples
    --------
    Two files named as in the published set make a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_speech_commands
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for word in ("bed", "yes"):
    ...         Path(folder, word).mkdir()
    ...         Path(folder, word, "0a7c2a8d_nohash_0.wav").touch()
    ...     data = load_speech_commands(data_home=folder)
    >>> data.target.tolist(), data.role.tolist()
    (['bed', 'yes'], ['unknown', 'known'])
    """
    if version not in _VERSIONS:
        raise ValueError(f"version must be 1 or 2, not {version!r}")
    return load_data_set(
        _VERSIONS[version],
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
