"""The distance to the nearest normal clips, which is what networks have to beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_audio.base import AnomalyDetector, check_groups


class NearestNeighborsDetector(AnomalyDetector):
    r"""Find anomalous clips by how far away the nearest normal clips are.

    A clip is scored by its mean distance to the :math:`k` training clips
    :math:`x_1, \dots, x_k` that are nearest to it [2]_:

    .. math:: \mathrm{score}(x) = -\frac{1}{k} \sum_{i=1}^{k} d(x, x_i)

    The distance to the :math:`k`-th nearest alone [1]_ is moved more by a single clip.
    Nothing is trained; on a few meaningful features, such as the standard deviation of
    each band over time, it is hard to beat all the same.

    Parameters
    ----------
    n_neighbors : int, default=5
        How many of the nearest training clips count. One alone trusts every anomaly
        among the training clips; many overlook small groups of normal clips. Where the
        training clips are too few, it is lowered, with a warning.
    metric : str, callable or DistanceMetric, default="euclidean"
        Distance between two clips, any that :class:`sklearn.neighbors.NearestNeighbors`
        takes without further parameters. Most add the features up as they are:
        standardise them first. "precomputed" takes distances in place of features.
    contamination : float in (0, 0.5] or None, default=0.05
        Fraction of fresh normal clips that are called anomalous, which sets
        ``offset_``. None sets no threshold.
    novelty : bool, default=True
        True: the threshold is for clips that are not among the training clips. False:
        it is for the training clips themselves, of which at most the fraction
        ``contamination`` is called anomalous, and ``fit_predict`` says which.
    n_jobs : int or None, default=None
        Parallel jobs of the search for neighbours; -1 takes all processors.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_clips,)
        Scores of the training clips from which ``offset_`` is found, in ascending
        order. Empty without a threshold.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns seen in ``fit``. Only set for data frames whose column
        names are all strings.
    n_features_in_ : int
        Number of features.
    n_neighbors_ : int
        Neighbours that count: ``n_neighbors``, or the number of training clips less one
        if that is lower.
    nearest_neighbors_ : NearestNeighbors
        The index of the training clips; its ``kneighbors`` tells which of them are the
        nearest.
    offset_ : float
        Clips of a lower score are called anomalous; minus infinity with
        ``contamination=None``.

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : Compares the distances with those that the
        neighbours have among themselves.
    GMGANDetector : A network for whole spectrograms.

    Notes
    -----
    A training clip is not its own neighbour: a clip all of whose features equal those
    of a training clip is scored without that one, by the ``n_neighbors`` next. If it
    were, training clips would be more normal than fresh ones by one distance of zero
    each, and the threshold too strict. Of several equal training clips, all but one
    count. With ``groups`` in ``fit``, the threshold is found from distances to clips of
    other groups.

    All training clips are kept, in memory and in dumps.

    References
    ----------
    .. [1] Ramaswamy, S., Rastogi, R. and Shim, K. (2000). "Efficient algorithms for
       mining outliers from large data sets." ACM SIGMOD.
       https://doi.org/10.1145/342009.335437
    .. [2] Angiulli, F. and Pizzuti, C. (2002). "Fast outlier detection in high
       dimensional spaces." PKDD. https://doi.org/10.1007/3-540-45681-3_2

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_audio.anomaly import NearestNeighborsDetector
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import (
    ...     LogMelSpectrogram,
    ...     SpectrogramStatistics,
    ... )
    >>> bells, _ = make_sound_events(60, ["bell"], random_state=0)
    >>> detector = make_pipeline(
    ...     LogMelSpectrogram(),
    ...     SpectrogramStatistics(["std"]),
    ...     StandardScaler(),
    ...     NearestNeighborsDetector(),
    ... ).fit(bells)
    >>> X_new, y_new = make_sound_events(40, ["bell", "glass"], random_state=1)
    >>> scores = detector.score_samples(X_new)
    >>> bool(scores[y_new == "bell"].min() > scores[y_new == "glass"].max())
    True
    >>> set(detector.predict(X_new[y_new == "glass"]).tolist())
    {-1}
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": NearestNeighbors._parameter_constraints["metric"],
        **AnomalyDetector._parameter_constraints,
    }

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        metric: str | Callable[..., float] | DistanceMetric = "euclidean",
        contamination: float | None = 0.05,
        novelty: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.contamination = contamination
        self.novelty = novelty
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None, groups: ArrayLike | None = None) -> Self:
        """Keep normal clips, and find the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            The clips as rows of features; nearly all of them normal. With
            ``metric="precomputed"``, their distances from each other, of shape
            (n_clips, n_clips).
        y : Ignored
            Not used.
        groups : array-like of shape (n_clips,), optional
            Source recording of each clip. The threshold is then for clips of new
            recordings: clips of the same one are not neighbours when it is found.
            Without groups it is for new clips of the same recordings.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite, has the wrong shape or holds fewer than 2 clips, or
            if there are fewer than 2 groups.
        """
        clips: NDArray[np.float64] = validate_data(self, X, dtype=np.float64)
        n_others = len(clips) - 1
        if n_others < 1:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 clips, so that each has a "
                "neighbour, but X holds 1 sample."
            )
        if self.n_neighbors > n_others:
            warnings.warn(
                f"n_neighbors={self.n_neighbors} is lowered to {n_others}, for X holds "
                f"only {len(clips)} clips. Give more clips, or a lower n_neighbors.",
                UserWarning,
                stacklevel=4,
            )
        self.n_neighbors_ = min(self.n_neighbors, n_others)
        self.nearest_neighbors_ = NearestNeighbors(
            n_neighbors=self.n_neighbors_, metric=self.metric, n_jobs=self.n_jobs
        ).fit(clips)
        if self.contamination is None:
            self._set_thresholds({})
        elif self.novelty and groups is not None:
            groups = check_groups(groups, len(clips))
            self._set_thresholds({"score": self._scores_between_groups(clips, groups)})
        else:
            self._set_thresholds({"score": self._scores(clips)})
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how normal the clips are.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            The clips as rows of features. With ``metric="precomputed"``, their
            distances from the training clips, of shape (n_clips, n_training_clips).

        Returns
        -------
        scores : ndarray of shape (n_clips,), dtype float64
            Minus the mean distance to the nearest training clips; higher = more normal,
            at most 0.
        """
        check_is_fitted(self)
        clips: NDArray[np.float64] = validate_data(
            self, X, reset=False, dtype=np.float64
        )
        return self._scores(clips)

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how normal checked clips are: (n_clips, n_features) -> (n_clips,)."""
        k = self.n_neighbors_
        distances, neighbors = self.nearest_neighbors_.kneighbors(X, k + 1)
        training_clips = self.nearest_neighbors_._fit_X
        is_equal = np.transpose(
            [(training_clips[column] == X).all(axis=1) for column in neighbors.T]
        )  # (n_clips, k + 1)
        distances[is_equal] = 0  # which rounding may have hidden
        # One too many was found: the clip itself, at 0, or else the most distant.
        distances[~is_equal.any(axis=1), k] = 0
        return -distances.sum(axis=1) / k

    def _scores_between_groups(
        self, X: NDArray[np.float64], groups: NDArray
    ) -> NDArray[np.float64]:
        """Return how normal training clips are beside those of other groups: (n,)."""
        if len(np.unique(groups)) < 2:
            raise ValueError(
                "X has one group alone, so that no threshold can be calibrated for "
                "others. Give clips of at least 2 groups, or leave out groups."
            )
        scores = np.empty(len(X))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            n_found = min(len(X), len(rows) + self.n_neighbors_)
            distances, neighbors = self.nearest_neighbors_.kneighbors(X[rows], n_found)
            # Its own clips go to the end, in whatever order.
            distances[groups[neighbors] == group] = np.inf
            distances.sort(axis=1)
            n_others = min(self.n_neighbors_, len(X) - len(rows))
            scores[rows] = -distances[:, :n_others].mean(axis=1)
        return scores

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        tags.input_tags.positive_only = tags.input_tags.pairwise
        return tags
