import numpy as np
import pytest
from matplotlib.colors import LogNorm
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sklearn_audio.inspection import GeneratedSamplesDisplay
from sklearn_audio.open_set import RejectingClassifier


class Generator(ClassifierMixin, BaseEstimator):
    """Makes up noise of the shape and the level of the training clips."""

    def fit(self, X, y=None):
        self.classes_ = np.unique(y)
        self.mean_ = X.mean(axis=0)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def sample(self, n_samples, random_state=None):
        noise = check_random_state(random_state).normal(
            size=(n_samples, *self.mean_.shape)
        )
        return self.mean_ + noise


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
    rng = np.random.default_rng(0)
    return rng.uniform(5, 6, size=(20, 4, 6)), np.repeat(["a", "b"], 10)


@pytest.fixture(scope="module")
def generator(spectrograms):
    return Generator().fit(*spectrograms)


def pictures(display, title):
    return np.array([image.get_array() for image in display.artists_[title]])


def titles(display):
    return [ax.get_title(loc="left") for ax in display.axes_[:, 0]]


def is_among(clip, clips):
    return any(np.array_equal(clip, other) for other in clips)


def test_pictures_are_the_samples(generator, spectrograms):
    X, _ = spectrograms
    display = GeneratedSamplesDisplay.from_estimator(
        generator, X, n_samples=5, random_state=3
    )
    expected = generator.sample(5, random_state=3)
    assert_array_equal(pictures(display, "generated"), expected)
    real = pictures(display, "real")
    assert all(is_among(clip, X) for clip in real)
    assert len(np.unique(real, axis=0)) == 5
    assert display.axes_.shape == (2, 5)
    assert titles(display) == ["real", "generated"]
    assert display.figure_ is display.axes_[0, 0].figure


def test_one_colour_scale_for_all(generator, spectrograms):
    X, _ = spectrograms
    display = GeneratedSamplesDisplay.from_estimator(generator, X, random_state=0)
    images = display.artists_["real"] + display.artists_["generated"]
    values = np.concatenate([pictures(display, t) for t in ("real", "generated")])
    assert {image.get_clim() for image in images} == {(values.min(), values.max())}
    assert {image.origin for image in images} == {"lower"}
    assert display.colorbar_.mappable in images


def test_a_seed_decides_all(generator, spectrograms):
    X, _ = spectrograms
    one, same, other = (
        GeneratedSamplesDisplay.from_estimator(
            generator, X, n_samples=3, random_state=seed
        )
        for seed in (0, 0, 1)
    )
    for title in ("real", "generated"):
        assert_array_equal(pictures(one, title), pictures(same, title))
        assert not np.array_equal(pictures(one, title), pictures(other, title))


def test_generated_clips_alone(generator):
    display = GeneratedSamplesDisplay.from_estimator(generator, n_samples=3)
    assert list(display.artists_) == ["generated"]
    assert titles(display) == ["generated"]
    assert display.real is None


def test_rows_are_wrapped(generator, spectrograms):
    X, _ = spectrograms
    display = GeneratedSamplesDisplay.from_estimator(
        generator, X[:4], n_samples=7, n_cols=3, random_state=0
    )
    is_drawn = display.axes_ != None  # noqa: E711
    assert is_drawn.astype(int).tolist() == [
        *([1, 1, 1], [1, 0, 0]),
        *([1, 1, 1], [1, 1, 1], [1, 0, 0]),
    ]
    assert titles(display) == ["real", "", "generated", "", ""]
    assert_array_equal(pictures(display, "real"), X[:4])
    assert_array_equal(
        display.axes_[3, 2].images[0].get_array(),
        generator.sample(7, random_state=0)[5],
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda pipeline, X, y: pipeline.fit(X, y),
        lambda pipeline, X, y: RejectingClassifier(pipeline).fit(X, y),
        lambda pipeline, X, y: make_pipeline("passthrough", pipeline).fit(X, y),
        lambda pipeline, X, y: GridSearchCV(pipeline, {}, cv=2).fit(X, y),
    ],
    ids=["pipeline", "rejecting", "nested", "search"],
)
def test_real_clips_pass_the_front_end(spectrograms, wrap):
    X, y = spectrograms
    model = wrap(make_pipeline(Negate(), Generator()), X, y)
    display = GeneratedSamplesDisplay.from_estimator(
        model, X, n_samples=4, random_state=0
    )
    assert all(is_among(clip, -X) for clip in pictures(display, "real"))
    assert pictures(display, "generated").mean() < -4


