"""Cross-validation for zero-shot learning: test classes that training never heard."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import permutations
from numbers import Integral
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, column_or_1d, indexable
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.multiclass import check_classification_targets

Codes = NDArray[np.intp]


class _Clips(NamedTuple):
    """What a split has to know of the clips: class and group of each, as numbers."""

    classes: list
    codes: Codes  # (n_clips,)
    groups: Codes  # (n_clips,)


class ZeroShotSplit(BaseCrossValidator):
    """Folds of classes: those of the test part are not in the training part.

    Whole classes are split, not clips, and every clip of a test class is tested. The
    strategies are the settings 1 to 4 of [1]_, for any classes and categories. With
    `n_shots` a few clips of each test class move to the training part after all: zero
    shots become few.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds into which classes are dealt, at least 2, with "classes" and
        "within_category". Strategies that split by category do not look at it.
    strategy : {"classes", "within_category", "category_pairs", \
            "leave_category_out"}, default="classes"
        Which classes are trained on and tested:

        - "classes" deals all classes into `n_splits` folds at random, and tests on each
          fold what was trained on the others;
        - "within_category" does so for each category by itself (setting 1). Test and
          training classes are alike, and few;
        - "category_pairs" trains on one category and tests on one other, for all
          ordered pairs (setting 2);
        - "leave_category_out" tests on one category and trains on all others (setting
          3).
    n_shots : int, default=0
        Number of clips of *each* test class that are trained on, drawn at random; 0 is
        zero-shot learning. The paper's setting 4 has 5.
    n_shot_folds : int, default=1
        Number of times that shots are drawn for every split of the classes, each of
        which makes a split of its own. No clip is drawn twice. 8 folds of 5 shots, as
        in setting 4, need 40 clips of each class.
    categories : mapping of label to category, default=None
        The category of each class, such as ``{"dog": "animals", "rain": "natural"}``;
        needed by all strategies but "classes". It may hold classes that ``y`` has not.
        Categories take turns in the order in which they appear here.
    random_state : int, RandomState instance or None, default=None
        Decides which classes share a fold and which clips are shots. Pass an int to get
        the same splits from every call.

    See Also
    --------
    OpenSetSplit : Tests on trained and untrained classes at once, as generalised
        zero-shot learning does.
    sklearn.model_selection.LeavePGroupsOut : With classes as groups, all subsets of
        them.

    Notes
    -----
    With ``strategy="classes"`` and "leave_category_out" every class is tested in one
    split of each fold of shots, in "category_pairs" once for every other category. The
    folds of shots of one split follow each other, and a class has the same shots
    whatever it is tested with.

    ``groups`` are optional, and requested by default when metadata routing is enabled.
    No group is ever on both sides of a split. Shots are then taken group by group, and
    what is left of a group that gave shots is neither trained on nor tested. Where a
    group holds clips of trained and of tested classes, the tested ones stay.

    The accuracy of the paper chooses among the classes of the test part alone: the
    scorer ``"zero_shot_accuracy"`` of :func:`~sklearn_audio.metrics.get_scorer` does
    so.

    References
    ----------
    .. [1] H. Xie and T. Virtanen, "Zero-shot audio classification based on class label
       embeddings", WASPAA 2019. https://doi.org/10.1109/WASPAA.2019.8937283

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.model_selection import ZeroShotSplit
    >>> kinds = {"cow": "animal", "dog": "animal", "rain": "water", "sea": "water"}
    >>> y = np.repeat(["cow", "dog", "rain", "sea"], 3)
    >>> X = np.zeros((12, 1))
    >>> for train, test in ZeroShotSplit(n_splits=2, random_state=0).split(X, y):
    ...     print(np.unique(y[train]), np.unique(y[test]), len(test))
    ['cow' 'dog'] ['rain' 'sea'] 6
    ['rain' 'sea'] ['cow' 'dog'] 6

    Leave one category out, but for two clips of each class:

    >>> cv = ZeroShotSplit(
    ...     strategy="leave_category_out", n_shots=2, categories=kinds, random_state=0
    ... )
    >>> cv.get_n_splits(X, y)
    2
    >>> for train, test in cv.split(X, y):
    ...     print(*np.unique(y[train], return_counts=True), np.unique(y[test]))
    ['cow' 'dog' 'rain' 'sea'] [2 2 3 3] ['cow' 'dog']
    ['cow' 'dog' 'rain' 'sea'] [3 3 2 2] ['rain' 'sea']
    """

    # True means: taken when given. Groups stay optional.
    __metadata_request__split = {"groups": True}

    _parameter_constraints: dict[str, list] = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "strategy": [
            StrOptions(
                {"classes", "within_category", "category_pairs", "leave_category_out"}
            )
        ],
        "n_shots": [Interval(Integral, 0, None, closed="left")],
        "n_shot_folds": [Interval(Integral, 1, None, closed="left")],
        "categories": [Mapping, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        strategy: Literal[
            "classes", "within_category", "category_pairs", "leave_category_out"
        ] = "classes",
        n_shots: int = 0,
        n_shot_folds: int = 1,
        categories: Mapping[Any, Any] | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_splits = n_splits
        self.strategy = strategy
        self.n_shots = n_shots
        self.n_shot_folds = n_shot_folds
        self.categories = categories
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Ignored: scikit-learn passes it.
        y : array-like of shape (n_clips,), default=None
            Class of each clip. Not needed with ``strategy="classes"``; all others make
            as many splits as the categories of these classes allow.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            With n categories the strategies make ``n_splits``, ``n * n_splits``,
            ``n * (n - 1)`` and n splits, in the order of `strategy`; and each of them
            ``n_shot_folds`` times.

        Raises
        ------
        ValueError
            If the categories have to be counted and ``y`` is None, or a class has none.
        """
        self._check_parameters()
        if self.strategy == "classes":
            return self.n_splits * self.n_shot_folds
        n_categories = len(self._group_by_category(_check_classes(y)[0]))
        per_category = {
            "within_category": self.n_splits,
            "category_pairs": n_categories - 1,
            "leave_category_out": 1,
        }
        return n_categories * per_category[self.strategy] * self.n_shot_folds

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[Codes, Codes]]:
        """Yield the clips to train on and to test on.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips; only their number matters.
        y : array-like of shape (n_clips,)
            Class of each clip.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as the recording that it was cut from. No group is
            on both sides of a split.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int
            Indices of training clips: of training classes, and the shots.
        test : ndarray of shape (n_test,), dtype int
            Indices of test clips, of test classes only.

        Raises
        ------
        ValueError
            If a parameter is out of range, a class has no category, there are too few
            classes or categories to split, too few clips for the shots, or groups that
            leave a class without a clip. Raised before the first split is given out.
        """
        self._check_parameters()
        X, y, groups = indexable(X, y, groups)
        classes, codes = _check_classes(y)
        # Without groups, each clip is one.
        members = np.arange(len(codes)) if groups is None else column_or_1d(groups)
        clips = _Clips(classes, codes, np.unique(members, return_inverse=True)[1])
        rng = check_random_state(self.random_state)
        pairs = list(self._split_classes(classes, rng))
        shots = self._deal_shots(clips, rng)
        # All splits are checked before a caller trains on the first.
        yield from [
            _split_clips(clips, trained, tested, is_shot)
            for trained, tested in pairs
            for is_shot in shots
        ]

    def _check_parameters(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), caller_name=type(self).__name__
        )
        if self.n_shots == 0 and self.n_shot_folds > 1:
            raise ValueError(
                f"n_shot_folds={self.n_shot_folds} would repeat every split as it is, "
                "because n_shots=0 draws no clip. Give n_shots too."
            )

    def _group_by_category(self, classes: list) -> dict[Hashable, Codes]:
        """Return the codes of the classes of each category that occurs."""
        if self.categories is None:
            raise ValueError(
                f"strategy={self.strategy!r} needs categories, a dict from each class "
                "to its category."
            )
        missing = [label for label in classes if label not in self.categories]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(classes)} classes in y have no category, the "
                f"first is {missing[0]!r}. Add them to categories, or leave their "
                "clips out."
            )
        of_class = [self.categories[label] for label in classes]
        order = [c for c in dict.fromkeys(self.categories.values()) if c in of_class]
        if len(order) < 2 and self.strategy != "within_category":
            raise ValueError(
                f"All classes in y are of one category, {order[0]!r}: "
                f"strategy={self.strategy!r} needs at least 2. Within one category, "
                "take 'within_category'."
            )
        return {
            category: np.flatnonzero([c == category for c in of_class])
            for category in order
        }

    def _split_classes(
        self, classes: list, rng: np.random.RandomState
    ) -> Iterator[tuple[Codes, Codes]]:
        """Yield which classes to train on and which to test on."""
        if self.strategy == "classes":
            yield from self._deal_classes(np.arange(len(classes)), "y", rng)
            return
        members = self._group_by_category(classes)
        if self.strategy == "within_category":
            for category, codes in members.items():
                yield from self._deal_classes(codes, f"category {category!r}", rng)
        elif self.strategy == "category_pairs":
            yield from permutations(members.values(), 2)
        else:
            everything = np.arange(len(classes))
            for codes in members.values():
                yield np.setdiff1d(everything, codes), codes

    def _deal_classes(
        self, codes: Codes, place: str, rng: np.random.RandomState
    ) -> Iterator[tuple[Codes, Codes]]:
        if len(codes) < self.n_splits:
            raise ValueError(
                f"There are {len(codes)} class(es) in {place}, too few for "
                f"n_splits={self.n_splits}. Lower n_splits."
            )
        for fold in np.array_split(rng.permutation(codes), self.n_splits):
            yield np.setdiff1d(codes, fold), fold

    def _deal_shots(
        self, clips: _Clips, rng: np.random.RandomState
    ) -> NDArray[np.bool_]:
        """Return which clips are shots in each fold of shots, (n_shot_folds, n_clips).

        They are drawn for all classes: which of them are tested, a split will tell.
        """
        is_shot = np.zeros((self.n_shot_folds, len(clips.codes)), dtype=bool)
        for code in range(len(clips.classes)):
            queue = _shuffle_by_group(np.flatnonzero(clips.codes == code), clips, rng)
            for fold in is_shot:
                shots, queue = queue[: self.n_shots], queue[self.n_shots :]
                if len(shots) < self.n_shots:
                    raise ValueError(self._explain_few_clips(clips, code))
                fold[shots] = True
                # The rest of a group that was begun can be in no other fold.
                begun = clips.groups[shots[-1:]]  # (1,), or (0,) without shots
                queue = queue[~np.isin(clips.groups[queue], begun)]
        return is_shot

    def _explain_few_clips(self, clips: _Clips, code: int) -> str:
        of_class = clips.groups[clips.codes == code]
        return (
            f"Class {clips.classes[code]!r} has {len(of_class)} clip(s) in "
            f"{len(np.unique(of_class))} group(s), too few for "
            f"n_shot_folds={self.n_shot_folds} times n_shots={self.n_shots}, of "
            "different groups. Lower either, or leave the class out."
        )


