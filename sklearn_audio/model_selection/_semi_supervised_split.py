"""Cross-validation with clips that have no label: train on them, never test them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    BaseCrossValidator,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils import column_or_1d, indexable
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    validate_parameter_constraints,
)
from sklearn.utils.multiclass import check_classification_targets

from sklearn_audio.base import (
    UNLABELED,
    is_unlabeled,
    missing_as_nan,
    refuse_hidden_classes,
)
from sklearn_audio.model_selection._multilabel_stratified_k_fold import (
    MultilabelStratifiedKFold,
    check_partial_labels,
)

Indices = NDArray[np.intp]


class _Labelled(NamedTuple):
    """The clips that have a label, as the wrapped splitter is to see them."""

    indices: Indices  # (n_labelled,), of all clips
    y: NDArray  # (n_labelled,) or (n_labelled, n_labels)
    groups: NDArray | None  # (n_labelled,)


class SemiSupervisedSplit(BaseCrossValidator):
    """Folds of the labelled clips; all others are trained on and never tested.

    Semi-supervised classifiers learn from clips without a label, too, which ``y`` marks
    with -1. In ordinary folds such clips get into the test parts, where the metrics of
    scikit-learn count whatever is predicted for them as an error. This splitter gives
    another one the labelled clips alone, and adds the rest to every training part.

    Parameters
    ----------
    cv : int or splitter, default=5
        How the labelled clips are split: any splitter of scikit-learn or of this
        package, or a number of folds, at least 2. For a number, classes are dealt by
        :class:`~sklearn.model_selection.StratifiedKFold`, with groups by
        :class:`~sklearn.model_selection.StratifiedGroupKFold`, and several labels a
        clip by :class:`MultilabelStratifiedKFold`. A list of index arrays is refused,
        for it could count all clips or only the labelled ones.

    See Also
    --------
    MultilabelStratifiedKFold : Spreads the labels evenly that are known.
    sklearn.model_selection.LeaveOneGroupOut : As ``cv``, with official folds as groups.

    Notes
    -----
    A clip has no label where a numeric 1-D ``y`` is -1 and at least two other classes
    exist, as in :mod:`sklearn.semi_supervised`; beside fewer, -1 is a class. In a 2-D
    ``y``, which has a column of 0 and 1 for each label and -1 or NaN for what is not
    known, it is a row of which nothing is known: a clip with one known label is tested.

    ``groups`` are optional, and requested by default when metadata routing is enabled.
    No group is ever on both sides of a split: what is cut from a recording that is
    tested gives its test clips away even without a label, and stays out of that
    training part. A clip from nowhere known needs a group of its own. The splitter in
    ``cv`` has to heed the groups of the labelled clips; one that does not is refused as
    soon as it parts a group.

    Clips without a label are never tested, so that
    :func:`~sklearn.model_selection.cross_val_predict`, which wants a prediction for
    each clip, cannot take this splitter.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.model_selection import SemiSupervisedSplit
    >>> y = np.array([0, 0, 1, 1, -1, -1, -1, -1])
    >>> X = np.zeros((8, 1))
    >>> for train, test in SemiSupervisedSplit(cv=2).split(X, y):
    ...     print(train, test)
    [1 3 4 5 6 7] [0 2]
    [0 2 4 5 6 7] [1 3]

    A clip without a label, too, stays out where its recording is tested:

    >>> recordings = np.array([1, 2, 1, 2, 3, 3, 1, 2])
    >>> for train, test in SemiSupervisedSplit(cv=2).split(X, y, recordings):
    ...     print(train, test)
    [1 3 4 5 7] [0 2]
    [0 2 4 5 6] [1 3]

    In ordinary folds no classifier could be right more often than clips have a label:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.semi_supervised import SelfTrainingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> y[np.arange(150) % 5 > 0] = -1  # every fifth label is kept
    >>> model = SelfTrainingClassifier(LogisticRegression(max_iter=1000))
    >>> cross_val_score(model, X, y, cv=3).round(2)
    array([0.2 , 0.18, 0.18])
    >>> cross_val_score(model, X, y, cv=SemiSupervisedSplit(cv=3))
    array([1., 1., 1.])
    """

    # True means: taken when given. Groups stay optional.
    __metadata_request__split = {"groups": True}

    _parameter_constraints: dict[str, list] = {
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
        ],
    }

    def __init__(self, cv: Any = 5) -> None:
        self.cv = cv

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Ignored: scikit-learn passes it.
        y : array-like of shape (n_clips,) or (n_clips, n_labels), default=None
            Labels of each clip. Needed where the splitter in ``cv`` counts clips or
            groups, as :class:`~sklearn.model_selection.LeaveOneGroupOut` does.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, needed where the splitter in ``cv`` counts groups.

        Returns
        -------
        n_splits : int
            As many as ``cv`` makes of the labelled clips.

        Raises
        ------
        ValueError
            If ``cv`` is neither a number of folds nor a splitter, no clip of ``y`` has
            a label, or what ``cv`` has to count is not given.
        """
        self._check_parameters()
        if isinstance(self.cv, Integral):
            return int(self.cv)
        if y is None:
            return self.cv.get_n_splits(None, None, None)
        labelled = self._find_labelled(y, groups)
        placeholder = np.zeros(len(labelled.indices))
        return self.cv.get_n_splits(placeholder, labelled.y, labelled.groups)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield the clips to train on and to test on.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips; only their number matters.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Class of each clip, -1 where it is not known; or a column of 0 and 1 for
            each label, with -1 or NaN where that is not known.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, labelled or not, such as the recording that it was cut
            from. No group is on both sides of a split.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int
            Indices of training clips, sorted: labelled clips that are not tested, and
            the clips without a label.
        test : ndarray of shape (n_test,), dtype int
            Indices of test clips, all of them labelled.

        Raises
        ------
        ValueError
            If ``cv`` is neither a number of folds nor a splitter, no clip has a label,
            or ``cv`` counts other clips than the labelled ones or parts a group. Raised
            before the first split is given out.
        """
        self._check_parameters()
        X, y, groups = indexable(X, y, groups)
        labelled = self._find_labelled(y, groups)
        is_labelled = np.zeros(len(y), dtype=bool)
        is_labelled[labelled.indices] = True
        unlabelled = np.flatnonzero(~is_labelled)
        members = None if groups is None else column_or_1d(groups)
        # All splits are checked before a caller trains on the first.
        splits = []
        for train, test in self._split_labelled(labelled):
            train = np.sort(np.concatenate([train, unlabelled]))
            if members is not None:
                kept = ~np.isin(members[train], members[test])
                self._check_groups(members, train[~kept & is_labelled[train]])
                train = train[kept]
            splits.append((train, test))
        yield from splits

    def _check_parameters(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), caller_name=type(self).__name__
        )

    def _find_labelled(self, y: Any, groups: Any) -> _Labelled:
        if y is None:
            raise ValueError(
                "SemiSupervisedSplit needs y, which tells the clips that have a label "
                "from those that have none."
            )
        if np.ndim(y) == 2 and np.ma.is_masked(y):
            y = missing_as_nan(y)
        refuse_hidden_classes(y)
        y = np.asarray(y)
        indices = np.flatnonzero(_has_label(y))
        if not len(indices):
            raise ValueError(
                f"None of the {len(y)} clips in y has a label: there is nothing to "
                "test. Give some of them their class, or 0 and 1 for some of their "
                "labels."
            )
        members = None if groups is None else column_or_1d(groups)[indices]
        return _Labelled(indices, y[indices], members)

    def _split_labelled(self, labelled: _Labelled) -> Iterator[tuple[Indices, Indices]]:
        """Yield training and test clips as the wrapped splitter deals them."""
        indices, y, groups = labelled
        splitter = self._choose_splitter(y, groups)
        with warnings.catch_warnings():
            # Whether the groups were heeded is looked at afterwards.
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            splits = list(splitter.split(np.zeros(len(indices)), y, groups))
        for train, test in splits:
            last = max(np.max(train, initial=0), np.max(test, initial=0))
            if last >= len(indices):
                raise ValueError(
                    f"cv={self.cv!r} names clip {last}, but it is given the "
                    f"{len(indices)} labelled clips alone. Official folds of all clips "
                    "can be given as groups, with cv=LeaveOneGroupOut()."
                )
            yield indices[train], indices[test]

    def _choose_splitter(self, y: NDArray, groups: NDArray | None) -> Any:
        if not isinstance(self.cv, Integral):
            return self.cv
        if y.ndim == 2:
            return MultilabelStratifiedKFold(int(self.cv))
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
        return splitter(int(self.cv))

    def _check_groups(self, groups: NDArray, leaked: Indices) -> None:
        """Raise ValueError if labelled training clips are of tested groups."""
        if len(leaked):
            raise ValueError(
                f"cv={self.cv!r} puts labelled clips of group {groups[leaked[0]]!r} on "
                "both sides of a split. Give a number of folds or a splitter that "
                "heeds groups, such as StratifiedGroupKFold; or leave out groups."
            )


def _has_label(y: NDArray) -> NDArray[np.bool_]:
    """Return which clips have a class, or one known label at least, (n_clips,)."""
    if y.ndim == 2:
        return np.sum(check_partial_labels(y)[1], axis=1) > 0
    y = column_or_1d(y)
    check_classification_targets(y)
    if y.dtype.kind in "if" and np.all(y == UNLABELED):
        return np.zeros(len(y), dtype=bool)
    return ~is_unlabeled(y)
