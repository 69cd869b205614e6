import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.inspection import CompatibilityDisplay

CANDIDATES = ["cat", "dog", "rain", "siren", "wind"]


class NearestPlace(ClassifierMixin, BaseEstimator):
    """The smallest zero-shot classifier: clips near a candidate's place fit it."""

    def fit(self, X, y):
        self.seen_classes_ = np.unique(y)
        self.classes_ = np.array(CANDIDATES)
        return self

    def decision_function(self, X):
        places = np.linspace(0, 3, len(CANDIDATES))
        return -np.abs(np.asarray(X)[:, :1] - places)

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


@pytest.fixture(scope="module")
def clips():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, np.repeat(["wind", "cat", "siren"], 20)


@pytest.fixture(scope="module")
def model(clips):
    X, y = clips
    return NearestPlace().fit(X[:40], y[:40])


def names(display):
    return tuple(
        [label.get_text() for label in labels]
        for labels in (display.ax_.get_yticklabels(), display.ax_.get_xticklabels())
    )


def test_rows_are_means_of_decisions(model, clips):
    X, y = clips
    display = CompatibilityDisplay.from_estimator(model, X, y)
    decisions = model.decision_function(X)
    rows, columns = names(display)
    assert rows == ["cat", "wind", "siren"]
    assert columns == ["cat", "wind", "dog", "rain", "siren"]
    for i, label in enumerate(rows):
        for j, candidate in enumerate(columns):
            column = decisions[:, CANDIDATES.index(candidate)]
            own = [column[k] for k in range(len(y)) if y[k] == label]
            assert display.im_.get_array()[i, j] == pytest.approx(sum(own) / len(own))
    assert display.ax_.get_ylabel() == "true class"
    assert display.ax_.get_xlabel() == "candidate (dot: the true class)"
    assert display.colorbar_.mappable is display.im_
    assert display.figure_ is display.ax_.figure


def test_seen_candidates_stand_apart(model, clips):
    display = CompatibilityDisplay.from_estimator(model, *clips)
    across, down = display.borders_
    assert [segment.tolist() for segment in across.get_segments()] == [
        [[-0.5, 1.5], [4.5, 1.5]]
    ]
    assert [segment.tolist() for segment in down.get_segments()] == [
        [[1.5, -0.5], [1.5, 2.5]]
    ]
    right, top = display.ax_.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["seen", "unseen"]
    assert [label.get_text() for label in top.get_xticklabels()] == ["seen", "unseen"]
    assert_allclose(right.get_yticks(), [0.5, 2])
    assert_allclose(top.get_xticks(), [0.5, 3])


def test_dots_are_where_row_and_column_are_of_one_class(model, clips):
    display = CompatibilityDisplay.from_estimator(model, *clips)
    rows, columns = names(display)
    dots = display.truth_.get_xydata().astype(int).tolist()
    assert [(rows[row], columns[column]) for column, row in dots] == [
        ("cat", "cat"),
        ("wind", "wind"),
        ("siren", "siren"),
    ]


@settings(max_examples=30)
@given(
    arrays(float, (8, 5), elements=st.floats(-9, 9)),
    st.lists(st.sampled_from(CANDIDATES), min_size=8, max_size=8),
    st.lists(st.sampled_from(CANDIDATES), min_size=1),
    st.permutations(range(5)),
)
def test_the_order_of_the_columns_given_does_not_matter(scores, y_true, seen, order):
    one, other = (
        CompatibilityDisplay.from_scores(
            y_true,
            scores[:, columns],
            np.array(CANDIDATES)[columns],
            seen_classes=seen,
            ax=Figure().subplots(),
        )
        for columns in (range(5), order)
    )
    cells = []
    for display in (one, other):
        rows, columns = names(display)
        assert [c in seen for c in columns] == sorted(
            [c in seen for c in columns], reverse=True
        )
        values = display.im_.get_array()
        cells.append(
            {
                (row, column): values[i, j]
                for i, row in enumerate(rows)
                for j, column in enumerate(columns)
            }
        )
    assert cells[0].keys() == cells[1].keys()
    assert all(cells[0][cell] == pytest.approx(cells[1][cell]) for cell in cells[0])


