import pickle
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.anomaly import FramedDetector, NearestNeighborsDetector
from sklearn_audio.feature_extraction import (
    LogMelSpectrogram,
    SpectrogramStatistics,
    _stream,
)
from sklearn_audio.metrics import get_scorer

RATE = 100


class PeakDetector(OutlierMixin, BaseEstimator):
    """A frame is anomalous where a sample of it exceeds the limit."""

    def __init__(self, limit=0.5):
        self.limit = limit

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def decision_function(self, X):
        assert X.flags.c_contiguous
        assert X.flags.writeable
        assert X.dtype == np.float32
        return self.limit - np.abs(X).max(axis=1)


PEAK_DETECTOR = PeakDetector()
RECORDED = make_pipeline(FunctionTransformer(), NearestNeighborsDetector())


def slide(detector=PEAK_DETECTOR, **params):
    """Return a detector of frames of 1 s, at every quarter of a second."""
    params = {"hop_duration": 0.25, "contamination": "auto"} | params
    return FramedDetector(detector, RATE, **params)


def frozen(detector=PEAK_DETECTOR, **params):
    detector = FrozenEstimator(clone(detector).fit(None))
    return slide(detector, **params).fit([np.zeros(RATE)])


def clicks(n_samples, *places):
    recording = np.zeros(n_samples)
    recording[list(places)] = 0.9
    return recording


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-0.4, 0.4, size=shape)


def frames_by_hand(recording, length, hop):
    starts = list(range(0, len(recording) - length + 1, hop))
    if starts[-1] + length < len(recording):
        starts.append(len(recording) - length)
    return starts, np.array([recording[start : start + length] for start in starts])


# Casting what the checks put into X on purpose, infinity and NaN, to float32.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@pytest.mark.parametrize("novelty", [True, False])
def test_passes_every_check_of_scikit_learn(novelty):
    framed = FramedDetector(OneClassSVM(), 1, hop_duration=1.0, novelty=novelty)
    results = check_estimator(framed, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 45


@pytest.mark.parametrize("n_samples", [100, 101, 1000, 1024])
@pytest.mark.parametrize("frame_duration", [0.3, 1.0])
def test_curve_is_what_a_loop_over_all_frames_gives(
    monkeypatch, n_samples, frame_duration
):
    monkeypatch.setattr(_stream, "_BLOCK_SAMPLES", 77)
    recording = noise(n_samples)
    framed = frozen(frame_duration=frame_duration)
    times, scores = framed.score_curve(recording)
    starts, frames = frames_by_hand(
        recording.astype(np.float32), round(frame_duration * RATE), 25
    )
    np.testing.assert_allclose(times, np.array(starts) / RATE)
    np.testing.assert_array_equal(scores, [0.5 - np.abs(f).max() for f in frames])
    assert times.dtype == scores.dtype == np.float64


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
def test_curve_of_a_file_is_that_of_its_samples(monkeypatch, tmp_path, rate):
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise(1017, 2), rate)
    samples = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    expected = frozen().score_curve(samples)
    monkeypatch.setattr(_stream, "_BLOCK_SAMPLES", 77)
    for recording in (path, str(path), path.read_bytes(), samples):
        np.testing.assert_array_equal(frozen().score_curve(recording), expected)