def _check_classes(y: Any) -> tuple[list, Codes]:
    """Return the classes, and the number of each clip's, (n_clips,)."""
    if y is None:
        raise ValueError("ZeroShotSplit needs y, the class of each clip.")
    check_classification_targets(y)
    labels, codes = np.unique(column_or_1d(y), return_inverse=True)
    return labels.tolist(), codes


def _shuffle_by_group(clips: Codes, of: _Clips, rng: np.random.RandomState) -> Codes:
    """Return clips in random order, those of a group one after another."""
    shuffled = rng.permutation(clips)
    _, groups = np.unique(of.groups[shuffled], return_inverse=True)
    place_of_group = rng.permutation(groups.max() + 1)
    return shuffled[np.argsort(place_of_group[groups], kind="stable")]


def _split_clips(
    clips: _Clips, trained: Codes, tested: Codes, is_shot: NDArray[np.bool_]
) -> tuple[Codes, Codes]:
    """Return training and test clips that share no group.

    Shots come first, then test clips, then training clips.
    """
    classes, codes, groups = clips
    in_test = np.isin(codes, tested)
    in_train = is_shot & in_test
    in_test &= ~np.isin(groups, groups[in_train])
    in_train |= np.isin(codes, trained) & ~np.isin(groups, groups[in_test])
    train, test = np.flatnonzero(in_train), np.flatnonzero(in_test)
    for wanted, kept, side in [(tested, test, "test"), (trained, train, "train")]:
        lost = np.setdiff1d(wanted, codes[kept])
        if len(lost):
            raise ValueError(
                f"Class {classes[lost[0]]!r} has no clip left to {side} on: its clips "
                "are shots, or of groups that are on the other side. Lower n_shots, "
                "try another random_state, or leave out groups that hold clips of "
                "many classes, such as speakers."
            )
    return train, test
