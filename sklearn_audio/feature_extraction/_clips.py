"""Collections of clips: told apart from tables of numbers, and checked clip by clip.

A collection may be ragged (a list or a 1-D object array of waveforms, paths or encoded
files), may be one column of a table, or may be dense (one row per clip). The first two
become a list here; the last is left to scikit-learn's own validation.
"""

from __future__ import annotations

import math
import os
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

# What can be wrong with one clip, from the narrowest kind to the widest.
CLIP_ERRORS = (FileNotFoundError, TypeError, ValueError)

# Checked clips of one channel: dense, of shape (n_clips, n_samples), or one by one.
Waveforms = NDArray | list[NDArray]

_NOT_FINITE = "it contains NaN or infinity."


def is_encoded(clip: Any) -> bool:
    """Tell whether a clip is a path or the bytes of an audio file."""
    return isinstance(clip, (str, bytes, os.PathLike))


def collect_clips(
    estimator: BaseEstimator, X: Any, *, reset: bool, multichannel: bool = False
) -> NDArray | list[Any]:
    """Check the form of a collection of clips, not yet the clips themselves.

    Parameters
    ----------
    estimator : BaseEstimator
        The transformer that was given ``X``. With ``reset`` it learns
        ``n_features_in_`` and ``feature_names_in_`` where ``X`` is a table, and forgets
        them where it is a list.
    X : list, array or table
        The collection.
    reset : bool
        Whether to learn the number of samples of a dense ``X`` or to check it.
    multichannel : bool, default=False
        Whether a dense 3-D array ``(n_clips, n_channels, n_samples)`` is welcome.

    Returns
    -------
    clips : list, or ndarray of shape (n_clips, n_samples)
        The clips, of any numeric dtype where they are numbers.

    Raises
    ------
    TypeError
        If ``X`` is one path or the bytes of one file instead of a collection.
    ValueError
        If ``X`` is empty, is one clip, or is no array of numbers.
    """
    if is_encoded(X):
        raise TypeError(
            f"X is a single {type(X).__name__}, not a collection of clips: wrap it in "
            "a list, [X]."
        )
    if isinstance(X, (list, tuple)) and not _is_nested_table(X):
        _forget_features(estimator, reset)
        return list(X)
    if not sparse.issparse(X):
        values = np.asarray(X)
        if values.ndim == 1:
            _refuse_flat_numbers(values)
        is_column = values.ndim == 1 or values.shape[1:] == (1,)
        if is_column and not _holds_numbers(values):
            return _collect_column(estimator, X, values, reset)
        if multichannel and values.ndim == 3 and values.dtype.kind in "biuf":
            _forget_features(estimator, reset)
            return list(values)
    return validate_data(
        estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False
    )


def _is_nested_table(X: list[Any] | tuple[Any, ...]) -> bool:
    """Tell lists of equally long lists of numbers, and single clips, from clips."""
    if all(isinstance(clip, (list, tuple)) for clip in X):
        return len({len(clip) for clip in X}) <= 1
    return all(isinstance(clip, Number) for clip in X)


def _holds_numbers(values: NDArray) -> bool:
    if values.dtype.kind == "O":
        return all(isinstance(value, Number) for value in values.flat)
    return values.dtype.kind in "biufc"


def _refuse_flat_numbers(values: NDArray) -> None:
    if values.size == 0:
        raise ValueError("X holds no clips: it is empty.")
    if _holds_numbers(values):
        raise ValueError(
            f"Reshape your data: X is one clip of {values.size} samples where a "
            "collection of clips is expected. Wrap it in a list, [X]."
        )


def _collect_column(
    estimator: BaseEstimator, X: Any, values: NDArray, reset: bool
) -> list[Any]:
    if values.dtype.kind == "S":
        raise ValueError(
            "X is an array of dtype bytes, which drops zeros at the end of encoded "
            "files: pass a list of bytes, or paths as str."
        )
    if values.ndim == 2:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        _forget_features(estimator, reset)
    return list(values.ravel())


def _forget_features(estimator: BaseEstimator, reset: bool) -> None:
    """Drop what an earlier fit on a table learned, since lists have no columns."""
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)


def named(error: Exception, index: int, clip: Any) -> Exception:
    """Return an error that says which clip it is about."""
    kind = next(kind for kind in CLIP_ERRORS if isinstance(error, kind))
    return kind(f"{clip_name(index, clip)}: {error}")


def clip_name(index: int, clip: Any) -> str:
    """Return the place of a clip in its collection, and its path if it has one."""
    has_path = isinstance(clip, (str, os.PathLike))
    return f"clip {index} ({os.fspath(clip)!r})" if has_path else f"clip {index}"


