import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.inspection import OpenSetRocDisplay
from sklearn_audio.metrics import get_scorer, oscr_curve


@pytest.fixture(scope="module")
def closed_set(clips, classifier):
    """The best known class of each clip, nothing rejected."""
    X, _ = clips
    return classifier.classes_[classifier.predict_proba(X).argmax(axis=1)]


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_roc_is_that_of_scikit_learn(clips, classifier):
    X, y = clips
    display = OpenSetRocDisplay.from_estimator(classifier, X, y)
    scores = classifier.score_samples(X)
    fpr, tpr, _ = roc_curve(y != "dog", scores)
    assert_allclose(display.line_.get_xydata(), np.column_stack([fpr, tpr]))
    assert display.area == pytest.approx(roc_auc_score(y != "dog", scores))
    assert legend_of(display) == [f"RejectingClassifier (AUROC = {display.area:.2f})"]
    assert display.ax_.get_ylabel() == "known clips accepted"
    assert display.figure_ is display.ax_.figure


def test_oscr_is_that_of_the_metric(clips, classifier, closed_set):
    X, y = clips
    display = OpenSetRocDisplay.from_estimator(
        classifier, X, y, curve="oscr", name="mine"
    )
    fpr, ccr, _ = oscr_curve(
        y, closed_set, classifier.score_samples(X), known_labels=["no", "yes"]
    )
    assert_allclose(display.line_.get_xydata(), np.column_stack([fpr, ccr]))
    known = y != "dog"
    accuracy = (closed_set == y)[known].mean()
    assert accuracy < 1
    assert display.line_.get_ydata()[-1] == pytest.approx(accuracy)
    assert display.area == pytest.approx(get_scorer("oscr")(classifier, X, y))
    assert legend_of(display) == [f"mine (OSCR = {display.area:.2f})"]


@pytest.mark.parametrize("curve", ["roc", "oscr"])
def test_predictions_and_estimators_give_the_same_curve(
    clips, classifier, closed_set, curve
):
    X, y = clips
    from_estimator = OpenSetRocDisplay.from_estimator(classifier, X, y, curve=curve)
    from_predictions = OpenSetRocDisplay.from_predictions(
        y.tolist(),
        classifier.score_samples(X).tolist(),
        known_labels=classifier.classes_,
        y_pred=closed_set if curve == "oscr" else None,
        curve=curve,
    )
    assert_array_equal(
        from_predictions.line_.get_xydata(), from_estimator.line_.get_xydata()
    )
    assert legend_of(from_predictions)[0].startswith({"roc": "AU"}.get(curve, "OSCR"))


def test_a_pipeline_shows_what_its_classifier_does(clips, classifier):
    X, y = clips
    known = y != "dog"
    pipeline = make_pipeline(StandardScaler(), clone(classifier))
    pipeline.fit(X[known], y[known])
    for curve in ("roc", "oscr"):
        whole = OpenSetRocDisplay.from_estimator(pipeline, X, y, curve=curve)
        last = OpenSetRocDisplay.from_estimator(
            pipeline[-1], pipeline[:-1].transform(X), y, curve=curve
        )
        assert_allclose(whole.line_.get_xydata(), last.line_.get_xydata())
        assert legend_of(whole) == legend_of(last)


def test_true_for_known_clips_will_do():
    y_known, y_score = [True, False, True, False], [0.9, 0.8, 0.7, 0.1]
    display = OpenSetRocDisplay.from_predictions(y_known, y_score, known_labels=[True])
    assert display.area == 0.75


def test_infinite_scores_are_ranked():
    y_known, y_score = [True, True, False, False], [np.inf, 0.3, 0.5, -np.inf]
    display = OpenSetRocDisplay.from_predictions(y_known, y_score, known_labels=[1])
    finite = roc_curve(y_known, [9, 0.3, 0.5, -9])
    assert_array_equal(display.line_.get_xydata(), np.column_stack(finite[:2]))


def test_several_curves_share_the_axes(clips, classifier):
    X, y = clips
    roc = OpenSetRocDisplay.from_estimator(classifier, X, y, name="a")
    oscr = OpenSetRocDisplay.from_estimator(
        classifier, X, y, curve="oscr", name="b", ax=roc.ax_, plot_chance_level=True
    )
    assert oscr.ax_ is roc.ax_
    assert roc.ax_.get_lines()[:2] == [roc.line_, oscr.line_]
    assert roc.line_.get_color() != oscr.line_.get_color()
    assert [label[:1] for label in legend_of(roc)] == ["a", "b", "c"]
    # What holds for both curves, whichever is drawn last.
    assert roc.ax_.get_ylabel() == "known clips accepted"
    roc.plot(oscr.ax_)
    assert roc.ax_.get_ylabel() == "known clips accepted"
    oscr.plot()
    assert oscr.ax_.get_ylabel() == "known clips accepted and named rightly"


@pytest.mark.parametrize("curve", ["roc", "oscr"])
def test_chance_is_what_equal_scores_reach(clips, closed_set, curve):
    _, y = clips
    display = OpenSetRocDisplay.from_predictions(
        y,
        np.ones(len(y)),
        known_labels=["no", "yes"],
        y_pred=closed_set,
        curve=curve,
        plot_chance_level=True,
    )
    chance = display.chance_level_
    assert_allclose(display.line_.get_xydata(), chance.get_xydata())
    assert f"= {display.area:.2f})" in chance.get_label()


def test_styles_override_the_defaults(clips, classifier):
    display = OpenSetRocDisplay.from_estimator(
        classifier,
        *clips,
        curve_kwargs={"c": "red", "label": "curve"},
        plot_chance_level=True,
        chance_level_kw={"ls": ":", "label": "luck"},
    )
    assert display.line_.get_color() == "red"
    assert display.chance_level_.get_linestyle() == ":"
    assert legend_of(display) == ["curve", "luck"]
    assert display.plot().chance_level_ is None


def test_a_curve_without_name_and_area_has_no_legend():
    display = OpenSetRocDisplay(fpr=[0, 0, 1], rate=[0, 0.5, 1]).plot()
    assert display.ax_.get_legend() is None
    assert legend_of(display.plot(name="mine")) == ["mine"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": ["yes", "no"]}, "no unknown clip among the 2"),
        ({"y_true": ["dog", "cat"]}, "no known clip among the 2"),
        ({"y_true": ["yes"]}, "lengths: y_true 1, y_score 2"),
        ({"y_score": [np.nan, 1.0]}, "NaN for 1 of 2"),
        ({"known_labels": []}, "known_labels is empty"),
        ({"curve": "pr"}, "curve must be 'roc' or 'oscr', got 'pr'"),
        ({"curve": "oscr"}, "curve='oscr' needs y_pred"),
        ({"curve": "oscr", "y_pred": ["unknown", "yes"]}, "closed-set predictions"),
    ],
)
def test_what_has_no_curve(plt, changes, message):
    answers = {"y_true": ["yes", "dog"], "y_score": [0.9, 0.1]}
    answers |= {"known_labels": ["no", "yes"]} | changes
    with pytest.raises(ValueError, match=message):
        OpenSetRocDisplay.from_predictions(
            answers.pop("y_true"), answers.pop("y_score"), **answers
        )
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(clips, classifier):
    X, y = clips
    with pytest.raises(NotFittedError):
        OpenSetRocDisplay.from_estimator(clone(classifier), X, y)
    with pytest.raises(AttributeError, match=r"LogisticRegression has no score_samp"):
        OpenSetRocDisplay.from_estimator(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="curve must be"):
        OpenSetRocDisplay.from_estimator(classifier, X, y, curve="det")
