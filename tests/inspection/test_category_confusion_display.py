import sys
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.inspection import CategoryConfusionDisplay

# Not in alphabetical order: neither the categories nor their classes.
CATEGORIES = {
    "wind": "nature",
    "rain": "nature",
    "dog": "animal",
    "cat": "animal",
    "siren": "street",
}
LABELS = st.lists(st.sampled_from(list(CATEGORIES)), min_size=1, max_size=20)
Y_TRUE = ["rain", "rain", "rain", "wind", "dog", "dog", "cat", "siren"]
Y_PRED = ["rain", "wind", "siren", "wind", "cat", "dog", "cat", "siren"]


def tick_labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def group_names(display):
    """Return the names at the right and on top of a map."""
    right, top = display.ax_.child_axes
    return (
        tick_labels(right),
        [label.get_text() for label in top.get_xticklabels()],
    )


def places(collection):
    """Return where lines are, across or down."""
    return [
        segment[0][int(segment[0][0] == -0.5)] for segment in collection.get_segments()
    ]


@settings(max_examples=30)
@given(LABELS, st.data())
def test_cells_are_counted_one_by_one(y_true, data):
    answers = st.sampled_from(list(CATEGORIES))
    y_pred = [data.draw(answers) for _ in y_true]
    display = CategoryConfusionDisplay.from_predictions(
        y_true, y_pred, categories=CATEGORIES, normalize=False, ax=Figure().subplots()
    )
    names = tick_labels(display.ax_)
    pairs = list(zip(y_true, y_pred, strict=True))
    for row, true in enumerate(names):
        for column, predicted in enumerate(names):
            count = pairs.count((true, predicted))
            assert display.im_.get_array()[row, column] == count
            text = display.text_.get((row, column))
            assert (text.get_text() if text else "0") == str(count)
    assert display.im_.get_array().sum() == len(y_true)
    assert display.n_clips.sum() == len(y_true)


@settings(max_examples=30)
@given(LABELS, st.permutations(list(CATEGORIES)))
def test_classes_of_a_category_stand_side_by_side(y_true, order):
    display = CategoryConfusionDisplay.from_predictions(
        y_true,
        y_true,
        categories={label: CATEGORIES[label] for label in order},
        ax=Figure().subplots(),
    )
    names = tick_labels(display.ax_)
    assert sorted(names) == sorted(set(y_true))
    kinds = [CATEGORIES[name] for name in names]
    blocks = [kind for kind, _ in groupby(kinds)]
    in_order = dict.fromkeys(CATEGORIES[label] for label in order)
    assert blocks == [kind for kind in in_order if kind in kinds]
    for kind in blocks:
        members = [name for name in names if CATEGORIES[name] == kind]
        assert members == sorted(members)
    changes = [i + 0.5 for i in range(len(kinds) - 1) if kinds[i] != kinds[i + 1]]
    across, down = display.borders_
    assert places(across) == places(down) == changes
    assert group_names(display) == (blocks, blocks)


def test_without_categories_it_is_scikit_learns_matrix():
    display = CategoryConfusionDisplay.from_predictions(Y_TRUE, Y_PRED)
    reference = ConfusionMatrixDisplay.from_predictions(
        Y_TRUE, Y_PRED, normalize="true"
    )
    assert_allclose(display.im_.get_array(), 100 * reference.confusion_matrix)
    assert tick_labels(display.ax_) == list(reference.display_labels)
    assert display.borders_ == display.ax_.child_axes == []
    assert display.ax_.get_ylabel() == "true class"
    assert display.ax_.get_xlabel() == "predicted class"
    assert display.colorbar_.mappable is display.im_
    assert display.figure_ is display.ax_.figure


def test_labels_choose_classes_and_their_order():
    display = CategoryConfusionDisplay.from_predictions(
        Y_TRUE, Y_PRED, categories=CATEGORIES, labels=["dog", "wind", "rain", "cat"]
    )
    assert tick_labels(display.ax_) == ["wind", "rain", "dog", "cat"]
    # A clip of rain that was taken for a siren still counts as one of three.
    third = 100 / 3
    expected = [[100, 0, 0, 0], [third, third, 0, 0], [0, 0, 50, 50], [0, 0, 0, 100]]
    assert_allclose(display.im_.get_array(), expected)
    assert display.text_[1, 0].get_text() == "33"
    assert display.n_clips.tolist() == [2, 1, 3, 1]


def test_a_row_without_clips_has_no_shares():
    display = CategoryConfusionDisplay.from_predictions(["dog", "dog"], ["dog", "cat"])
    assert tick_labels(display.ax_) == ["cat", "dog"]
    assert_array_equal(display.im_.get_array().mask, [[True, True], [False, False]])
    assert list(display.text_) == [(1, 0), (1, 1)]
    display.plot(normalize=False)
    assert display.im_.get_array().tolist() == [[0, 0], [1, 1]]
    assert display.colorbar_.ax.get_ylabel() == "clips"


def test_many_classes_have_no_numbers():
    y = np.arange(16)
    display = CategoryConfusionDisplay.from_predictions(y, y)
    assert display.text_ == {}
    assert len(CategoryConfusionDisplay.from_predictions(y[:15], y[:15]).text_) == 15


