"""make_sound_events: shape, seed, balance, difficulty."""

from collections import Counter

import numpy as np
import pytest
from scipy.signal import stft
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.datasets._sound_makers import KNOWN_SOUNDS, OUTLIER_SOUNDS, Take

SOUNDS = {**KNOWN_SOUNDS, **OUTLIER_SOUNDS}


def spectral_features(X, sample_rate=16000):
    """Mean, spread and change of the level in 24 bands, relative to the loudest."""
    _, _, spectrum = stft(X, sample_rate, nperseg=512)
    power = np.abs(spectrum) ** 2
    edges = np.unique(np.geomspace(2, power.shape[1], 25).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    loudest = bands.max(axis=(1, 2), keepdims=True)
    level = 10 * np.log10(bands / loudest + 1e-3)
    change = np.abs(np.diff(level, axis=2))
    return np.hstack([level.mean(axis=2), level.std(axis=2), change.mean(axis=2)])


def classifier():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


# What comes out


def test_there_are_at_least_a_dozen_classes():
    assert len(SOUNDS) >= 12
    assert not set(KNOWN_SOUNDS) & set(OUTLIER_SOUNDS)


@pytest.mark.parametrize("sample_rate", [8000, 44100])
@pytest.mark.parametrize("duration", [0.1, 0.75])
def test_clips_are_finite_float32_of_the_wanted_length(sample_rate, duration):
    X, y = make_sound_events(
        16,
        n_outliers=14,
        outlier_label=None,
        sample_rate=sample_rate,
        duration=duration,
        random_state=0,
    )
    assert X.shape == (30, round(sample_rate * duration))
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    peaks = np.abs(X).max(axis=1)
    assert peaks.max() <= 1
    assert peaks.min() > 0.05
    assert set(y) == set(SOUNDS)


def test_same_seed_same_clips():
    first = make_sound_events(20, n_outliers=10, random_state=3)
    again = make_sound_events(20, n_outliers=10, random_state=np.random.RandomState(3))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    other, _ = make_sound_events(20, n_outliers=10, random_state=4)
    assert not np.isclose(first[0], other).all(axis=1).any()


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    make_sound_events(8, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_classes_are_balanced_and_shuffled():
    _, y = make_sound_events(
        50, n_outliers=20, outlier_label=None, duration=0.1, random_state=0
    )
    counts = Counter(y.tolist())
    assert {counts[name] for name in KNOWN_SOUNDS} == {6, 7}
    assert {counts[name] for name in OUTLIER_SOUNDS} == {2, 3}
    # Neither the classes nor the outliers stand in blocks.
    assert sum(a != b for a, b in zip(y[1:], y[:-1], strict=True)) > 50
    assert 0 < np.isin(y[:20], list(OUTLIER_SOUNDS)).sum() < 20


def test_outliers_are_called_unknown_by_default():
    _, y = make_sound_events(8, n_outliers=5, duration=0.1, random_state=0)
    assert Counter(y.tolist()) == {**dict.fromkeys(KNOWN_SOUNDS, 1), "unknown": 5}
    _, y = make_sound_events(
        2, n_outliers=3, outlier_label="anything else", duration=0.1, random_state=0
    )
    assert Counter(y.tolist())["anything else"] == 3


def test_the_label_changes_no_clip():
    X, y = make_sound_events(8, n_outliers=7, random_state=0)
    again, names = make_sound_events(
        8, n_outliers=7, outlier_label=None, random_state=0
    )
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(y == "unknown", np.isin(names, list(OUTLIER_SOUNDS)))


def test_classes_can_be_chosen():
    _, y = make_sound_events(4, classes=["wind", "bell"], duration=0.1, random_state=0)
    assert Counter(y.tolist()) == {"wind": 2, "bell": 2}
    # A class that has become known is no outlier any more.
    _, y = make_sound_events(
        1,
        classes=["wind"],
        n_outliers=30,
        outlier_label=None,
        duration=0.1,
        random_state=0,
    )
    assert set(y) == {"wind"} | set(OUTLIER_SOUNDS)
    assert Counter(y.tolist())["wind"] == 1
    _, y = make_sound_events(
        0,
        n_outliers=2,
        outlier_classes=np.array(["bird", "glass"]),
        outlier_label=None,
        duration=0.1,
        random_state=0,
    )
    assert set(y) == {"bird", "glass"}


def test_bunch():
    data = make_sound_events(16, n_outliers=4, return_X_y=False, random_state=0)
    X, y = make_sound_events(16, n_outliers=4, random_state=0)
    np.testing.assert_array_equal(data.data, X)
    np.testing.assert_array_equal(data.target, y)
    assert data.target_names.tolist() == sorted([*KNOWN_SOUNDS, "unknown"])
    assert data.sample_rate == 16000
    assert data.folds is None
    assert "no licence" in data.DESCR


def test_groups_share_each_class_evenly():
    data = make_sound_events(
        80, n_groups=5, duration=0.1, return_X_y=False, random_state=0
    )
    counts = Counter(zip(data.target.tolist(), data.groups.tolist(), strict=True))
    assert len(counts) == len(KNOWN_SOUNDS) * 5
    assert set(counts.values()) == {2}


# How the clips sound


@pytest.mark.parametrize("snr", [-6.0, 0.0, 20.0])
def test_noise_has_the_wanted_level(snr):
    # The seed fixes sound and noise, so that a clip without noise tells them apart.
    def clips(value):
        return make_sound_events(16, snr_db=(value, value), random_state=0)[0]

    pure, noisy = clips(300.0).astype(float), clips(snr).astype(float)
    scale = (pure * noisy).sum(axis=1) / (pure**2).sum(axis=1)
    noise = noisy - scale[:, None] * pure
    power_of_sound = scale**2 * (pure**2).sum(axis=1)
    measured = 10 * np.log10(power_of_sound / (noise**2).sum(axis=1))
    # The sound and 16000 samples of coloured noise are not quite uncorrelated.
    np.testing.assert_allclose(measured, snr, atol=1.0)


def test_clips_of_a_class_differ():
    X, _ = make_sound_events(20, classes=["pluck"], n_groups=2, random_state=0)
    normed = X / np.linalg.norm(X, axis=1, keepdims=True)
    alike = np.abs(normed @ normed.T)[~np.eye(20, dtype=bool)]
    assert alike.max() < 0.9
    peaks = 20 * np.log10(np.abs(X).max(axis=1))
    assert np.ptp(peaks) > 6


@pytest.mark.parametrize("name", sorted(SOUNDS))
def test_every_maker_makes_sound_at_any_rate_and_length(name):
    for n_samples, sample_rate in ((600, 8000), (16000, 16000), (9999, 96000)):
        take = Take(
            n_samples,
            sample_rate,
            pitch=1.1,
            source=np.random.RandomState(0),
            rng=np.random.RandomState(1),
        )
        sound = SOUNDS[name](take)
        assert sound.shape == (n_samples,)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 1e-3


def test_plucked_string_has_the_pitch_of_its_source():
    def take():
        seeds = np.random.RandomState(0), np.random.RandomState(1)
        return Take(16000, 16000, 1.0, *seeds)

    expected = take().frequency(110, 440)
    spectrum = np.abs(np.fft.rfft(SOUNDS["pluck"](take())))
    # One second: a bin is one hertz. The strongest bins are multiples of the pitch.
    strongest = np.argsort(spectrum)[-5:]
    ratio = strongest / expected
    np.testing.assert_allclose(ratio, np.round(ratio), atol=0.1)
    assert (np.round(ratio) >= 1).all()


# How hard they are


def test_classes_can_be_learned_but_shuffling_flatters():
    data = make_sound_events(320, return_X_y=False, random_state=0)
    features = spectral_features(data.data)
    grouped = cross_val_score(
        classifier(), features, data.target, groups=data.groups, cv=GroupKFold(5)
    ).mean()
    shuffled = cross_val_score(
        classifier(),
        features,
        data.target,
        cv=KFold(5, shuffle=True, random_state=0),
    ).mean()
    assert 0.8 < grouped < 0.99
    assert grouped + 0.02 < shuffled


def test_less_signal_is_harder():
    scores = []
    for snr in ((-15.0, -5.0), (10.0, 40.0)):
        data = make_sound_events(200, snr_db=snr, return_X_y=False, random_state=0)
        scores.append(
            cross_val_score(
                classifier(),
                spectral_features(data.data),
                data.target,
                groups=data.groups,
                cv=GroupKFold(5),
            ).mean()
        )
    assert scores[0] + 0.1 < scores[1]


def test_outliers_stand_out_but_not_all_of_them():
    X, y = make_sound_events(320, random_state=0)
    X_test, y_test = make_sound_events(150, n_outliers=150, random_state=1)
    fitted = classifier().fit(spectral_features(X), y)
    confidence = fitted.predict_proba(spectral_features(X_test)).max(axis=1)
    assert 0.6 < roc_auc_score(y_test != "unknown", confidence) < 0.97


# Bad parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classes": ["bell", "piano"]}, "no class 'piano'; there are beeps, bell"),
        ({"classes": ["bell", "bell"]}, "'bell' is named twice"),
        ({"outlier_classes": ["bell"]}, "'bell' is named twice"),
        ({"classes": []}, "classes is empty, but 100 clips"),
        ({"n_outliers": 2, "outlier_classes": []}, "outlier_classes is empty"),
        ({"outlier_label": "bell"}, "outlier_label='bell' is one of the known"),
        ({"snr_db": (1, 2, 3)}, "snr_db must be two numbers"),
        ({"snr_db": (20, 10)}, "snr_db must be"),
        ({"snr_db": (np.nan, 10)}, "snr_db must be .* finite"),
        ({"snr_db": (-np.inf, 10)}, "snr_db must be .* finite"),
        ({"n_samples": -1}, "'n_samples' parameter"),
        ({"sample_rate": 4000}, "'sample_rate' parameter"),
        ({"duration": 0.01}, "'duration' parameter"),
        ({"n_groups": 0}, "'n_groups' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_sound_events(**parameters)


def test_no_clips_at_all():
    X, y = make_sound_events(0)
    assert X.shape == (0, 16000)
    assert y.shape == (0,)
