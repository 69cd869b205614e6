"""Folders of audio files with one subfolder a class: written and read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_consistent_length

from sklearn_audio.datasets._base import Clip, as_bunch

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"))


def load_audio_folder(
    folder: str | os.PathLike[str], *, return_X_y: bool = False
) -> Bunch | tuple[NDArray, NDArray]:
    """Load your own audio files: a folder with one subfolder a class.

    Parameters
    ----------
    folder : str or path-like
        Its subfolders are the classes. Audio files (wav, flac, ogg, mp3, aiff, opus)
        are found at any depth in them. Names that start with a dot are left out.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        paths : ndarray of shape (n_clips,), object
            Paths of the audio files, as str, sorted within their class.
        target : ndarray of shape (n_clips,), str
            The name of the subfolder.
        target_names : ndarray of str
            The classes, sorted.
        groups, folds, sample_rate : None
            A folder does not tell. If several clips come from one speaker or
            recording, make an array of groups yourself before you cross-validate.
        DESCR : str
            The folder's path.

    (paths, target) : tuple of ndarray, if ``return_X_y`` is True
        The same arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no audio file in its subfolders.

    See Also
    --------
    save_clips : Write such a folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_audio_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "dog").mkdir()
    ...     Path(folder, "dog", "bark.wav").touch()
    ...     paths, y = load_audio_folder(folder, return_X_y=True)
    >>> y
    array(['dog'], dtype='<U3')
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}")
    clips = [
        Clip(path, label=subfolder.name)
        for subfolder in sorted(root.iterdir())
        if subfolder.is_dir() and not subfolder.name.startswith(".")
        for path in sorted(subfolder.rglob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    ]
    if not clips:
        raise FileNotFoundError(
            f"No audio files in the subfolders of {root}: give one subfolder to each "
            f"class, with files that end in {', '.join(sorted(AUDIO_SUFFIXES))}"
        )
    return as_bunch(
        clips,
        sample_rate=None,
        description=f"Audio files in {root}, one subfolder a class",
        return_X_y=return_X_y,
    )


def save_clips(
    folder: str | os.PathLike[str],
    X: NDArray | Sequence[NDArray],
    y: ArrayLike,
    *,
    sample_rate: int,
) -> NDArray:
    """Write clips as 16-bit wav files, one subfolder a class.

    The folder appears only when every file in it is written.

    Parameters
    ----------
    folder : str or path-like
        Folder to make. It must not exist, or be empty.
    X : ndarray of shape (n_clips, n_samples) or sequence of 1-D ndarray
        Mono clips in [-1, 1].
    y : array-like of shape (n_clips,)
        Their classes; as text they must be fit for folder names.
    sample_rate : int
        Rate of the clips in Hz.

    Returns
    -------
    paths : ndarray of shape (n_clips,), object
        Path of each clip's file, in the order of `X`: ``<class>/<class>_<number>.wav``.

    Raises
    ------
    FileExistsError
        If the folder holds something.
    ValueError
        If `X` and `y` differ in length, a clip is not a 1-D array in [-1, 1], or a
        class is not fit for a folder name.

    See Also
    --------
    load_audio_folder : Read such a folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import make_sound_events, save_clips
    >>> X, y = make_sound_events(2, classes=["bell", "drum"], random_state=0)
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     paths = save_clips(Path(scratch, "sounds"), X, y, sample_rate=16000)
    >>> sorted(Path(path).name for path in paths)
    ['bell_0.wav', 'drum_1.wav']
    """
    target = Path(folder).expanduser().absolute()
    labels = _folder_names(y)
    check_consistent_length(X, labels)
    _make_way(target)
    digits = len(str(max(len(labels) - 1, 0)))
    names = [
        Path(label, f"{label}_{index:0{digits}d}.wav")
        for index, label in enumerate(labels)
    ]
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}-", dir=target.parent
    ) as scratch:
        content = Path(scratch, "content")
        content.mkdir()
        for index, (clip, name) in enumerate(zip(X, names, strict=True)):
            _write(content / name, _checked(clip, index), sample_rate)
        os.replace(content, target)
    return np.array([str(target / name) for name in names], dtype=object)


def _make_way(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise FileExistsError(f"{target} holds something: name a new or empty folder")
    target.rmdir()


def _folder_names(y: ArrayLike) -> list[str]:
    labels = [str(label) for label in np.asarray(y)]
    for label in set(labels):
        if not label or label[0] == "." or "/" in label or "\\" in label:
            raise ValueError(
                f"y: the class {label!r} cannot name a folder; rename it, without "
                "slashes and without a dot in front"
            )
    return labels


def _checked(clip: NDArray, index: int) -> NDArray:
    samples = np.asarray(clip)
    if samples.ndim != 1:
        raise ValueError(
            f"X: clip {index} must be a 1-D array of samples, but its shape is "
            f"{samples.shape}"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"X: clip {index} must hold floats in [-1, 1], but its dtype is "
            f"{samples.dtype}"
        )
    # Written so that NaN fails it too.
    if not (np.abs(samples) <= 1).all():
        raise ValueError(
            f"X: clip {index} has samples outside [-1, 1] or NaN; scale it down first"
        )
    return samples


def _write(path: Path, samples: NDArray, sample_rate: int) -> None:
    import soundfile

    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, sample_rate, subtype="PCM_16")
