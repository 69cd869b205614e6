import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.augmentation import (
    AugmentingClassifier,
    SpectrogramAugmenter,
    WaveformAugmenter,
)
from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.open_set import RejectingClassifier

# The checks' features have a spread of one, of which 6 dB are to be a small part.
GENTLE = SpectrogramAugmenter(decibels_per_unit=40)
ONLY_GAIN = SpectrogramAugmenter(
    time_shift=0, speed=0, pitch=0, equalizer=0, snr=None, n_masks=0, gain=20
)


# Casting what the checks put into y on purpose, infinity and NaN, to integers.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        KNeighborsClassifier(),
    ],
    ids=["linear", "pipeline", "neighbours"],
)
def test_passes_every_check_of_scikit_learn(classifier):
    estimator = AugmentingClassifier(classifier, GENTLE, n_copies=2)
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


class AddThousands:
    """Tell each copy from each other by adding 1000, 2000 and so on, then a draw."""

    def __init__(self):
        self.draws = []

    def augment(self, X, random_state):
        self.draws.append(check_random_state(random_state).randint(100))
        shift = 1000 * len(self.draws)
        if isinstance(X, list):
            return [clip + shift for clip in X]
        return np.asarray(X) + shift


class RecordingClassifier(ClassifierMixin, BaseEstimator):
    """Remember what each fit was given, whoever's clone it is."""

    calls: list = []

    def fit(self, X, y, sample_weight=None, note=None):
        self.classes_ = np.unique(y)
        self.calls.append((X, y, sample_weight, note))
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


@pytest.fixture
def calls():
    RecordingClassifier.calls.clear()
    return RecordingClassifier.calls


@pytest.mark.parametrize("routing", [False, True])
def test_copies_stand_beside_the_clips_with_their_labels_and_weights(calls, routing):
    X = np.arange(6.0).reshape(3, 2)
    y, weight = np.array(["a", "b", "a"]), np.array([1.0, 2.0, 3.0])
    with sklearn.config_context(enable_metadata_routing=routing):
        classifier = RecordingClassifier()
        if routing:
            classifier.set_fit_request(sample_weight=True, note=True)
        AugmentingClassifier(classifier, AddThousands(), n_copies=2).fit(
            X, y, sample_weight=weight, note="whole"
        )
    ((X_seen, y_seen, weight_seen, note_seen),) = calls
    np.testing.assert_array_equal(X_seen, np.concatenate([X, X + 1000, X + 2000]))
    assert y_seen.tolist() == ["a", "b", "a"] * 3
    assert weight_seen.tolist() == [1, 2, 3] * 3
    assert note_seen == "whole"


def test_metadata_that_nobody_asked_for_is_refused():
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(TypeError, match="unexpected argument"),
    ):
        AugmentingClassifier(GaussianNB(), GENTLE).fit([[0], [1]], [0, 1], groups=[0])


def test_ragged_clips_stay_lists(calls):
    clips = [np.arange(3), np.arange(5)]
    AugmentingClassifier(RecordingClassifier(), AddThousands(), n_copies=1).fit(
        clips, [0, 1]
    )
    seen = calls[0][0]
    assert isinstance(seen, list)
    assert [clip.tolist() for clip in seen] == [
        [0, 1, 2],
        [0, 1, 2, 3, 4],
        [1000, 1001, 1002],
        [1000, 1001, 1002, 1003, 1004],
    ]


def test_tables_keep_their_columns(calls):
    table = pd.DataFrame({"low": [0.0, 1.0], "high": [2.0, 3.0]})
    AugmentingClassifier(RecordingClassifier(), AddThousands(), n_copies=1).fit(
        table, [0, 1]
    )
    expected = pd.concat([table, table + 1000], ignore_index=True)
    pd.testing.assert_frame_equal(calls[0][0], expected)


def test_the_seed_reaches_the_augmenter_and_moves_on():
    X, y = np.zeros((4, 1)), [0, 1, 0, 1]
    augmenters = [AddThousands() for _ in range(3)]
    state = np.random.get_state()[1].copy()
    for augmenter, seed in zip(augmenters, (0, 0, 1), strict=True):
        AugmentingClassifier(
            RecordingClassifier(), augmenter, n_copies=5, random_state=seed
        ).fit(X, y)
    first, second, third = (augmenter.draws for augmenter in augmenters)
    assert first == second != third
    assert len(set(first)) > 1
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.fixture(scope="module")
def deceptive_levels():
    """Two shapes of a spectrum; in training, one of them is always the louder one."""
    rng = np.random.default_rng(0)
    shapes = np.array([[4.0, 0, 4, 0, 4, 0], [0, 4, 0, 4, 0, 4]])
    y = np.repeat([0, 1], 30)
    levels = np.where(y == 1, 15, -15)[:, np.newaxis] + rng.normal(0, 2, (60, 1))
    noise = rng.normal(0, 2, (60, 6))
    return shapes[y] + levels + noise, shapes[y] - levels + noise, y


