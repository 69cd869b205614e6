import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.inspection import TrainingHistoryDisplay
from sklearn_audio.open_set import RejectingClassifier

HISTORY = {
    "train_loss": [2.0, 1.5, 1.2],
    "train_discriminator": [0.5, 0.6, 0.7],
    "valid_loss": [2.1, 1.9, 2.2],
    "penalty": [0.1, 0.2, 0.3],
}


class Network(ClassifierMixin, BaseEstimator):
    """Trains nothing, and says how it went."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.history_ = HISTORY
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_lines_are_the_losses_by_epoch():
    display = TrainingHistoryDisplay.from_history(HISTORY)
    assert list(display.lines_) == list(HISTORY)
    for name, values in HISTORY.items():
        epochs, drawn = display.lines_[name].get_data()
        assert_array_equal(epochs, [1, 2, 3])
        assert_array_equal(drawn, values)
        assert display.lines_[name].get_label() == name
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == list(HISTORY)
    assert all(tick == round(tick) for tick in display.ax_.get_xticks())
    assert display.figure_ is display.ax_.figure


def test_a_loss_has_one_colour_for_training_and_validation():
    lines = TrainingHistoryDisplay.from_history(HISTORY).lines_
    assert lines["valid_loss"].get_color() == lines["train_loss"].get_color()
    assert len({line.get_color() for line in lines.values()}) == 3
    styles = {name: line.get_linestyle() for name, line in lines.items()}
    assert styles.pop("valid_loss") == "--"
    assert set(styles.values()) == {"-"}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: make_pipeline(StandardScaler(), network),
        lambda network: RejectingClassifier(make_pipeline(StandardScaler(), network)),
    ],
    ids=["network", "pipeline", "rejecting"],
)
def test_finds_the_history_inside(wrap):
    X, y = np.arange(20.0).reshape(10, 2), [0, 1] * 5
    display = TrainingHistoryDisplay.from_estimator(wrap(Network()).fit(X, y))
    assert display.history is HISTORY


def test_only_the_losses_asked_for(plt):
    _, ax = plt.subplots()
    display = TrainingHistoryDisplay.from_history(
        HISTORY, names=["penalty", "train_loss"], ax=ax, line_kw={"lw": 5}
    )
    assert list(display.lines_) == ["penalty", "train_loss"]
    assert display.ax_ is ax
    assert {line.get_linewidth() for line in ax.get_lines()} == {5}


def test_lines_run_through_epochs_without_a_value():
    history = {
        "train_loss": [3.0, 2.0, 1.0, 0.5],
        "valid_loss": [np.nan, 2.5, np.nan, 1.5],
        "valid_late": [np.nan, np.nan, np.nan, 1.0],
    }
    lines = TrainingHistoryDisplay.from_history(history).lines_
    assert_array_equal(lines["valid_loss"].get_xydata(), [[2, 2.5], [4, 1.5]])
    assert lines["valid_late"].get_marker() == "o"  # a line of one point is invisible
    assert lines["valid_loss"].get_marker() == "None"


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([[1000.0, 1.0]], "log"),
        ([[1000.0, 900.0], [1.0, 2.0]], "log"),
        ([[np.nan, 1000.0, 1.0]], "log"),
        ([[100.0, 1.0]], "linear"),
        ([[1000.0, 1.0], [5.0, 0.0]], "linear"),
        ([[1000.0, -1.0]], "linear"),
        ([[0.0, 0.0]], "linear"),
    ],
)
def test_scale_is_logarithmic_where_positive_losses_span_decades(losses, scale):
    history = {f"train_{i}": values for i, values in enumerate(losses)}
    display = TrainingHistoryDisplay.from_history(history)
    assert display.ax_.get_yscale() == scale


@pytest.mark.parametrize(
    ("history", "names", "message"),
    [
        ({}, None, "no value to draw"),
        ({"train_loss": []}, None, "no value to draw"),
        ({"train_loss": [np.nan]}, None, r"losses \['train_loss'\]"),
        (HISTORY, [], "name at least one loss"),
        (HISTORY, ["loss"], "no loss named 'loss'.*train_loss, train_disc"),
        ({}, ["loss"], "which holds nothing"),
    ],
)
def test_what_cannot_be_drawn(plt, history, names, message):
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay.from_history(history, names=names)
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn():
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(Network())
    plain = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(AttributeError, match=r"LogisticRegression has no history_, th"):
        TrainingHistoryDisplay.from_estimator(plain)
