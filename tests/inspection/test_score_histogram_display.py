import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_audio.inspection import ScoreHistogramDisplay
from sklearn_audio.open_set import RejectingClassifier

SCORES = st.lists(st.integers(-99, 99), min_size=1, max_size=20)


def heights(patch):
    return patch.get_data().values


@pytest.mark.parametrize("density", [True, False])
def test_both_histograms_have_the_same_bins(clips, classifier, density):
    X, y = clips
    display = ScoreHistogramDisplay.from_estimator(
        classifier, X, y, bins=12, density=density
    )
    scores = classifier.score_samples(X)
    edges = np.linspace(scores.min(), scores.max(), 13)
    for patch, side in [
        (display.known_patch_, y != "dog"),
        (display.unknown_patch_, y == "dog"),
    ]:
        expected, _ = np.histogram(scores[side], edges, density=density)
        assert_allclose(heights(patch), expected)
        assert_allclose(patch.get_data().edges, edges)
    assert display.ax_.get_ylabel() == ("density" if density else "clips")
    assert display.figure_ is display.ax_.figure


@settings(max_examples=30)
@given(SCORES, SCORES, st.integers(1, 9))
def test_no_clip_is_lost(known_scores, unknown_scores, bins):
    display = ScoreHistogramDisplay.from_predictions(
        np.repeat([True, False], [len(known_scores), len(unknown_scores)]),
        [*known_scores, *unknown_scores],
        bins=bins,
        density=False,
        ax=Figure().subplots(),
    )
    assert heights(display.known_patch_).sum() == len(known_scores)
    assert heights(display.unknown_patch_).sum() == len(unknown_scores)


def test_the_legend_names_both_sides_and_the_auroc(clips, classifier):
    X, y = clips
    display = ScoreHistogramDisplay.from_estimator(classifier, X, y)
    auroc = roc_auc_score(y != "dog", classifier.score_samples(X))
    title = display.legend_.get_title().get_text()
    assert title == f"RejectingClassifier (AUROC = {auroc:.2f})"
    assert display.auroc == pytest.approx(auroc)
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        "known (80 clips)",
        "unknown (60 clips)",
        f"threshold ({classifier.offset_:.3g})",
    ]


def test_what_is_left_of_the_threshold_is_rejected(clips, classifier):
    X, y = clips
    display = ScoreHistogramDisplay.from_estimator(classifier, X, y)
    threshold = display.threshold_line_.get_xdata()[0]
    rejected = classifier.predict(X) == "unknown"
    for scores, side in [
        (display.known_scores, y != "dog"),
        (display.unknown_scores, y == "dog"),
    ]:
        assert 0 < rejected[side].sum() == (scores < threshold).sum()


def test_nothing_is_drawn_where_nothing_is_rejected(clips, classifier):
    lenient = clone(classifier).set_params(rejection_rate=None).fit(*clips)
    display = ScoreHistogramDisplay.from_estimator(lenient, *clips, known_labels=["no"])
    assert display.threshold_line_ is None
    assert len(display.legend_.get_texts()) == 2


def test_a_pipeline_and_a_search_show_what_their_classifier_does(clips, classifier):
    X, y = clips
    known = y != "dog"
    pipeline = make_pipeline(StandardScaler(), clone(classifier))
    search = GridSearchCV(pipeline, {"standardscaler__with_mean": [True]}, cv=2)
    search.fit(X[known], y[known])
    final = search.best_estimator_[-1]
    scores = final.score_samples(search.best_estimator_[:-1].transform(X))
    for model, name in [
        (search, "GridSearchCV"),
        (search.best_estimator_, "RejectingClassifier"),
    ]:
        display = ScoreHistogramDisplay.from_estimator(model, X, y)
        assert_array_equal(display.known_scores, scores[known])
        assert_array_equal(display.unknown_scores, scores[~known])
        assert display.threshold == final.offset_
        assert display.legend_.get_title().get_text().startswith(name)


def test_a_detector_needs_to_be_told_what_is_known(clips):
    X, y = clips
    detector = OneClassSVM(nu=0.2).fit(X[y == "no"])
    with pytest.raises(AttributeError, match=r"OneClassSVM has no classes_.*known_lab"):
        ScoreHistogramDisplay.from_estimator(detector, X, y)
    display = ScoreHistogramDisplay.from_estimator(detector, X, y, known_labels=["no"])
    assert_array_equal(display.known_scores, detector.score_samples(X[y == "no"]))
    outliers = (detector.predict(X[y != "no"]) == -1).sum()
    assert (display.unknown_scores < display.threshold).sum() == outliers
    mixture = GaussianMixture().fit(X[y == "no"])  # without a threshold of its own
    display = ScoreHistogramDisplay.from_estimator(mixture, X, y, known_labels=["no"])
    assert display.threshold_line_ is None


def test_draws_on_given_axes_in_a_given_style(plt):
    _, (first, second) = plt.subplots(1, 2)
    display = ScoreHistogramDisplay.from_predictions(
        [True, True, False],
        [0.5, 0.7, 0.2],
        threshold=0.4,
        name="mine",
        ax=first,
        known_kw={"fc": "green", "label": "ours"},
        unknown_kw={"alpha": 0.1},
        threshold_kw={"c": "red", "ls": ":"},
    )
    assert display.ax_ is first
    assert display.known_patch_.get_facecolor()[:3] == to_rgba("green")[:3]
    assert display.known_patch_.get_label() == "ours"
    assert display.unknown_patch_.get_alpha() == 0.1
    assert display.threshold_line_.get_color() == "red"
    assert display.threshold_line_.get_linestyle() == ":"
    assert display.plot(second, name="again") is display
    assert display.ax_ is second
    assert display.legend_.get_title().get_text() == "again (AUROC = 1.00)"


@pytest.mark.parametrize(
    ("y_known", "y_score", "message"),
    [
        ([True, True], [0.1, 0.2], "no unknown clip among the 2"),
        ([False, False], [0.1, 0.2], "no known clip among the 2"),
        ([True, False], [0.1], "lengths: y_known 2, y_score 1"),
        ([True, False], [np.nan, 0.2], "NaN for 1 of 2 clips"),
        ([True, False], [0.1, -np.inf], r"infinite for 1 of 2.*index 1.*np\.clip"),
        (["yes", "dog"], [0.1, 0.2], "y_known must be boolean"),
    ],
)
def test_what_cannot_be_compared(plt, y_known, y_score, message):
    with pytest.raises(ValueError, match=message):
        ScoreHistogramDisplay.from_predictions(y_known, y_score)
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(clips, classifier):
    X, y = clips
    with pytest.raises(NotFittedError):
        ScoreHistogramDisplay.from_estimator(clone(classifier), X, y)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(AttributeError, match=r"LogisticRegression has no score_samp"):
        ScoreHistogramDisplay.from_estimator(plain, X, y)
    everything = RejectingClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="no unknown clip"):
        ScoreHistogramDisplay.from_estimator(everything, X, y)
    with pytest.raises(ValueError, match="no clip could be known"):
        ScoreHistogramDisplay.from_estimator(classifier, X, np.arange(len(y)))