@pytest.mark.parametrize("n_classes", [2, 10, 50])
def test_no_label_is_cut_off_and_none_overlap(n_classes):
    y = [f"a rather long name {k}" for k in range(n_classes)]
    categories = {label: f"category {k // 5}" for k, label in enumerate(y)}
    display = CategoryConfusionDisplay.from_predictions(y, y, categories=categories)
    figure = display.figure_
    figure.draw_without_rendering()
    everything = figure.get_tightbbox()
    assert everything.x0 > -0.05
    assert everything.y0 > -0.05
    assert everything.x1 < figure.get_figwidth() + 0.05
    assert everything.y1 < figure.get_figheight() + 0.05
    right, top = display.ax_.child_axes
    labels = [
        display.ax_.get_xticklabels(),
        display.ax_.get_yticklabels(),
        right.get_yticklabels(),
        top.get_xticklabels(),
    ]
    for some in labels:
        boxes = [label.get_window_extent() for label in some]
        for box, following in pairwise(boxes):
            assert not box.overlaps(following)
    # The colour scale is as high as the map.
    heights = [ax.get_window_extent().height for ax in figure.axes]
    assert heights[1] == pytest.approx(heights[0], rel=0.02)


@pytest.mark.parametrize(
    ("n_narrow", "rotation"), [(1, 90), (9, 0)], ids=["narrow", "wide"]
)
def test_names_of_narrow_categories_are_turned(n_narrow, rotation):
    y = np.arange(10)
    categories = {k: "a long name" if k < n_narrow else "rest" for k in y.tolist()}
    display = CategoryConfusionDisplay.from_predictions(y, y, categories=categories)
    _, top = display.ax_.child_axes
    assert {label.get_rotation() for label in top.get_xticklabels()} == {rotation}


def test_from_estimator_takes_predict(clips):
    X, y = clips
    known = y != "dog"
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(X[known], y[known])
    kinds = {"yes": "word", "no": "word", "dog": "animal"}
    one = CategoryConfusionDisplay.from_estimator(model, X, y, categories=kinds)
    other = CategoryConfusionDisplay.from_predictions(
        y, model.predict(X), categories=kinds
    )
    assert tick_labels(one.ax_) == ["no", "yes", "dog"]
    assert_array_equal(one.im_.get_array(), other.im_.get_array())
    assert_array_equal(one.im_.get_array()[:, 2], 0)
    with pytest.raises(NotFittedError):
        CategoryConfusionDisplay.from_estimator(clone(model), X, y)


def test_draws_on_given_axes_in_a_given_style(plt):
    _, (first, second) = plt.subplots(1, 2)
    display = CategoryConfusionDisplay.from_predictions(
        Y_TRUE,
        Y_PRED,
        categories=CATEGORIES,
        ax=first,
        im_kw={"cmap": "magma", "vmax": 200},
        text_kw={"c": "red", "size": 5},
        border_kw={"lw": 3},
    )
    assert display.ax_ is first
    assert display.im_.cmap.name == "magma"
    assert display.im_.get_clim() == (0, 200)
    assert {text.get_color() for text in display.text_.values()} == {"red"}
    assert {text.get_size() for text in display.text_.values()} == {5}
    assert display.borders_[0].get_linewidth() == 3
    assert display.plot(second, im_kw={"norm": LogNorm(1, 100)}) is display
    assert display.ax_ is second
    assert display.im_.get_clim() == (1, 100)


@pytest.mark.parametrize("cmap", ["Blues", "Blues_r", "viridis"])
def test_numbers_can_be_read_on_their_cells(cmap):
    display = CategoryConfusionDisplay.from_predictions(
        ["a"] * 10, ["a"] * 9 + ["b"], im_kw={"cmap": cmap}
    )
    for place, text in display.text_.items():
        cell = display.im_.to_rgba(display.im_.get_array()[place])
        contrast = np.mean(cell[:3]) - np.mean(to_rgba(text.get_color())[:3])
        assert abs(contrast) > 0.4


def test_labels_may_be_numbers_beside_an_outlier_label():
    display = CategoryConfusionDisplay.from_predictions(
        [2, 10, 2], [2, "unknown", 10], normalize=False
    )
    assert tick_labels(display.ax_) == ["2", "10", "unknown"]
    assert display.im_.get_array().tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": Y_PRED[1:]}, "lengths: y_true 8, y_pred 7"),
        ({"y_pred": np.arange(8)}, "y_pred holds numbers .* y_true holds text"),
        ({"y_true": [None, *Y_TRUE[1:]]}, "None at index 0"),
        ({"labels": ["cow"]}, r"labels=\['cow'\] has no class of y_true"),
        ({"labels": []}, "labels is empty"),
        ({"labels": [1, 2]}, "labels=.* has no class of y_true"),
        (
            {"categories": {"dog": "animal", "wind": "nature"}},
            "3 of 5 classes to be shown have no category, the first is 'cat'",
        ),
        ({"categories": {}}, "5 of 5 classes to be shown have no category"),
    ],
)
def test_bad_input_is_named(plt, change, message):
    given_input = {"y_true": Y_TRUE, "y_pred": Y_PRED}
    with pytest.raises(ValueError, match=message):
        CategoryConfusionDisplay.from_predictions(**(given_input | change))
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("from_estimator", (None, [], [])), ("from_predictions", ([], [])), ("plot", ())],
)
def test_without_matplotlib_the_error_names_the_caller(monkeypatch, method, arguments):
    display = CategoryConfusionDisplay(confusion_matrix=np.eye(2), classes=["a", "b"])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"Display\.{method} requires matplotlib"):
        getattr(display, method)(*arguments)
