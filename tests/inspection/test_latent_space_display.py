import numpy as np
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_audio.inspection import LatentSpaceDisplay


class Encoder(OutlierMixin, BaseEstimator):
    """Encodes clips as means over frames of their bands."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def encode(self, X):
        return np.asarray(X).reshape(len(X), 5, -1).mean(axis=2)

    def score_samples(self, X):
        return -np.abs(self.encode(X)).max(axis=1)

    def predict(self, X):
        return np.where(self.score_samples(X) < -1, -1, 1)


@pytest.fixture(scope="module")
def spectrograms():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5, 6)) * np.array([9, 4, 3, 2, 1])[:, None]
    X[40:] += [[3], [0], [0], [0], [9]]
    return X, np.repeat([1, -1], [40, 20])


def points(display, label):
    return np.asarray(display.scatters_[label].get_offsets())


def texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def project(latents, normal):
    """Return principal components by the eigenvectors of the covariance."""
    variances, directions = np.linalg.eigh(np.cov(normal.T))
    plane = directions[:, [-1, -2]]
    shares = variances[[-1, -2]] / variances.sum()
    return (latents - normal.mean(axis=0)) @ plane, shares


def assert_same_up_to_sign(points, expected):
    for axis in range(2):
        sign = np.sign((points[:, axis] * expected[:, axis]).sum())
        assert_allclose(sign * points[:, axis], expected[:, axis], atol=1e-8)


def test_the_plane_is_that_of_the_normal_clips(spectrograms):
    X, y = spectrograms
    display = LatentSpaceDisplay.from_estimator(Encoder().fit(X), X, y)
    latents = X.mean(axis=2)
    expected, shares = project(latents, latents[y == 1])
    assert_same_up_to_sign(display.points, expected)
    assert_allclose(display.explained_variance_ratio, shares)
    assert_array_equal(points(display, 1), display.points[:40])
    assert_array_equal(points(display, -1), display.points[40:])
    assert display.ax_.get_xlabel() == (
        f"component 1 ({100 * shares[0]:.0f} % of normal clips' variance)"
    )
    assert display.ax_.get_ylabel() == (
        f"component 2 ({100 * shares[1]:.0f} % of normal clips' variance)"
    )
    assert texts(display) == ["normal (40 clips)", "anomalous (20 clips)"]
    assert display.figure_ is display.ax_.figure


def test_without_labels_all_clips_count(spectrograms):
    X, _ = spectrograms
    display = LatentSpaceDisplay.from_estimator(Encoder().fit(X), X)
    latents = X.mean(axis=2)
    expected, shares = project(latents, latents)
    assert_same_up_to_sign(points(display, None), expected)
    assert display.ax_.get_xlabel().endswith(f"({100 * shares[0]:.0f} % of variance)")
    assert display.legend_ is None


def test_any_labels(spectrograms):
    X, _ = spectrograms
    latents, y = X.mean(axis=2), np.repeat(["pump", "fan", "bell", "cat"], 15)
    display = LatentSpaceDisplay.from_latents(latents, y, known_labels=["pump", "fan"])
    expected, _ = project(latents, latents[:30])
    assert_same_up_to_sign(display.points, expected)
    assert list(display.scatters_) == ["fan", "pump", "bell", "cat"]
    assert_array_equal(points(display, "bell"), display.points[30:45])
    assert texts(display)[0] == "fan (15 clips)"
    colors = [tuple(s.get_facecolor()[0]) for s in display.scatters_.values()]
    assert len(set(colors)) == 4
    orders = [scatter.get_zorder() for scatter in display.scatters_.values()]
    assert orders == sorted(orders)
    everyone = LatentSpaceDisplay.from_latents(latents, y)
    assert_same_up_to_sign(everyone.points, project(latents, latents)[0])


def test_minus_one_alone_and_other_numbers_are_plain_labels(spectrograms):
    latents = spectrograms[0].mean(axis=2)
    for y, expected in [
        (np.full(60, -1), ["-1 (60 clips)"]),
        (np.repeat([0, 1], 30), ["0 (30 clips)", "1 (30 clips)"]),
    ]:
        display = LatentSpaceDisplay.from_latents(latents, y)
        assert texts(display) == expected
        assert "normal" not in display.ax_.get_xlabel()


def test_text_beside_numbers():
    latents = np.random.default_rng(0).normal(size=(4, 3))
    y = np.array([10, "unknown", 9, 10], dtype=object)
    display = LatentSpaceDisplay.from_latents(latents, y, known_labels=[9, 10])
    assert list(display.scatters_) == [9, 10, "unknown"]
    assert_array_equal(points(display, 10), display.points[[0, 3]])


def test_two_values_are_drawn_as_they_are():
    latents = np.random.default_rng(0).normal(3, size=(20, 2))
    display = LatentSpaceDisplay.from_latents(latents, [1] * 15 + [-1] * 5)
    assert_array_equal(points(display, -1), latents[15:])
    assert display.explained_variance_ratio is None
    assert display.ax_.get_xlabel() == "latent value 1"
    assert display.ax_.get_ylabel() == "latent value 2"


def test_classes_of_the_estimator_are_known(spectrograms):
    X, _ = spectrograms
    y = np.repeat(["no", "yes", "dog"], 20)
    model = Encoder().fit(X)
    model.classes_ = np.array(["no", "yes"])
    display = LatentSpaceDisplay.from_estimator(model, X, y)
    latents = X.mean(axis=2)
    assert_same_up_to_sign(display.points, project(latents, latents[:40])[0])
    assert list(display.scatters_) == ["no", "yes", "dog"]
    assert LatentSpaceDisplay.from_estimator(model, X).known_labels is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda pipeline: pipeline,
        lambda pipeline: GridSearchCV(pipeline, {}, cv=2, scoring="accuracy"),
    ],
    ids=["pipeline", "search"],
)
def test_clips_pass_the_front_end(spectrograms, wrap):
    X, y = spectrograms
    rows = X.reshape(len(X), -1)
    model = wrap(make_pipeline(StandardScaler(), Encoder())).fit(rows, y)
    display = LatentSpaceDisplay.from_estimator(model, rows, y)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    latents = scaled.reshape(X.shape).mean(axis=2)
    assert_same_up_to_sign(display.points, project(latents, latents[y == 1])[0])


def test_draws_on_given_axes_in_a_given_style(plt):
    _, (first, second) = plt.subplots(1, 2, sharex=True, sharey=True)
    latents = np.random.default_rng(0).normal(size=(9, 4))
    display = LatentSpaceDisplay.from_latents(
        latents, ax=first, scatter_kw={"c": "red", "s": 50, "lw": 2}
    )
    scatter = display.scatters_[None]
    assert display.ax_ is first
    assert tuple(scatter.get_facecolor()[0][:3]) == to_rgba("red")[:3]
    assert scatter.get_sizes().tolist() == [50]
    assert scatter.get_linewidth() == [2]
    assert display.plot(second) is display
    assert display.ax_ is second
    display.figure_.draw_without_rendering()  # shared axes forbid some aspects


def test_distances_are_true_on_a_new_figure():
    latents = np.random.default_rng(0).normal(size=(30, 3)) * [9, 1, 0.1]
    display = LatentSpaceDisplay.from_latents(latents)
    display.figure_.draw_without_rendering()
    origin, right, up = display.ax_.transData.transform([(0, 0), (1, 0), (0, 1)])
    assert right[0] - origin[0] == pytest.approx(up[1] - origin[1])


@pytest.mark.parametrize(
    ("latents", "y", "known_labels", "message"),
    [
        (np.zeros((3, 1)), None, None, r"at least two values.*\(3, 1\)"),
        (np.zeros((3, 2, 2)), None, None, "dim 3"),
        (np.full((3, 4), np.nan), None, None, "latents contains NaN"),
        (np.eye(3), [1, -1], None, "lengths: latents 3, y 2"),
        (np.eye(3), None, [1], r"known_labels=\[1\].*Give y"),
        (np.eye(3), ["a", "b", "c"], [1], "y holds text"),
        (np.eye(3), ["a", "b", "c"], ["d"], "got 0 normal among 3"),
        (np.eye(3), [1, -1, -1], None, "got 1 normal among 3"),
        (np.ones((3, 3)), None, None, "got 3 normal among 3 clips, all alike"),
        (np.eye(3), [1, np.nan, 1], None, "y holds nan at index 1"),
    ],
)
def test_what_cannot_be_drawn(plt, latents, y, known_labels, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_latents(latents, y, known_labels=known_labels)
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(spectrograms):
    X = spectrograms[0].mean(axis=2)
    with pytest.raises(NotFittedError):
        LatentSpaceDisplay.from_estimator(make_pipeline(PCA(), OneClassSVM()), X)
    with pytest.raises(AttributeError, match=r"OneClassSVM has no encode, a method"):
        LatentSpaceDisplay.from_estimator(OneClassSVM().fit(X), X)
