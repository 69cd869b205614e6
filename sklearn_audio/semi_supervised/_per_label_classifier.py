"""One ordinary classifier a label, trained on what is known of that label."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from sklearn_audio._torch._partial_labels import log_priors
from sklearn_audio.semi_supervised._last_step import weight_keyword

# Of a probability from 0 and 1, where trees are certain; no wider, or the ranks of
# clips that a linear model is nearly certain of would be lost.
_MARGIN = np.finfo(float).eps


class PerLabelClassifier(ClassifierMixin, BaseEstimator):
    """Let a classifier that knows no missing labels learn from them all the same.

    Parameters
    ----------
    estimator : classifier
        Has ``predict_proba`` or ``decision_function``.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: NDArray, y: NDArray, label_weight: NDArray | None = None) -> Self:
        """Train a copy for each label: (n, ...), (n, L) of 0, 1 and NaN, (n, L).

        Of a label that is known to be absent only, or to be present only, the prior is
        all that is learned.
        """
        X = _as_double(X)
        self.log_priors_ = log_priors(y, y.shape[1], label_weight)
        self.estimators_ = []
        for i, labels in enumerate(y.T):
            rows = np.flatnonzero(~np.isnan(labels))
            weights = None if label_weight is None else label_weight[rows, i]
            self.estimators_.append(self._fit_one(X[rows], labels[rows], weights))
        return self

    def _fit_one(self, X: NDArray, labels: NDArray, weights: NDArray | None) -> Any:
        """Return a copy trained on known labels, or None where one kind is all."""
        if len(np.unique(labels)) < 2:
            return None
        keywords = {}
        if weights is not None:
            keywords[weight_keyword(self.estimator, "sample_weight")] = weights
        return clone(self.estimator).fit(X, labels.astype(int), **keywords)

    def decision_function(self, X: NDArray) -> NDArray[np.float64]:
        """Return log odds, or what the classifier has instead: (n, ...) -> (n, L)."""
        X = _as_double(X)
        columns = [
            np.full(len(X), prior) if estimator is None else _log_odds(estimator, X)
            for estimator, prior in zip(self.estimators_, self.log_priors_, strict=True)
        ]
        return np.column_stack(columns).astype(np.float64)

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Return the probabilities of the labels: (n, ...) -> (n, L)."""
        return expit(self.decision_function(X))


def _as_double(X: NDArray) -> NDArray[np.float64]:
    """Keep a linear model from rounding a clip by its place among the others."""
    return X.astype(np.float64)


def _log_odds(estimator: Any, X: NDArray) -> NDArray:
    if not hasattr(estimator, "predict_proba"):
        return estimator.decision_function(X)
    present = estimator.predict_proba(X)[:, 1]
    return logit(np.clip(present, _MARGIN, 1 - _MARGIN))
