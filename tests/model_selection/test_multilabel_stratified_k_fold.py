from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)

from sklearn_audio.model_selection import MultilabelStratifiedKFold


def splits_of(cv, y, groups=None):
    return list(cv.split(np.zeros(len(y)), y, groups))


def folds_of(cv, y, groups=None):
    """Return the fold in which each clip is tested, after a look at the splits."""
    fold_of_clip = np.full(len(y), -1)
    splits = splits_of(cv, y, groups)
    assert len(splits) == cv.get_n_splits() == cv.n_splits
    for fold, (train, test) in enumerate(splits):
        assert (fold_of_clip[test] == -1).all()
        fold_of_clip[test] = fold
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    assert (fold_of_clip >= 0).all()
    return fold_of_clip


def skewed_labels(n_clips=200, n_labels=8, missing=0.5, seed=0):
    """The first label is common, the last one rare; clips have several or none."""
    rng = np.random.RandomState(seed)
    rates = 0.5 / np.arange(1, n_labels + 1) ** 1.5
    liveliness = rng.choice([0.5, 2], size=(n_clips, 1))
    y = (rng.uniform(size=(n_clips, n_labels)) < rates * liveliness).astype(int)
    y[rng.uniform(size=y.shape) < missing] = -1
    return y


def spread(counted, fold_of_clip):
    """Return by how much the folds differ in each label, (n_labels,)."""
    folds = np.unique(fold_of_clip)
    return np.ptp([counted[fold_of_clip == f].sum(axis=0) for f in folds], axis=0)


@st.composite
def tables(draw):
    n_splits = draw(st.integers(2, 5))
    n_clips = draw(st.integers(n_splits, 40))
    n_labels = draw(st.integers(1, 4))
    values = st.sampled_from([0, 1, -1])
    row = st.lists(values, min_size=n_labels, max_size=n_labels)
    y = draw(st.lists(row, min_size=n_clips, max_size=n_clips))
    return np.array(y), n_splits


def deal_slowly(y, n_splits):
    """Return the folds by the desired numbers of the paper, as exact fractions."""
    n_clips, n_labels = y.shape
    kinds = []
    for clip in range(n_clips):
        known = [(label, y[clip, label]) for label in range(n_labels)]
        kinds.append({kind for kind in known if kind[1] != -1} or {"nothing"})
    # Positives come first where two kinds are equally rare, and "nothing" last.
    order = [(label, value) for value in (1, 0) for label in range(n_labels)]
    order.append("nothing")
    total = {kind: sum(kind in of_clip for of_clip in kinds) for kind in order}
    desired = [
        {kind: Fraction(total[kind], n_splits) for kind in order}
        for _ in range(n_splits)
    ]
    sizes = [0] * n_splits
    share, n_larger = divmod(n_clips, n_splits)
    fold_of_clip = np.full(n_clips, -1)
    while left := [clip for clip in range(n_clips) if fold_of_clip[clip] < 0]:
        in_left = {kind: sum(kind in kinds[c] for c in left) for kind in order}
        rarest = min((k for k in order if in_left[k]), key=in_left.__getitem__)
        for clip in (c for c in left if rarest in kinds[c]):
            limit = share + (sum(size > share for size in sizes) < n_larger)
            fold = max(
                (f for f in range(n_splits) if sizes[f] < limit),
                key=lambda f: (
                    desired[f][rarest],
                    sum(desired[f][kind] for kind in kinds[clip]),
                    -sizes[f],
                    -f,
                ),
            )
            fold_of_clip[clip] = fold
            sizes[fold] += 1
            for kind in kinds[clip]:
                desired[fold][kind] -= 1
    return fold_of_clip


@given(tables())
def test_folds_are_those_of_a_slow_loop_over_desired_numbers(task):
    y, n_splits = task
    cv = MultilabelStratifiedKFold(n_splits)
    assert_array_equal(folds_of(cv, y), deal_slowly(y, n_splits))


@given(tables(), st.booleans())
def test_each_clip_is_tested_once_and_sizes_differ_by_one_at_most(task, shuffle):
    y, n_splits = task
    seed = 0 if shuffle else None
    cv = MultilabelStratifiedKFold(n_splits, shuffle=shuffle, random_state=seed)
    assert np.ptp(np.bincount(folds_of(cv, y), minlength=n_splits)) <= 1