def as_waveform(clip: Any) -> NDArray:
    """Check one clip given as numbers: a 1-D or 2-D array, not empty, finite.

    Parameters
    ----------
    clip : array-like of shape (n_samples,) or (n_channels, n_samples)
        Numbers of any integer or floating dtype.

    Returns
    -------
    clip : ndarray of the same shape and dtype
        The checked clip.

    Raises
    ------
    TypeError
        If the clip is no array of real numbers.
    ValueError
        If it has another number of dimensions, no samples, or NaN or infinity in it.
    """
    samples = _as_samples(clip)
    check_samples(samples)
    return samples


def _as_samples(clip: Any) -> NDArray:
    try:
        samples = np.asarray(clip)
    except ValueError:  # nested lists of unequal lengths
        samples = np.empty(0, dtype=object)
    if samples.dtype.kind not in "biuf" or samples.ndim == 0:
        what = "None" if clip is None else f"a {type(clip).__name__}"
        raise TypeError(f"expected a waveform of real numbers, but it is {what}.")
    if samples.ndim > 2:
        raise ValueError(
            "expected a waveform of shape (n_samples,) or (n_channels, n_samples), "
            f"but its shape is {samples.shape}."
        )
    return samples


def check_samples(samples: NDArray) -> None:
    """Raise a ValueError where there are no samples, or some are not finite."""
    _refuse_empty(samples)
    if not (math.isfinite(samples.min()) and math.isfinite(samples.max())):
        raise ValueError(_NOT_FINITE)


def _refuse_empty(samples: NDArray) -> None:
    if samples.size == 0:
        raise ValueError("it has 0 samples.")


def check_waveforms(clips: NDArray | list[Any]) -> Waveforms:
    """Check clip after clip that it is a waveform of one channel.

    Whether all samples are finite is left to `check_finite`.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_samples), or list of array-like (n_samples,)
        The clips, as `collect_clips` returns them.

    Returns
    -------
    waveforms : ndarray of shape (n_clips, n_samples), or list of ndarray (n_samples,)
        The checked clips, of any numeric dtype.

    Raises
    ------
    TypeError, ValueError
        Where a clip is none. The error names the clip.
    """
    is_dense = isinstance(clips, np.ndarray)
    waveforms = []
    for index, clip in enumerate(clips[:1] if is_dense else clips):
        try:
            waveforms.append(_as_one_channel(clip))
        except CLIP_ERRORS as error:
            raise named(error, index, clip) from error
    # What holds for one row of an array holds for all.
    return clips if is_dense else waveforms


def _as_one_channel(clip: Any) -> NDArray:
    if is_encoded(clip):
        raise TypeError("is a file. Put an AudioLoader before this transformer.")
    waveform = _as_samples(clip)
    if waveform.ndim != 1:
        raise ValueError(
            f"has the shape {waveform.shape} where a waveform of one channel, "
            "(n_samples,), is expected. AudioLoader mixes channels down."
        )
    _refuse_empty(waveform)
    return waveform


def check_finite(waveforms: Waveforms, first: int = 0) -> None:
    """Raise a ValueError that names the first clip with NaN or infinity in it.

    Parameters
    ----------
    waveforms : ndarray of shape (n_clips, n_samples), or list of ndarray (n_samples,)
        The clips.
    first : int, default=0
        Number of the first of them.
    """
    for start, run in runs_of_one_length(waveforms):
        # NaN is both the minimum and the maximum of whatever it is in.
        is_finite = np.isfinite(run.min(axis=1)) & np.isfinite(run.max(axis=1))
        if not is_finite.all():
            index = first + start + int(is_finite.argmin())
            raise ValueError(f"clip {index}: {_NOT_FINITE}")


def runs_of_one_length(waveforms: Waveforms) -> list[tuple[int, NDArray]]:
    """Return clips in arrays of shape (n_clips, n_samples), as they lie in memory.

    With each array comes the number of its first clip.
    """
    if isinstance(waveforms, np.ndarray):
        return [(0, waveforms)]
    return [(index, clip[np.newaxis]) for index, clip in enumerate(waveforms)]


def write_float32(samples: NDArray, out: NDArray[np.float32]) -> None:
    """Write samples into a float32 array of their shape; integers become [-1, 1].

    Integers are divided by the full scale of their dtype: 32768 for int16. Unsigned
    ones lie around the middle of their range, as in 8-bit wav files.
    """
    out[...] = samples
    if samples.dtype.kind in "iu":
        limits = np.iinfo(samples.dtype)
        full_scale = (int(limits.max) - int(limits.min) + 1) // 2
        if samples.dtype.kind == "u":
            out -= full_scale
        out /= full_scale
