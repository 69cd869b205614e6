"""What one or several pre-trained networks make of the training clips, as one array."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array


def combine_embeddings(
    embeddings: Any,
    n_clips: int,
    teachers: Any = None,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Return the embeddings of all teachers side by side.

    Those of each teacher are centred, since what all clips have in common says nothing
    of any, and scaled to a mean square length of 1, so that teachers count the same.

    Parameters
    ----------
    embeddings : array-like, structured array, DataFrame, list or dict
        One array of shape (n_clips, n_dims) for each teacher.
    n_clips : int
        Number of training clips.
    teachers : str, int, sequence of these, or None, default=None
        Names of those that are used, or their places in a list. None is all.
    weights : ndarray of shape (n_clips,), optional
        What each clip counts in means; 1 by default.

    Returns
    -------
    combined : ndarray of shape (n_clips, n_all_dims), dtype float32
        One row a clip.

    Raises
    ------
    ValueError
        If an array has not one row a clip or two axes, or is not finite, or if there
        is no teacher of a name.
    """
    arrays = _by_name(embeddings)
    if teachers is not None:
        arrays = _chosen(arrays, teachers)
    parts = [
        _standardised(array, _written(name), n_clips, weights)
        for name, array in arrays.items()
    ]
    return np.concatenate(parts, axis=1)


def _by_name(embeddings: Any) -> dict[Hashable, Any]:
    """Return the array of each teacher; a single array has the name None."""
    if isinstance(embeddings, Mapping):
        return dict(embeddings)
    fields = getattr(getattr(embeddings, "dtype", None), "names", None)
    if fields:  # a structured array
        return {name: embeddings[name] for name in fields}
    columns: Any = getattr(embeddings, "columns", None)
    if getattr(columns, "nlevels", 1) > 1:  # a DataFrame, one upper name a teacher
        return {name: embeddings[name] for name in columns.unique(level=0)}
    if isinstance(embeddings, list | tuple) and np.ndim(embeddings[:1]) > 2:
        return dict(enumerate(embeddings))
    return {None: embeddings}


def _chosen(arrays: dict[Hashable, Any], teachers: Any) -> dict[Hashable, Any]:
    names = [teachers] if isinstance(teachers, str | int) else list(teachers)
    if None in arrays:
        raise ValueError(
            f"teachers={teachers!r} chooses among several teachers, but embeddings is "
            "one array. Give a dict, a list, a structured array with one field per "
            "teacher, or a DataFrame whose columns have the teachers' names as their "
            "upper level."
        )
    missing = [name for name in names if name not in arrays]
    if missing or not names:
        raise ValueError(
            f"teachers={teachers!r} must be some of {list(arrays)}, the teachers that "
            "embeddings holds, or None for all of them."
        )
    return {name: arrays[name] for name in names}


def _written(name: Hashable) -> str:
    return "embeddings" if name is None else f"embeddings[{name!r}]"


def _standardised(
    embeddings: Any, name: str, n_clips: int, weights: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    X = check_array(embeddings, dtype=np.float32, input_name=name)
    if len(X) != n_clips:
        raise ValueError(
            f"X holds {n_clips} clips, but {name} holds {len(X)} rows: one a clip. "
            "Cross-validation slices arrays and DataFrames, but not lists and dicts: "
            "for several teachers, give a structured array with one field per teacher, "
            "or pandas.concat({name: DataFrame, ...}, axis=1)."
        )
    # In single precision squares of 1e20 would be infinite.
    X = X.astype(np.float64)
    centred = X - np.average(X, axis=0, weights=weights)
    size = np.sqrt(np.average(np.square(centred).sum(axis=1), weights=weights))
    return (centred / (size or 1.0)).astype(np.float32)
