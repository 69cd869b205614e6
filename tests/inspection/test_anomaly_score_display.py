import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_audio.inspection import AnomalyScoreDisplay

TIMES = np.arange(40) * 0.25
SPECTROGRAM = np.random.default_rng(1).normal(-40, 10, size=(8, 100))


@pytest.fixture(scope="module")
def frames():
    """Forty frames of noise, four of them louder."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[20:24] += 8
    return X


def fit(detector):
    return detector.fit(np.random.default_rng(2).normal(size=(200, 3)))


def texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def span(patch):
    return patch.get_x(), patch.get_x() + patch.get_width()


@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(n_estimators=10, random_state=0),
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(random_state=0),
        make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_what_is_below_the_threshold_is_rejected(frames, detector):
    detector = fit(detector)
    display = AnomalyScoreDisplay.from_estimator(detector, frames, TIMES)
    assert_array_equal(display.line_.get_xdata(), TIMES)
    assert_array_equal(display.line_.get_ydata(), detector.score_samples(frames))
    below = display.line_.get_ydata() < display.threshold_line_.get_ydata()[0]
    assert_array_equal(below, detector.predict(frames) == -1)
    assert below[20:24].all()
    assert display.ax_.get_ylabel() == "familiarity"
    assert display.ax_.get_xlabel() == "time (s)"
    assert texts(display) == [f"threshold ({display.threshold:.3g})"]


def test_scores_stand_at_the_middle_of_their_frames(frames):
    display = AnomalyScoreDisplay.from_estimator(
        fit(EllipticEnvelope(random_state=0)), frames, TIMES, frame_duration=1.0
    )
    assert_array_equal(display.line_.get_xdata(), TIMES + 0.5)
    assert display.ax_.get_xlim() == (0.5, TIMES[-1] + 0.5)


def test_without_a_threshold_the_curve_is_alone(frames):
    mixture = fit(GaussianMixture(random_state=0))
    display = AnomalyScoreDisplay.from_estimator(mixture, frames, TIMES)
    assert display.threshold_line_ is None
    assert display.legend_ is None
    lenient = AnomalyScoreDisplay.from_predictions(
        TIMES, np.zeros(40), threshold=-np.inf
    )
    assert lenient.threshold_line_ is None


def test_true_and_detected_events_can_be_told_apart():
    display = AnomalyScoreDisplay.from_predictions(
        TIMES,
        np.zeros(40),
        true_events=[[1.0, 2.0], [4.0, 4.5], [7, 8]],
        detected_events=[[1.5, 2.5]],
    )
    true, detected = (display.event_patches_[kind] for kind in ("true", "detected"))
    assert [span(patch) for patch in true] == [(1, 2), (4, 4.5), (7, 8)]
    assert [span(patch) for patch in detected] == [(1.5, 2.5)]
    assert all(patch.get_fill() and not patch.get_hatch() for patch in true)
    assert all(patch.get_hatch() and not patch.get_fill() for patch in detected)
    assert texts(display) == ["true events (3)", "detected events (1)"]


@pytest.mark.parametrize("nothing", [None, [], np.empty((0, 2))])
def test_no_events(nothing):
    display = AnomalyScoreDisplay.from_predictions(
        TIMES, np.zeros(40), true_events=nothing, detected_events=nothing
    )
    assert display.event_patches_ == {"true": [], "detected": []}
    assert display.legend_ is None


def test_the_spectrogram_stands_above_on_the_same_time(frames):
    display = AnomalyScoreDisplay.from_estimator(
        fit(EllipticEnvelope(random_state=0)),
        frames,
        TIMES,
        frame_duration=0.5,
        spectrogram=SPECTROGRAM,
        duration=10.5,
    )
    assert_array_equal(display.image_.get_array(), SPECTROGRAM)
    assert display.image_.get_extent() == [0, 10.5, -0.5, 7.5]
    assert display.image_.origin == "lower"
    upper, lower = display.spectrogram_ax_, display.ax_
    assert upper.get_xlim() == lower.get_xlim() == (0, 10.5)
    display.figure_.draw_without_rendering()
    above, below = upper.get_position(), lower.get_position()
    assert above.y0 > below.y1
    assert_allclose([above.x0, above.x1], [below.x0, below.x1])
    lower.set_xlim(2, 3)  # looking closer moves both
    assert upper.get_xlim() == (2, 3)


def test_without_a_spectrogram_any_axes_will_do(plt):
    figure = plt.figure()
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    display = AnomalyScoreDisplay.from_predictions(
        TIMES, np.zeros(40), duration=12.0, ax=ax
    )
    assert display.ax_ is display.bounding_ax_ is ax
    assert display.figure_ is figure
    assert display.spectrogram_ax_ is display.image_ is None
    assert ax.get_xlim() == (0, 12)
    with pytest.raises(ValueError, match="ax must be a subplot"):
        AnomalyScoreDisplay.from_predictions(
            TIMES, np.zeros(40), spectrogram=SPECTROGRAM, duration=10.0, ax=ax
        )


def test_takes_the_place_of_a_subplot(plt):
    figure, (left, right) = plt.subplots(1, 2)
    display = AnomalyScoreDisplay.from_predictions(
        TIMES, np.zeros(40), spectrogram=SPECTROGRAM, duration=10.0, ax=right
    )
    assert display.bounding_ax_ is right
    assert not right.axison
    figure.draw_without_rendering()
    for ax in (display.ax_, display.spectrogram_ax_):
        assert ax.get_position().x0 > left.get_position().x1


def test_styles_override_the_defaults(plt):
    display = AnomalyScoreDisplay.from_predictions(
        TIMES,
        np.zeros(40),
        threshold=-1.0,
        spectrogram=SPECTROGRAM,
        duration=10.0,
        line_kw={"c": "red", "label": "mine"},
        threshold_kw={"ls": ":", "label": "limit"},
        im_kw={"cmap": "gray", "extent": (0, 10, 0, 4000), "vmin": -80},
    )
    assert display.line_.get_color() == "red"
    assert display.threshold_line_.get_linestyle() == ":"
    assert display.image_.cmap.name == "gray"
    assert display.image_.get_extent() == [0, 10, 0, 4000]
    assert display.image_.get_clim() == (-80, SPECTROGRAM.max())
    assert texts(display) == ["mine", "limit"]
    _, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.bounding_ax_ is ax


def test_a_single_frame_can_be_drawn():
    display = AnomalyScoreDisplay.from_predictions([0.0], [1.5], frame_duration=1.0)
    display.figure_.draw_without_rendering()
    assert_array_equal(display.line_.get_xydata(), [[0.5, 1.5]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [1.0, 2.0]}, r"one number per frame.*\(3,\) and \(2,\)"),
        ({"scores": np.zeros((3, 2))}, r"1-D.*\(3, 2\)"),
        ({"scores": [0.0, np.nan, 0.0]}, "scores contains NaN"),
        ({"scores": [0.0, np.inf, 0.0]}, "scores contains infinity"),
        ({"times": [0.0, np.nan, 2.0]}, "times contains NaN"),
        ({"times": [0.0, 2.0, 1.5]}, r"frame 2 starts at 1\.5 s, after one at 2 s"),
        ({"times": [0.0, 0.0, 1.0]}, "times must rise"),
        ({"true_events": [1.0, 2.0]}, r"true_events.*\(n_events, 2\), got \(2,\)"),
        ({"detected_events": [[1, 2, 3]]}, r"detected_events.*got \(1, 3\)"),
        ({"true_events": [[0, 1], [3, 2]]}, "index 1: from 3 s to 2 s"),
        ({"true_events": [[0, np.nan]]}, "true_events contains NaN"),
        ({"spectrogram": SPECTROGRAM}, "spectrogram needs duration"),
        ({"spectrogram": [1.0], "duration": 3}, "Expected 2D array"),
        ({"spectrogram": [[np.nan]], "duration": 3}, "spectrogram contains NaN"),
    ],
)
def test_what_cannot_be_drawn(plt, changes, message):
    recording = {"times": [0.0, 1.0, 2.0], "scores": [0.0, 1.0, 0.0], **changes}
    with pytest.raises(ValueError, match=message):
        AnomalyScoreDisplay.from_predictions(**recording)
    assert not plt.get_fignums()


def test_estimators_that_cannot_be_drawn(frames):
    with pytest.raises(NotFittedError):
        AnomalyScoreDisplay.from_estimator(IsolationForest(), frames, TIMES)
    blind = make_pipeline(StandardScaler(), PCA(), LocalOutlierFactor()).fit(frames)
    with pytest.raises(AttributeError, match="LocalOutlierFactor has no score_samples"):
        AnomalyScoreDisplay.from_estimator(blind, frames, TIMES)
