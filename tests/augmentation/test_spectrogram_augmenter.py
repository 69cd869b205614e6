"""SpectrogramAugmenter: each effect alone, read off clips that show what it did."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import map_coordinates
from scipy.stats import gamma, kstest
from sklearn.base import clone

from sklearn_audio.augmentation import SpectrogramAugmenter

OFF = {
    "time_shift": 0,
    "speed": 0,
    "pitch": 0,
    "gain": 0,
    "equalizer": 0,
    "snr": None,
    "n_masks": 0,
}
EFFECTS = {
    "time_shift": {"time_shift": 0.2},
    "speed": {"speed": 0.2},
    "pitch": {"pitch": 0.2},
    "gain": {"gain": 6},
    "noise": {"snr": (0, 20), "noise_probability": 1},
    "masks": {"n_masks": 2, "mask_width": 0.4},
}


def only(**parameters):
    return SpectrogramAugmenter(**{**OFF, "decibels_per_unit": 1, **parameters})


def assert_uniform(draws, low, high):
    assert low - 1e-4 <= draws.min()
    assert draws.max() <= high + 1e-4
    assert kstest(draws, "uniform", (low, high - low)).pvalue > 1e-3


@pytest.fixture(scope="module")
def spectrograms():
    rng = np.random.default_rng(0)
    return rng.normal(-30, 10, size=(20, 16, 24)).astype(np.float32)


each_effect = pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS.keys())


def test_shift_stretch_and_pitch_are_one_bilinear_interpolation(spectrograms):
    """A ramp along each axis shows where the same draws take their values from."""
    augmenter = only(time_shift=0.15, speed=0.15, pitch=0.1)
    _, n_bands, n_frames = spectrograms.shape
    bands, frames = np.mgrid[:n_bands, :n_frames]
    ramps = (np.broadcast_to(ramp, spectrograms.shape) for ramp in (bands, frames))
    places = [augmenter.augment(ramp, random_state=3) for ramp in ramps]
    changed = augmenter.augment(spectrograms, random_state=3)
    for clip, (rows, columns), result in zip(
        spectrograms, zip(*places, strict=True), changed, strict=True
    ):
        expected = map_coordinates(clip, [rows, columns], order=1, mode="nearest")
        np.testing.assert_allclose(result, expected, atol=2e-3)


def test_time_shift_moves_by_a_part_of_the_duration():
    ramps = np.tile(np.arange(100.0), (2000, 1))
    taken_from = only(time_shift=0.3).augment(ramps, random_state=0)
    shifts = 50 - taken_from[:, 50]
    assert_uniform(shifts, -30, 30)
    np.testing.assert_allclose(
        taken_from, (ramps - shifts[:, None]).clip(0, 99), atol=1e-3
    )


def test_shifts_by_whole_frames_roll_the_frames(spectrograms):
    clips = np.tile(spectrograms[:1], (3000, 1, 1))
    ramps = np.broadcast_to(np.arange(24.0), clips.shape)
    augmenter = only(time_shift=0.25)
    shifts = 12 - augmenter.augment(ramps, random_state=0)[:, 0, 12]
    changed = augmenter.augment(clips, random_state=0)
    whole = np.abs(shifts - shifts.round()) < 0.005
    assert len(set(shifts[whole].round())) > 5
    for clip, shift in zip(changed[whole], shifts[whole].round(), strict=True):
        rolled = np.roll(clips[0], int(shift), axis=1)
        np.testing.assert_allclose(clip[:, 6:-6], rolled[:, 6:-6], atol=0.3)


def test_speed_stretches_about_the_middle():
    ramps = np.tile(np.arange(101.0), (2000, 1))
    taken_from = only(speed=0.25).augment(ramps, random_state=0)
    np.testing.assert_allclose(taken_from[:, 50], 50, atol=1e-4)
    factors = taken_from[:, 51] - taken_from[:, 50]
    assert_uniform(np.log(factors), -np.log(1.25), np.log(1.25))


def test_pitch_shifts_along_the_bands():
    ramps = np.broadcast_to(np.arange(50.0)[:, None], (1000, 50, 3))
    taken_from = only(pitch=0.2).augment(ramps, random_state=0)
    np.testing.assert_allclose(taken_from[:, :, 0], taken_from[:, :, 2], atol=1e-4)
    assert_uniform(25 - taken_from[:, 25, 0], -10, 10)


@pytest.mark.parametrize("decibels_per_unit", [1, 40, 10 / np.log(10)])
def test_gain_is_one_number_a_clip(spectrograms, decibels_per_unit):
    augmenter = only(gain=9, decibels_per_unit=decibels_per_unit)
    clips = np.tile(spectrograms, (50, 1, 1)) / decibels_per_unit
    gains = augmenter.augment(clips, random_state=0) - clips
    np.testing.assert_allclose(
        gains, np.broadcast_to(gains[:, :1, :1], gains.shape), atol=2e-5
    )
    assert_uniform(gains[:, 0, 0] * decibels_per_unit, -9, 9)


@pytest.mark.parametrize("decibels_per_unit", [1, 40, 10 / np.log(10)])
def test_equalizer_draws_gains_at_five_places_and_joins_them(decibels_per_unit):
    augmenter = only(equalizer=8, decibels_per_unit=decibels_per_unit)
    clips = np.full((2000, 17, 2), -30) / decibels_per_unit  # 4 bands to a place
    gains = (augmenter.augment(clips, random_state=0) - clips) * decibels_per_unit
    np.testing.assert_array_equal(gains[:, :, 0], gains[:, :, 1])
    drawn = gains[:, ::4, 0]
    expected = [np.interp(np.arange(17), np.arange(0, 17, 4), row) for row in drawn]
    np.testing.assert_allclose(gains[:, :, 0], expected, atol=1e-4)
    for place in drawn.T:
        assert_uniform(place, -8, 8)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(5)).max() < 0.1


def test_rows_are_not_equalised():
    rows = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    np.testing.assert_array_equal(only(equalizer=8).augment(rows), rows)


def power(decibels):
    return 10 ** (decibels.astype(np.float64) / 10)


@pytest.mark.parametrize("decibels_per_unit", [1, 40, 10 / np.log(10)])
@pytest.mark.parametrize("snr", [-5.0, 3.0, 15.0])
def test_noise_has_the_ratio_that_was_asked_for(snr, decibels_per_unit):
    rng = np.random.default_rng(1)
    clips = rng.normal(-30, 5, size=(30, 16, 400)) / decibels_per_unit
    augmenter = only(
        snr=(snr, snr), noise_probability=1, decibels_per_unit=decibels_per_unit
    )
    noisy = augmenter.augment(clips, random_state=0)
    sound = power(clips * decibels_per_unit)
    noise = power(noisy * decibels_per_unit) - sound
    measured = 10 * np.log10(sound.mean(axis=(1, 2)) / noise.mean(axis=(1, 2)))
    np.testing.assert_allclose(measured, snr, atol=0.4)
    assert measured.mean() == pytest.approx(snr, abs=0.05)


def test_ratios_and_tilts_of_the_noise_are_uniform():
    silence = np.zeros((400, 9, 600))
    noisy = only(snr=(5, 25), noise_probability=1).augment(silence, random_state=0)
    bands = (power(noisy) - 1).mean(axis=2)
    assert_uniform(-10 * np.log10(bands.mean(axis=1)).clip(-2.5, -0.5), 5, 25)
    falls = 10 * np.log10(bands[:, :1] / bands)
    np.testing.assert_allclose(falls[:, 4], falls[:, 8] / 2, atol=0.8)
    assert_uniform((falls[:, 8] * 9 / 8).clip(0, 40), 0, 40)


def test_noise_fluctuates_as_the_power_of_two_bins():
    noisy = only(snr=(0, 0), noise_probability=1).augment(np.zeros((1, 1, 5000)), 0)
    assert kstest((power(noisy) - 1).ravel(), gamma(2, scale=0.5).cdf).pvalue > 1e-3


def test_some_clips_stay_clean(spectrograms):
    clips = np.tile(spectrograms, (20, 1, 1))
    noisy = only(snr=(0, 10), noise_probability=0.7).augment(clips, random_state=0)
    is_clean = (noisy == clips).all(axis=(1, 2))
    assert is_clean.mean() == pytest.approx(0.3, abs=0.08)
    assert (noisy != clips).mean(axis=(1, 2))[~is_clean].min() > 0.9


def test_masks_are_bands_and_frames_of_the_clips_mean(spectrograms):
    clips = np.tile(spectrograms, (50, 1, 1))
    changed = only(n_masks=1, mask_width=0.25).augment(clips, random_state=0)
    is_masked = changed != clips
    means = np.broadcast_to(clips.mean(axis=(1, 2), keepdims=True), clips.shape)
    np.testing.assert_allclose(changed[is_masked], means[is_masked], rtol=1e-5)
    in_bands, in_frames = is_masked.all(axis=2), is_masked.all(axis=1)
    np.testing.assert_array_equal(
        is_masked, in_bands[:, :, None] | in_frames[:, None, :]
    )
    for in_places, widest in ((in_bands, 4), (in_frames, 6)):
        widths = np.bincount(in_places.sum(axis=1))
        assert len(widths) == widest + 1  # all from 0 on ...
        assert widths.min() > 0.6 * widths.mean()  # ... about equally often
        edges = np.diff(in_places.astype(int), prepend=0, append=0)
        assert (np.abs(edges).sum(axis=1) <= 2).all()  # one piece each
        assert in_places.any(axis=0).all()  # anywhere


def test_number_and_width_of_several_masks(spectrograms):
    clips = np.tile(spectrograms, (50, 1, 1))
    changed = only(n_masks=3, mask_width=0.1).augment(clips, random_state=0)
    in_frames = (changed != clips).all(axis=1)  # masks of at most 2 of 24 frames
    edges = np.diff(in_frames.astype(int), prepend=0, append=0)
    assert np.abs(edges).sum(axis=1).max() == 6
    assert in_frames.sum(axis=1).max() <= 6


@each_effect
def test_each_effect_changes_every_clip_differently(effect):
    clip = np.random.default_rng(0).normal(size=(1, 16, 24))
    changed = only(**effect).augment(np.tile(clip, (8, 1, 1)), random_state=0)
    for index in range(1, 8):
        assert not np.array_equal(changed[index], changed[0])


@each_effect
def test_the_seed_decides(spectrograms, effect):
    first, second, third = (
        only(**effect).augment(spectrograms, random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@each_effect
def test_rows_are_one_band(effect):
    rows = np.random.default_rng(0).normal(size=(6, 40))
    as_rows = only(**effect).augment(rows, random_state=0)
    as_bands = only(**effect).augment(rows[:, np.newaxis], random_state=0)
    assert as_rows.shape == rows.shape
    assert as_rows.dtype == np.float32
    np.testing.assert_array_equal(as_rows, as_bands[:, 0])


@pytest.mark.parametrize("nothing", [0, None])
def test_all_effects_off_change_nothing(spectrograms, nothing):
    off = dict.fromkeys(OFF, nothing) | {"snr": None}
    changed = SpectrogramAugmenter(**off).augment(spectrograms, random_state=0)
    np.testing.assert_array_equal(changed, spectrograms)
    assert not np.shares_memory(changed, spectrograms)


def test_input_and_global_generators_are_left_alone(spectrograms):
    X = spectrograms.copy()
    X.setflags(write=False)
    state, torch_state = np.random.get_state()[1].copy(), torch.random.get_rng_state()
    SpectrogramAugmenter().augment(X, random_state=0)
    np.testing.assert_array_equal(X, spectrograms)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_a_batch_of_a_training(spectrograms):
    batch = torch.from_numpy(spectrograms.copy())
    first, second = (
        SpectrogramAugmenter()(batch, torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert first.shape == batch.shape
    assert not torch.isclose(first, batch).all(dim=2).all(dim=1).any()
    np.testing.assert_array_equal(batch.numpy(), spectrograms)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_does_not_matter(spectrograms):
    batch = torch.from_numpy(spectrograms.copy())
    on_cpu, on_cuda = (
        SpectrogramAugmenter()(batch.to(device), torch.Generator().manual_seed(0))
        for device in ("cpu", "cuda")
    )
    assert on_cuda.device.type == "cuda"
    torch.testing.assert_close(on_cuda.cpu(), on_cpu, atol=1e-2, rtol=1e-4)


def test_more_clips_than_are_changed_at_a_time():
    clip = np.random.default_rng(0).normal(size=(1, 64, 128))
    changed = only(gain=6).augment(np.repeat(clip, 200, axis=0), random_state=0)
    assert_uniform((changed - clip)[:, 0, 0], -6, 6)


@given(
    X=arrays(
        np.float32,
        st.one_of(
            st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9)),
            st.tuples(st.integers(1, 3), st.integers(1, 9)),
        ),
        elements=st.floats(-1e3, 1e3, width=32),
    ),
    decibels_per_unit=st.floats(0.01, 100) | st.just("auto"),
    seed=st.integers(0, 1000),
)
def test_output_is_finite_and_of_the_same_shape(X, decibels_per_unit, seed):
    augmenter = SpectrogramAugmenter(decibels_per_unit=decibels_per_unit)
    changed = augmenter.augment(X, random_state=seed)
    assert changed.shape == X.shape
    assert np.isfinite(changed).all()


@given(level=st.floats(-1e30, 1e30), seed=st.integers(0, 1000))
def test_any_level_will_do(level, seed):
    changed = SpectrogramAugmenter().augment(np.full((4, 5, 6), level), seed)
    assert np.isfinite(changed).all()
    np.testing.assert_allclose(changed, np.float32(level), rtol=1e-5, atol=25)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"time_shift": 1.5}, "'time_shift' parameter"),
        ({"speed": -0.1}, "'speed' parameter"),
        ({"gain": np.inf}, "'gain' parameter"),
        ({"equalizer": -1}, "'equalizer' parameter"),
        ({"n_masks": 1.5}, "'n_masks' parameter"),
        ({"decibels_per_unit": 0}, "'decibels_per_unit' parameter"),
        ({"decibels_per_unit": "db"}, "'decibels_per_unit' parameter"),
        ({"snr": 10}, "'snr' parameter"),
        ({"snr": (40, 5)}, r"snr=\(40, 5\) must be \(lowest, highest\)"),
        ({"snr": (5, np.inf)}, "both finite"),
        ({"snr": (5,)}, r"snr=\(5,\) must be two numbers"),
        ({"snr": ("low", "high")}, "must be two numbers"),
    ],
)
def test_bad_parameters(spectrograms, parameters, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramAugmenter(**parameters).augment(spectrograms)


def test_bad_spectrograms(spectrograms):
    augmenter = SpectrogramAugmenter()
    with pytest.raises(ValueError, match=r"shape \(20, 1, 16, 24\), but spectrograms"):
        augmenter.augment(spectrograms[:, None])
    with pytest.raises(ValueError, match="at least one band and one frame"):
        augmenter.augment(spectrograms[:, :, :0])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        augmenter.augment(np.where(spectrograms > -30, np.nan, spectrograms))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        augmenter.augment(spectrograms[0, 0])


def test_parameters_survive_a_clone():
    augmenter = SpectrogramAugmenter(snr=(1.0, 2.0), pitch=None)
    assert clone(augmenter).get_params() == augmenter.get_params()
    assert augmenter.set_params(snr=None).snr is None