@pytest.mark.parametrize("missing", [0, 0.5, 0.9])
@pytest.mark.parametrize("n_splits", [3, 5, 10])
def test_labels_are_spread_more_evenly_than_by_chance(missing, n_splits):
    positives, known = [], []
    for seed in range(5):
        y = skewed_labels(missing=missing, seed=seed)
        even = folds_of(MultilabelStratifiedKFold(n_splits), y)
        random = folds_of(KFold(n_splits, shuffle=True, random_state=seed), y)
        for counted, spreads in [(y == 1, positives), (y != -1, known)]:
            spreads.append([spread(counted, even), spread(counted, random)])
    even, random = np.mean(positives, axis=(0, 2))
    assert even <= 1
    assert random > 1.5 * even
    if missing:
        even, random = np.mean(known, axis=(0, 2))
        assert random > 1.5 * even


@pytest.mark.parametrize("seed", range(3))
def test_positives_of_rare_labels_differ_by_one_at_most(seed):
    y = skewed_labels(seed=seed)
    fold_of_clip = folds_of(MultilabelStratifiedKFold(), y)
    assert spread(y[:, 3:] == 1, fold_of_clip).max() <= 1


def test_clips_of_which_nothing_is_known_are_spread_evenly():
    evens, randoms = [], []
    for seed in range(5):
        y = skewed_labels(missing=0.9, seed=seed)
        is_blank = np.all(y == -1, axis=1, keepdims=True)
        assert 60 < is_blank.sum() < 140
        evens.append(spread(is_blank, folds_of(MultilabelStratifiedKFold(), y)))
        random = folds_of(KFold(shuffle=True, random_state=seed), y)
        randoms.append(spread(is_blank, random))
    assert np.max(evens) <= 2  # dealt last, into what room is left
    assert np.mean(randoms) > 3 * np.mean(evens)


def test_one_label_without_gaps_is_stratified_as_in_scikit_learn():
    y = np.repeat([0, 1], [41, 12])
    fold_of_clip = folds_of(MultilabelStratifiedKFold(), y[:, np.newaxis])
    found = [np.sum(y[fold_of_clip == fold]) for fold in range(5)]
    expected = [np.sum(y[test]) for _, test in StratifiedKFold().split(y, y)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: np.where(y == -1, np.nan, y),
        lambda y: np.where(y == -1, None, y),
        lambda y: np.where(y == -1, pd.NA, y),
        lambda y: np.ma.masked_array(np.abs(y), y == -1),
        lambda y: y.tolist(),
        lambda y: y.astype(np.int8),
    ],
    ids=["NaN", "None", "NA", "mask", "lists", "int8"],
)
def test_missing_labels_of_every_kind(convert):
    y = skewed_labels(50)
    expected = folds_of(MultilabelStratifiedKFold(), y)
    assert_array_equal(folds_of(MultilabelStratifiedKFold(), convert(y)), expected)


def test_data_frames():
    y = skewed_labels(50)
    index = np.arange(50)[::-1]
    frame = pd.DataFrame(y, index=index).replace(-1, np.nan)
    X = pd.DataFrame({"path": [f"{i}.wav" for i in range(50)]}, index=index)
    splits = MultilabelStratifiedKFold().split(X, frame)
    for (train, test), expected in zip(
        splits, splits_of(MultilabelStratifiedKFold(), y), strict=True
    ):
        assert_array_equal(train, expected[0])
        assert_array_equal(test, expected[1])


def test_seed_decides_the_shuffling_and_nothing_else_does():
    y = skewed_labels()
    plain, again = (folds_of(MultilabelStratifiedKFold(), y) for _ in range(2))
    assert_array_equal(plain, again)
    before = np.random.get_state()[1].copy()
    first, same, other = (
        folds_of(MultilabelStratifiedKFold(shuffle=True, random_state=seed), y)
        for seed in (3, 3, 4)
    )
    assert_array_equal(first, same)
    assert np.any(first != other)
    assert np.any(first != plain)
    assert_array_equal(np.random.get_state()[1], before)


@st.composite
def grouped_tables(draw):
    y, n_splits = draw(tables())
    n_groups = draw(st.integers(n_splits, len(y)))
    groups = list(range(n_groups))
    rest = len(y) - n_groups
    groups += draw(st.lists(st.sampled_from(groups), min_size=rest, max_size=rest))
    return y, np.array(groups), n_splits


