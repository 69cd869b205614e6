import itertools

import numpy as np
import pytest
from matplotlib.colors import CenteredNorm
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.inspection import FilterDisplay
from sklearn_audio.open_set import RejectingClassifier

FILTERS = np.random.default_rng(0).uniform(-2, 1, size=(7, 5, 3))


class Network(ClassifierMixin, BaseEstimator):
    """Learns nothing, and shows its filters."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    @property
    def filters_(self):
        return FILTERS

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def extents(display):
    return np.array([image.get_extent() for image in display.images_])


def test_pictures_are_the_filters_on_a_scale_symmetric_about_zero():
    display = FilterDisplay(filters=FILTERS).plot()
    assert_array_equal([image.get_array() for image in display.images_], FILTERS)
    strongest = max(FILTERS.max(), -FILTERS.min())
    limits = {image.get_clim() for image in display.images_}
    assert limits == {(-strongest, strongest)}
    assert display.colorbar_.mappable in display.images_
    assert display.figure_ is display.ax_.figure


def test_each_filter_has_a_place_of_its_own_row_by_row_from_the_top():
    display = FilterDisplay(filters=FILTERS).plot(n_cols=3)
    left, right, bottom, top = extents(display).T
    assert_allclose(right - left, 3)  # frames
    assert_allclose(top - bottom, 5)  # bands
    rows, columns = np.unique(-bottom), np.unique(left)
    assert (len(rows), len(columns)) == (3, 3)
    assert_array_equal(np.searchsorted(rows, -bottom), [0, 0, 0, 1, 1, 1, 2])
    assert_array_equal(np.searchsorted(columns, left), [0, 1, 2, 0, 1, 2, 0])
    for i, j in itertools.combinations(range(7), 2):
        beside = right[i] < left[j] or right[j] < left[i]
        assert beside or top[i] < bottom[j] or top[j] < bottom[i]
    assert display.ax_.get_xlim() == (left.min(), right.max())
    assert display.ax_.get_ylim() == (bottom.min(), top.max())


def test_bands_go_upwards():
    falling = np.zeros((1, 4, 2))
    falling[0, 0] = 1  # the lowest band
    (image,) = FilterDisplay(filters=falling).plot().images_
    assert image.origin == "lower"
    assert image.get_extent()[2] < image.get_extent()[3]


def test_each_filter_has_a_border():
    display = FilterDisplay(filters=FILTERS).plot()
    boxes = [path.get_extents().extents for path in display.borders_.get_paths()]
    left, right, bottom, top = extents(display).T
    assert_array_equal(boxes, np.column_stack([left, bottom, right, top]))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: make_pipeline(StandardScaler(), network),
        lambda network: RejectingClassifier(make_pipeline(StandardScaler(), network)),
    ],
    ids=["network", "pipeline", "rejecting"],
)
def test_finds_the_filters_inside(wrap):
    X, y = np.arange(20.0).reshape(10, 2), [0, 1] * 5
    display = FilterDisplay.from_estimator(wrap(Network()).fit(X, y), n_cols=2)
    assert display.filters is FILTERS
    assert len(np.unique(extents(display)[:, 0])) == 2


def test_draws_on_given_axes_in_a_given_style(plt):
    _, (first, second) = plt.subplots(1, 2)
    display = FilterDisplay(filters=FILTERS)
    display.plot(first, im_kw={"cmap": "PiYG", "vmin": -9})
    assert display.ax_ is first
    assert {image.cmap.name for image in display.images_} == {"PiYG"}
    strongest = abs(FILTERS).max()
    assert display.images_[0].get_clim() == (-9, strongest)
    assert display.plot(second, im_kw={"norm": CenteredNorm(halfrange=3)}) is display
    assert display.ax_ is second
    assert display.images_[0].get_clim() == (-3, 3)


def test_filters_that_are_all_zero_can_be_drawn():
    display = FilterDisplay(filters=np.zeros((2, 3, 3))).plot()
    display.figure_.draw_without_rendering()
    assert not np.any([image.get_array() for image in display.images_])


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (np.zeros((3, 5)), r"\(n_filters, n_bands, n_frames\), got \(3, 5\)"),
        (np.zeros((3, 1, 5, 5)), r"got \(3, 1, 5, 5\)"),
        (np.zeros((0, 5, 5)), "0 sample"),
        (np.full((1, 2, 2), np.nan), "filters contains NaN"),
    ],
)
def test_filters_that_cannot_be_drawn(plt, filters, message):
    with pytest.raises(ValueError, match=message):
        FilterDisplay(filters=filters).plot()
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(plt):
    with pytest.raises(NotFittedError):
        FilterDisplay.from_estimator(LogisticRegression())
    X, y = [[0.0], [1.0]], [0, 1]
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(AttributeError, match=r"LogisticRegression has no filters_, th"):
        FilterDisplay.from_estimator(plain)
    with pytest.raises(ValueError, match="n_cols == 0"):
        FilterDisplay.from_estimator(Network().fit(X, y), n_cols=0)
    assert not plt.get_fignums()
