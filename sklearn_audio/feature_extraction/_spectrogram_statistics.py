"""Spectrograms to one short row of numbers per clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import Tags, gen_batches
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from sklearn_audio._data_frames import DataFrameOutputMixin, NamedArray
from sklearn_audio.base import VersionedEstimator

# Values of the spectrograms that are worked on at a time: 4 MB in float64.
_BATCH_VALUES = 2**19


def _delta_std(X: NDArray) -> NDArray:
    """Spread of the steps from frame to frame; none where there is one frame."""
    return np.diff(X).std(axis=-1) if X.shape[-1] > 1 else np.zeros(X.shape[:-1])


# (n_clips, n_bands, n_frames) -> (n_clips, n_bands)
_STATISTICS: dict[str, Callable[[NDArray], Any]] = {
    "mean": partial(np.mean, axis=-1),
    "std": partial(np.std, axis=-1),
    "delta_std": _delta_std,
    "min": partial(np.min, axis=-1),
    "max": partial(np.max, axis=-1),
    "median": partial(np.median, axis=-1),
}


class SpectrogramStatistics(DataFrameOutputMixin, VersionedEstimator):
    """Summarise each band of a spectrogram over time.

    A few numbers per band are what scikit-learn's own classifiers can learn from with
    little data: a support vector machine on mean, standard deviation and standard
    deviation of the frame differences is a strong baseline for short sounds.

    Parameters
    ----------
    statistics : list or tuple of str, default=("mean", "std", "delta_std")
        What is computed of each band, in this order: "mean", "std", "min", "max" and
        "median" of its frames, and "delta_std", the standard deviation of the
        differences between neighbouring frames, which tells a steady sound from a
        moving one.

    Attributes
    ----------
    n_features_in_ : int
        Number of bands seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Only set for data frames whose column names
        are all strings.

    See Also
    --------
    LogMelSpectrogram : Makes the spectrograms.

    Notes
    -----
    The transformer learns nothing but the number of bands, so `transform` works without
    `fit`. Frames that were added to a short clip count like all others: where lengths
    differ much, crop to what all clips have.

    Examples
    --------
    Three bands of one clip: steady, rising, alternating.

    >>> import numpy as np
    >>> from sklearn_audio.feature_extraction import SpectrogramStatistics
    >>> X = np.array([[[5, 5, 5, 5], [0, 2, 4, 6], [0, 4, 0, 4]]])
    >>> statistics = SpectrogramStatistics(statistics=("mean", "delta_std"))
    >>> statistics.fit_transform(X).round(2)
    array([[5.  , 3.  , 2.  , 0.  , 0.  , 3.77]], dtype=float32)
    >>> statistics.get_feature_names_out()[:2]
    array(['band0_mean', 'band1_mean'], dtype=object)
    """

    _parameter_constraints: dict[str, Any] = {"statistics": [list, tuple]}

    def __init__(
        self, statistics: Sequence[str] = ("mean", "std", "delta_std")
    ) -> None:
        self.statistics = statistics

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the number of bands.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bands, n_frames) or (n_clips, n_bands)
            Spectrograms, see `transform`.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : SpectrogramStatistics
            The transformer itself.

        Raises
        ------
        ValueError
            If a statistic is unknown, or `X` is not as documented.
        """
        self._functions()
        self._validate(X, reset=True)
        self._band_names = X.names if isinstance(X, NamedArray) else None
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the statistics.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bands, n_frames) or (n_clips, n_bands)
            Spectrograms. The second form has one frame per clip: its mean, minimum,
            maximum and median are the values themselves, and both deviations are 0.

        Returns
        -------
        statistics : ndarray of shape (n_clips, n_statistics * n_bands), dtype float32
            All bands of the first statistic, then all bands of the next one.

        Raises
        ------
        ValueError
            If a statistic is unknown, or `X` is not as documented.
        """
        self._validate_params()
        functions = self._functions()
        X = self._validate(X, reset=False)
        n_clips, n_bands, n_frames = X.shape
        out = np.empty((n_clips, len(functions) * n_bands), dtype=np.float32)
        per_batch = max(1, _BATCH_VALUES // (n_bands * n_frames))
        for batch in gen_batches(n_clips, per_batch):
            # One layout and one dtype: sums then do not depend on how X is stored.
            spectrograms = X[batch].astype(np.float64, order="C")
            columns = [function(spectrograms) for function in functions]
            out[batch] = np.concatenate(columns, axis=1)
        return out

    def _functions(self) -> list[Callable[[NDArray], Any]]:
        """Look the statistics up."""
        unknown = [name for name in self.statistics if name not in _STATISTICS]
        if unknown or not self.statistics:
            raise ValueError(
                f"statistics={self.statistics!r} must name at least one, and none but "
                f"these: {', '.join(_STATISTICS)}."
            )
        return [_STATISTICS[name] for name in self.statistics]

    def _validate(self, X: Any, *, reset: bool) -> NDArray:
        """Return three axes of finite numbers."""
        X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True)
        if X.ndim == 2:
            X = X[:, :, np.newaxis]
        if X.ndim != 3 or X.size == 0:
            raise ValueError(
                f"X has the shape {X.shape}, but spectrograms (n_clips, n_bands, "
                "n_frames) of at least one band and one frame are expected."
            )
        return X

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each column: band and statistic, ``band0_mean`` first.

        In a pipeline behind :class:`LogMelSpectrogram`, whose bands are called ``mel0``
        and so on, the first name is ``mel0_mean``.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the bands. None means those seen in `fit`: the columns of a data
            frame, or those of a step before whose output is set to data frames; else
            ``band0``, ``band1`` and so on.

        Returns
        -------
        names : ndarray of shape (n_statistics * n_bands,), dtype object
            The names.
        """
        check_is_fitted(self, "n_features_in_")
        bands = _check_feature_names_in(self, input_features, generate_names=False)
        if bands is None:
            bands = self._band_names
        if bands is None:
            bands = [f"band{band}" for band in range(self.n_features_in_)]
        names = [f"{band}_{name}" for name in self.statistics for band in bands]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
