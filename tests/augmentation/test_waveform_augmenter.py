"""WaveformAugmenter: each effect alone, measured on tones, clicks and noise."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest
from sklearn.base import clone

from sklearn_audio.augmentation import WaveformAugmenter

RATE = 8000
OFF = {
    "time_shift": 0,
    "speed": 0,
    "pitch": 0,
    "gain": 0,
    "snr": None,
    "n_masks": 0,
}
EFFECTS = {
    "time_shift": {"time_shift": 0.2},
    "speed": {"speed": 0.2},
    "pitch": {"pitch": 3},
    "gain": {"gain": 6},
    "noise": {"snr": (0, 20), "noise_probability": 1},
    "masks": {"n_masks": 2, "mask_width": 0.1},
}


def only(**parameters):
    return WaveformAugmenter(RATE, **{**OFF, **parameters})


def assert_uniform(draws, low, high, slack=1e-6):
    assert low - slack <= np.min(draws)
    assert np.max(draws) <= high + slack
    assert kstest(draws, "uniform", (low, high - low)).pvalue > 1e-3


def tone(frequency, n_samples=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(n_samples) / RATE)


def frequency_of(clip):
    """Return the place of the highest peak of the spectrum, in Hz."""
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(clip.size), 8 * RATE))
    return spectrum.argmax() / 8


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(0).normal(0, 0.1, size=(6, 2000)).astype(np.float32)


each_effect = pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS.keys())


def test_time_shift_moves_samples_and_leaves_silence():
    clips = np.random.default_rng(0).normal(size=(300, 2000))
    shifts = []
    for clip, moved in zip(clips, only(time_shift=0.1).augment(clips, 0), strict=True):
        silent = int((moved == 0).sum())
        if silent and moved[0] == 0:
            np.testing.assert_array_equal(moved[silent:], clip[: 2000 - silent])
            shifts.append(silent)
        else:
            np.testing.assert_array_equal(moved[: 2000 - silent], clip[silent:])
            shifts.append(-silent)
    assert_uniform(shifts, -0.1 * RATE, 0.1 * RATE)


def test_a_clip_can_be_shifted_out_of_sight():
    moved = only(time_shift=200 / RATE).augment(np.ones((400, 100)), random_state=0)
    assert set(np.unique(moved)) == {0, 1}
    assert (moved == 0).all(axis=1).mean() == pytest.approx(0.5, abs=0.1)


def test_speed_changes_pitch_and_time_alike_about_the_middle():
    clicks = np.zeros(RATE)
    clicks[[1500, RATE // 2, RATE - 1500]] = 1
    n_clips = 100
    played = only(speed=0.25).augment(np.tile(tone(500), (n_clips, 1)), 0)
    factors = np.array([frequency_of(clip) for clip in played]) / 500
    assert_uniform(np.log(factors), -np.log(1.25), np.log(1.25), slack=1e-3)
    ticks = only(speed=0.25).augment(np.tile(clicks, (n_clips, 1)), 0)
    for factor, tick in zip(factors, ticks, strict=True):
        first, second, third = (
            start + tick[start:stop].argmax()
            for start, stop in ((0, 3000), (3000, 5000), (5000, RATE))
        )
        assert abs(second - RATE / 2) <= 1
        assert third - first == pytest.approx((RATE - 3000) / factor, abs=3)


def test_slower_clips_are_cut_and_faster_ones_padded():
    played = only(speed=0.25).augment(np.ones((50, RATE)), random_state=0)
    n_silent = (np.abs(played) < 1e-6).sum(axis=1)
    assert (n_silent == 0).any()
    assert 0.1 * RATE < n_silent.max() <= 0.2 * RATE
    assert np.abs(played[:, RATE // 2] - 1).max() < 1e-3


def test_pitch_changes_the_frequency_and_not_the_time():
    burst = tone(600) * (np.arange(RATE) >= RATE // 2)
    changed = only(pitch=3).augment(np.tile(burst, (60, 1)), random_state=0)
    frequencies = np.array([frequency_of(clip[RATE // 2 :]) for clip in changed])
    assert_uniform(12 * np.log2(frequencies / 600), -3, 3, slack=0.05)
    for clip in changed:
        loudest = np.abs(clip).max()
        onset = np.flatnonzero(np.abs(clip) > loudest / 2)[0]
        assert abs(onset - RATE / 2) < 0.064 * RATE


def test_gain_is_one_factor_a_clip():
    clips = np.random.default_rng(0).normal(size=(300, 50))
    factors = only(gain=9).augment(clips, random_state=0) / clips
    np.testing.assert_allclose(
        factors, np.broadcast_to(factors[:, :1], clips.shape), rtol=1e-12
    )
    assert_uniform(20 * np.log10(factors[:, 0]), -9, 9)


def noise_in(clips, **parameters):
    augmenter = only(**{"noise_probability": 1, **parameters})
    return augmenter.augment(clips, random_state=0) - clips


def test_noise_has_the_ratio_that_was_asked_for():
    rng = np.random.default_rng(0)
    levels = rng.uniform(0.001, 1, size=(300, 1))
    clips = rng.normal(size=(300, 501)) * levels
    noise = noise_in(clips, snr=(3, 21))
    measured = 10 * np.log10((clips**2).mean(axis=1) / (noise**2).mean(axis=1))
    assert_uniform(measured, 3, 21)


def test_noise_is_between_white_and_brown():
    noise = noise_in(np.ones((100, RATE)), snr=(0, 0))
    spectra = (np.abs(np.fft.rfft(noise)) ** 2)[:, 100:]
    decades = np.log10(np.arange(100, RATE // 2 + 1))
    # Minus the mean of the logarithm of an exponential variable is the same for all.
    slopes = np.polyfit(decades, np.log10(spectra).T, 1)[0]
    assert_uniform(slopes.clip(-2, 0), -2, 0)
    assert slopes.min() > -2.1
    assert slopes.max() < 0.1


def test_some_clips_stay_clean():
    clips = np.random.default_rng(0).normal(size=(500, 20))
    noise = noise_in(clips, snr=(0, 10), noise_probability=0.7)
    assert (noise == 0).all(axis=1).mean() == pytest.approx(0.3, abs=0.06)
    assert ((noise == 0).all(axis=1) == (noise == 0).any(axis=1)).all()


def test_silence_stays_silent():
    changed = WaveformAugmenter(RATE, n_masks=2).augment(np.zeros((20, 1000)), 0)
    assert not changed.any()


def test_masks_are_silent_stretches():
    clips = np.ones((4000, 100))
    masked = only(n_masks=1, mask_width=20 / RATE).augment(clips, random_state=0)
    assert set(np.unique(masked)) == {0, 1}
    widths = np.bincount((masked == 0).sum(axis=1))
    assert len(widths) == 21
    assert widths.min() > 0.6 * widths.mean()
    edges = np.diff(masked, prepend=1, append=1)
    assert np.abs(edges).sum(axis=1).max() == 2
    assert (masked == 0).any(axis=0).all()
    several = only(n_masks=4, mask_width=20 / RATE).augment(clips, random_state=0)
    assert np.abs(np.diff(several, prepend=1, append=1)).sum(axis=1).max() == 8


def test_a_mask_is_no_longer_than_its_clip():
    masked = only(n_masks=1, mask_width=1.0).augment(np.ones((50, 3)), random_state=0)
    assert set((masked == 0).sum(axis=1)) == {0, 1, 2, 3}


@each_effect
def test_the_seed_decides(clips, effect):
    first, second, third = (
        only(**effect).augment(clips, random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@each_effect
def test_each_effect_changes_every_clip_differently(clips, effect):
    changed = only(**effect).augment(np.tile(clips[:1], (5, 1)), random_state=0)
    for index in range(1, 5):
        assert not np.array_equal(changed[index], changed[0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("nothing", [0, None])
def test_all_effects_off_change_nothing(clips, nothing, dtype):
    X = (clips * 1000).astype(dtype)
    off = dict.fromkeys(OFF, nothing) | {"snr": None}
    changed = WaveformAugmenter(**off).augment(X, random_state=0)
    np.testing.assert_array_equal(changed, X)
    assert changed.dtype == dtype
    assert not np.shares_memory(changed, X)


def test_input_and_global_generators_are_left_alone(clips):
    X = clips.copy()
    X.setflags(write=False)
    state, torch_state = np.random.get_state()[1].copy(), torch.random.get_rng_state()
    augmenter = WaveformAugmenter(RATE, n_masks=2)
    augmenter.augment(X, random_state=0)
    augmenter.augment(list(X), random_state=0)
    np.testing.assert_array_equal(X, clips)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_ragged_clips_keep_their_lengths_and_containers(clips):
    augmenter = WaveformAugmenter(RATE, n_masks=1)
    ragged = [clips[0], clips[1, :700].astype(np.float64), clips[2, :3]]
    changed = augmenter.augment(ragged, random_state=0)
    assert isinstance(changed, list)
    assert [(clip.size, clip.dtype) for clip in changed] == [
        (2000, np.float32),
        (700, np.float64),
        (3, np.float32),
    ]
    for column in (pd.Series(ragged), pd.Series(ragged).to_numpy()):
        in_array = augmenter.augment(column, random_state=0)
        assert in_array.dtype == object
        for one, other in zip(in_array, changed, strict=True):
            np.testing.assert_array_equal(one, other)


def test_dense_and_listed_clips_are_changed_alike(clips):
    augmenter = WaveformAugmenter(RATE)
    dense = augmenter.augment(clips, random_state=0)
    listed = augmenter.augment(list(clips), random_state=0)
    np.testing.assert_array_equal(dense, np.stack(listed))
    assert dense.dtype == np.float32


def test_integers_are_rounded_and_clipped():
    clips = np.random.default_rng(0).integers(-9000, 9000, size=(50, 40))
    louder = only(gain=20).augment(clips.astype(np.int16), random_state=0)
    exact = only(gain=20).augment(clips.astype(np.float64), random_state=0)
    assert louder.dtype == np.int16
    assert exact.max() > 40000
    np.testing.assert_allclose(louder, exact.clip(-32768, 32767), atol=0.51)


def test_unsigned_integers_lie_around_the_middle():
    signed = np.random.default_rng(0).integers(-90, 90, size=(5, 2000)).astype(np.int8)
    unsigned = (signed.astype(int) + 128).astype(np.uint8)
    augmenter = WaveformAugmenter(RATE)
    changed = augmenter.augment(unsigned, random_state=0)
    assert changed.dtype == np.uint8
    np.testing.assert_allclose(
        changed.astype(int) - 128, augmenter.augment(signed, random_state=0), atol=1
    )


@given(
    clip=arrays(
        np.float32, st.integers(1, 50), elements=st.floats(-1e3, 1e3, width=32)
    ),
    seed=st.integers(0, 1000),
)
def test_output_is_finite_and_of_the_same_length(clip, seed):
    augmenter = WaveformAugmenter(1000, n_masks=2)
    (changed,) = augmenter.augment([clip], random_state=seed)
    assert changed.shape == clip.shape
    assert np.isfinite(changed).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": 0}, "'sample_rate' parameter"),
        ({"speed": 1.5}, "'speed' parameter"),
        ({"pitch": -1}, "'pitch' parameter"),
        ({"snr": (40, 5)}, r"snr=\(40, 5\) must be \(lowest, highest\)"),
        ({"noise_probability": None}, "'noise_probability' parameter"),
        ({"mask_width": -1}, "'mask_width' parameter"),
    ],
)
def test_bad_parameters(clips, parameters, message):
    with pytest.raises(ValueError, match=message):
        WaveformAugmenter(**parameters).augment(clips)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ("a.wav", TypeError, "clip 1: .*it is a str. Put an AudioLoader before"),
        (None, TypeError, "clip 1: .*NoneType"),
        ([[1.0], [1.0, 2.0]], TypeError, "clip 1: .*it is a list"),
        (np.zeros((2, 9)), ValueError, r"clip 1: has the shape \(2, 9\)"),
        (np.zeros(0), ValueError, "clip 1: it has 0 samples"),
        (np.array([0, np.inf]), ValueError, "clip 1: it contains NaN or infinity"),
    ],
)
def test_bad_clips_are_named(clips, bad, error, message):
    with pytest.raises(error, match=message):
        WaveformAugmenter().augment([clips[0], bad])


def test_bad_collections(clips):
    augmenter = WaveformAugmenter()
    with pytest.raises(ValueError, match="X holds no clips"):
        augmenter.augment([])
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        augmenter.augment(clips[0])
    with pytest.raises(ValueError, match="NaN"):
        augmenter.augment(np.full((2, 5), np.nan))
    with pytest.raises(TypeError, match="clip 0: expected a waveform"):
        augmenter.augment(np.ones((2, 5), dtype=bool))


def test_parameters_survive_a_clone():
    augmenter = WaveformAugmenter(8000, snr=(1.0, 2.0), pitch=None)
    assert clone(augmenter).get_params() == augmenter.get_params()
