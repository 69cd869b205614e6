"""The folds by which thresholds are calibrated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedKFold

from sklearn_audio.open_set._calibration import calibration_splitter


@pytest.mark.parametrize(
    ("cv", "default", "expected"), [(None, 5, 5), (None, 4, 4), (3, 5, 3), (10, 5, 10)]
)
def test_number_of_folds(cv, default, expected):
    y = np.repeat(["no", "yes"], 12)
    splitter = calibration_splitter(cv, y, default=default)
    assert isinstance(splitter, StratifiedKFold)
    assert splitter.get_n_splits() == expected


@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=4),
    cv=st.none() | st.integers(2, 8),
)
def test_every_class_is_in_every_fold(counts, cv):
    y = np.repeat(np.arange(len(counts)), counts)
    splitter = calibration_splitter(cv, y)
    assert splitter.get_n_splits() == min([5 if cv is None else cv, *counts])
    for train, test in splitter.split(np.zeros(len(y)), y):
        assert set(y[train]) == set(y[test]) == set(y)


def test_a_splitter_is_taken_as_it_is():
    y = np.repeat([0, 1], [1, 9])
    splitter = GroupKFold(7)
    assert calibration_splitter(splitter, y) is splitter


def test_given_splits_are_kept():
    y = np.repeat([0, 1], 3)
    splits = [(np.array([0, 3]), np.array([1, 4])), (np.array([1, 4]), np.array([2]))]
    splitter = calibration_splitter(splits, y)
    for (train, test), (given_train, given_test) in zip(
        splitter.split(y, y), splits, strict=True
    ):
        np.testing.assert_array_equal(train, given_train)
        np.testing.assert_array_equal(test, given_test)


@pytest.mark.parametrize("cv", [None, 2, 5])
def test_a_class_of_one_clip_cannot_be_calibrated(cv):
    with pytest.raises(ValueError, match="A class has one sample alone"):
        calibration_splitter(cv, np.array(["no", "no", "yes"]))
