"""ESC-10: environmental sounds, ten easy classes."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio.datasets._base import Clip, DataSet, load_data_set
from sklearn_audio.datasets._esc50 import (
    ARCHIVE,
    CATEGORIES,
    FOLDERS,
    PAGE,
    read_esc50,
)

_DESCRIPTION = """\
ESC-10: Environmental Sound Classification, ten classes

The ten classes of ESC-50 that people tell apart best: chainsaw, clock_tick,
crackling_fire, crying_baby, dog, helicopter, rain, rooster, sea_waves, sneezing.

Size       400 clips: 10 classes x 40; part of the archive of ESC-50 (646 MB)
Audio      44.1 kHz, mono: wav of 5 seconds in ESC-50, Vorbis of 3.6 to 7.2 seconds in
           the first release of ESC-10
Target     the class
Categories animals (2), natural (3), human (2), interior (1), exterior (2)
Groups     the Freesound recording that the clip was cut from
Folds      5 official folds; the clips of one recording are in one fold
Licence    CC BY 3.0
Citation   K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM
           Multimedia, 2015. https://doi.org/10.1145/2733373.2806390
"""

_CLASSES = frozenset(
    (
        "chainsaw",
        "clock_tick",
        "crackling_fire",
        "crying_baby",
        "dog",
        "helicopter",
        "rain",
        "rooster",
        "sea_waves",
        "sneezing",
    )
)


def _read(root: Path) -> list[Clip]:
    return [clip for clip in read_esc50(root) if clip.label in _CLASSES]


_ESC10 = DataSet(
    name="ESC-10",
    description=_DESCRIPTION,
    sample_rate=44_100,
    n_clips=400,
    read=_read,
    content="meta/esc50.csv with audio/*.wav, or meta.csv with its audio files",
    # ESC-50 holds ESC-10.
    folders=(*FOLDERS, "esc10*"),
    page=PAGE,
    archive=ARCHIVE,
    categories=CATEGORIES,
)


def load_esc10(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Load ESC-10: environmental sounds in 10 classes, a part of ESC-50.

    400 clips at 44.1 kHz, of 5 seconds in a copy of ESC-50 and of 3.6 to 7.2 seconds in
    a copy of ESC-10 alone; CC BY 3.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set or ESC-50, or in which the folder of either lies. By
        default see :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        Fetch the published archive of ESC-50 (646 MB) into `data_home`, if the whole
        of ESC-10 is not there yet. Needs the extra ``data``.
    archive : str or path-like, default=None
        The published archive of ESC-50, fetched by hand; it is unpacked into
        `data_home` if the whole of ESC-10 is not there yet. You vouch for it: no
        checksum is compared.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        paths : ndarray of shape (n_clips,), object
            Paths of the audio files, as str.
        target : ndarray of shape (n_clips,), str
            The class, such as "dog" or "sea_waves".
        target_names : ndarray of str
            The classes that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The Freesound recording that the clip was cut from.
        folds : ndarray of shape (n_clips,), int
            The official fold, 1 to 5; no recording straddles two folds.
        categories : dict of str to str
            The category of each class that occurs: "animals", "natural", "human",
            "interior" or "exterior", as in :func:`load_esc50`.
        sample_rate : int
            44100 Hz.
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

    See Also
    --------
    load_esc50 : All 50 classes.

    References
    ----------
    .. [1] K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM
       Multimedia, 2015. https://doi.org/10.1145/2733373.2806390

    Examples
    --------
    One file listed in a table makes a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_esc10
    >>> table = "filename,fold,category,src_file"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "1-100032-A.ogg").touch()
    ...     row = "1-100032-A.ogg,1,dog,100032"
    ...     _ = Path(folder, "meta.csv").write_text(f"{table}\n{row}\n")
    ...     data = load_esc10(data_home=folder)
    >>> data.target.tolist(), data.folds.tolist(), data.groups.tolist()
    (['dog'], [1], ['100032'])
    """
    return load_data_set(
        _ESC10,
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