def test_pipelines_and_searches_tell_what_they_have_seen(model, clips):
    X, y = clips
    search = GridSearchCV(make_pipeline(NearestPlace()), {}, cv=2).fit(X[:40], y[:40])
    for wrapper in (search, search.best_estimator_):
        display = CompatibilityDisplay.from_estimator(wrapper, X, y)
        assert display.seen_classes == ["cat", "wind"]
        expected = CompatibilityDisplay.from_estimator(model, X, y)
        assert_allclose(display.im_.get_array(), expected.im_.get_array())


def test_a_plain_classifier_of_two_classes_has_two_columns(clips):
    X, y = clips
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:40], y[:40])
    decision = model.decision_function(X[:40])
    display = CompatibilityDisplay.from_estimator(model, X[:40], y[:40])
    cat, wind = (decision[y[:40] == label].mean() for label in ("cat", "wind"))
    assert_allclose(display.im_.get_array(), [[-cat, cat], [-wind, wind]])
    assert display.seen_classes is None
    assert display.borders_ == display.ax_.child_axes == []


@pytest.mark.parametrize(("n_true", "n_candidates"), [(1, 3), (10, 10), (10, 50)])
def test_no_label_is_cut_off(n_true, n_candidates):
    candidates = [f"a rather long name {k}" for k in range(n_candidates)]
    display = CompatibilityDisplay.from_scores(
        candidates[:n_true],
        np.eye(n_true, n_candidates),
        candidates,
        seen_classes=candidates[n_true // 2 :],
    )
    display.figure_.draw_without_rendering()
    everything = display.figure_.get_tightbbox()
    assert everything.x0 > -0.05
    assert everything.y0 > -0.05
    assert everything.x1 < display.figure_.get_figwidth() + 0.05
    assert everything.y1 < display.figure_.get_figheight() + 0.05


def test_draws_on_given_axes_in_a_given_style(plt, model, clips):
    _, (first, second) = plt.subplots(1, 2)
    display = CompatibilityDisplay.from_estimator(
        model,
        *clips,
        ax=first,
        im_kw={"cmap": "magma", "vmin": -5},
        truth_kw={"c": "red", "marker": "x"},
        border_kw={"lw": 3},
    )
    assert display.ax_ is first
    assert display.im_.cmap.name == "magma"
    assert display.im_.get_clim()[0] == -5
    assert display.truth_.get_color() == "red"
    assert display.truth_.get_marker() == "x"
    assert display.borders_[0].get_linewidth() == 3
    assert display.plot(second) is display
    assert display.ax_ is second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": ["cat", "cow"]}, "'cow' at index 1, which is not one of the 5"),
        ({"y_true": ["cat"]}, "lengths: y_true 1, y_score 2"),
        ({"scores": np.zeros((2, 4))}, r"each of the 5 labels.*\(2, 4\)"),
        ({"scores": np.full((2, 5), np.nan)}, "NaN for the clip at index 0"),
        ({"scores": [[0] * 5, [0, -np.inf, 0, 0, 0]]}, "clip at index 1 are infinite"),
        ({"seen_classes": [0, 1]}, "seen_classes holds numbers"),
        ({"seen_classes": []}, "seen_classes is empty"),
    ],
)
def test_what_cannot_be_drawn(plt, change, message):
    given_input = {
        "y_true": ["cat", "dog"],
        "scores": np.zeros((2, 5)),
        "classes": CANDIDATES,
    }
    with pytest.raises(ValueError, match=message):
        CompatibilityDisplay.from_scores(**(given_input | change))
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(model, clips):
    X, y = clips
    with pytest.raises(NotFittedError):
        CompatibilityDisplay.from_estimator(clone(LogisticRegression()), X, y)
    pipeline = make_pipeline(StandardScaler(), GaussianNB()).fit(X, y)
    with pytest.raises(AttributeError, match="GaussianNB has no decision_function"):
        CompatibilityDisplay.from_estimator(pipeline, X, y)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("from_estimator", (None, [], [])), ("from_scores", ([], [], [])), ("plot", ())],
)
def test_without_matplotlib_the_error_names_the_caller(monkeypatch, method, arguments):
    display = CompatibilityDisplay(
        compatibility=np.eye(2), true_classes=["a", "b"], candidates=["a", "b"]
    )
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"Display\.{method} requires matplotlib"):
        getattr(display, method)(*arguments)
