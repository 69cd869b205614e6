import itertools

import numpy as np
import pytest
from joblib import parallel_config
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    StratifiedKFold,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from sklearn_audio.inspection import LabelFractionDisplay

SCORES = {
    "pre-trained": [[0.4, 0.6, 0.5], [0.6, 0.7, 0.8], [0.9, 0.9, 0.9]],
    "from scratch": [[0.1, 0.2, 0.3], [0.5, 0.5, 0.8], [0.8, 0.9, 1.0]],
}


class Spy(ClassifierMixin, BaseEstimator):
    """Notes which clips it was fitted on; the first feature is their number."""

    fits = []

    def __init__(self, name="spy"):
        self.name = name

    def fit(self, X, y):
        self.classes_ = np.unique(y[y != -1])
        self.n_labels_ = int((y != -1).sum())
        labels = dict(zip(np.asarray(X)[:, 0].astype(int), y.tolist(), strict=True))
        self.fits.append((self.name, labels))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def fits(monkeypatch):
    """Collect what spies were fitted on: name, clip numbers to labels."""
    monkeypatch.setattr(Spy, "fits", [])
    return Spy.fits


@pytest.fixture(scope="module")
def clips():
    """60, 30 and 12 clips of three classes, mixed."""
    y = np.random.default_rng(0).permutation(np.repeat(["cat", "ant", "bee"], 34))
    y[np.flatnonzero(y == "ant")[:26]] = "cat"
    y[np.flatnonzero(y == "bee")[:4]] = "ant"
    return np.arange(102.0)[:, None], y


def n_labels_and_first_test_clip(model, X, y):
    """Score something that tells from which fit and which fold it comes."""
    return model.n_labels_ + X[0, 0] / 1000


def labelled(labels):
    return {clip for clip, label in labels.items() if label != -1}


def heights(band, x):
    vertices = band.get_paths()[0].vertices
    return np.unique(vertices[np.isclose(vertices[:, 0], x), 1])


def test_curves_are_means_in_bands_of_standard_deviations():
    display = LabelFractionDisplay(label_counts=[10, 20, 40], scores=SCORES).plot()
    assert list(display.lines_) == list(display.bands_) == list(SCORES)
    for name, scores in SCORES.items():
        counts, drawn = display.lines_[name].get_data()
        assert_array_equal(counts, [10, 20, 40])
        assert_allclose(drawn, [sum(row) / 3 for row in scores])
        color = display.lines_[name].get_color()
        assert_allclose(display.bands_[name].get_facecolor()[0, :3], to_rgba(color)[:3])
    low, high = heights(display.bands_["pre-trained"], 10)
    assert_allclose([low, high], [0.5 - np.sqrt(0.02 / 3), 0.5 + np.sqrt(0.02 / 3)])
    assert_allclose(heights(display.bands_["pre-trained"], 40), 0.9)
    assert [t.get_text() for t in display.legend_.get_texts()] == list(SCORES)
    assert display.ax_.get_ylabel() == "accuracy"
    assert display.figure_ is display.ax_.figure


def test_counts_are_drawn_in_rising_order():
    scores = {"a": [[0.9], [0.3], [0.5]]}
    display = LabelFractionDisplay(label_counts=[40, 10, 20], scores=scores).plot()
    assert_array_equal(
        display.lines_["a"].get_xydata(), [[10, 0.3], [20, 0.5], [40, 0.9]]
    )


@pytest.mark.parametrize(
    ("counts", "scale", "ticks", "label"),
    [
        ([10, 50, 100], "log", ["10", "50", "100"], "labelled clips"),
        ([10, 50, 99], "linear", ["10", "50", "99"], "labelled clips"),
        ([7], "linear", ["7"], "labelled clips"),
        ([0.05, 0.125, 1.0], "log", ["5 %", "12.5 %", "100 %"], "share of the labels"),
        ([0.25, 0.5, 1], "linear", ["25 %", "50 %", "100 %"], "share of the labels"),
    ],
)
def test_ticks_are_at_the_counts(counts, scale, ticks, label):
    scores = {"a": np.zeros((len(counts), 2))}
    ax = LabelFractionDisplay(label_counts=counts, scores=scores).plot().ax_
    assert ax.get_xscale() == scale
    assert_array_equal(ax.get_xticks(), counts)
    assert [text.get_text() for text in ax.get_xticklabels()] == ticks
    assert len(ax.get_xticks(minor=True)) == 0
    assert ax.get_xlabel() == label


