import numpy as np
import pytest
from matplotlib.colors import LogNorm
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_audio.inspection import ReconstructionDisplay

TITLES = ["original", "reconstruction", "difference"]


class Autoencoder(OutlierMixin, BaseEstimator):
    """Returns the mean of the training clips, half way to the clip."""

    def fit(self, X, y=None):
        self.mean_ = np.mean(X, axis=0)
        return self

    def reconstruct(self, X):
        return (np.asarray(X) + self.mean_) / 2


class Echo(BaseEstimator):
    """Returns the clips, some times louder."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def fit(self, X, y=None):
        self.n_features_in_ = len(X[0])
        return self

    def reconstruct(self, X):
        return self.gain * np.asarray(X)


class Negate(TransformerMixin, BaseEstimator):
    """Stands for a front end, and counts the clips that it was given."""

    def fit(self, X, y=None):
        self.n_seen_ = []
        return self

    def transform(self, X):
        self.n_seen_.append(len(X))
        return -np.asarray(X)


@pytest.fixture(scope="module")
def spectrograms():
    return np.random.default_rng(0).uniform(5, 9, size=(10, 4, 6))


@pytest.fixture(scope="module")
def detector(spectrograms):
    return Autoencoder().fit(spectrograms)


def pictures(display, title):
    return np.array([image.get_array() for image in display.artists_[title]])


def test_three_pictures_a_clip(detector, spectrograms):
    display = ReconstructionDisplay.from_estimator(detector, spectrograms)
    original = spectrograms[:4]
    halfway = original / 2 + spectrograms.mean(axis=0) / 2
    assert_array_equal(pictures(display, "original"), original)
    assert_allclose(pictures(display, "reconstruction"), halfway)
    difference = np.where(original > halfway, original - halfway, halfway - original)
    assert_allclose(pictures(display, "difference"), difference)
    assert list(display.artists_) == TITLES
    assert display.axes_.shape == (4, 3)
    assert [ax.get_title(loc="left") for ax in display.axes_[0]] == TITLES
    for column, title in enumerate(TITLES):
        images = [image for ax in display.axes_[:, column] for image in ax.images]
        assert images == display.artists_[title]
    assert display.figure_ is display.axes_[0, 0].figure


def test_clips_share_one_scale_and_differences_another(detector, spectrograms):
    display = ReconstructionDisplay.from_estimator(detector, spectrograms, n_clips=3)
    clips = [pictures(display, title) for title in TITLES[:2]]
    limits = {i.get_clim() for title in TITLES[:2] for i in display.artists_[title]}
    assert limits == {(np.min(clips), np.max(clips))}
    largest = pictures(display, "difference").max()
    limits = {image.get_clim() for image in display.artists_["difference"]}
    assert limits == {(0, largest)}
    of_clips, of_differences = display.colorbars_
    assert of_clips.mappable in display.artists_["original"]
    assert of_differences.mappable in display.artists_["difference"]


def test_the_first_clips_are_drawn_and_no_other_is_computed(spectrograms):
    model = make_pipeline(Negate(), Autoencoder()).fit(spectrograms)
    model[0].n_seen_.clear()
    order = [7, 2, 9, 0]
    clips = [spectrograms[i] for i in order]
    display = ReconstructionDisplay.from_estimator(model, clips, n_clips=2)
    assert model[0].n_seen_ == [2]
    assert_array_equal(pictures(display, "original"), -spectrograms[order[:2]])
    display = ReconstructionDisplay.from_estimator(model, clips[:1])
    assert display.axes_.shape == (1, 3)


def test_rows_of_features_are_lines(spectrograms):
    rows = spectrograms[:, 0]
    display = ReconstructionDisplay.from_estimator(
        Autoencoder().fit(rows), rows, n_clips=2, line_kw={"c": "red"}
    )
    drawn = {t: [line.get_ydata() for line in display.artists_[t]] for t in TITLES}
    halfway = rows[:2] / 2 + rows.mean(axis=0) / 2
    assert_array_equal(drawn["original"], rows[:2])
    assert_allclose(drawn["reconstruction"], halfway)
    assert_allclose(drawn["difference"], abs(rows[:2] - halfway))
    assert {line.get_color() for t in TITLES for line in display.artists_[t]} == {"red"}
    values = {ax.get_ylim() for ax in display.axes_[:, :2].flat}
    differences = {ax.get_ylim() for ax in display.axes_[:, 2]}
    assert len(values) == len(differences) == 1
    assert values != differences
    assert display.colorbars_ == []


def test_several_autoencoders_stand_side_by_side(detector, spectrograms):
    echo = Echo(2.0).fit(spectrograms)
    display = ReconstructionDisplay.from_estimators(
        {"mean": detector, "echo": echo}, spectrograms, n_clips=3
    )
    original = spectrograms[:3]
    drawn = {title: pictures(display, title) for title in display.artists_}
    assert list(drawn) == ["original", "mean", "echo"]
    assert_array_equal(drawn["original"], original)
    assert_allclose(drawn["mean"], original / 2 + spectrograms.mean(axis=0) / 2)
    assert_array_equal(drawn["echo"], 2 * original)
    assert display.axes_.shape == (3, 3)
    assert [ax.get_title(loc="left") for ax in display.axes_[0]] == list(drawn)
    every = [image for images in display.artists_.values() for image in images]
    values = list(drawn.values())
    assert {i.get_clim() for i in every} == {(np.min(values), np.max(values))}
    assert len(display.colorbars_) == 1


def test_rows_of_several_autoencoders_share_their_axes(spectrograms):
    rows = spectrograms[:2, 0]
    display = ReconstructionDisplay(
        original=rows, reconstruction={"a": rows / 2, "b": rows * 9, "c": rows}
    ).plot()
    assert display.axes_.shape == (2, 4)
    assert len({ax.get_ylim() for ax in display.axes_.flat}) == 1
    assert_array_equal(display.artists_["b"][1].get_ydata(), rows[1] * 9)
    assert display.colorbars_ == []


def test_front_ends_of_several_autoencoders_must_agree(plt, spectrograms):
    negated = make_pipeline(Negate(), Echo()).fit(spectrograms)
    louder = make_pipeline(Negate(), Echo(3.0)).fit(spectrograms)
    display = ReconstructionDisplay.from_estimators(
        {"a": negated, "b": louder}, spectrograms, n_clips=2
    )
    assert negated[0].n_seen_[-1] == 2
    assert_array_equal(pictures(display, "original"), -spectrograms[:2])
    assert_array_equal(pictures(display, "b"), -3 * spectrograms[:2])
    plt.close("all")
    with pytest.raises(ValueError, match=r"different clips of X for 'a' and 'plain'"):
        ReconstructionDisplay.from_estimators(
            {"a": negated, "plain": Echo().fit(spectrograms)}, spectrograms
        )
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("reconstructions", "message"),
    [
        ({}, "at least one autoencoder"),
        ({"original": np.zeros((2, 3))}, "can be called 'original'"),
        (
            {"a": np.zeros((2, 3)), "difference": np.zeros((2, 3))},
            "called 'difference'",
        ),
        ({"a": np.zeros((2, 3)), "b": np.zeros((2, 4))}, r"The b clips, .*\(2, 4\)"),
        ({"a": np.full((2, 3), np.nan)}, "a contains NaN"),
    ],
)
def test_reconstructions_that_cannot_be_compared(plt, reconstructions, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay(
            original=np.zeros((2, 3)), reconstruction=reconstructions
        ).plot()
    assert not plt.get_fignums()


def test_whole_numbers_do_not_wrap_around():
    clips = np.array([[[0, 200], [3, 4]]], dtype=np.uint8)
    other = np.array([[[100, 0], [4, 3]]], dtype=np.uint8)
    display = ReconstructionDisplay(original=clips, reconstruction=other).plot()
    assert pictures(display, "difference").tolist() == [[[100, 200], [1, 1]]]


def test_a_perfect_reconstruction_can_be_drawn(spectrograms):
    display = ReconstructionDisplay(
        original=spectrograms[:2], reconstruction=spectrograms[:2]
    ).plot()
    display.figure_.draw_without_rendering()
    assert not pictures(display, "difference").any()


def test_takes_the_place_of_a_subplot(plt, detector, spectrograms):
    figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    display = ReconstructionDisplay.from_estimator(detector, spectrograms, ax=right)
    assert display.figure_ is figure
    assert display.bounding_ax_ is right
    assert not right.axison
    figure.draw_without_rendering()
    edges = [ax.get_position().x0 for ax in display.axes_[:, 0]]
    assert min(edges) > left.get_position().x1
    with pytest.raises(ValueError, match="ax must be a subplot"):
        display.plot(figure.add_axes((0, 0, 1, 1)))


def test_styles_of_clips_leave_the_scale_of_differences_alone(spectrograms):
    display = ReconstructionDisplay(
        original=spectrograms[:1], reconstruction=spectrograms[1:2]
    )
    largest = abs(spectrograms[0] - spectrograms[1]).max()
    display.plot(im_kw={"cmap": "gray", "vmin": 0, "vmax": 99})
    (original,), _, (difference,) = display.artists_.values()
    assert original.get_clim() == (0, 99)
    assert difference.get_clim() == (0, largest)
    assert {original.cmap.name, difference.cmap.name} == {"gray"}
    display.plot(im_kw={"norm": LogNorm(1, 10)})
    (original,), _, (difference,) = display.artists_.values()
    assert original.get_clim() == (1, 10)
    assert difference.get_clim() == (0, largest)


@pytest.mark.parametrize(
    ("original", "reconstruction", "message"),
    [
        (np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), r"\(2, 3, 5\).*\(2, 3, 4\)"),
        (np.zeros((2, 3)), np.zeros((1, 3)), r"shape of the original clips, \(2, 3\)"),
        (np.zeros((1, 2, 3, 4)), np.zeros((1, 2, 3, 4)), r"clips of shape \(2, 3, 4\)"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "original contains NaN"),
        (np.zeros((2, 3)), np.full((2, 3), np.inf), "reconstruction contains infinity"),
    ],
)
def test_clips_that_cannot_be_drawn(plt, original, reconstruction, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay(original=original, reconstruction=reconstruction).plot()
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(detector, spectrograms):
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(Autoencoder(), spectrograms)
    forest = IsolationForest(n_estimators=2).fit(spectrograms[:, 0])
    with pytest.raises(AttributeError, match=r"IsolationForest has no reconstruct, a"):
        ReconstructionDisplay.from_estimator(forest, spectrograms[:, 0])
    with pytest.raises(AttributeError, match=r"IsolationForest has no reconstruct, a"):
        ReconstructionDisplay.from_estimators({"forest": forest}, spectrograms[:, 0])
    with pytest.raises(ValueError, match="at least one autoencoder"):
        ReconstructionDisplay.from_estimators({}, spectrograms)
    with pytest.raises(ValueError, match="n_clips == 0"):
        ReconstructionDisplay.from_estimator(detector, spectrograms, n_clips=0)
