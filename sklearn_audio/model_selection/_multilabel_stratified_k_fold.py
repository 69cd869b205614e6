"""Cross-validation for clips with several labels, some of which are missing."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, column_or_1d, indexable
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from sklearn_audio.base import UNLABELED, missing_as_nan

Counts = NDArray[np.intp]


class MultilabelStratifiedKFold(BaseCrossValidator):
    """Folds with an even share of each label's known positives and negatives.

    In ordinary folds of a multi-label data set a rare label may have no positive clip
    to test, and where most labels are missing a fold may know next to nothing of some
    label. Here the clips are dealt by iterative stratification [1]_, what is rarest
    first.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to shuffle the clips (or the groups) before dealing them. False gives
        the same folds from every call, as in
        :class:`sklearn.model_selection.StratifiedKFold`.
    random_state : int, RandomState instance or None, default=None
        Decides the shuffling. Pass an int to get the same shuffled folds from every
        call. Without ``shuffle`` it must be None.

    See Also
    --------
    SemiSupervisedSplit : Keeps clips without any label out of the test parts.
    sklearn.model_selection.StratifiedKFold : For one class a clip.

    Notes
    -----
    Each label makes two kinds of clips, those known to have it and those known not to;
    clips of which nothing is known are one more kind. The kind with the fewest clips
    left is dealt next, each of its clips to the fold that has the fewest of that kind.
    Of several such folds the one is taken that has the fewest of all kinds of the clip
    together, then the one with the fewest clips: the paper looks at the clips alone,
    which spreads common negatives less evenly. No fold takes a clip once it is full, so
    that the sizes of folds differ by at most one clip.

    A label with fewer known positives than ``n_splits`` has none in some test parts.
    It cannot be scored there; :func:`~sklearn_audio.metrics.get_scorer` tells which
    figures leave it out.

    ``groups`` are optional, and requested by default when metadata routing is enabled.
    Whole groups are then dealt, the largest first, and folds are only about even: none
    exceeds its share by more than the largest group.

    References
    ----------
    .. [1] K. Sechidis, G. Tsoumakas and I. Vlahavas, "On the stratification of
       multi-label data", ECML PKDD 2011. https://doi.org/10.1007/978-3-642-23808-6_10

    Examples
    --------
    Three clips with dogs and three without, of twelve; nobody said of the others. A car
    is in every second clip:

    >>> import numpy as np
    >>> from sklearn_audio.model_selection import MultilabelStratifiedKFold
    >>> y = np.full((12, 2), -1)
    >>> y[:6, 0] = [1, 1, 1, 0, 0, 0]
    >>> y[:, 1] = [1, 0] * 6
    >>> X = np.zeros((12, 1))
    >>> for train, test in MultilabelStratifiedKFold(n_splits=3).split(X, y):
    ...     print(y[test, 0], y[test, 1])
    [ 1  0 -1 -1] [1 0 1 0]
    [ 1  0 -1 -1] [0 1 1 0]
    [ 1  0 -1 -1] [1 0 1 0]
    """

    # True means: taken when given. Groups stay optional.
    __metadata_request__split = {"groups": True}

    _parameter_constraints: dict[str, list] = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
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
        y : array-like of shape (n_clips, n_labels)
            1 where a clip has a label, 0 where it has not, and -1 or NaN where that is
            not known.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as the recording that it was cut from. No group is
            on both sides of a split.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int
            Indices of training clips.
        test : ndarray of shape (n_test,), dtype int
            Indices of test clips. Each clip is tested once.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``y`` is no such table, or there are fewer
            clips or groups than ``n_splits``. Raised before the first split is given
            out.
        """
        self._check_parameters()
        if y is None:
            raise ValueError(
                "MultilabelStratifiedKFold needs y, a column for each label."
            )
        X, y, groups = indexable(X, y, groups)
        kinds = _kinds_of_clips(*check_partial_labels(y))
        # Without groups, each clip is one.
        members = np.arange(len(kinds)) if groups is None else column_or_1d(groups)
        group_of_clip = np.unique(members, return_inverse=True)[1]
        fold_of_clip = self._deal(kinds, group_of_clip)[group_of_clip]
        for fold in range(self.n_splits):
            in_test = fold_of_clip == fold
            yield np.flatnonzero(~in_test), np.flatnonzero(in_test)

    def _check_parameters(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), caller_name=type(self).__name__
        )
        if self.random_state is not None and not self.shuffle:
            raise ValueError(
                f"random_state={self.random_state!r} decides nothing with "
                "shuffle=False. Leave it out, or give shuffle=True."
            )

    def _deal(self, kinds: NDArray[np.bool_], group_of_clip: Counts) -> Counts:
        """Return the fold of each group, (n_groups,)."""
        sizes = np.bincount(group_of_clip)
        if len(sizes) < self.n_splits:
            raise ValueError(
                f"There are {len(sizes)} clip(s) or group(s) of clips, too few for "
                f"n_splits={self.n_splits}. Lower n_splits."
            )
        counts = np.zeros((len(sizes), kinds.shape[1]), dtype=np.intp)
        np.add.at(counts, group_of_clip, kinds)  # (n_groups, n_kinds)
        order = np.arange(len(sizes))
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(order)
        order = order[np.argsort(-sizes[order], kind="stable")]
        folds = _Folds(self.n_splits, counts, sizes)
        while len(order):
            clips_left = counts[order].sum(axis=0)
            rarest = np.argmin(np.where(clips_left > 0, clips_left, np.inf))
            is_next = counts[order, rarest] > 0
            for group in order[is_next]:
                folds.take(group, rarest)
            order = order[~is_next]
        return folds.of_group


