"""UrbanSound8K: sounds of the city."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio._download import PublishedFile
from sklearn_audio.datasets._base import Clip, DataSet, load_data_set, read_table

_DESCRIPTION = """\
UrbanSound8K

Sounds of the city, cut from field recordings of the Freesound project.

Size       8732 clips, 10 classes of different size; 6 GB
Audio      wav (or Vorbis, in re-encoded copies) up to 4 seconds; the published clips
           keep the rates (8 to 192 kHz), depths and channels of their recordings
Target     the class: air_conditioner, car_horn, children_playing, dog_bark, drilling,
           engine_idling, gun_shot, jackhammer, siren or street_music
Groups     the Freesound recording that the clip was cut from
Folds      10 official folds; the clips of one recording are in one fold. Use these
           folds: shuffled ones mix the clips of a recording and flatter the result
Licence    CC BY-NC 3.0: not for commercial use
Citation   J. Salamon, C. Jacoby and J. P. Bello, "A Dataset and Taxonomy for Urban
           Sound Research", ACM Multimedia, 2014. https://doi.org/10.1145/2647868.2655045
Data       https://doi.org/10.5281/zenodo.1203745
"""

# The classID of a clip is a position in this tuple.
_CLASSES = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)


def _read(root: Path) -> list[Clip]:
    """Read the published layout, or a copy with one ``meta.csv``."""
    columns = ("fold", "classID", "fsID")
    published = read_table(
        root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", *columns)
    )
    located = [
        (root / "audio" / f"fold{row['fold']}" / row["slice_file_name"], row)
        for row in published
    ] or [
        (root / row["filename"], row)
        for row in read_table(root / "meta.csv", ("filename", *columns))
    ]
    return [
        Clip(
            path,
            label=_CLASSES[int(row["classID"])],
            group=row["fsID"],
            fold=int(row["fold"]),
        )
        for path, row in located
        if path.is_file()
    ]


_URBANSOUND8K = DataSet(
    name="UrbanSound8K",
    description=_DESCRIPTION,
    sample_rate=None,
    n_clips=8732,
    read=_read,
    content=(
        "metadata/UrbanSound8K.csv with audio/fold*/*.wav, or meta.csv with its audio "
        "files"
    ),
    folders=("UrbanSound8K", "urbansound8k*"),
    page="https://doi.org/10.5281/zenodo.1203745",
    archive=PublishedFile(
        url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
        file_name="UrbanSound8K.tar.gz",
        # As in soundata.
        checksum="md5:9aa69802bbf37fb986f71ec1483a196e",
        megabytes=6023,
    ),
)


def load_urbansound8k(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Load UrbanSound8K: sounds of the city in 10 classes.

    8732 clips of up to 4 seconds; CC BY-NC 3.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set, or in which its folder lies. By default see
        :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        Fetch the published archive (6 GB) into `data_home`, if the whole set is not
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
            The class, such as "dog_bark" or "siren".
        target_names : ndarray of str
            The classes that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The Freesound recording that the clip was cut from.
        folds : ndarray of shape (n_clips,), int
            The official fold, 1 to 10; no recording straddles two folds.
        sample_rate : None
            The published clips have various rates, 8 to 192 kHz.
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
    .. [1] J. Salamon, C. Jacoby and J. P. Bello, "A Dataset and Taxonomy for Urban
       Sound Research", ACM Multimedia, 2014. https://doi.org/10.1145/2647868.2655045

    Examples
    --------
    One file listed in a table makes a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_urbansound8k
    >>> table = "filename,fold,classID,fsID"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "101415-3-0-2.ogg").touch()
    ...     row = "101415-3-0-2.ogg,1,3,101415"
    ...     _ = Path(folder, "meta.csv").write_text(f"{table}\n{row}\n")
    ...     data = load_urbansound8k(data_home=folder)
    >>> data.target.tolist(), data.folds.tolist(), data.groups.tolist()
    (['dog_bark'], [1], ['101415'])
    """
    return load_data_set(
        _URBANSOUND8K,
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
