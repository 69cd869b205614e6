"""What fitted estimators say about clips, asked for as scorers and plots need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline


class Responses:
    """What a fitted estimator says about clips, each method called once at most."""

    def __init__(self, estimator: Any, X: Any) -> None:
        self._estimator = estimator
        self._X = X
        self._class_scores: NDArray | None = None

    def familiarity(self) -> NDArray:
        """Return how familiar the clips are; higher is more familiar."""
        if hasattr(self._estimator, "score_samples"):
            return self._estimator.score_samples(self._X)
        if not knows_classes(self._estimator) and hasattr(
            self._estimator, "decision_function"
        ):
            return self._estimator.decision_function(self._X)
        if self._has_class_scores():
            return self._scores_per_class().max(axis=1)
        raise ValueError(
            f"{type(self._estimator).__name__} has none of score_samples, "
            "predict_proba and decision_function: there is no familiarity to score."
        )

    def closed_set_predictions(self) -> NDArray:
        """Return the best known label of every clip, never the outlier label."""
        if self._has_class_scores():
            classes = np.asarray(known_classes(self._estimator))
            return classes[self._scores_per_class().argmax(axis=1)]
        return self._estimator.predict(self._X)

    def _has_class_scores(self) -> bool:
        return any(
            hasattr(self._estimator, method)
            for method in ("predict_proba", "decision_function")
        )

    def _scores_per_class(self) -> NDArray:
        if self._class_scores is None:
            self._class_scores = scores_per_class(
                self._estimator, self._X, ["predict_proba", "decision_function"]
            )
        return self._class_scores


def scores_per_class(estimator: Any, X: Any, methods: Sequence[str]) -> NDArray:
    """Return what the first method that there is says, (n_clips, n_classes).

    Raises
    ------
    ValueError
        If the estimator has no classes, none of the methods, or if its scores are not
        one for each class.
    """
    method = next((name for name in methods if hasattr(estimator, name)), None)
    if method is None:
        raise ValueError(
            f"{type(estimator).__name__} has no {' and no '.join(methods)}: there are "
            "no scores of its classes."
        )
    scores = np.asarray(getattr(estimator, method)(X))
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])  # (n_clips, 2)
    n_classes = len(known_classes(estimator))
    if scores.ndim != 2 or scores.shape[1] != n_classes:
        raise ValueError(
            f"{type(estimator).__name__} gives scores of shape {scores.shape}, "
            f"expected one column for each of its {n_classes} classes."
        )
    return scores


def knows_classes(estimator: Any) -> bool:
    """Tell a fitted classifier from an outlier or novelty detector."""
    return hasattr(estimator, "classes_")


def known_classes(estimator: Any) -> Any:
    """Return the labels that a fitted classifier knows, or raise."""
    try:
        return estimator.classes_
    except AttributeError as error:
        raise ValueError(
            "A fitted classifier is needed, whose classes_ are the labels that it can "
            f"give, but {type(estimator).__name__} has no classes_."
        ) from error


def seen_classes(estimator: Any) -> Any:
    """Return the classes that a zero-shot classifier was trained on, or None."""
    for inner in nested_estimators(estimator):
        if hasattr(inner, "seen_classes_"):
            return inner.seen_classes_
    return None


def nested_estimators(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and those that answer for it, the outermost first.

    They are the last steps of pipelines, and what searches and wrappers have fitted.
    """
    while estimator is not None:
        yield estimator
        estimator = _wrapped_estimator(estimator)


def _wrapped_estimator(estimator: Any) -> Any:
    """Return the fitted estimator that answers for a meta-estimator, or None."""
    if isinstance(estimator, Pipeline):
        return estimator[-1]
    for attribute in ("best_estimator_", "estimator_"):
        if hasattr(estimator, attribute):
            return getattr(estimator, attribute)
    return None
