"""Cross-validation for open-set recognition: train on some classes, meet others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    BaseCrossValidator,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils import check_random_state, column_or_1d, indexable
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.multiclass import check_classification_targets

DEFAULT_UNKNOWN_FRACTION = 0.4


class OpenSetSplit(BaseCrossValidator):
    """Stratified folds whose training parts never hold the unknown classes.

    All clips are dealt into ``n_splits`` folds, each class evenly. Split *i* tests on
    fold *i* and trains on the clips of *known* classes in the other folds. So every
    test part holds known and unknown clips, and every clip is tested exactly once.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    unknown_classes : label or array-like of labels, default=None
        The classes that are unknown in every split, among them a reserved outlier label
        such as -1 or ``"unknown"`` if ``y`` has one. Cannot be given together with
        ``n_unknown_classes``.
    n_unknown_classes : int or float, default=None
        Draw a new set of unknown classes for every split: that many, or that share of
        the classes (in (0, 1), rounded, at least one). If neither this nor
        ``unknown_classes`` is given, 0.4 is taken: six known classes of ten, as in the
        usual open-set experiments [1]_.
    shuffle : bool, default=True
        Whether to shuffle the clips of each class (or the groups) before dealing them.
        Recordings often come sorted, hence True.
    random_state : int, RandomState instance or None, default=None
        Decides the shuffling and the drawn classes. Pass an int to get the same splits
        from every call.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : Deals the clips without groups.
    sklearn.model_selection.StratifiedGroupKFold : Deals the clips with groups.

    Notes
    -----
    At least two classes must stay known. A class that may be known needs ``n_splits``
    clips; unknown classes may be smaller as long as there are ``n_splits`` unknown
    clips. With groups it may happen that a fold gets no unknown clip, or all clips of a
    class: this raises an error, because no open-set metric is defined there.

    ``groups`` are optional, and requested by default when metadata routing is enabled:
    ``cross_validate(..., params={"groups": groups})`` works without further ado.

    References
    ----------
    .. [1] L. Neal, M. Olson, X. Fern, W.-K. Wong and F. Li, "Open set learning with
       counterfactual images", ECCV 2018. https://doi.org/10.1007/978-3-030-01231-1_38

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.model_selection import OpenSetSplit
    >>> X = np.zeros((9, 1))
    >>> y = np.repeat(["yes", "no", "dog"], 3)
    >>> cv = OpenSetSplit(n_splits=3, unknown_classes=["dog"], shuffle=False)
    >>> cv
    OpenSetSplit(n_splits=3, n_unknown_classes=None, random_state=None,
           shuffle=False, unknown_classes=['dog'])
    >>> for train, test in cv.split(X, y):
    ...     print(y[train], y[test])
    ['yes' 'yes' 'no' 'no'] ['yes' 'no' 'dog']
    ['yes' 'yes' 'no' 'no'] ['yes' 'no' 'dog']
    ['yes' 'yes' 'no' 'no'] ['yes' 'no' 'dog']
    """

    # True means: taken when given. Groups stay optional.
    __metadata_request__split = {"groups": True}

    _parameter_constraints: dict[str, list] = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "unknown_classes": ["array-like", str, Real, None],
        "n_unknown_classes": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        unknown_classes: Any = None,
        n_unknown_classes: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.n_splits = n_splits
        self.unknown_classes = unknown_classes
        self.n_unknown_classes = n_unknown_classes
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        groups: Any = None,
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Ignored, as is the rest: scikit-learn passes them.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            The parameter ``n_splits``.
        """
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the clips to train on and to test on.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips; only their number matters.
        y : array-like of shape (n_clips,)
            Class of each clip.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as its speaker or source recording. No group is on
            both sides of a split; the unknown clips of a test part come from its own
            groups.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int
            Indices of training clips, known classes only.
        test : ndarray of shape (n_test,), dtype int
            Indices of test clips, of known and unknown classes.

        Raises
        ------
        ValueError
            If a parameter is out of range, an unknown class is not in ``y``, fewer than
            two classes stay known, or there are too few clips or groups for
            ``n_splits``. Raised before the first split is given out.
        """
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), caller_name=type(self).__name__
        )
        if y is None:
            raise ValueError("OpenSetSplit needs y, the class of each clip.")
        X, y, groups = indexable(X, y, groups)
        check_classification_targets(y)
        unique_labels, codes = np.unique(column_or_1d(y), return_inverse=True)
        classes = unique_labels.tolist()

        rng = check_random_state(self.random_state)
        unknown = self._choose_unknown(classes, rng)
        self._check_enough_clips(classes, codes, unknown)
        strata = self._merge_rare_unknown(codes, unknown)
        fold_of_clip = self._deal(strata, groups, rng)
        # All splits are checked before a caller trains on the first.
        yield from [
            self._split_one(fold_of_clip == fold, classes, codes, is_unknown)
            for fold, is_unknown in enumerate(unknown)
        ]

    def _choose_unknown(
        self, classes: list, rng: np.random.RandomState
    ) -> NDArray[np.bool_]:
        """Return which classes are unknown in each split, (n_splits, n_classes)."""
        if self.unknown_classes is None:
            return self._draw_unknown(classes, rng)
        if self.n_unknown_classes is not None:
            raise ValueError(
                "Give either unknown_classes or n_unknown_classes, not both: got "
                f"unknown_classes={self.unknown_classes!r} and "
                f"n_unknown_classes={self.n_unknown_classes!r}."
            )
        named = _as_set(self.unknown_classes)
        missing = named.difference(classes)
        if missing or not named:
            raise ValueError(
                f"unknown_classes={self.unknown_classes!r} must name classes of y, "
                f"which holds {classes}."
            )
        is_unknown = np.array([label in named for label in classes])
        _check_two_known(classes, n_unknown=int(is_unknown.sum()))
        return np.tile(is_unknown, (self.n_splits, 1))

    def _draw_unknown(
        self, classes: list, rng: np.random.RandomState
    ) -> NDArray[np.bool_]:
        wanted = self.n_unknown_classes
        if wanted is None:
            wanted = DEFAULT_UNKNOWN_FRACTION
        size = int(wanted) if wanted >= 1 else max(1, round(wanted * len(classes)))
        _check_two_known(classes, n_unknown=size)
        is_unknown = np.zeros((self.n_splits, len(classes)), dtype=bool)
        for row in is_unknown:
            row[rng.choice(len(classes), size=size, replace=False)] = True
        return is_unknown

    def _check_enough_clips(
        self, classes: list, codes: NDArray[np.intp], unknown: NDArray[np.bool_]
    ) -> None:
        n_clips = np.bincount(codes)
        sometimes_known = ~unknown.all(axis=0)
        small = np.flatnonzero(sometimes_known & (n_clips < self.n_splits))
        if len(small):
            raise ValueError(
                f"Class {classes[small[0]]!r} has {n_clips[small[0]]} clip(s), "
                f"too few for n_splits={self.n_splits}. Lower n_splits, leave the "
                "class out, or name it in unknown_classes."
            )
        n_unknown = n_clips[unknown.any(axis=0)].sum()
        if n_unknown < self.n_splits:
            raise ValueError(
                f"There are {n_unknown} unknown clip(s), too few for "
                f"n_splits={self.n_splits} test parts. Lower n_splits, or name more "
                "unknown_classes."
            )

    def _merge_rare_unknown(
        self, codes: NDArray[np.intp], unknown: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Deal classes with fewer clips than folds along with the commonest unknown."""
        n_clips = np.bincount(codes)
        rare = n_clips < self.n_splits  # known classes are large enough by now
        commonest = np.argmax(np.where(unknown.all(axis=0), n_clips, 0))
        return np.where(rare[codes], commonest, codes)

    def _deal(
        self, strata: NDArray[np.intp], groups: Any, rng: np.random.RandomState
    ) -> NDArray[np.intp]:
        """Return the fold of each clip."""
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
        if groups is not None:
            groups = column_or_1d(groups)
            self._check_enough_groups(groups)
        folds = splitter(
            self.n_splits,
            shuffle=self.shuffle,
            random_state=rng if self.shuffle else None,
        )
        fold_of_clip = np.empty(len(strata), dtype=np.intp)
        placeholder = np.zeros(len(strata))
        for fold, (_, test) in enumerate(folds.split(placeholder, strata, groups)):
            fold_of_clip[test] = fold
        return fold_of_clip

    def _check_enough_groups(self, groups: NDArray) -> None:
        n_groups = len(np.unique(groups))
        if n_groups < self.n_splits:
            raise ValueError(
                f"There are {n_groups} group(s), too few for n_splits={self.n_splits}. "
                "Lower n_splits."
            )

    def _split_one(
        self,
        in_test: NDArray[np.bool_],
        classes: list,
        codes: NDArray[np.intp],
        is_unknown: NDArray[np.bool_],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        clip_is_unknown = is_unknown[codes]
        train = np.flatnonzero(~in_test & ~clip_is_unknown)
        test = np.flatnonzero(in_test)
        untrained = np.setdiff1d(np.flatnonzero(~is_unknown), codes[train])
        if len(untrained):
            raise ValueError(
                f"All clips of class {classes[untrained[0]]!r} are in one test "
                "part, because they share one group or few: it could not be learned. "
                f"Lower n_splits={self.n_splits}, try another random_state, or leave "
                "the class out."
            )
        sides = set(clip_is_unknown[test].tolist())
        if len(sides) < 2:
            missing = "known" if True in sides else "unknown"
            raise ValueError(
                f"A test part has no {missing} clip, because its groups have none. "
                f"Lower n_splits={self.n_splits} or try another random_state."
            )
        return train, test


def _as_set(labels: Any) -> set:
    """Return one label, or many in any container, as a set."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        return {labels}
    return set(labels)


def _check_two_known(classes: list, n_unknown: int) -> None:
    n_known = len(classes) - n_unknown
    if n_known < 2:
        raise ValueError(
            f"{n_unknown} of the {len(classes)} classes in y would be unknown, which "
            f"leaves {max(n_known, 0)} known: at least 2 must stay known."
        )