def test_a_real_pipeline_streamed_and_at_once(monkeypatch):
    monkeypatch.setattr(_stream, "_BLOCK_SAMPLES", 1500)
    monkeypatch.setattr(
        "sklearn_audio.anomaly._framed_detector._BATCH_SAMPLES", 3 * 1000
    )
    detector = make_pipeline(
        LogMelSpectrogram(2000, n_fft=128, n_mels=8),
        SpectrogramStatistics(),
        StandardScaler(),
        OneClassSVM(nu=0.1),
    )
    framed = FramedDetector(detector, 2000, frame_duration=0.5, hop_duration=0.1).fit(
        noise(3, 6000)
    )
    recording = noise(9100, seed=1).astype(np.float32)
    _, frames = frames_by_hand(recording, 1000, 200)
    expected = framed.detector_.decision_function(frames)
    _, scores = framed.score_curve(recording)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_an_hour_is_scored_in_little_memory(tmp_path):
    path, rate, n_minutes = tmp_path / "hour.wav", 8000, 60
    minute = (1e4 * noise(60 * rate)).astype(np.int16)
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(n_minutes):
            file.write(minute)
    framed = frozen().set_params(sample_rate=rate, hop_duration=1.0).fit([path])
    tracemalloc.start()
    times, _ = framed.score_curve(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(times) == 60 * n_minutes
    decoded = 60 * n_minutes * rate * np.dtype(np.float32).itemsize
    assert peak < decoded / 4


@given(
    places=st.sets(st.integers(0, 699), max_size=4),
    n_samples=st.integers(700, 760),
    hop=st.integers(1, 100),
)
def test_events_are_what_anomalous_frames_cover(places, n_samples, hop):
    framed = frozen(hop_duration=hop / RATE)
    recording = clicks(n_samples, *places)
    starts, frames = frames_by_hand(recording, RATE, hop)
    covered = np.zeros(n_samples + 2, dtype=int)  # silent before and after
    for start, frame in zip(starts, frames, strict=True):
        if frame.max() > 0.5:
            covered[1 + start : 1 + start + RATE] = 1
    steps = np.diff(covered)
    expected = np.column_stack(
        [np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)]
    )
    events = framed.detect_events(recording)
    np.testing.assert_allclose(events, expected / RATE)
    assert framed.predict([recording]) == (-1 if len(events) else 1)


def test_a_click_and_a_quiet_recording():
    framed = frozen(hop_duration=0.5)
    np.testing.assert_array_equal(
        framed.detect_events(clicks(1000, 420, 860)), [[3.5, 5.0], [8.0, 9.5]]
    )
    quiet = framed.detect_events(np.zeros(1000))
    assert quiet.shape == (0, 2)
    assert quiet.dtype == np.float64


def test_a_recording_is_as_familiar_as_its_strangest_frame():
    framed = frozen()
    recordings = [clicks(300, 299), np.zeros(200), noise(150)]
    least = [framed.score_curve(recording)[1].min() for recording in recordings]
    np.testing.assert_array_equal(framed.score_samples(recordings), least)
    np.testing.assert_array_equal(framed.decision_function(recordings), least)
    np.testing.assert_array_equal(framed.predict(recordings), [-1, 1, 1])


@pytest.mark.parametrize(
    ("n_recordings", "contamination", "n_anomalous"),
    [
        (1, 0.5, 0),
        (2, 0.05, 0),
        (2, 0.5, 1),
        (19, 0.05, 0),
        (40, 0.05, 2),
        (40, 0.1, 4),
    ],
)
def test_contamination_is_the_largest_share_of_recordings(
    n_recordings, contamination, n_anomalous
):
    recordings = noise(n_recordings, 250)
    framed = slide(contamination=contamination, novelty=False)
    assert (framed.fit_predict(recordings) == -1).sum() == n_anomalous
    n_eventful = sum(len(framed.detect_events(r)) > 0 for r in recordings)
    assert n_eventful == n_anomalous


class MemoryDetector(OutlierMixin, BaseEstimator):
    """Frames that are in the training clips are normal, as others hardly ever are."""

    def fit(self, X, y=None, groups=None):
        self.X_, self.groups_ = X, groups
        return self

    def score_samples(self, X):
        is_known = (X[:, None] == self.X_[None]).all(axis=2).any(axis=1)
        return np.where(is_known, 1.0, -np.abs(X).max(axis=1))


@pytest.mark.parametrize("contamination", [0.05, 0.2])
def test_the_threshold_is_for_recordings_that_the_detector_does_not_know(
    contamination,
):
    recordings = noise(60, 250) * np.linspace(0.1, 1, 60)[:, None]
    framed = slide(MemoryDetector(), contamination=contamination).fit(recordings)
    expected = np.sort(-np.abs(recordings).max(axis=1))
    np.testing.assert_allclose(framed.calibration_scores_, expected, rtol=1e-6)
    assert framed.offset_ == framed.calibration_scores_[int(contamination * 61) - 1]
    fresh = noise(400, 250, seed=1) * np.linspace(0.1, 1, 400)[:, None]
    share = np.mean(framed.predict(fresh) == -1)
    assert share == pytest.approx(contamination, abs=0.02)
    # A detector that is frozen is calibrated by all recordings.
    frozen_one = FrozenEstimator(MemoryDetector().fit(noise(2, 100, seed=3)))
    framed.set_params(detector=frozen_one).fit(recordings)
    np.testing.assert_allclose(framed.calibration_scores_, expected, rtol=1e-6)