def test_learns_to_ignore_what_the_augmenter_changes(deceptive_levels):
    X, X_test, y = deceptive_levels
    plain = LogisticRegression(max_iter=1000)
    augmenting = AugmentingClassifier(plain, ONLY_GAIN, n_copies=20, random_state=0)
    augmenting.set_params(augmenter__gain=60)
    assert plain.fit(X, y).score(X_test, y) < 0.2
    assert augmenting.fit(X, y).score(X_test, y) > 0.95


def test_without_copies_it_is_the_plain_classifier(deceptive_levels):
    X, X_test, y = deceptive_levels
    augmenting = AugmentingClassifier(GaussianNB(), ONLY_GAIN, n_copies=0).fit(X, y)
    np.testing.assert_array_equal(
        augmenting.predict_proba(X_test), GaussianNB().fit(X, y).predict_proba(X_test)
    )


def test_outputs_are_those_of_the_fitted_classifier(deceptive_levels):
    X, X_test, y = deceptive_levels
    augmenting = AugmentingClassifier(LogisticRegression(), GENTLE).fit(X, y)
    fitted = augmenting.estimator_
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(
            getattr(augmenting, method)(X_test), getattr(fitted, method)(X_test)
        )
    assert augmenting.n_features_in_ == 6
    assert augmenting.classes_.tolist() == [0, 1]
    assert not hasattr(augmenting, "score_samples")
    assert not hasattr(AugmentingClassifier(RidgeClassifier(), GENTLE), "predict_proba")
    rejecting = RejectingClassifier(GaussianNB())
    familiarity = AugmentingClassifier(rejecting, GENTLE).fit(X, y)
    np.testing.assert_array_equal(
        familiarity.score_samples(X_test), familiarity.estimator_.score_samples(X_test)
    )


def test_grid_search_over_the_augmenter(deceptive_levels):
    X, _, y = deceptive_levels
    augmenting = AugmentingClassifier(GaussianNB(), ONLY_GAIN, random_state=0)
    grid = {"augmenter__snr": [None, (0, 10)], "n_copies": [1, 2]}
    search = GridSearchCV(augmenting, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert ONLY_GAIN.snr is None


def test_same_seed_same_model(deceptive_levels):
    X, X_test, y = deceptive_levels
    augmenting = AugmentingClassifier(GaussianNB(), GENTLE, random_state=0)
    first, second = (clone(augmenting).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(
        first.predict_proba(X_test), second.predict_proba(X_test)
    )
    reloaded = pickle.loads(pickle.dumps(first))  # noqa: S301
    np.testing.assert_array_equal(
        first.predict_proba(X_test), reloaded.predict_proba(X_test)
    )


def test_waveforms_before_a_front_end():
    sounds = make_sound_events(
        30, classes=["bell", "rain", "siren"], return_X_y=False, random_state=0
    )
    clips = [clip[: 12000 + 100 * index] for index, clip in enumerate(sounds.data)]
    model = AugmentingClassifier(
        make_pipeline(
            AudioLoader(),
            LogMelSpectrogram(),
            SpectrogramStatistics(),
            StandardScaler(),
            LogisticRegression(),
        ),
        WaveformAugmenter(pitch=None),
        n_copies=1,
        random_state=0,
    )
    assert cross_val_score(model, clips, sounds.target, cv=3).mean() > 0.8


def test_spectrograms_of_three_axes(calls):
    X = np.random.default_rng(0).normal(size=(6, 4, 8)).astype(np.float32)
    AugmentingClassifier(RecordingClassifier(), GENTLE, n_copies=2).fit(X, [0, 1] * 3)
    assert calls[0][0].shape == (18, 4, 8)
    assert calls[0][0].dtype == np.float32
    np.testing.assert_array_equal(calls[0][0][:6], X)


def test_bad_parameters():
    X, y = [[0.0], [1.0]], [0, 1]
    with pytest.raises(ValueError, match="'augmenter' parameter"):
        AugmentingClassifier(GaussianNB(), "noise").fit(X, y)
    with pytest.raises(ValueError, match="'n_copies' parameter"):
        AugmentingClassifier(GaussianNB(), GENTLE, n_copies=-1).fit(X, y)
    with pytest.raises(ValueError, match="'gain' parameter"):
        AugmentingClassifier(GaussianNB(), SpectrogramAugmenter(gain=-1)).fit(X, y)


class ScoringClassifier(RecordingClassifier):
    """Has a score of its own."""

    def score(self, X, y, sample_weight=None):
        return float(sum(y) if sample_weight is None else np.dot(y, sample_weight))


def test_the_score_is_that_of_the_classifier():
    model = AugmentingClassifier(ScoringClassifier(), AddThousands())
    model.fit(np.zeros((2, 1)), [3, 4])
    assert model.score(np.zeros((2, 1)), [3, 4]) == 7
    assert model.score(np.zeros((2, 1)), [3, 4], sample_weight=[10, 1]) == 34
