"""Look into pipelines, searches and wrappers for the estimator that has something."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_audio.metrics._responses import nested_estimators


class Layer(NamedTuple):
    """An estimator inside another one, and what clips pass on their way to it."""

    estimator: Any
    front_end: list[Pipeline]

    def prepare(self, X: Any) -> Any:
        """Return the clips as the estimator is given them."""
        for steps in self.front_end:
            X = steps.transform(X)
        return X


def find_layer(estimator: Any, attribute: str) -> Layer | None:
    """Return the outermost estimator that has the attribute, or None."""
    front_end: list[Pipeline] = []
    for inner in nested_estimators(estimator):
        if hasattr(inner, attribute):
            return Layer(inner, front_end)
        if isinstance(inner, Pipeline) and len(inner) > 1:
            front_end.append(inner[:-1])
    return None


def require_layer(estimator: Any, attribute: str, meaning: str) -> Layer:
    """Return the outermost estimator that has the attribute, or raise.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    AttributeError
        If neither the estimator nor one inside has the attribute.
    """
    check_is_fitted(estimator)
    layer = find_layer(estimator, attribute)
    if layer is None:
        raise AttributeError(f"{name_of(estimator)} has no {attribute}, {meaning}")
    return layer


def name_of(estimator: Any) -> str:
    """Return the class of an estimator, of a pipeline the class of its last step."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    return type(estimator).__name__
