"""Free Spoken Digit Dataset."""

from __future__ import annotations

import os
import re
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio._download import PublishedFile
from sklearn_audio.datasets._base import Clip, DataSet, load_data_set

_DESCRIPTION = """\
Free Spoken Digit Dataset (FSDD), version 1.0.10

English digits, zero to nine, spoken by six speakers and trimmed to the word.

Size       3000 clips: 10 digits x 6 speakers x 50 repetitions; 16 MB
Audio      wav, 8 kHz, mono, 0.1 to 2.3 seconds
Target     the digit, "0" to "9"
Groups     the speaker
Split      repetitions 0-4 are "test", the others "train". Both hold every speaker:
           for performance on people never heard before, split by groups.
Licence    CC BY-SA 4.0
Citation   Z. Jackson, C. Souza, J. Flaks, Y. Pan, H. Nicolas and A. Thite,
           Jakobovski/free-spoken-digit-dataset: v1.0.8, 2018.
           https://doi.org/10.5281/zenodo.1342401
"""

_FILE_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>.+)_(?P<repetition>\d+)\.wav")
_N_TEST_REPETITIONS = 5


def _read(root: Path) -> list[Clip]:
    clips = []
    for path in sorted(root.glob("recordings/*.wav")):
        name = _FILE_NAME.fullmatch(path.name)
        if name is None:
            continue
        is_test = int(name["repetition"]) < _N_TEST_REPETITIONS
        clips.append(
            Clip(
                path,
                label=name["digit"],
                group=name["speaker"],
                split="test" if is_test else "train",
            )
        )
    return clips


_FSDD = DataSet(
    name="the Free Spoken Digit Dataset",
    description=_DESCRIPTION,
    sample_rate=8000,
    n_clips=3000,
    read=_read,
    content="recordings/<digit>_<speaker>_<repetition>.wav",
    folders=(
        "free-spoken-digit-dataset-1.0.10",
        "free-spoken-digit-dataset*",
        "fsdd*",
    ),
    page="https://github.com/Jakobovski/free-spoken-digit-dataset",
    archive=PublishedFile(
        url=(
            "https://github.com/Jakobovski/free-spoken-digit-dataset"
            "/archive/refs/tags/v1.0.10.zip"
        ),
        file_name="free-spoken-digit-dataset-1.0.10.zip",
        # The host publishes no checksum. This one is from a public audit of the
        # archive, whose counts of files and samples agree with the set.
        checksum=(
            "sha256:c680098f5d2355ba7cc4bd8b0ca9e0a24c00ebe3b4c552208889a4d28d4fbc2b"
        ),
        megabytes=16,
    ),
)


def load_fsdd(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    """Load the Free Spoken Digit Dataset: English digits by six speakers.

    3000 clips of 0.1 to 2.3 seconds at 8 kHz; CC BY-SA 4.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set, or in which its folder lies. By default see
        :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        Fetch the published archive (16 MB) into `data_home`, if the whole set is not
        there yet. Needs the extra ``data``.
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
            The digit, "0" to "9".
        target_names : ndarray of str
            The digits that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The speaker.
        folds : None
            The set has no official folds.
        split : ndarray of shape (n_clips,), str
            "train" or "test", the official split; both hold every speaker.
        sample_rate : int
            8000 Hz.
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
        If the archive is damaged or not the published one.

    References
    ----------
    .. [1] Z. Jackson et al., "Jakobovski/free-spoken-digit-dataset: v1.0.8", 2018.
       https://doi.org/10.5281/zenodo.1342401

    Examples
    --------
    One file named as in the published set makes a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_fsdd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "recordings").mkdir()
    ...     Path(folder, "recordings", "7_jackson_32.wav").touch()
    ...     data = load_fsdd(data_home=folder)
    >>> data.target, data.groups
    (array(['7'], dtype='<U1'), array(['jackson'], dtype='<U7'))
    """
    return load_data_set(
        _FSDD,
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