def test_scores_that_are_not_defined_leave_a_gap():
    scores = {"a": [[0.1, 0.2], [np.nan, 0.3], [0.5, 0.6]]}
    display = LabelFractionDisplay(label_counts=[1, 2, 3], scores=scores).plot()
    display.figure_.draw_without_rendering()
    assert_array_equal(np.isnan(display.lines_["a"].get_ydata()), [False, True, False])


def test_draws_on_given_axes_in_a_given_style(plt):
    _, ax = plt.subplots()
    display = LabelFractionDisplay(label_counts=[1, 2, 3], scores=SCORES).plot(
        ax, line_kw={"from scratch": {"c": "red", "ls": ":"}}, band_kw={"alpha": 0.5}
    )
    assert display.ax_ is ax
    assert display.lines_["from scratch"].get_color() == "red"
    assert display.lines_["pre-trained"].get_color() != "red"
    assert display.lines_["from scratch"].get_linestyle() == ":"
    bands = [display.bands_[name].get_facecolor()[0] for name in SCORES]
    assert {band[3] for band in bands} == {0.5}
    assert_allclose(bands[1], to_rgba("red", 0.5))


def test_all_training_clips_are_seen_and_labels_are_never_changed(clips, fits):
    X, y = clips
    cv = StratifiedKFold(3)
    LabelFractionDisplay.from_estimators(
        {"spy": Spy()}, X, y, label_counts=[5, 20, 60], cv=cv, random_state=0
    )
    codes = {"ant": 0, "bee": 1, "cat": 2}
    folds = [train for train, _ in cv.split(X, y) for _ in range(3)]
    for (_, labels), train, n_labels in zip(fits, folds, [5, 20, 60] * 3, strict=True):
        assert sorted(labels) == sorted(train)
        assert len(labelled(labels)) == n_labels
        assert all(labels[clip] == codes[y[clip]] for clip in labelled(labels))


def test_labels_are_nested_and_stratified(clips, fits):
    X, y = clips
    counts = [3, 5, 11, 25, 68]
    LabelFractionDisplay.from_estimators(
        {"spy": Spy()}, X, y, label_counts=counts, cv=3, random_state=0
    )
    assert len(fits) == 15
    for fold in range(3):
        shown = [labelled(labels) for _, labels in fits[5 * fold : 5 * fold + 5]]
        assert all(few < many for few, many in itertools.pairwise(shown))
        for name in np.unique(y):
            total = sum(y[clip] == name for clip in shown[-1])
            for some in shown:
                drawn = sum(y[clip] == name for clip in some)
                assert drawn >= 1
                assert abs(drawn - len(some) * total / 68) <= 1 + (len(some) < 10)


def test_labels_differ_between_seeds_but_not_between_estimators(clips, fits):
    X, y = clips
    drawn = []
    for seed in (0, 0, 1):
        fits.clear()
        LabelFractionDisplay.from_estimators(
            {"a": Spy("a"), "b": Spy("b")},
            X,
            y,
            label_counts=[9],
            cv=StratifiedKFold(2),
            random_state=seed,
        )
        assert [name for name, _ in fits] == ["a", "b", "a", "b"]
        assert fits[0][1] == fits[1][1]
        assert fits[2][1] == fits[3][1]
        drawn.append([labels for _, labels in fits])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_supervised_estimators_get_labelled_clips_alone(clips, fits):
    X, y = clips
    estimators = {"all": Spy("all"), "some": Spy("some")}
    for supervised in (["some"], "some"):
        fits.clear()
        LabelFractionDisplay.from_estimators(
            estimators, X, y, label_counts=[9], cv=2, supervised=supervised
        )
        for (_, every), (_, some) in zip(fits[::2], fits[1::2], strict=True):
            assert some == {clip: every[clip] for clip in labelled(every)}
            assert len(every) == 51


def test_scores_have_a_row_for_each_count_and_a_column_for_each_fold(clips, fits):
    X, y = clips
    cv = StratifiedKFold(3)
    display = LabelFractionDisplay.from_estimators(
        {"a": Spy(), "b": Spy()},
        X,
        y,
        label_counts=[0.1, 0.5],
        cv=cv,
        scoring=n_labels_and_first_test_clip,
    )
    first_test_clips = [X[test[0], 0] / 1000 for _, test in cv.split(X, y)]
    assert_allclose(display.scores["a"], np.add.outer([7, 34], first_test_clips))
    assert_array_equal(display.scores["a"], display.scores["b"])
    assert display.score_name == "score"
    assert_array_equal(display.ax_.get_xticks(), [0.1, 0.5])


