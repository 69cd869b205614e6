import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import f1_score

from sklearn_audio.metrics import open_set_accuracy, open_set_f1

TEXT = {"known_labels": ["down", "up"], "outlier_label": "unknown"}
NUMBERS = {"known_labels": [0, 1], "outlier_label": -1}


@st.composite
def answers(draw):
    size = draw(st.integers(1, 20))
    truths = st.sampled_from(["down", "up", "cat", "dog", "unknown"])
    predictions = st.sampled_from(["down", "up", "unknown"])
    y_true = draw(st.lists(truths, min_size=size, max_size=size))
    return y_true, draw(st.lists(predictions, min_size=size, max_size=size))


def as_outlier(y_true):
    """What an annotator who knows only the known labels would write."""
    return [label if label in TEXT["known_labels"] else "unknown" for label in y_true]


@given(answers())
def test_accuracy_counts_right_names_and_right_rejections(clips):
    y_true, y_pred = clips
    right = [t == p for t, p in zip(as_outlier(y_true), y_pred, strict=True)]
    assert_allclose(open_set_accuracy(y_true, y_pred, **TEXT), np.mean(right))


@given(answers())
def test_f1_per_class_from_counts(clips):
    y_true, y_pred = clips
    expected = []
    for label in ["down", "up", "unknown"]:
        true = np.array(as_outlier(y_true)) == label
        predicted = np.array(y_pred) == label
        total = true.sum() + predicted.sum()
        expected.append(2 * (true & predicted).sum() / total if total else np.nan)
    assert_allclose(open_set_f1(y_true, y_pred, average=None, **TEXT), expected)
    assert_allclose(open_set_f1(y_true, y_pred, **TEXT), np.nanmean(expected))


@pytest.mark.parametrize("average", ["macro", "weighted"])
@given(clips=answers())
def test_means_of_f1_agree_with_scikit_learn_on_relabelled_clips(average, clips):
    y_true, y_pred = clips
    assert_allclose(
        open_set_f1(y_true, y_pred, average=average, **TEXT),
        f1_score(as_outlier(y_true), y_pred, average=average, zero_division=0),
    )


@pytest.mark.parametrize("metric", [open_set_accuracy, open_set_f1])
@given(clips=answers())
def test_it_does_not_matter_how_labels_are_spelt(metric, clips):
    y_true, y_pred = clips
    numbers = {"down": 0, "up": 1, "cat": 7, "dog": 8, "unknown": -1}
    numeric = [numbers[label] for label in y_true], [numbers[label] for label in y_pred]
    expected = metric(y_true, y_pred, **TEXT)
    assert metric(*numeric, **NUMBERS) == expected
    assert metric(*map(np.array, numeric), **NUMBERS) == expected
    assert metric(np.array(numeric[0], float), numeric[1], **NUMBERS) == expected
    as_objects = [np.array(labels, dtype=object) for labels in clips]
    assert metric(*as_objects, **TEXT) == expected


@pytest.mark.parametrize("container", [list, lambda y: np.array(y, dtype=object)])
def test_text_outlier_label_beside_numeric_classes(container):
    y_true, y_pred = container([0, 1, 2, 3]), container([0, "unknown", "unknown", 1])
    labels = {"known_labels": [0, 1], "outlier_label": "unknown"}
    assert open_set_accuracy(y_true, y_pred, **labels) == 0.5
    assert_allclose(open_set_f1(y_true, y_pred, average=None, **labels), [1, 0, 0.5])


def test_all_clips_rejected():
    assert open_set_accuracy([0, 1, 5], [-1, -1, -1], **NUMBERS) == pytest.approx(1 / 3)
    rejected = open_set_accuracy(
        [0, 1, 5],
        ["unknown"] * 3,
        known_labels=[0, 1],
        outlier_label="unknown",
    )
    assert rejected == pytest.approx(1 / 3)


def test_classifier_that_never_rejects_is_wrong_about_every_unknown_clip():
    labels = {"known_labels": [-1, 1], "outlier_label": None}
    assert open_set_accuracy([-1, 1, 5, 6], [-1, 1, 1, -1], **labels) == 0.5
    assert_allclose(
        open_set_f1([-1, 1, 5, 6], [-1, 1, 1, -1], average=None, **labels),
        [2 / 3, 2 / 3, 0],
    )


def test_pandas_strings_and_categories():
    pd = pytest.importorskip("pandas")
    y_true = pd.Series(["up", "down", "dog"], dtype="category")
    y_pred = pd.Series(["up", "unknown", "unknown"], dtype="string")
    assert open_set_accuracy(y_true, y_pred, **TEXT) == pytest.approx(2 / 3)


def test_macro_leaves_out_classes_that_occur_nowhere():
    labels = {"known_labels": ["down", "left", "up"], "outlier_label": "unknown"}
    assert open_set_f1(["up", "down"], ["up", "down"], **labels) == 1


@pytest.mark.parametrize("metric", [open_set_accuracy, open_set_f1])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": ["up", "cat"]}, "'cat' at index 1"),
        ({"y_pred": [0, 1]}, "y_pred holds numbers"),
        ({"y_pred": ["up"]}, "lengths: y_true 2, y_pred 1"),
        ({"y_true": [0, 1]}, "y_true holds numbers"),
        ({"outlier_label": "up"}, "outlier_label='up' is one of known_labels"),
        ({"outlier_label": None, "y_pred": ["up", "unknown"]}, "'unknown' at index 1"),
        ({"y_true": [], "y_pred": []}, "y_true is empty"),
    ],
)
def test_bad_input_is_named(metric, change, message):
    given_input = {"y_true": ["up", "dog"], "y_pred": ["up", "unknown"], **TEXT}
    with pytest.raises(ValueError, match=message):
        metric(**(given_input | change))


def test_average_must_be_offered():
    with pytest.raises(ValueError, match="'average' parameter"):
        open_set_f1(["up"], ["up"], average="micro", **TEXT)
