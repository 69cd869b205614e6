"""What may be given as partial labels, and what is said about everything else."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

from sklearn_audio._torch._partial_labels import (
    balanced_label_weights,
    is_label_table,
    label_strata,
    log_priors,
    validate_classes,
    validate_label_table,
    validate_label_weight,
    warn_of_unknown_labels,
)

X = np.zeros((4, 2))
NAN = np.nan


def table(y, X=X):
    return validate_label_table(DummyClassifier(), X, y)


def classes(y, X=X):
    return validate_classes(DummyClassifier(), X, y)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([[0, 1], [1, -1]], True),
        (pd.DataFrame({"dog": [0.0, NAN], "car": [1, 0]}), True),
        ([0, 1, -1], False),
        (["a", "b"], False),
        (np.zeros((5, 1)), False),
        (np.zeros((5, 2, 2)), False),
        (sparse.csr_matrix([[0, 1], [1, 1]]), True),
        (sparse.csr_matrix([[0], [1]]), False),
        (None, False),
    ],
)
def test_a_table_has_several_columns(y, expected):
    assert is_label_table(y) is expected


@pytest.mark.parametrize("missing", [-1, NAN, None, "-1", "nan"])
def test_missing_labels_may_be_written_in_several_ways(missing):
    y = np.array([[0, 1], [1, 0], [missing, 1], [1, missing]], dtype=object)
    labels = table(y)
    expected = [[0, 1], [1, 0], [NAN, 1], [1, NAN]]
    np.testing.assert_array_equal(labels, np.array(expected, dtype=np.float32))
    assert labels.dtype == np.float32


def test_nothing_is_written_into_what_was_given():
    y = np.array([[0, 1], [1, 0], [-1, 1], [1, -1]], dtype=np.float32)
    before = y.copy()
    assert np.isnan(table(y)).sum() == 2
    np.testing.assert_array_equal(y, before)


def test_booleans_and_frames_are_tables():
    y = np.array([[True, False], [False, True], [True, True], [False, False]])
    np.testing.assert_array_equal(table(y), y.astype(float))
    frame = pd.DataFrame({"dog": [1, NAN, 0, 1], "car": [0, 1, -1, NAN]})
    expected = np.array([[1, 0], [NAN, 1], [0, NAN], [1, NAN]])
    np.testing.assert_array_equal(table(frame), expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.full((4, 2), "dog"),
            "DummyClassifier takes a table y of .* something else",
        ),
        ([[0, 1], [1, {}]], "takes a table y of the numbers 0, 1"),
        (np.zeros((3, 2)), "X holds 4 clips, but y holds 3 labels: one row a clip"),
        ([[0, 1], [1, 0], [1, 2], [5, 1]], "y holds 2 for clip 2 and label 1"),
        ([[0, 1], [0.5, 0], [1, 1], [0, 1]], r"y holds 0\.5 for clip 1 and label 0"),
        ([[0, 1], [1, 0], [1, -2], [0, 1]], "y holds -2 for clip 2 and label 1"),
        ([[0, 1], [1, 0], [1, np.inf], [0, 1]], "y holds inf for clip 2 and label 1"),
        (np.full((4, 2), -1), "no label at all: every entry of y is missing"),
        (np.full((4, 2), NAN), "no label at all: every entry of y is missing"),
    ],
)
def test_bad_tables(y, message):
    with pytest.raises(ValueError, match=message):
        table(y)


@pytest.mark.parametrize("missing", [-1, NAN])
def test_columns_of_which_nothing_is_known_are_named(missing):
    y = np.array([[0, 1, 1, 0]] * 4, dtype=float)
    y[:, [1, 3]] = missing
    with pytest.warns(UserWarning, match=r"in the columns \[1, 3\] of y") as caught:
        warn_of_unknown_labels(labels := table(y))
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(labels).all(axis=0), [0, 1, 0, 1])
    y[2, 1] = 0
    with pytest.warns(UserWarning, match=r"in the columns \[3\] of y"):
        warn_of_unknown_labels(table(y))
    y[0, 3] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unknown_labels(table(y))


@pytest.mark.parametrize(
    ("y", "expected", "indices"),
    [
        ([0, 1, -1, 1], [0, 1], [0, 1, -1, 1]),
        ([7, 3, -1, 5], [3, 5, 7], [2, 0, -1, 1]),
        (["b", "a", "b", "c"], ["a", "b", "c"], [1, 0, 1, 2]),
        # Beside one class, -1 is a class, too.
        ([1, -1, -1, 1], [-1, 1], [1, 0, 0, 1]),
        (["-1", "a", "a", "b"], ["-1", "a", "b"], [0, 1, 1, 2]),
    ],
)
def test_classes_and_their_places(y, expected, indices):
    found, places = classes(y)
    assert found.tolist() == expected
    assert places.tolist() == indices


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 0], "X holds 4 clips, but y holds 3 labels: one a clip"),
        ([2, 2, 2, 2], r"DummyClassifier needs at least 2 classes, .* 1 class: \[2\]"),
        ([-1, -1, -1, -1], r"at least 2 classes, but y holds 1 class: \[-1\]"),
        (["a"] * 4, r"1 class: \['a'\]"),
        ([0.5, 1.5, 0.1, 2], "Unknown label type: continuous"),
        (None, "requires y to be passed"),
    ],
)
def test_bad_classes(y, message):
    with pytest.raises(ValueError, match=message):
        classes(y)


def test_weights_keep_their_values():
    weights = validate_label_weight([[0, 1.5], [2, 3]], (2, 2))
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, [[0, 1.5], [2, 3]])
    np.testing.assert_array_equal(validate_label_weight([1, 0.5], (2,)), [1, 0.5])


def test_without_weights_all_weigh_the_same():
    weights = validate_label_weight(None, (3, 2))
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.ones((3, 2)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"label_weight has the shape \(2,\), but y has \(2, 2\): one weight"),
        ([[1, 1, 1], [1, 1, 1]], r"the shape \(2, 3\), but y has \(2, 2\)"),
        ([[1, -1], [1, 1]], "Negative values in data passed to .*label_weight"),
        ([[1, NAN], [1, 1]], "label_weight contains NaN"),
        ([[1, np.inf], [1, 1]], "label_weight contains infinity"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        validate_label_weight(weights, (2, 2))


def test_priors_of_labels():
    labels = np.array(
        [
            [1, 0, 0, NAN, 1],
            [1, 0, NAN, NAN, 1],
            [0, 0, 1, NAN, 1],
            [1, NAN, NAN, NAN, 1],
        ]
    )
    # 3 of 4, 0 of 3, 1 of 2, none of none, all 4.
    expected = np.log([4 / 2, 1 / 4, 2 / 2, 1 / 1, 5 / 1])
    found = log_priors(labels, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_priors_of_classes():
    indices = np.array([0, 2, 2, -1, 2, -1])
    found = log_priors(indices, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), [2 / 8, 1 / 8, 4 / 8, 1 / 8], rtol=1e-6)


def test_priors_weigh_what_is_less_sure():
    labels = np.array([[1, 0], [1, NAN], [0, 1], [0, 1]])
    weights = np.array([[2, 2], [1, 2], [0, 1], [1, 1]])
    expected = np.log([(1 + 1.5) / (1 + 0.5), (1 + 1) / (1 + 1)])
    np.testing.assert_allclose(log_priors(labels, 2, weights), expected, rtol=1e-6)
    counts = 1 + np.array([1.5, 0.5, 0])
    found = log_priors(np.array([0, 0, 1, -1]), 3, np.array([2, 1, 1, 2]))
    np.testing.assert_allclose(np.exp(found), counts / counts.sum(), rtol=1e-6)


def test_sparse_tables_are_tables():
    dense = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
    np.testing.assert_array_equal(table(sparse.csr_matrix(dense)), dense)


def test_balanced_weights_are_those_of_scikit_learn_label_by_label():
    rng = np.random.default_rng(0)
    labels = (rng.random((50, 3)) < [0.1, 0.5, 0.8]).astype(float)
    labels[rng.random(labels.shape) < 0.3] = NAN
    weights = balanced_label_weights(labels)
    for column, label in zip(weights.T, labels.T, strict=True):
        known = label[~np.isnan(label)]
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=known)
        np.testing.assert_allclose(column, expected, rtol=1e-6)
    one_sided = balanced_label_weights(np.ones((6, 1)))
    assert one_sided[:, 0].tolist() == [3, 0.5]
    assert not balanced_label_weights(np.full((6, 1), NAN)).any()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("n_labels", [1, 5, 40])
@pytest.mark.parametrize("n_clips", [23, 200])
def test_strata_can_be_split_and_keep_rare_labels(fraction, n_labels, n_clips):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = (rng.random((n_clips, n_labels)) < rng.random(n_labels) ** 3) * 1.0
        labels[rng.random(labels.shape) < 0.2] = NAN
        strata = label_strata(labels, fraction)
        train, valid = train_test_split(
            np.arange(n_clips), test_size=fraction, stratify=strata, random_state=seed
        )
        least = max(1 / fraction, 1 / (1 - fraction))
        for stratum in np.unique(strata):
            is_in = strata == stratum
            assert is_in.sum() >= min(least, n_clips)
            if 0 <= stratum < n_labels and is_in.sum() < n_clips:
                assert (labels[is_in] == 1).any(axis=1).any()
            assert is_in[train].any()
            assert is_in[valid].any()


def test_a_stratum_is_the_rarest_label_of_a_clip():
    labels = np.zeros((40, 3))
    labels[:30, 0] = 1
    labels[5:15, 1] = 1  # beside the first
    labels[14, 2] = 1  # of one clip alone
    strata = label_strata(labels, 0.25)
    expected = np.array([0] * 5 + [1] * 10 + [0] * 15 + [3] * 10)
    expected[14] = 0  # with the largest, as there are too few others
    np.testing.assert_array_equal(strata, expected)