class _Folds:
    """Folds that are being filled, and what is in them so far."""

    def __init__(self, n_folds: int, counts: Counts, sizes: Counts) -> None:
        self.of_group = np.full(len(sizes), -1, dtype=np.intp)
        self._counts = counts  # (n_groups, n_kinds)
        self._sizes = sizes  # (n_groups,)
        self._held = np.zeros((n_folds, counts.shape[1]), dtype=np.intp)
        self._size = np.zeros(n_folds, dtype=np.intp)
        self._share, self._n_larger = divmod(int(sizes.sum()), n_folds)

    def take(self, group: np.intp, kind: np.intp) -> None:
        """Put a group into the fold that needs clips of a kind most."""
        of_group = self._counts[group] > 0  # (n_kinds,)
        held = self._held[:, of_group].sum(axis=1)  # (n_folds,)
        # The last key counts most; with equal keys, the first fold takes it.
        keys = (self._size, held, self._held[:, kind], self._is_full())
        fold = np.lexsort(keys)[0]
        self.of_group[group] = fold
        self._held[fold] += self._counts[group]
        self._size[fold] += self._sizes[group]

    def _is_full(self) -> NDArray[np.bool_]:
        """Tell which folds have their share; as many as need be hold one clip more."""
        may_be_larger = np.sum(self._size > self._share) < self._n_larger
        return self._size >= self._share + int(may_be_larger)


def check_partial_labels(y: Any) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which labels clips have and which are known, each (n_clips, n_labels)."""
    try:
        labels = missing_as_nan(y)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "y must be a dense table of numbers: 1 where a clip has a label, 0 where "
            "it has not, -1 or NaN where that is not known."
        ) from error
    if labels.ndim != 2:
        raise ValueError(
            "y must have a row for each clip and a column for each label, got an array "
            f"of shape {labels.shape}. For one class a clip there is "
            "sklearn.model_selection.StratifiedKFold."
        )
    is_known = ~(np.isnan(labels) | (labels == UNLABELED))
    wrong = np.argwhere(is_known & (labels != 0) & (labels != 1))
    if len(wrong):
        clip, label = wrong[0]
        raise ValueError(
            f"y holds {labels[clip, label]} for clip {clip} and label {label}. Only 1 "
            "and 0 are known labels, and -1 or NaN missing ones."
        )
    return is_known & (labels == 1), is_known


def _kinds_of_clips(
    is_positive: NDArray[np.bool_], is_known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which kinds each clip is of, (n_clips, 2 * n_labels + 1).

    They are the known positives and negatives of each label, and clips of which nothing
    is known.
    """
    is_negative = is_known & ~is_positive
    of_nothing = ~is_known.any(axis=1, keepdims=True)  # (n_clips, 1)
    return np.hstack([is_positive, is_negative, of_nothing])
