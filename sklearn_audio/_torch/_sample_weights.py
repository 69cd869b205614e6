"""Weights of clips, counted as repetitions of them.

A clip of weight 2 is drawn twice an epoch, one of weight 0.5 in every other epoch on
average: no loss has to know of weights, and whatever draws random numbers for a clip,
such as augmentation, does so anew for each time it is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

SampleWeights = NDArray[np.float64]

# Of clips, by which they are ordered before anything else.
_N_FIRST_VALUES = 8


def check_weights(sample_weight: Any, n_clips: int) -> SampleWeights | None:
    """Check weights of clips.

    Parameters
    ----------
    sample_weight : array-like of shape (n_clips,), float or None
        What each clip counts; a number counts for all.
    n_clips : int
        Number of clips.

    Returns
    -------
    weights : ndarray of shape (n_clips,), dtype float64, or None
        Where none reaches 1, scaled so that the largest does: weights that sum to 1
        would make an epoch of a single clip. None where all clips count the same.

    Raises
    ------
    ValueError
        If weights have another shape, are negative, not finite, or all zero.
    """
    if sample_weight is None:
        return None
    weights: SampleWeights = _check_sample_weight(
        sample_weight, np.zeros(n_clips), dtype=np.float64, ensure_non_negative=True
    )
    return weights / min(weights.max(), 1.0)


def drop_weightless(weights: SampleWeights | None, *arrays: Any) -> tuple[Any, ...]:
    """Return arrays, or None, without the rows that weigh nothing, and the weights.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,) or None
        What each row weighs.
    *arrays : ndarray of shape (n_rows, ...) or None
        They are not copied where all rows weigh something.

    Returns
    -------
    kept : tuple
        The arrays, and at the end the weights.
    """
    if weights is None or weights.all():
        return *arrays, weights
    kept = np.flatnonzero(weights)
    rows = [None if array is None else array[kept] for array in arrays]
    return *rows, weights[kept]


def row_order(X: NDArray, *others: NDArray) -> NDArray[np.intp]:
    """Return the rows in an order that depends on what they hold alone.

    With it, the same seed makes the same model of clips in any order, and a clip that
    comes twice stands beside its double, as one of weight 2 does.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features) or (n_rows, n_bands, n_frames)
        The clips. Their first few values come first, so that their scale does not
        matter where these differ.
    *others : ndarray of shape (n_rows, ...)
        Labels, and whatever else they are trained with.

    Returns
    -------
    order : ndarray of shape (n_rows,)
        Row numbers; rows that are all alike stay in the order in which they come.
    """
    digests = [_digest((X, *others), row) for row in range(len(X))]
    first_band = X[:, 0] if X.ndim == 3 else X
    columns = list(first_band[:, :_N_FIRST_VALUES].T)
    return np.lexsort([digests, *reversed(columns)])


def _digest(arrays: Sequence[Any], row: int) -> str:
    """Return a text by which rows are ordered; later arrays decide between equals."""
    parts = (np.ascontiguousarray(array[np.array([row])]) for array in arrays)
    return "".join(
        hashlib.blake2b(part.tobytes(), digest_size=8).hexdigest() for part in parts
    )


def are_whole(weights: SampleWeights) -> bool:
    """Tell whether weights are numbers of repetitions."""
    return bool((weights == np.round(weights)).all())


def repeated(
    rows: NDArray[np.intp], weights: SampleWeights | None, shift: float = 0.5
) -> NDArray[np.intp]:
    """Return rows as often as they weigh, by a systematic sample of them.

    Of N points at equal distances, N being the sum of the weights, each row takes those
    that fall into its share. Whole weights are repetitions, whatever the shift; others
    are rounded up or down, and are right on average over shifts.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,)
        Row numbers.
    weights : ndarray of shape (n_rows,) or None
        What each of them weighs.
    shift : float in [0, 1)
        Where the first point lies.

    Returns
    -------
    drawn : ndarray of shape (n_drawn,)
        Row numbers, in the order of ``rows``.
    """
    if weights is None:
        return rows
    ends = np.cumsum(weights)
    n_drawn = max(round(ends[-1]), 1)
    points = (np.arange(n_drawn) + shift) * (ends[-1] / n_drawn)
    return rows[np.searchsorted(ends, points, side="right")]
