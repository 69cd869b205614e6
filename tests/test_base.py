from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold, KFold

from sklearn_audio.base import (
    SemiSupervisedClassifierMixin,
    calibration_splits,
    conformal_threshold,
    label_outliers,
    missing_as_nan,
    rarest_labels,
    resolve_outlier_label,
    validate_clips,
    validate_labels,
)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5)])
def test_validate_clips_learns_the_shape_and_holds_to_it(shape):
    estimator = BaseEstimator()
    X = validate_clips(estimator, np.ones(shape), reset=True)
    assert X.dtype == np.float32
    assert estimator.input_shape_ == shape[1:]
    assert estimator.n_features_in_ == 3
    assert validate_clips(estimator, np.ones(shape), reset=False).shape == shape


def test_validate_clips_refuses_other_shapes():
    estimator = BaseEstimator()
    with pytest.raises(ValueError, match="got 4 dimensions"):
        validate_clips(estimator, np.ones((2, 3, 4, 5)), reset=True)
    with pytest.raises(ValueError, match=r"0 frame\(s\)"):
        validate_clips(estimator, np.ones((2, 3, 0)), reset=True)
    validate_clips(estimator, np.ones((2, 3, 4)), reset=True)
    with pytest.raises(ValueError, match=r"clips of shape \(3, 5\).*\(3, 4\)"):
        validate_clips(estimator, np.ones((2, 3, 5)), reset=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_validate_clips_refuses_numbers_that_are_not_finite(value):
    X = np.ones((2, 3, 4))
    X[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"), np.errstate(over="ignore"):
        validate_clips(BaseEstimator(), X, reset=True)


@pytest.mark.parametrize(
    ("outlier_label", "classes", "expected"),
    [
        ("auto", [0, 1], -1),
        ("auto", [0.5, 1.0], -1),
        ("auto", ["a", "b"], "unknown"),
        ("auto", np.array(["a", "b"], dtype=object), "unknown"),
        ("other", ["a", "b"], "other"),
        (7, [0, 1], 7),
        (None, [0, 1], None),
    ],
)
def test_resolve_outlier_label(outlier_label, classes, expected):
    assert resolve_outlier_label(outlier_label, np.array(classes)) == expected


@pytest.mark.parametrize("classes", [[-1, 1], ["known", "unknown"]])
def test_auto_rejects_nothing_where_its_label_is_a_class(classes):
    with pytest.warns(UserWarning, match="nothing will be rejected"):
        assert resolve_outlier_label("auto", np.array(classes)) is None


def test_outlier_labels_that_cannot_be():
    with pytest.raises(ValueError, match="outlier_label='b' is one of the classes"):
        resolve_outlier_label("b", np.array(["a", "b"]))
    with pytest.raises(TypeError, match="text beside text"):
        resolve_outlier_label(-1, np.array(["a", "b"]))
    with pytest.raises(TypeError, match="text beside text"):
        resolve_outlier_label("none", np.array([0, 1]))


@pytest.mark.parametrize(
    ("labels", "outlier_label"),
    [
        (np.array(["a", "b", "a"]), "unknown"),
        (np.array(["a", "b", "a"], dtype=object), "unknown"),
        (np.array([0, 1, 2], dtype=np.uint8), -1),
        (np.array([0, 1, 2], dtype=np.int8), 1000),
        (np.array([True, False, True]), -1),
        (np.array([0.5, 1.5, 2.5]), -1),
    ],
)
def test_label_outliers_neither_cuts_nor_wraps(labels, outlier_label):
    before = labels.copy()
    labelled = label_outliers(labels, np.array([False, True, False]), outlier_label)
    assert labelled.tolist() == [labels[0], outlier_label, labels[2]]
    np.testing.assert_array_equal(labels, before)


@given(
    n_clips=st.integers(1, 60),
    rate=st.sampled_from([0.02, 0.05, 0.1, 0.3, 0.5, 0.99]),
    seed=st.integers(0, 100),
)
def test_conformal_threshold_is_the_wanted_order_statistic(n_clips, rate, seed):
    scores = np.random.default_rng(seed).permutation(n_clips).astype(float)
    exact = int(Fraction(str(rate)) * (n_clips + 1))  # rounded down
    assert conformal_threshold(scores, rate) == max(exact, 1) - 1


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("n_clips", [49, 199])
def test_conformal_threshold_holds_on_average_over_small_samples(n_clips, rate):
    """The plain quantile, which interpolates between clips, rejects more."""
    rng = np.random.default_rng(0)
    rates, plain = [], []
    for _ in range(4000):
        scores = rng.normal(size=n_clips)
        rates.append(norm.cdf(conformal_threshold(scores, rate)))
        plain.append(norm.cdf(np.quantile(scores, rate)))
    exact = np.floor(rate * (n_clips + 1)) / (n_clips + 1)
    assert np.mean(rates) == pytest.approx(exact, abs=0.004)
    if rate < 0.5:
        assert np.mean(plain) > rate


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.05, 0.0), (0.14, 0.0), (0.16, 0.3), (0.3, 0.3), (0.6, 0.6)],
)
def test_equal_scores_are_rejected_together_where_that_is_nearer(rate, expected):
    scores = np.repeat([0.1, 0.2, 0.3], [30, 30, 40])
    threshold = conformal_threshold(scores, rate)
    assert (scores < threshold).mean() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cv", "default", "expected"), [(None, 5, 5), (None, 4, 4), (3, 5, 3), (10, 5, 10)]
)
def test_number_of_folds(cv, default, expected):
    y = np.repeat(["no", "yes"], 12)
    assert len(calibration_splits(cv, 24, y=y, default=default)) == expected
    assert len(calibration_splits(cv, 24, default=default)) == expected


