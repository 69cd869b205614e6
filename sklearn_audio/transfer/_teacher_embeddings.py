"""What one or several pre-trained networks make of the training clips, as one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array


def combine_embeddings(embeddings: Any, n_clips: int) -> NDArray[np.float32]:
    """Return the embeddings of all networks side by side.

    Those of each network are centred, since what all clips have in common says nothing
    of any, and scaled to a mean square length of 1, so that networks count the same.

    Parameters
    ----------
    embeddings : array-like of shape (n_clips, n_dims), or list or dict of such
        One array a network.
    n_clips : int
        Number of training clips.

    Returns
    -------
    combined : ndarray of shape (n_clips, n_all_dims), dtype float32
        One row a clip.

    Raises
    ------
    ValueError
        If an array has not one row a clip or two axes, or is not finite.
    """
    networks = [
        _standardised(array, name, n_clips)
        for name, array in _by_name(embeddings).items()
    ]
    return np.concatenate(networks, axis=1)


def _by_name(embeddings: Any) -> dict[str, Any]:
    if isinstance(embeddings, Mapping):
        return {f"embeddings[{name!r}]": array for name, array in embeddings.items()}
    if isinstance(embeddings, list | tuple) and np.ndim(embeddings[:1]) > 2:
        return {f"embeddings[{i}]": array for i, array in enumerate(embeddings)}
    return {"embeddings": embeddings}


def _standardised(embeddings: Any, name: str, n_clips: int) -> NDArray[np.float32]:
    X = check_array(embeddings, dtype=np.float32, input_name=name)
    if len(X) != n_clips:
        raise ValueError(
            f"X holds {n_clips} clips, but {name} holds {len(X)} rows: one a clip. "
            "Cross-validation cuts one array into folds, but no list or dict of them: "
            "put several networks side by side with np.hstack."
        )
    centred = X - X.mean(axis=0)
    size = np.sqrt(np.square(centred).sum(axis=1).mean())
    return centred / size if size else centred
