"""What a classifier at the end of pipelines is, and how weights reach it."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline


def last_step_of(estimator: Any) -> Any:
    """Return the classifier itself, or the one at the end of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def weight_keyword(estimator: Any, name: str) -> str:
    """Return the keyword by which ``fit`` hands weights to the last step.

    Parameters
    ----------
    estimator : classifier or Pipeline
        What is to be fitted.
    name : str
        The last step's own name for the weights.

    Returns
    -------
    keyword : str
        For example "svc__sample_weight"; ``name`` itself where metadata are routed,
        which the last step has to have requested then.
    """
    if get_config()["enable_metadata_routing"]:
        return name
    steps = []
    while isinstance(estimator, Pipeline):
        step, estimator = estimator.steps[-1]
        steps.append(step)
    return "__".join([*steps, name])