def test_groups_of_recordings_are_on_one_side_of_a_fold():
    recordings = np.repeat(noise(6, 250), 2, axis=0)  # each of them twice
    groups = np.repeat(np.arange(6), 2)
    framed = slide(MemoryDetector(), contamination=0.2)
    assert (framed.fit(recordings, groups=groups).calibration_scores_ < 0).all()
    assert (framed.fit(recordings).calibration_scores_ == 1).any()


def last_step(detector):
    return detector[-1] if isinstance(detector, Pipeline) else detector


def test_a_detector_of_our_own_needs_no_threshold_of_its_own():
    X = noise(12, 400)
    for detector in (NearestNeighborsDetector(), RECORDED):
        framed = slide(detector, contamination=0.2).fit(X)
        assert last_step(framed.detector_).offset_ == -np.inf
        assert framed.offset_ == framed.calibration_scores_[1] < 0
        framed.set_params(contamination="auto").fit(X)
        assert (framed.offset_, len(framed.calibration_scores_)) == (0, 0)
        frames = np.concatenate([frames_by_hand(r, RATE, 25)[1] for r in X])
        alone = NearestNeighborsDetector().fit(
            frames.astype(np.float32), groups=np.repeat(np.arange(12), 13)
        )
        assert last_step(framed.detector_).offset_ == pytest.approx(alone.offset_)
        framed.set_params(contamination=None).fit(X)
        assert (framed.predict(X) == 1).all()
        assert len(framed.detect_events(X[0])) == 0


def test_another_sample_rate_takes_another_fit():
    recording = clicks(400, 250)
    framed = frozen()
    expected = framed.detect_events(recording)
    framed.set_params(sample_rate=50)
    np.testing.assert_array_equal(framed.detect_events(recording), expected)


def test_a_threshold_for_frames_is_none_for_recordings():
    """At 5 % of all frames, a minute of normal noise is nearly never without alarm."""
    detector = IsolationForest(n_estimators=20, contamination=0.05, random_state=0)
    detector.fit(noise(1000, 1))
    framed = FramedDetector(
        FrozenEstimator(detector), 1, hop_duration=1.0, contamination="auto"
    )
    calibration, fresh = noise(60, 60, seed=1), noise(60, 60, seed=2)
    assert (framed.fit(calibration).predict(fresh) == -1).mean() > 0.8
    framed.set_params(contamination=0.1).fit(calibration)
    assert (framed.predict(fresh) == -1).mean() < 0.25


def test_the_threshold_of_the_detector_is_taken_on_demand():
    recording = noise(500)
    detector = IsolationForest(n_estimators=10, contamination=0.2, random_state=0)
    framed = slide(detector).fit([recording])
    _, scores = framed.score_curve(recording)
    _, frames = frames_by_hand(recording.astype(np.float32), RATE, 25)
    assert framed.offset_ == 0.0
    np.testing.assert_array_equal(
        np.where(scores < framed.offset_, -1, 1), framed.detector_.predict(frames)
    )


def test_density_models_have_scores_but_no_threshold():
    recordings = noise(3, 500)
    model = GaussianMixture(covariance_type="diag", random_state=0)
    framed = slide(model, contamination=0.1).fit(recordings)
    _, frames = frames_by_hand(recordings[0].astype(np.float32), RATE, 25)
    _, scores = framed.score_curve(recordings[0])
    np.testing.assert_allclose(scores, framed.detector_.score_samples(frames))
    with pytest.raises(ValueError, match=r"GaussianMixture.* has no decision_function"):
        slide(model).fit(recordings)


def test_fit_hands_all_frames_of_all_recordings_to_a_clone():
    recordings = [noise(310), noise(100, seed=1).tolist(), noise(260, seed=2)]
    detector = PeakDetector()
    framed = slide(detector).fit(recordings)
    expected = [frames_by_hand(np.array(r), RATE, 25)[1] for r in recordings]
    np.testing.assert_allclose(framed.detector_.X_, np.concatenate(expected), rtol=1e-6)
    assert not hasattr(detector, "X_")
    assert (framed.frame_length_, framed.hop_length_) == (100, 25)