@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=4),
    cv=st.none() | st.integers(2, 8),
)
def test_every_class_is_in_every_fold(counts, cv):
    y = np.repeat(np.arange(len(counts)), counts)
    splits = calibration_splits(cv, len(y), y=y)
    assert len(splits) == min([5 if cv is None else cv, *counts])
    for train, test in splits:
        assert set(y[train]) == set(y[test]) == set(y)
    every = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(np.sort(every), np.arange(len(y)))


@pytest.mark.parametrize("cv", [None, 3, np.int64(3)])
@pytest.mark.parametrize(
    "y", [None, np.arange(40) // 2 % 2], ids=["detector", "classes"]
)
def test_folds_heed_the_groups(cv, y):
    groups = np.arange(40) // 4
    splits = calibration_splits(cv, 40, y=y, groups=groups.tolist())
    assert len(splits) == (5 if cv is None else 3)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])


def test_few_groups_lower_the_number_of_folds():
    groups = np.repeat([0, 1, 2], 8)
    assert len(calibration_splits(None, 24, groups=groups)) == 3
    y = np.where(groups == 0, 0, np.arange(24) % 2)  # class 1 has two groups
    assert len(calibration_splits(None, 24, y=y, groups=groups)) == 2


@pytest.mark.parametrize("cv", [None, 2, 5])
def test_one_clip_or_group_alone_cannot_be_calibrated(cv):
    with pytest.raises(ValueError, match="A class has one sample alone"):
        calibration_splits(cv, 3, y=np.array(["no", "no", "yes"]))
    y, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2])
    with pytest.raises(ValueError, match="A class has one group alone"):
        calibration_splits(cv, 4, y=y, groups=groups)
    with pytest.raises(ValueError, match="X has one group alone"):
        calibration_splits(cv, 4, groups=np.zeros(4))
    with pytest.raises(ValueError, match="groups holds 3 values, but there are 4"):
        calibration_splits(cv, 4, groups=np.zeros(3))