@given(grouped_tables())
def test_no_group_is_on_both_sides_and_no_fold_is_empty_or_huge(task):
    y, groups, n_splits = task
    cv = MultilabelStratifiedKFold(n_splits)
    fold_of_clip = folds_of(cv, y, groups)
    for group in set(groups):
        assert len(set(fold_of_clip[groups == group])) == 1
    sizes = np.bincount(fold_of_clip, minlength=n_splits)
    assert sizes.min() > 0
    assert sizes.max() <= len(y) / n_splits + np.bincount(groups).max()


def test_groups_of_several_clips_are_spread_more_evenly_than_by_chance():
    groups = np.arange(200) // 4
    evens, randoms = [], []
    for seed in range(5):
        y = skewed_labels(seed=seed)
        even = folds_of(MultilabelStratifiedKFold(), y, groups)
        shuffled = np.random.RandomState(seed).permutation(50)
        evens.append(spread(y == 1, even))
        randoms.append(spread(y == 1, shuffled[groups] % 5))
    assert np.mean(randoms) > 1.5 * np.mean(evens)


def test_groups_that_are_single_clips_change_nothing():
    y = skewed_labels(50)
    expected = folds_of(MultilabelStratifiedKFold(), y)
    assert_array_equal(
        folds_of(MultilabelStratifiedKFold(), y, np.arange(50)), expected
    )


class GroupSpy(DummyClassifier):
    """Remembers whom it was trained on; the feature is the speaker."""

    def fit(self, X, y):
        self.speakers_ = set(np.ravel(X))
        return self

    def score(self, X, y):
        return float(self.speakers_.isdisjoint(np.ravel(X)))


@pytest.mark.parametrize("with_groups", [True, False])
@pytest.mark.parametrize("routing", [True, False])
def test_groups_reach_the_splitter_with_and_without_metadata_routing(
    routing, with_groups
):
    y, speakers = skewed_labels(50), np.arange(50) % 10
    X = speakers[:, np.newaxis]
    cv = MultilabelStratifiedKFold()
    groups = {"groups": speakers} if with_groups else {}
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": groups} if routing else groups
        scores = cross_validate(GroupSpy(), X, y, cv=cv, **passed)["test_score"]
        search = GridSearchCV(GroupSpy(), {}, cv=cv).fit(X, y, **groups)
    assert scores.mean() == float(with_groups)
    assert search.best_score_ == float(with_groups)


def test_repr_and_clone_within_a_search():
    cv = MultilabelStratifiedKFold(3, shuffle=True, random_state=0)
    expected = "MultilabelStratifiedKFold(n_splits=3, random_state=0, shuffle=True)"
    assert repr(cv) == expected
    assert repr(clone(GridSearchCV(DummyClassifier(), {}, cv=cv)).cv) == expected


def test_cross_val_predict_takes_it():
    """Its test parts are a partition of the clips."""
    y = skewed_labels(60, 3, missing=0)
    predicted = cross_val_predict(
        DummyClassifier(strategy="prior"),
        np.zeros((60, 1)),
        y,
        cv=MultilabelStratifiedKFold(),
    )
    assert predicted.shape == (60, 3)


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, None, "needs y, a column for each label"),
        ({}, [0, 1] * 5, r"a column for each label, got an array of shape \(10,\)"),
        ({}, np.zeros((10, 2, 2)), "a column for each label, got an array of shape"),
        ({}, [[0, 1]] * 9 + [[0, 2]], "holds 2.0 for clip 9 and label 1. Only 1 and 0"),
        ({}, [[0, 1]] * 9 + [[np.inf, 0]], "holds inf for clip 9 and label 0"),
        ({}, [["dog"]] * 10, "must be a dense table of numbers"),
        ({"n_splits": 11}, np.ones((10, 2)), r"10 clip\(s\) .* n_splits=11"),
        ({"random_state": 1}, np.ones((10, 2)), "random_state=1 decides nothing with"),
        ({"n_splits": 1}, np.ones((10, 2)), "'n_splits' parameter"),
        ({"shuffle": "yes"}, np.ones((10, 2)), "'shuffle' parameter"),
        (
            {"shuffle": True, "random_state": "seed"},
            np.ones((10, 2)),
            "'random_state' parameter",
        ),
    ],
)
def test_bad_input_is_named(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        next(MultilabelStratifiedKFold(**parameters).split(np.zeros(10), y))


def test_too_few_groups_and_other_lengths_are_errors():
    y = np.ones((10, 2))
    with pytest.raises(ValueError, match=r"4 clip\(s\) or group\(s\).* n_splits=5"):
        splits_of(MultilabelStratifiedKFold(), y, np.arange(10) % 4)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        splits_of(MultilabelStratifiedKFold(), y, np.arange(9))