def test_a_frozen_detector_is_calibrated_and_never_fitted():
    detector = PeakDetector().fit("its own clips")
    framed = slide(FrozenEstimator(detector), contamination=0.5)
    framed.fit([clicks(200, 50), noise(200), np.zeros(200)])
    assert framed.detector_.X_ == "its own clips"
    assert framed.offset_ == 0.5 - np.abs(noise(200).astype(np.float32)).max()
    framed.set_params(contamination="auto").fit(["not_even_opened.wav"])
    assert framed.offset_ == 0.0
    with pytest.raises(NotFittedError):
        slide(FrozenEstimator(PeakDetector())).fit([np.zeros(200)])


def test_clones_nested_parameters_and_pickles():
    framed = slide(contamination=0.3, novelty=False).set_params(detector__limit=0.2)
    assert clone(framed).get_params()["detector__limit"] == 0.2
    with pytest.raises(NotFittedError):
        framed.score_curve(noise(500))
    recording = noise(500)
    framed.fit([recording])
    loaded = pickle.loads(pickle.dumps(framed))  # noqa: S301
    np.testing.assert_array_equal(
        loaded.score_curve(recording), framed.score_curve(recording)
    )


def test_the_length_of_a_frame_can_be_searched_for():
    recordings = [noise(300, seed=seed) for seed in range(6)]
    recordings += [clicks(400, place) for place in (10, 210, 399)]
    y = [1] * 6 + [-1] * 3
    search = GridSearchCV(
        slide(),
        {"frame_duration": [0.5, 1.0], "detector__limit": [0.0, 0.3]},
        scoring=get_scorer("partial_auc"),
        cv=PredefinedSplit([-1] * 3 + [0] * 6),
        refit=False,
        error_score="raise",
    ).fit(recordings, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], 1.0)


def test_dense_width_is_checked_but_lists_are_free():
    framed = slide().fit(np.zeros((3, 200)))
    assert framed.n_features_in_ == 200
    with pytest.raises(ValueError, match="X has 300 features"):
        framed.predict(np.zeros((3, 300)))
    np.testing.assert_array_equal(framed.predict(list(np.zeros((3, 300)))), 1)
    assert not hasattr(framed.fit([np.zeros(200)]), "n_features_in_")


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("hum.wav", TypeError, "wrap it in a list"),
        (np.zeros(300), ValueError, "one clip of 300 samples"),
        (["missing.wav"], FileNotFoundError, r"clip 0 \('missing.wav'\): there is no"),
        ([np.zeros(200), np.zeros(99)], ValueError, "clip 1: has 99 samples, but a"),
        ([np.zeros(200), []], ValueError, "clip 1: it has 0 samples"),
        ([np.zeros(200), np.full(200, np.nan)], ValueError, "clip 1: it contains NaN"),
        ([np.zeros((2, 200))], ValueError, r"clip 0: has the shape \(2, 200\)"),
    ],
)
def test_bad_recordings_are_named(X, error, message):
    for use in (slide().fit, frozen().predict, frozen().score_samples):
        with pytest.raises(error, match=message):
            use(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hop_duration": 2.0}, r"hop_duration=2.0 is longer than frame_duration=1.0"),
        ({"hop_duration": 1e-3}, r"hop_duration=0.001 is less than one sample"),
        ({"frame_duration": 0}, "'frame_duration' parameter"),
        ({"contamination": 0.6}, "'contamination' parameter"),
        ({"sample_rate": -1}, "'sample_rate' parameter"),
        ({"detector": StandardScaler()}, "'detector' parameter"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        slide().set_params(**params).fit([np.zeros(300)])


def test_a_detector_with_several_numbers_a_frame():
    class TwoScores(PeakDetector):
        def decision_function(self, X):
            return X[:, :2]

    with pytest.raises(ValueError, match=r"one number a frame.* \(1, 2\) for 1 frames"):
        frozen(TwoScores()).predict([np.zeros(100)])