def test_splitters_and_splits_are_taken_as_they_are():
    groups = np.arange(12) % 4
    expected = list(GroupKFold(4).split(groups, groups=groups))
    for cv in (GroupKFold(4), expected):
        for split, (train, test) in zip(
            calibration_splits(cv, 12, y=groups // 2, groups=groups),
            expected,
            strict=True,
        ):
            np.testing.assert_array_equal(split[0], train)
            np.testing.assert_array_equal(split[1], test)


def test_a_splitter_that_parts_a_group_is_refused():
    groups = np.arange(12) // 2
    with pytest.raises(ValueError, match=r"KFold.*clips of group 2 on both sides"):
        calibration_splits(KFold(4, shuffle=True, random_state=1), 12, groups=groups)


def test_a_fold_without_a_class_to_train_on_is_refused():
    with pytest.raises(ValueError, match=r"Fold 0 of cv leaves no clip of \[2\]"):
        calibration_splits(KFold(3), 12, y=np.repeat([2, 1, 0], 4))


class Echo(SemiSupervisedClassifierMixin, BaseEstimator):
    """Predicts the only feature of each clip."""

    def __init__(self, classes=(0, 1, 2)):
        self.classes = classes

    @property
    def classes_(self):
        return np.array(self.classes)

    def predict(self, X):
        return np.asarray(X)[:, 0]


@pytest.mark.parametrize("container", [np.array, list, pd.DataFrame])
@pytest.mark.parametrize("dtype", [int, np.int8, float])
def test_clips_without_a_label_are_not_scored(container, dtype):
    X = container([[0], [1], [2], [0], [1]])
    y = np.array([0, 1, 1, -1, -1], dtype=dtype)
    assert Echo().score(X, y) == pytest.approx(2 / 3)
    assert Echo().score(X, y, sample_weight=[1, 1, 6, 9, 9]) == pytest.approx(1 / 4)
    assert Echo().score(X, y.tolist()) == pytest.approx(2 / 3)


def test_one_class_and_clips_without_a_label_are_a_test_too():
    assert Echo().score([[1], [2], [1]], [1, 1, -1]) == pytest.approx(1 / 2)


def test_where_all_have_a_label_nothing_is_left_out():
    X, y = [[0], [1], [2], [2]], [0, 2, 1, 2]
    assert Echo().score(X, y) == pytest.approx(1 / 2)
    assert Echo().score(X, y, sample_weight=[3, 1, 1, 5]) == pytest.approx(0.8)
    words = [["a"], ["b"]]
    assert Echo(("a", "b")).score(words, ["a", "a"]) == pytest.approx(1 / 2)


def test_minus_one_is_scored_where_it_is_a_class():
    assert Echo((-1, 1)).score([[-1], [1], [1]], [-1, -1, 1]) == pytest.approx(2 / 3)


def test_no_clip_with_a_label_cannot_be_scored():
    with pytest.raises(ValueError, match=r"Echo cannot be scored: all 2 clips.*-1"):
        Echo().score([[0], [1]], [-1, -1])


def test_rarest_labels_against_a_loop():
    rng = np.random.default_rng(0)
    is_positive = rng.random((60, 5)) < [0.5, 0.1, 0.3, 0.02, 0.0]
    counts = is_positive.sum(axis=0)
    assert len(set(counts)) == 5
    for clip, label in zip(is_positive, rarest_labels(is_positive), strict=True):
        held = np.flatnonzero(clip)
        expected = min(held, key=lambda held_label: counts[held_label], default=5)
        assert label == expected


@pytest.mark.parametrize(
    "table",
    [
        [[0, 1], [1, np.nan]],
        np.array([[0, 1], [1, None]], dtype=object),
        np.array([[0, 1], [1, pd.NA]], dtype=object),
        [[0, 1], [1, pd.NA]],
        pd.DataFrame({"dog": [0, 1], "car": [1, pd.NA]}),
        pd.DataFrame({"dog": [0, 1], "car": [1, pd.NA]}, dtype="Int64"),
        np.ma.masked_array([[0, 1], [1, 0]], [[False, False], [False, True]]),
        np.ma.masked_array([[0, 1], [1, 0.5]], [[False, False], [False, True]]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_missing_becomes_nan(table, dtype):
    found = missing_as_nan(table, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [[0, 1], [1, np.nan]])


def test_missing_values_are_replaced_in_a_copy():
    table = np.array([[0, pd.NA], [1, 1]], dtype=object)
    missing_as_nan(table)
    assert table[0, 1] is pd.NA
    numbers = np.zeros((2, 2))
    assert not np.shares_memory(missing_as_nan(numbers), numbers)


def test_hidden_classes_are_refused():
    y = np.ma.masked_array([0, 1, 1, 0], [False, False, True, True])
    message = r"masked array that hides 2 of 4 classes.*y\.filled\(-1\)"
    with pytest.raises(ValueError, match=message):
        validate_labels(BaseEstimator(), y)
    shown = np.ma.masked_array([0, 1, 1, 0])
    assert validate_labels(BaseEstimator(), shown).tolist() == [0, 1, 1, 0]