def test_all_labels_give_the_scores_of_cross_validation(clips):
    _, y = clips
    X = np.random.default_rng(0).normal(size=(len(y), 3)) + (y == "cat")[:, None]
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(3))
    display = LabelFractionDisplay.from_estimators(
        {"knn": model},
        X.tolist(),
        y.tolist(),
        label_counts=[1.0],
        cv=cv,
        scoring="mean_class_accuracy",
    )
    expected = []
    for train, test in cv.split(X, y):
        hits = model.fit(X[train], y[train]).predict(X[test]) == y[test]
        expected.append(np.mean([hits[y[test] == name].mean() for name in set(y)]))
    assert_allclose(display.scores["knn"], [expected])
    assert display.ax_.get_ylabel() == "mean class accuracy"


def test_unlabelled_clips_are_worth_something_to_who_looks_at_them():
    X, y = make_moons(300, noise=0.05, random_state=0)
    display = LabelFractionDisplay.from_estimators(
        {"spreading": LabelSpreading(), "SVM": SVC(gamma=20)},
        X,
        y,
        label_counts=[4, 200],
        cv=3,
        supervised=["SVM"],
        random_state=0,
    )
    few, all_of_them = (display.scores["spreading"] - display.scores["SVM"]).T[0]
    assert few > 0.1
    assert abs(all_of_them) < 0.02
    assert display.scores["spreading"][1].min() > 0.95


def test_clips_that_never_had_a_label_are_trained_on_and_not_scored(fits):
    X, y = np.arange(24.0)[:, None], np.tile([3, 5, -1], 8)
    fold = np.where(y == -1, -1, np.arange(24) % 2)  # -1 is in every training part
    scored = []
    LabelFractionDisplay.from_estimators(
        {"spy": Spy()},
        X,
        y,
        label_counts=[1.0],
        cv=PredefinedSplit(fold),
        scoring=lambda model, X, y: scored.append((X[:, 0], y)) or 0.0,
    )
    assert len(fits) == len(scored) == 2
    for (_, labels), (tested, truth) in zip(fits, scored, strict=True):
        assert set(np.flatnonzero(y == -1)) == set(labels) - labelled(labels)
        assert not set(labels) & set(tested)
        assert_array_equal(truth, np.where(y[tested.astype(int)] == 3, 0, 1))


def test_minus_one_beside_one_other_class_is_a_class(fits):
    X, y = np.arange(8.0)[:, None], [-1, 1] * 4
    LabelFractionDisplay.from_estimators({"spy": Spy()}, X, y, label_counts=[4], cv=2)
    for _, labels in fits:
        assert labels == {clip: clip % 2 for clip in labels}


def test_no_group_is_on_both_sides(clips, fits):
    X, y = clips
    groups = np.arange(102) // 6
    tested = []
    LabelFractionDisplay.from_estimators(
        {"spy": Spy()},
        X,
        y,
        label_counts=[10],
        cv=GroupKFold(3),
        groups=groups,
        scoring=lambda model, X, y: tested.append(X[:, 0].astype(int)) or 0.0,
    )
    for (_, labels), test in zip(fits, tested, strict=True):
        assert not set(groups[list(labels)]) & set(groups[test])
        assert len(labels) + len(test) == 102


