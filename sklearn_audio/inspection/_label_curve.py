"""What estimators make of the same clips when ever more of the labels are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed

from sklearn_audio.base import (
    UNLABELED,
    check_groups,
    is_unlabeled,
    rarest_labels,
    split_groups_apart,
)
from sklearn_audio.model_selection._multilabel_stratified_k_fold import (
    MultilabelStratifiedKFold,
    check_partial_labels,
)

_N_FOLDS = 5


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
    codes = _encode(y)
    groups = None if groups is None else check_groups(groups, len(codes))
    clips = np.arange(len(codes))
    splitter = _choose_splitter(cv, codes, groups)
    folds = [
        (clips[train], clips[test])
        for train, test in split_groups_apart(splitter, X, codes, groups)
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


def _choose_splitter(cv: Any, codes: NDArray[np.intp], groups: NDArray | None) -> Any:
    cv = _N_FOLDS if cv is None else cv
    if isinstance(cv, Integral):
        if codes.ndim == 2:
            return MultilabelStratifiedKFold(int(cv))
        if groups is not None:
            return StratifiedGroupKFold(int(cv))
    return check_cv(cv, codes, classifier=True)


def _encode(y: Any) -> NDArray[np.intp]:
    """Return classes as numbers from 0 on, or a table of 0 and 1; -1 is unknown."""
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        is_positive, is_known = check_partial_labels(y)
        return np.where(is_known, is_positive, UNLABELED).astype(np.intp)
    y = column_or_1d(y)
    check_classification_targets(y)
    unlabeled = is_unlabeled(y)
    codes = np.full(len(y), UNLABELED, dtype=np.intp)
    _, codes[~unlabeled] = np.unique(y[~unlabeled], return_inverse=True)
    return codes


def _show_labels(
    codes: NDArray[np.intp], label_counts: NDArray, rng: RandomState, fold: int
) -> list[NDArray[np.intp]]:
    """Return the labels of training clips once for each count, others hidden as -1."""
    order, n_needed = _labelling_order(codes, rng)
    shown = []
    for count in label_counts.tolist():
        n_labels = round(count * len(order)) if is_share(label_counts) else count
        if not n_needed <= n_labels <= len(order):
            each = "class" if codes.ndim == 1 else "label"
            raise ValueError(
                f"label_counts holds {count}, which would be {n_labels} of the "
                f"{len(order)} labelled clips in the training part of fold {fold}. It "
                f"must be at least {n_needed}, for a clip of each {each}, and no more "
                "than there are."
            )
        labels = np.full_like(codes, UNLABELED)
        labels[order[:n_labels]] = codes[order[:n_labels]]
        shown.append(labels)
    return shown


def _labelling_order(
    codes: NDArray[np.intp], rng: RandomState
) -> tuple[NDArray[np.intp], int]:
    """Return the labelled clips such that the first n are stratified for every n.

    With them comes how many have to be labelled for a clip of each class or label.
    """
    clips = rng.permutation(np.flatnonzero(_is_labelled(codes)))
    codes = codes[clips]
    kinds = codes if codes.ndim == 1 else rarest_labels(codes == 1)
    progress = np.empty(len(clips))
    for members in (kinds == kind for kind in np.unique(kinds)):
        n_members = members.sum()
        progress[members] = (np.arange(n_members) + 0.5) / n_members
    needed = _one_of_each(codes)
    progress[needed] = 0
    return clips[np.argsort(progress, kind="stable")], len(needed)


def _one_of_each(codes: NDArray[np.intp]) -> list[int]:
    """Return some clips that have each class, or each label, between them."""
    if codes.ndim == 1:
        return np.unique(codes, return_index=True)[1].tolist()
    is_positive = codes == 1
    found = ~is_positive.any(axis=0)  # which there is no need to look for
    chosen = []
    for label in np.argsort(is_positive.sum(axis=0), kind="stable"):
        if not found[label]:
            chosen.append(int(is_positive[:, label].argmax()))
            found |= is_positive[chosen[-1]]
    return chosen


def _is_labelled(codes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return of which clips a label is known, (n_clips,)."""
    is_known = codes != UNLABELED
    return is_known if codes.ndim == 1 else is_known.any(axis=1)


def _labelled_part(
    test: NDArray[np.intp], codes: NDArray[np.intp], fold: int
) -> NDArray[np.intp]:
    labelled = test[_is_labelled(codes[test])]
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
        labelled = _is_labelled(shown)
        train, shown = train[labelled], shown[labelled]
    model = clone(estimator).fit(_safe_indexing(X, train), shown)
    classes = getattr(model, "classes_", ())  # in a list, where there is a table
    if UNLABELED in (np.concatenate(classes) if isinstance(classes, list) else classes):
        remedy = (
            "Give it clips whose labels are all known."
            if is_supervised
            else f"Fit it on the labelled clips alone: supervised=[{name!r}]."
        )
        raise ValueError(
            f"{name!r} has learned -1 as a class, which stands for a label that is "
            f"unknown. {remedy}"
        )
    return scorer(model, _safe_indexing(X, test), codes[test])
