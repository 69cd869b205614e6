"""What zero-shot classifiers share: seen and candidate classes, scores to answers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, check_scalar

from sklearn_audio.base import VersionedEstimator, validate_labels
from sklearn_audio.zero_shot._class_embeddings import (
    ClassTable,
    check_labels,
    embed_classes,
    knows_its_labels,
)

# Logarithms of the lowest and the highest temperature that is looked for.
_LOG_TEMPERATURES = (-9.0, 5.0)


class ZeroShotClassifier(ClassifierMixin, VersionedEstimator):
    """A classifier that chooses among classes it may never have heard.

    A subclass learns its classes by ``_learn_classes`` and says in ``_compatibilities``
    how well clips and class vectors go together.

    Parameters
    ----------
    class_embeddings : object
        A vector for each class, see :mod:`sklearn_audio.zero_shot._class_embeddings`.
    candidate_classes : array-like of shape (n_classes,) or None
        The classes to choose from.
    seen_penalty : float
        Subtracted from the scores of seen classes.
    temperature : float or "auto"
        Divides the scores in ``predict_proba``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "class_embeddings": "no_validation",  # a TypeError says what would do
        "candidate_classes": ["array-like", None],
        "seen_penalty": [Interval(Real, None, None, closed="neither")],
        "temperature": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
        ],
    }

    classes_: NDArray
    seen_classes_: NDArray
    temperature_: float

    def _compatibilities(self, X: ArrayLike, classes: NDArray) -> NDArray:
        """Score clips against embedded classes: (n, ...), (C,) -> (n, C)."""
        raise NotImplementedError  # pragma: no cover

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the compatibility of each clip with each candidate class.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips, n_classes) or (n_clips,), dtype float64
            In the order of ``classes_``; ``seen_penalty`` is taken off already. With
            two classes, the second one's score minus the first one's.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the softmax of the scores, divided by ``temperature_``.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_classes), dtype float64
            In the order of ``classes_``; each row sums to 1. They order the classes as
            the scores do. How sure they are was learnt on seen classes at best, and is
            too sure for unseen ones.
        """
        return softmax(self._scores(X) / self.temperature_, axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the candidate class that each clip is most compatible with.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,)
            Seen or unseen classes.
        """
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def top_k(self, X: ArrayLike, k: int = 5) -> NDArray:
        """Return the candidate classes that each clip is most compatible with.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips.
        k : int, default=5
            How many classes, from 1 to the number of candidates.

        Returns
        -------
        labels : ndarray of shape (n_clips, k)
            The best class first; the first column is what ``predict`` returns.

        Raises
        ------
        ValueError
            If there are fewer than `k` candidate classes, or `k` is below 1.
        """
        check_is_fitted(self)
        n_classes = len(self.classes_)
        check_scalar(k, "k", Integral, min_val=1, max_val=n_classes)
        order = np.argsort(-self._scores(X), axis=1, kind="stable")
        return self.classes_[order[:, :k]]

    def set_candidates(self, candidate_classes: ArrayLike | None) -> Self:
        """Choose among other classes from now on, without a new fit.

        Classes that were not embedded in ``fit`` are looked up in ``class_embeddings``,
        which may have been replaced by a larger one with ``set_params``.

        Parameters
        ----------
        candidate_classes : array-like of shape (n_classes,) or None
            As the parameter of the same name, which it sets.

        Returns
        -------
        self : object
            The same estimator.

        Raises
        ------
        ValueError
            If a class has no vector, if there are fewer than two classes, or if new
            vectors have another length than those of ``fit``. The estimator is then
            left as it was.
        """
        check_is_fitted(self)
        known = ClassTable(self.embedded_classes_, self.embedded_vectors_)
        if candidate_classes is not None:
            labels = check_labels(candidate_classes, "candidate_classes")
            fresh = labels[~np.isin(labels, known.labels)]
            if len(fresh):
                known = known.joined(embed_classes(self.class_embeddings, fresh), fresh)
        self._choose_among(known, candidate_classes)
        self.candidate_classes = candidate_classes
        return self

    def _validate_classes(self, X: NDArray, y: Any) -> tuple[NDArray, NDArray]:
        """Return the labels of the clips, and the classes among them."""
        y = validate_labels(self, y)
        if len(y) != len(X):
            raise ValueError(
                f"X holds {len(X)} clips, but y holds {len(y)} labels: one a clip."
            )
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds 1 class: "
                f"{classes.tolist()}."
            )
        return y, classes

    def _learn_classes(self, seen_classes: NDArray) -> NDArray[np.float32]:
        """Embed seen and candidate classes; return the seen ones' vectors."""
        needed = seen_classes
        if self.candidate_classes is not None and self.class_embeddings is not None:
            candidates = check_labels(self.candidate_classes, "candidate_classes")
            union = dict.fromkeys([*seen_classes.tolist(), *candidates.tolist()])
            needed = check_labels(union, "y and candidate_classes together")
        table = embed_classes(self.class_embeddings, needed)
        seen_rows = table.rows_of(seen_classes, "y")
        self.seen_classes_ = seen_classes
        self._choose_among(table, self.candidate_classes)
        return table.vectors[seen_rows]

    def _learn_temperature(self, scores: NDArray, y: NDArray[np.intp]) -> None:
        """Set ``temperature_`` from the training clips' scores for seen classes."""
        self.temperature_ = (
            fit_temperature(scores, y)
            if self.temperature == "auto"
            else float(self.temperature)
        )

    def _choose_among(self, table: ClassTable, candidate_classes: Any) -> None:
        """Set ``classes_``, and keep the table for later choices."""
        if candidate_classes is not None:
            classes = np.unique(check_labels(candidate_classes, "candidate_classes"))
        elif knows_its_labels(self.class_embeddings):
            classes = table.labels
        else:
            classes = self.seen_classes_
        table.rows_of(classes, "candidate_classes")
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes to choose from, but "
                f"has 1 class: {classes.tolist()}."
            )
        self.embedded_classes_, self.embedded_vectors_ = table.labels, table.vectors
        self.classes_ = classes

    def _vectors_of(self, labels: NDArray) -> NDArray[np.float32]:
        """Return the vectors of classes, as they were given: (C, n_dims)."""
        table = ClassTable(self.embedded_classes_, self.embedded_vectors_)
        return table.vectors[table.rows_of(labels, "classes_")]

    def _scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scores of the candidates: (n, ...) -> (n, n_classes)."""
        check_is_fitted(self)
        scores = self._compatibilities(X, self.classes_)
        is_seen = np.isin(self.classes_, self.seen_classes_)  # (n_classes,)
        return scores.astype(np.float64) - self.seen_penalty * is_seen


def mean_over_frames(X: NDArray) -> NDArray:
    """Average clips over time: (n, d[, t]) -> (n, d)."""
    return X.mean(axis=2) if X.ndim == 3 else X


def unit(rows: NDArray) -> NDArray:
    """Give rows the length 1; rows of zeros stay as they are: (n, d) -> (n, d)."""
    # In single precision squares of 1e20 would be infinite, and those of 1e-25 zero.
    squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
    lengths = np.sqrt(np.where(squares > 0, squares, 1))[:, np.newaxis]  # (n, 1)
    return np.divide(rows, lengths, out=np.empty_like(rows), casting="unsafe")


def fit_temperature(scores: NDArray, y: NDArray[np.intp]) -> float:
    """Return the temperature at which the true classes are most likely.

    The likelihood is that of [1]_'s softened labels, without which the temperature of
    scores that separate the classes would be zero.

    Parameters
    ----------
    scores : ndarray of shape (n_clips, n_classes)
        Of the training clips.
    y : ndarray of shape (n_clips,)
        Columns of their classes.

    Returns
    -------
    temperature : float
        Divide scores by it.

    References
    ----------
    .. [1] Platt, J. (1999). "Probabilistic outputs for support vector machines and
       comparisons to regularized likelihood methods." Advances in Large Margin
       Classifiers.
    """
    n_clips, n_classes = scores.shape
    softened = np.full(scores.shape, 1 / (n_clips + 2) / (n_classes - 1))
    softened[np.arange(n_clips), y] = (n_clips + 1) / (n_clips + 2)

    def loss(log_temperature: float) -> float:
        """Return the cross-entropy at a temperature."""
        logarithms = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float((softened * logarithms).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
