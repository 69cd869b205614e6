"""ESC-50: environmental sounds."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio._download import PublishedFile
from sklearn_audio.datasets._base import Clip, DataSet, load_data_set, read_table

_DESCRIPTION = """\
ESC-50: Environmental Sound Classification

Sounds of animals, nature, people, homes and cities, cut from field recordings of the
Freesound project.

Size       2000 clips: 50 classes x 40; 646 MB
Audio      wav (or Vorbis, in re-encoded copies), 44.1 kHz, mono, 5 seconds; short
           sounds are padded with digital silence
Target     the class
Categories animals, natural, human, interior, exterior: 10 classes each
Groups     the Freesound recording that the clip was cut from
Folds      5 official folds; the clips of one recording are in one fold
Licence    CC BY-NC 3.0: not for commercial use
Citation   K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM
           Multimedia, 2015. https://doi.org/10.1145/2733373.2806390
"""

PAGE = "https://github.com/karolpiczak/ESC-50"

# An archive of a commit stays the same, one of the branch does not. The host publishes
# no checksum; two projects that use this commit's archive report this one.
_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
FOLDERS = ("ESC-50-master", "ESC-50*", "esc50*")
ARCHIVE = PublishedFile(
    url=f"{PAGE}/archive/{_COMMIT}.zip",
    file_name=f"ESC-50-{_COMMIT}.zip",
    checksum="sha256:661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
    megabytes=646,
)

# The table of classes counts them through, ten of each category.
CATEGORIES = {
    label: category
    for category, labels in {
        "animals": "dog rooster pig cow frog cat hen insects sheep crow",
        "natural": (
            "rain sea_waves crackling_fire crickets chirping_birds water_drops wind "
            "pouring_water toilet_flush thunderstorm"
        ),
        "human": (
            "crying_baby sneezing clapping breathing coughing footsteps laughing "
            "brushing_teeth snoring drinking_sipping"
        ),
        "interior": (
            "door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening "
            "washing_machine vacuum_cleaner clock_alarm clock_tick glass_breaking"
        ),
        "exterior": (
            "helicopter chainsaw siren car_horn engine train church_bells airplane "
            "fireworks hand_saw"
        ),
    }.items()
    for label in labels.split()
}


def read_esc50(root: Path) -> list[Clip]:
    """Read the published layout, or a copy with one ``meta.csv``."""
    columns = ("filename", "fold", "category", "src_file")
    published = read_table(root / "meta" / "esc50.csv", columns)
    if published:
        return _clips(root / "audio", published)
    return _clips(root, read_table(root / "meta.csv", columns))


def _clips(folder: Path, rows: list[dict[str, str]]) -> list[Clip]:
    return [
        Clip(
            folder / row["filename"],
            label=row["category"],
            group=row["src_file"],
            fold=int(row["fold"]),
        )
        for row in rows
        if (folder / row["filename"]).is_file()
    ]


_ESC50 = DataSet(
    name="ESC-50",
    description=_DESCRIPTION,
    sample_rate=44_100,
    n_clips=2000,
    read=read_esc50,
    content="meta/esc50.csv with audio/*.wav, or meta.csv with its audio files",
    folders=FOLDERS,
    page=PAGE,
    archive=ARCHIVE,
    categories=CATEGORIES,
)


def load_esc50(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download: bool = False,
    archive: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    r"""Load ESC-50: environmental sounds in 50 classes.

    2000 clips of 5 seconds at 44.1 kHz; CC BY-NC 3.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder that holds the set, or in which its folder lies. By default see
        :func:`get_data_home`. A partial copy is loaded as far as it goes.
    download : bool, default=False
        Fetch the published archive (646 MB) into `data_home`, if the whole set is not
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
            The class, such as "dog" or "sea_waves".
        target_names : ndarray of str
            The classes that occur, sorted.
        groups : ndarray of shape (n_clips,), str
            The Freesound recording that the clip was cut from.
        folds : ndarray of shape (n_clips,), int
            The official fold, 1 to 5; no recording straddles two folds.
        categories : dict of str to str
            The category of each class that occurs: "animals", "natural" (soundscapes
            and water), "human" (non-speech), "interior" or "exterior" (in the city),
            such as :class:`~sklearn_audio.model_selection.ZeroShotSplit` takes them.
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
    load_esc10 : Ten of the classes, under a licence without that restriction.

    References
    ----------
    .. [1] K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM
       Multimedia, 2015. https://doi.org/10.1145/2733373.2806390

    Examples
    --------
    One file listed as in the published set makes a partial copy:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_audio.datasets import load_esc50
    >>> table = "filename,fold,target,category,esc10,src_file,take"
    >>> row = "4-182395-A-0.wav,4,0,dog,True,182395,A"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("audio", "meta"):
    ...         Path(folder, name).mkdir()
    ...     Path(folder, "audio", "4-182395-A-0.wav").touch()
    ...     _ = Path(folder, "meta", "esc50.csv").write_text(f"{table}\n{row}\n")
    ...     data = load_esc50(data_home=folder)
    >>> data.target.tolist(), data.folds.tolist(), data.groups.tolist()
    (['dog'], [4], ['182395'])
    >>> data.categories
    {'dog': 'animals'}
    """
    return load_data_set(
        _ESC50,
        data_home=data_home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )
