"""The base of every torch anomaly detector."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklearn_audio._torch._estimator import TorchEstimator
from sklearn_audio.base import (
    AnomalyDetector,
    Split,
    calibration_splits,
    validate_clips,
)

Scores = dict[str, NDArray[np.float64]]  # by name: (n_clips,), higher = more normal


class TorchDetector(AnomalyDetector, TorchEstimator):
    """What anomaly detectors on torch share: training, folds, scores.

    A subclass says in ``_losses`` (or ``_train_batch``) what its networks minimise, and
    in ``_every_score`` how normal clips are.

    Parameters
    ----------
    familiarity : str
        Which of the scores ``score_samples`` returns. It may be changed after ``fit``:
        each has its own threshold.
    cv : int, splitter or None
        Folds by which the training clips are scored.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchEstimator._parameter_constraints,
        **AnomalyDetector._parameter_constraints,
        "cv": ["cv_object"],
    }

    cv: Any
    familiarity: str
    n_jobs: int | None
    random_state: Any

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None, groups: ArrayLike | None = None) -> Self:
        """Train the networks on normal clips, and find the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms; nearly all of them
            normal.
        y : Ignored
            Not used.
        groups : array-like of shape (n_clips,), optional
            Source recording of each clip. No recording is then on both sides of a
            fold, and the threshold is for clips of new recordings. Without groups it
            is for new clips of the same recordings.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if there are too few clips or
            groups for ``cv``, if ``cv`` parts a group, or if the training diverges.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        if len(X) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 clips to train on, but X "
                "holds 1 sample."
            )
        splits = self._splits(X, groups)
        state = copy.deepcopy(check_random_state(self.random_state))
        self._train_on_clips(X, resume=resume)
        if self.contamination is None:
            self._set_thresholds({})
        elif self.novelty:
            self._set_thresholds(self._out_of_fold_scores(X, splits, state))
        else:
            self._set_thresholds(self._every_score(X))
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
        X = validate_clips(self, X, reset=False)
        return self._every_score(X)[self._score_name]

    @property
    def _score_name(self) -> str:
        names = self._parameter_constraints["familiarity"][0].options
        if self.familiarity not in names:
            raise ValueError(
                f"familiarity={self.familiarity!r} is not a score of "
                f"{type(self).__name__}. Set one of {sorted(names)}."
            )
        return self.familiarity

    def _train_on_clips(self, X: NDArray, *, resume: bool) -> None:
        self._train(X, resume=resume)

    def _every_score(self, X: NDArray) -> Scores:
        """Return how normal checked clips are, by each score."""
        raise NotImplementedError  # pragma: no cover

    def _splits(self, X: NDArray, groups: ArrayLike | None) -> list[Split]:
        """Return the folds that the threshold takes, before the minutes of training."""
        if self.contamination is None or not self.novelty:
            return []
        splits = calibration_splits(self.cv, len(X), groups=groups)
        n_trained = min(len(train) for train, _ in splits)
        if n_trained < 2:
            raise ValueError(
                f"cv={self.cv!r} leaves {n_trained} of {len(X)} clips to train on in a "
                "fold, and 2 are needed. Give more clips, or set contamination=None "
                "for no threshold."
            )
        return splits

    def _out_of_fold_scores(
        self, X: NDArray, splits: list[Split], state: RandomState
    ) -> Scores:
        """Score each clip by networks that were trained without it.

        They start from the same weights as those that were trained on all clips, and
        take as many steps: the scores of others would be on another scale, most of all
        after a short training.
        """
        # After a warm start, all epochs in one go.
        n_epochs = max(self.max_epochs, self.n_iter_)
        members = [
            clone(self).set_params(
                contamination=None,
                max_epochs=math.ceil(n_epochs * len(X) / len(train)),
                random_state=copy.deepcopy(state),
                warm_start=False,
            )
            for train, _ in splits
        ]
        folds = Parallel(n_jobs=self.n_jobs)(
            delayed(_score_fold)(member, X, train, test)
            for member, (train, test) in zip(members, splits, strict=True)
        )
        return {name: np.concatenate([f[name] for f in folds]) for name in folds[0]}


def _score_fold(
    member: TorchDetector, X: NDArray, train: NDArray, test: NDArray
) -> Scores:
    with warnings.catch_warnings():
        # The final network takes as many steps, and warns for itself.
        warnings.simplefilter("ignore", ConvergenceWarning)
        member.fit(X[train])
    return member._every_score(X[test])