@pytest.mark.parametrize("cv", [None, 3, GroupKFold(3)])
@pytest.mark.parametrize("kind", ["classes", "table"])
def test_any_folds_heed_the_groups(cv, kind, clips):
    X, y = clips
    y = y if kind == "classes" else np.column_stack([y == "cat", y == "ant"]) * 1
    groups, trained, tested = np.arange(102) // 6, [], []

    class Rows(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.array([0, 1])
            trained.append(X[:, 0].astype(int))
            return self

    LabelFractionDisplay.from_estimators(
        {"rows": Rows()},
        X,
        y,
        label_counts=[1.0],
        cv=cv,
        groups=groups,
        scoring=lambda model, X, y: tested.append(X[:, 0].astype(int)) or 0.0,
    )
    assert len(tested) == (5 if cv is None else 3)
    assert sorted(np.concatenate(tested)) == list(range(102))
    for train, test in zip(trained, tested, strict=True):
        assert not set(groups[train]) & set(groups[test])


def test_a_splitter_that_parts_a_group_is_refused(clips):
    with pytest.raises(ValueError, match=r"StratifiedKFold.*on both sides"):
        LabelFractionDisplay.from_estimators(
            {"spy": Spy()}, *clips, cv=StratifiedKFold(3), groups=np.arange(102) // 6
        )


def test_jobs_at_the_same_time_change_nothing(clips):
    X, y = clips
    with parallel_config("threading"):
        one, two = (
            LabelFractionDisplay.from_estimators(
                {"knn": KNeighborsClassifier(1)},
                X,
                y,
                label_counts=[5, 30],
                supervised=["knn"],
                random_state=0,
                n_jobs=n_jobs,
            )
            for n_jobs in (None, 2)
        )
    assert_array_equal(one.scores["knn"], two.scores["knn"])
    assert one.scores["knn"].shape == (2, 5)


def test_an_estimator_that_takes_hidden_labels_for_a_class_is_found_out(clips):
    X, y = clips
    model = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(ValueError, match=r"'LR' has learned -1.*supervised=\['LR'\]"):
        LabelFractionDisplay.from_estimators({"LR": model}, X, y)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"estimators": {}}, "at least one system"),
        ({"supervised": ["him"]}, "supervised names 'him', .* none of the systems: sp"),
        ({"line_kw": {"him": {}}}, "line_kw names 'him'"),
        ({"label_counts": [0, 5]}, r"at least 1, or of shares.*got \[0, 5\]"),
        ({"label_counts": [0.5, 1.5]}, r"in \(0, 1\], got \[0.5, 1.5\]"),
        ({"label_counts": ["few"]}, "whole numbers of labels"),
        ({"label_counts": [np.nan]}, "whole numbers of labels"),
        ({"label_counts": [[5]]}, "must be a list"),
        ({"label_counts": []}, r"got \[\]"),
        (
            {"label_counts": [5, 2]},
            r"holds 2, .* 2 of the 51 .* fold 0.* at least 3, for a clip of each class",
        ),
        ({"label_counts": [0.01]}, r"holds 0\.01, which would be 1 of the 51"),
        ({"label_counts": [52]}, "no more than there are"),
        ({"scoring": "acuracy"}, "accuracy"),
        ({"y": ["ant"] * 9}, "inconsistent numbers of samples"),
        ({"y": np.zeros((102, 2, 2))}, "dim <= 2 is required"),
        ({"y": np.linspace(0, 1, 102)}, "continuous"),
        ({"cv": [(range(90), [100]), (range(90), [])]}, "None of the 0 .* of fold 1"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_fitted(
    plt, clips, fits, changed, message
):
    X, y = clips
    arguments = {"estimators": {"spy": Spy()}, "X": X, "y": y, "cv": 2}
    with pytest.raises(ValueError, match=message):
        LabelFractionDisplay.from_estimators(**(arguments | changed))
    assert fits == []
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "at least one system"),
        ({"a": [[0.1], [0.2]]}, r"'a' must have a row .* 3 counts .* shape \(2, 1\)"),
        ({"a": [0.1, 0.2, 0.3]}, r"column for each repeat, got .* shape \(3,\)"),
        ({"a": [[0.1], [np.inf], [0.2]]}, "a contains infinity"),
    ],
)
def test_scores_that_cannot_be_drawn(plt, scores, message):
    with pytest.raises(ValueError, match=message):
        LabelFractionDisplay(label_counts=[1, 2, 3], scores=scores).plot()
    assert not plt.get_fignums()


# -- Several labels per clip -----------------------------------------------------------


class TableSpy(Spy):
    """Notes which rows of a table it was fitted on."""

    def fit(self, X, y):
        self.classes_ = np.arange(y.shape[1])
        self.fits.append((self.name, np.asarray(X)[:, 0].astype(int), y.copy()))
        return self

    def predict(self, X):
        return np.zeros((len(X), len(self.classes_)), dtype=int)


@pytest.fixture(scope="module")
def tagged():
    """Tags of 120 clips, the last one rare and always beside the first."""
    rng = np.random.default_rng(0)
    y = (rng.random((120, 3)) < [0.5, 0.3, 0.0]).astype(int)
    y[::20] = [1, 0, 1]
    return np.arange(120.0)[:, None], y


