"""What estimators make of the same clips when ever more of the labels are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed

from sklearn_audio.base import UNLABELED, is_unlabeled


def check_label_counts(label_counts: ArrayLike) -> NDArray:
    """Return numbers of labels, or shares of them if they are floats, or raise."""
    counts = np.asarray(label_counts)
    numbers = counts.dtype.kind in "iu" and (counts >= 1).all()
    shares = counts.dtype.kind == "f" and ((counts > 0) & (counts <= 1)).all()
    if counts.ndim != 1 or counts.size == 0 or not (numbers or shares):
        raise ValueError(
            "label_counts must be a list of whole numbers of labels, at least 1, or of "
            f"shares in (0, 1], got {label_counts!r}."
        )
    return counts


def is_share(label_counts: NDArray) -> bool:
    """Tell shares of the labels from numbers of labels."""
    return label_counts.dtype.kind == "f"


def score_by_labels(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    label_counts: NDArray,
    cv: Any,
    groups: Any,
    scorer: Callable[[Any, Any, Any], float],
    supervised: Collection[str],
    rng: RandomState,
    n_jobs: int | None,
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of each estimator, of shape (n_counts, n_folds)."""
    X, y, groups = indexable(X, y, groups)
    codes = _encode_classes(y)
    clips = np.arange(len(codes))
    folds = [
        (clips[train], clips[test])
        for train, test in check_cv(cv, codes, classifier=True).split(X, codes, groups)
    ]
    # Whatever can be wrong with a fold is found before the first fit.
    tasks = [
        (name, estimator, train, shown, _labelled_part(test, codes, fold))
        for fold, (train, test) in enumerate(folds)
        for shown in _show_labels(codes[train], label_counts, rng, fold)
        for name, estimator in estimators.items()
    ]
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(
            name, estimator, X, codes, train, shown, test, scorer, name in supervised
        )
        for name, estimator, train, shown, test in tasks
    )
    table = np.reshape(scores, (len(folds), len(label_counts), len(estimators)))
    return dict(zip(estimators, table.T, strict=True))  # each (n_counts, n_folds)


def _encode_classes(y: Any) -> NDArray[np.intp]:
    """Return classes as numbers from 0 on, and -1 for clips without a label."""
    y = column_or_1d(y)
    check_classification_targets(y)
    unlabeled = is_unlabeled(y)
    codes = np.full(len(y), UNLABELED, dtype=np.intp)
    _, codes[~unlabeled] = np.unique(y[~unlabeled], return_inverse=True)
    return codes


def _show_labels(
    codes: NDArray[np.intp], label_counts: NDArray, rng: RandomState, fold: int
) -> list[NDArray[np.intp]]:
    """Return the classes of training clips once for each count, others hidden as -1."""
    order = _labelling_order(codes, rng)
    n_classes = len(np.unique(codes[order]))
    shown = []
    for count in label_counts.tolist():
        n_labels = round(count * len(order)) if is_share(label_counts) else count
        if not n_classes <= n_labels <= len(order):
            raise ValueError(
                f"label_counts holds {count}, which would be {n_labels} of the "
                f"{len(order)} labels in the training part of fold {fold}. It must be "
                f"at least one of each of the {n_classes} classes, and no more than "
                "there are."
            )
        labels = np.full_like(codes, UNLABELED)
        labels[order[:n_labels]] = codes[order[:n_labels]]
        shown.append(labels)
    return shown


def _labelling_order(codes: NDArray[np.intp], rng: RandomState) -> NDArray[np.intp]:
    """Return the labelled clips such that the first n are stratified for every n."""
    clips = rng.permutation(np.flatnonzero(codes != UNLABELED))
    progress = np.empty(len(clips))
    for members in (codes[clips] == code for code in np.unique(codes[clips])):
        n_members = members.sum()
        progress[members] = (np.arange(n_members) + 0.5) / n_members
        progress[np.argmax(members)] = 0  # no class is left without a label
    return clips[np.argsort(progress, kind="stable")]


def _labelled_part(
    test: NDArray[np.intp], codes: NDArray[np.intp], fold: int
) -> NDArray[np.intp]:
    labelled = test[codes[test] != UNLABELED]
    if len(labelled) == 0:
        raise ValueError(
            f"None of the {len(test)} clips in the test part of fold {fold} has a "
            "label, so nothing can be scored. Choose another cv."
        )
    return labelled


def _fit_and_score(
    name: str,
    estimator: Any,
    X: Any,
    codes: NDArray[np.intp],
    train: NDArray[np.intp],
    shown: NDArray[np.intp],
    test: NDArray[np.intp],
    scorer: Callable[[Any, Any, Any], float],
    is_supervised: bool,
) -> float:
    if is_supervised:
        labelled = shown != UNLABELED
        train, shown = train[labelled], shown[labelled]
    model = clone(estimator).fit(_safe_indexing(X, train), shown)
    if UNLABELED in getattr(model, "classes_", ()):
        raise ValueError(
            f"{name!r} has learned -1 as a class, which stands for clips without a "
            f"label. Fit it on the labelled clips alone: supervised=[{name!r}]."
        )
    return scorer(model, _safe_indexing(X, test), codes[test])
