import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sklearn_audio.base import (
    label_outliers,
    rejection_threshold,
    resolve_outlier_label,
    validate_clips,
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


def test_threshold_rejects_the_wanted_share_and_no_training_clip():
    rng = np.random.default_rng(0)
    out_of_fold, training = rng.normal(size=1000), rng.normal(2.0, size=1000)
    threshold = rejection_threshold(out_of_fold, training, 0.05)
    assert (rng.normal(size=100_000) < threshold).mean() == pytest.approx(
        0.05, abs=0.02
    )
    assert not (training < threshold).any()
    lower = rejection_threshold(out_of_fold + 10, training, 0.05)
    assert lower == pytest.approx(training.min())
    assert not (training < lower).any()