def test_rows_of_a_table_are_shown_whole_and_stratified(fits, tagged):
    X, y = tagged
    LabelFractionDisplay.from_estimators(
        {"all": TableSpy("all"), "few": TableSpy("few")},
        X,
        y,
        label_counts=[6, 30, 70],
        supervised=["few"],
        cv=3,
        random_state=0,
    )
    assert len(fits) == 3 * 3 * 2
    for fold in range(3):
        former = set()
        of_fold = fits[6 * fold : 6 * fold + 6]
        for count, of_all, of_few in zip(
            [6, 30, 70], of_fold[::2], of_fold[1::2], strict=True
        ):
            _, clips, labels = of_all
            is_shown = (labels != -1).all(axis=1)
            # The rest is hidden as a whole.
            assert (labels[~is_shown] == -1).all()
            assert is_shown.sum() == count
            assert len(clips) == 80  # of a training part
            assert_array_equal(labels[is_shown], y[clips[is_shown]])
            assert_array_equal(of_few[1], clips[is_shown])
            assert_array_equal(of_few[2], labels[is_shown])
            assert former < set(clips[is_shown])
            former = set(clips[is_shown])
            # Each label has a clip, and about its share of them.
            n_positive = labels[is_shown].sum(axis=0)
            assert (n_positive > 0).all()
            share = y[clips].mean(axis=0)
            assert_allclose(n_positive / count, share, atol=2.5 / count)


def test_folds_of_a_table_are_stratified(fits, tagged):
    X, y = tagged
    few = {"cv": 3, "label_counts": [1.0], "random_state": 0}
    LabelFractionDisplay.from_estimators({"a": TableSpy()}, X, y, **few)
    assert [labels[:, 2].sum() for _, _, labels in fits] == [4, 4, 4]


def test_unknown_entries_and_rows_of_a_table(fits, tagged):
    X, y = tagged
    y = y.astype(float)
    y[:60] = np.nan  # nothing is known
    y[60:90, 1] = -1  # the others are
    LabelFractionDisplay.from_estimators(
        {"a": TableSpy()},
        X,
        y,
        label_counts=[1.0],
        cv=3,
        scoring=lambda model, X, y: len(y),
        random_state=0,
    )
    for _, clips, labels in fits:
        expected = np.where(np.isnan(y), -1, y)[clips]
        assert_array_equal(labels, expected)


def test_clips_of_which_nothing_is_known_are_not_scored(tagged):
    X, y = tagged
    y = y.copy()
    y[:60] = -1
    display = LabelFractionDisplay.from_estimators(
        {"a": TableSpy()},
        X,
        y,
        label_counts=[1.0],
        cv=PredefinedSplit(np.arange(120) % 2),
        scoring=lambda model, X, y: len(y) + (y == -1).sum(),
        random_state=0,
    )
    assert display.scores["a"].tolist() == [[30, 30]]


def test_a_classifier_of_tables_needs_no_wrapper(tagged):
    _, y = tagged
    X = y + np.random.default_rng(0).normal(0, 0.1, y.shape)
    display = LabelFractionDisplay.from_estimators(
        {"forest": KNeighborsClassifier(1)},
        X,
        y,
        label_counts=[10, 80],
        supervised="forest",
        cv=3,
        random_state=0,
    )
    assert display.scores["forest"].min() > 0.9


def test_says_what_is_wrong_with_a_table(tagged):
    X, y = tagged
    draw = LabelFractionDisplay.from_estimators
    with pytest.raises(ValueError, match="at least 2, for a clip of each label"):
        draw({"a": TableSpy()}, X, y, label_counts=[1, 50])
    with pytest.raises(ValueError, match=r"y holds 2.0 for clip 0 and label 0"):
        draw({"a": TableSpy()}, X, y + 1, label_counts=[50])
    hidden = y.copy()
    hidden[::3, 1] = -1
    knn = {"a": KNeighborsClassifier(1)}
    with pytest.raises(ValueError, match=r"learned -1.*supervised=\['a'\]"):
        draw(knn, X, y, label_counts=[50])
    with pytest.raises(ValueError, match=r"learned -1.*labels are all known"):
        draw(knn, X, hidden, label_counts=[50], supervised="a")