def test_only_the_clips_to_draw_pass_the_front_end(spectrograms):
    X, y = spectrograms
    pipeline = make_pipeline(Negate(), Generator()).fit(X, y)
    pipeline[0].n_seen_.clear()
    GeneratedSamplesDisplay.from_estimator(pipeline, list(X), n_samples=4)
    assert pipeline[0].n_seen_ == [4]


def test_rows_of_features_are_lines():
    X = np.random.default_rng(0).normal(size=(30, 5))
    model = make_pipeline(StandardScaler(), KernelDensity()).fit(X)
    display = GeneratedSamplesDisplay.from_estimator(
        model, X, n_samples=3, random_state=0, line_kw={"c": "red"}
    )
    lines = display.artists_["generated"]
    expected = model[-1].sample(3, random_state=0)
    assert_array_equal([line.get_ydata() for line in lines], expected)
    scaled = model[0].transform(X)
    assert all(is_among(line.get_ydata(), scaled) for line in display.artists_["real"])
    assert {line.get_color() for line in lines} == {"red"}
    limits = {ax.get_ylim() for ax in display.axes_.flat}
    assert len(limits) == 1
    assert display.colorbar_ is None


def test_takes_the_place_of_a_subplot(plt, generator):
    figure, (left, right) = plt.subplots(1, 2)
    display = GeneratedSamplesDisplay.from_estimator(generator, n_samples=4, ax=right)
    assert display.figure_ is figure
    assert display.bounding_ax_ is right
    assert not right.axison
    figure.draw_without_rendering()
    assert all(ax.get_position().x0 > left.get_position().x1 for ax in display.axes_[0])
    with pytest.raises(ValueError, match="ax must be a subplot"):
        display.plot(figure.add_axes((0, 0, 1, 1)))


def test_styles_override_the_defaults(generator):
    clips = np.exp(generator.sample(2, random_state=0))
    display = GeneratedSamplesDisplay(generated=clips)
    display.plot(im_kw={"cmap": "gray", "origin": "upper", "vmin": 0})
    image = display.artists_["generated"][0]
    assert (image.cmap.name, image.origin) == ("gray", "upper")
    assert image.get_clim() == (0, clips.max())
    display.plot(im_kw={"norm": LogNorm(1, 10)})
    assert display.artists_["generated"][1].get_clim() == (1, 10)


@pytest.mark.parametrize(
    ("generated", "real", "message"),
    [
        (np.zeros((2, 3, 4, 5)), None, r"generated clips of shape \(3, 4, 5\)"),
        (np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), r"\(3, 5\) cannot.*\(3, 4\)"),
        (np.zeros((2, 3)), np.zeros((2, 3, 1)), "same front end"),
        (np.full((2, 3), np.nan), None, "generated contains NaN"),
        (np.zeros((2, 3)), np.full((2, 3), np.inf), "real contains infinity"),
    ],
)
def test_clips_that_cannot_be_drawn(plt, generated, real, message):
    with pytest.raises(ValueError, match=message):
        GeneratedSamplesDisplay(generated=generated, real=real).plot()
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(generator, spectrograms):
    X, y = spectrograms
    with pytest.raises(NotFittedError):
        GeneratedSamplesDisplay.from_estimator(Generator())
    with pytest.raises(AttributeError, match=r"GaussianNB has no sample, a method"):
        GeneratedSamplesDisplay.from_estimator(GaussianNB().fit(X[:, 0], y))
    with pytest.raises(ValueError, match="n_samples == 0"):
        GeneratedSamplesDisplay.from_estimator(generator, n_samples=0)
    with pytest.raises(ValueError, match="n_cols == 0"):
        GeneratedSamplesDisplay.from_estimator(generator, n_cols=0)
