"""The base of every torch anomaly detector."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_audio._torch._estimator import TorchEstimator
from sklearn_audio.base import validate_clips


class TorchDetector(OutlierMixin, TorchEstimator):
    """What anomaly detectors on torch share: scores, a threshold, answers.

    A subclass says in ``_losses`` (or ``_train_batch``) what its networks minimise, and
    in ``_scores`` how normal clips are.

    Parameters
    ----------
    contamination : float in (0, 0.5]
        Share of the training clips that are called anomalous.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchEstimator._parameter_constraints,
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
    }

    offset_: float

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train the networks on normal clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms; nearly all of them
            normal.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, or if the training diverges.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        if len(X) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 clips to train on, but X "
                "holds 1 sample."
            )
        self._train_on_clips(X, resume=resume)
        self.offset_ = float(np.quantile(self._scores(X), self.contamination))
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how normal the clips are.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips,), dtype float64
            Higher = more normal.
        """
        check_is_fitted(self)
        return self._scores(validate_clips(self, X, reset=False))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how far the clips are from the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        distances : ndarray of shape (n_clips,), dtype float64
            ``score_samples(X) - offset_``: negative for anomalous clips.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Tell normal from anomalous clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,), dtype int64
            1 for a normal clip and -1 for an anomalous one.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _train_on_clips(self, X: NDArray, *, resume: bool) -> None:
        self._train(X, resume=resume)

    def _scores(self, X: NDArray) -> NDArray[np.float64]:
        """Return how normal checked clips are: (n, ...) -> (n,), higher = more so."""
        raise NotImplementedError  # pragma: no cover
