"""Data sets of the libraries soundata and mirdata, as a Bunch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_audio.datasets._base import Clip, as_bunch

# An attribute's name, or a function of the clip.
Property = str | Callable[[Any], Any]
# A class, or all tags.
Label = str | tuple[str, ...]

# Tried in this order where the caller names no attribute.
_LABELS = ("tags", "genre", "instrument")
_GROUPS = ("freesound_id", "src_file", "song_id", "artist_id", "artist")
_FOLDS = ("fold",)
_SPLITS = ("split", "subset")


def from_soundata(
    dataset: Any,
    *,
    label: Property | None = None,
    group: Property | None = None,
    fold: Property | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    """Turn a data set of the library soundata into a Bunch.

    Parameters
    ----------
    dataset : soundata.core.Dataset
        An initialised data set, such as ``soundata.initialize("urbansound8k")``, whose
        index and files are on the disk: call its ``download()`` first.
    label : str or callable, default=None
        The class of a clip, or its tags: the name of one of its attributes, or a
        function of the clip. A clip for which it is None is left out. By default
        the first of the attributes ``tags``, ``genre`` and ``instrument`` that the
        clips have. Where every clip has exactly one tag, the tag is its class.
    group : str or callable, default=None
        The speaker or recording that a clip comes from, in the same ways. By default
        the first of ``freesound_id``, ``src_file``, ``song_id``, ``artist_id`` and
        ``artist`` that the clips have; the Bunch's groups are None if there is none.
    fold : str or callable, default=None
        The official fold of a clip, in the same ways. By default ``fold``, if the clips
        have it.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these keys:

        paths : ndarray of shape (n_clips,), object
            Paths of the audio files that exist, as str.
        target : ndarray of shape (n_clips,), str, or (n_clips, n_tags), int
            The class. If some clip has several tags or none, a table: 1 where a clip
            has a tag, 0 where it has not.
        target_names : ndarray of str
            The classes or tags that occur, sorted; the names of the table's columns.
        groups : ndarray of shape (n_clips,), str, or None
            The speaker or recording; None if some clip has none.
        folds : ndarray of shape (n_clips,), int, or None
            The official fold; None if some clip has none.
        split : ndarray of shape (n_clips,), str
            The attribute ``split`` or ``subset``, if every clip has it.
        sample_rate : None
            The library does not tell.
        DESCR : str
            The data set's name and its citation.

    (paths, target) : tuple of ndarray, if ``return_X_y`` is True
        The same arrays.

    Raises
    ------
    FileNotFoundError
        If none of the clips' audio files exists.
    TypeError
        If `dataset` is not a data set of soundata.
    ValueError
        If the clips have no audio, no such attribute, or no class or tag at all.

    See Also
    --------
    from_mirdata : The same for mirdata, whose data sets hold music.

    Examples
    --------
    Anything that looks like a data set of soundata will do:

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from sklearn_audio.datasets import from_soundata
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     clip = SimpleNamespace(audio_path=file.name, category="dog", fold=4)
    ...     dataset = SimpleNamespace(
    ...         name="mine", bibtex="", load_clips=lambda: {"bark": clip}
    ...     )
    ...     data = from_soundata(dataset, label="category")
    >>> data.target.tolist(), data.folds.tolist()
    (['dog'], [4])

    Several tags per clip become a table:

    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     clips = {
    ...         "bark": SimpleNamespace(audio_path=file.name, tags=["dog", "rain"]),
    ...         "traffic": SimpleNamespace(audio_path=file.name, tags=["car", "rain"]),
    ...     }
    ...     dataset = SimpleNamespace(name="mine", bibtex="", load_clips=lambda: clips)
    ...     data = from_soundata(dataset)
    >>> data.target_names.tolist()
    ['car', 'dog', 'rain']
    >>> data.target
    array([[0, 1, 1],
           [1, 0, 1]])
    """
    return _from_library(
        dataset,
        _items(dataset, "load_clips", "soundata"),
        label=label,
        group=group,
        fold=fold,
        return_X_y=return_X_y,
    )


def from_mirdata(
    dataset: Any,
    *,
    label: Property | None = None,
    group: Property | None = None,
    fold: Property | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray, NDArray]:
    """Turn a data set of the library mirdata into a Bunch.

    Parameters
    ----------
    dataset : mirdata.core.Dataset
        An initialised data set, such as ``mirdata.initialize("medley_solos_db")``,
        whose index and files are on the disk: call its ``download()`` first.
    label : str or callable, default=None
        The class of a track, or its tags: the name of one of its attributes, or a
        function of the track. A track for which it is None is left out. By default
        the first of the attributes ``tags``, ``genre`` and ``instrument`` that the
        tracks have. Where every track has exactly one tag, the tag is its class.
    group : str or callable, default=None
        The recording or artist that a track comes from, in the same ways. By default
        the first of ``freesound_id``, ``src_file``, ``song_id``, ``artist_id`` and
        ``artist`` that the tracks have; the Bunch's groups are None if there is none.
    fold : str or callable, default=None
        The official fold of a track, in the same ways. By default ``fold``, if the
        tracks have it.
    return_X_y : bool, default=False
        Return ``(paths, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the keys of :func:`from_soundata`.

    (paths, target) : tuple of ndarray, if ``return_X_y`` is True
        Its ``paths`` and ``target``.

    Raises
    ------
    FileNotFoundError
        If none of the tracks' audio files exists.
    TypeError
        If `dataset` is not a data set of mirdata.
    ValueError
        If the tracks have no audio, no such attribute, or no class or tag at all.

    See Also
    --------
    from_soundata : The same for soundata.

    Examples
    --------
    Anything that looks like a data set of mirdata will do:

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from sklearn_audio.datasets import from_mirdata
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     track = SimpleNamespace(audio_path=file.name, genre="jazz", artist="Ella")
    ...     dataset = SimpleNamespace(
    ...         name="mine", bibtex="", load_tracks=lambda: {"track": track}
    ...     )
    ...     data = from_mirdata(dataset)
    >>> data.target.tolist(), data.groups.tolist()
    (['jazz'], ['Ella'])
    """
    return _from_library(
        dataset,
        _items(dataset, "load_tracks", "mirdata"),
        label=label,
        group=group,
        fold=fold,
        return_X_y=return_X_y,
    )


def _from_library(
    dataset: Any,
    items: dict[str, Any],
    *,
    label: Property | None,
    group: Property | None,
    fold: Property | None,
    return_X_y: bool,
) -> Bunch | tuple[NDArray, NDArray]:
    present = _with_audio(dataset, items)
    get_label = _getter("label", label, _LABELS, present)
    if get_label is None:
        raise ValueError(
            f"{dataset.name}: the clips have none of the attributes "
            f"{', '.join(_LABELS)}. Say which one is the class with label=, or pass a "
            f"function; there are {', '.join(_attributes(present))}"
        )
    get_group = _getter("group", group, _GROUPS, present)
    get_fold = _getter("fold", fold, _FOLDS, present)
    get_split = _getter("split", None, _SPLITS, present)
    labels = {name: _as_label(get_label(item)) for name, item in present.items()}
    known = {name: label for name, label in labels.items() if label is not None}
    if not any(known.values()):
        raise ValueError(f"{dataset.name}: no clip has a class or a tag")
    clips = [
        Clip(
            Path(present[name].audio_path),
            label=label,
            group=_optional(get_group, present[name], str),
            fold=_optional(get_fold, present[name], int),
            split=_optional(get_split, present[name], str),
        )
        for name, label in _in_one_form(known).items()
    ]
    return as_bunch(
        clips,
        sample_rate=None,
        description=f"{dataset.name}\n\n{(dataset.bibtex or '').strip()}\n",
        return_X_y=return_X_y,
    )


def _items(dataset: Any, method: str, library: str) -> dict[str, Any]:
    load = getattr(dataset, method, None)
    if load is None:
        raise TypeError(
            f"dataset must be an initialised data set of {library}, such as "
            f"{library}.initialize(<name>), not {dataset!r}"
        )
    return load()


def _with_audio(dataset: Any, items: dict[str, Any]) -> dict[str, Any]:
    paths = {name: getattr(item, "audio_path", None) for name, item in items.items()}
    if not any(paths.values()):
        raise ValueError(
            f"{dataset.name}: the clips have no audio file, in the attribute audio_path"
        )
    present = {
        name: items[name]
        for name, path in paths.items()
        if path and Path(path).is_file()
    }
    if not present:
        raise FileNotFoundError(
            f"{dataset.name}: none of its {len(items)} audio files exists below "
            f"{dataset.data_home}. Call the data set's download(), or initialise it "
            "with the data_home that holds your copy."
        )
    return present


def _getter(
    parameter: str,
    wanted: Property | None,
    defaults: Iterable[str],
    items: dict[str, Any],
) -> Callable[[Any], Any] | None:
    """Return the function that reads a property of a clip; None if it has no such."""
    if callable(wanted):
        return wanted
    attributes = _attributes(items)
    if wanted is not None and wanted not in attributes:
        raise ValueError(
            f"{parameter}={wanted!r}: the clips have no such attribute; there are "
            f"{', '.join(attributes)}"
        )
    candidates = defaults if wanted is None else (wanted,)
    found = [name for name in candidates if name in attributes]
    return (lambda item: getattr(item, found[0])) if found else None


def _attributes(items: dict[str, Any]) -> list[str]:
    """Name the attributes of the first clip, without reading them: some load audio."""
    first = next(iter(items.values()))
    return [name for name in dir(first) if not name.startswith("_")]


def _as_label(value: Any) -> Label | None:
    """Return the class or the tags in an attribute's value, maybe a Tags object."""
    labels = getattr(value, "labels", value)
    if labels is None or isinstance(labels, str):
        return labels
    if isinstance(labels, list | tuple | set | np.ndarray):
        return tuple(str(label) for label in labels)
    return str(labels)


def _in_one_form(labels: dict[str, Label]) -> dict[str, Label]:
    """Return classes where no clip has several tags or none, else tags for all."""
    tags = {
        name: label if isinstance(label, tuple) else (label,)
        for name, label in labels.items()
    }
    if all(len(tags_of_clip) == 1 for tags_of_clip in tags.values()):
        return {name: tags_of_clip[0] for name, tags_of_clip in tags.items()}
    return dict(tags)


def _optional(
    get: Callable[[Any], Any] | None, item: Any, kind: Callable[[Any], Any]
) -> Any:
    value = None if get is None else get(item)
    return None if value is None else kind(value)
