"""make_anomalous_scenes: what is added, how loud, where, and what is left alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sklearn_audio.datasets import make_anomalous_scenes

RATE = 8000


def noise(*shape, seed=0, scale=0.1):
    """White noise whose level rises and falls, float32."""
    rng = np.random.RandomState(seed)
    swell = 1.1 + np.sin(np.linspace(0, 20, shape[-1]) + rng.uniform(0, 6))
    return (scale * swell * rng.standard_normal(shape)).astype(np.float32)


def ragged_noise(lengths, seed=0):
    return [noise(length, seed=seed + i) for i, length in enumerate(lengths)]


def decibels(samples, reference):
    power, other = (np.mean(np.square(x, dtype=float)) for x in (samples, reference))
    return 10 * np.log10(power / other)


def interval(scenes, row):
    """The samples of a scene that its event covers."""
    start = scenes.onsets[row] * scenes.sample_rate
    length = scenes.durations[row] * scenes.sample_rate
    np.testing.assert_allclose([start, length], np.round([start, length]), atol=1e-6)
    return slice(round(start), round(start) + round(length))


def make(backgrounds, events, ebr_db=6.0, sample_rate=RATE, random_state=0, **others):
    return make_anomalous_scenes(
        backgrounds,
        events,
        ebr_db,
        sample_rate=sample_rate,
        random_state=random_state,
        **others,
    )


# What comes out


def test_dense_backgrounds_make_a_dense_array():
    scenes = make(noise(20, RATE), noise(5, RATE, seed=1), anomalous_fraction=0.3)
    assert scenes.data.shape == (20, RATE)
    assert scenes.data.dtype == np.float32
    assert Counter(scenes.target.tolist()) == {1: 14, -1: 6}
    assert scenes.sample_rate == RATE
    assert "licence" in scenes.DESCR


def test_ragged_backgrounds_keep_their_lengths():
    lengths = [4000, 9000, 6000, 12000]
    scenes = make(ragged_noise(lengths), ragged_noise([500, 8000], seed=9))
    assert scenes.data.dtype == object
    assert [len(scene) for scene in scenes.data] == lengths
    assert {scene.dtype for scene in scenes.data} == {np.dtype(np.float32)}
    assert len(scenes.data[scenes.target == -1]) == 2


def test_one_background_is_enough():
    scenes = make(noise(1, RATE), noise(1, RATE, seed=1), anomalous_fraction=1.0)
    assert scenes.data.shape == (1, RATE)
    assert scenes.target.tolist() == [-1]


def test_normal_scenes_are_the_backgrounds_and_have_no_event():
    backgrounds = noise(30, RATE)
    scenes = make(backgrounds, noise(5, RATE, seed=1))
    normal = scenes.target == 1
    np.testing.assert_array_equal(scenes.data[normal], backgrounds[normal])
    for values in (scenes.onsets, scenes.durations, scenes.ebr_db):
        np.testing.assert_array_equal(np.isnan(values), normal)
    np.testing.assert_array_equal(scenes.events == -1, normal)


def test_anomalous_scenes_differ_from_their_backgrounds_in_the_event_alone():
    backgrounds = noise(30, 2 * RATE)
    scenes = make(backgrounds, noise(5, RATE, seed=1), anomalous_fraction=1.0)
    for row, (scene, background) in enumerate(
        zip(scenes.data, backgrounds, strict=True)
    ):
        differs = np.zeros(2 * RATE, dtype=bool)
        differs[interval(scenes, row)] = True
        assert (scene != background)[differs].mean() > 0.99
        np.testing.assert_array_equal(scene[~differs], background[~differs])


@pytest.mark.parametrize("fraction", [0.0, 0.26, 1.0])
def test_the_fraction_is_rounded(fraction):
    scenes = make(noise(10, RATE), noise(3, RATE, seed=1), anomalous_fraction=fraction)
    assert (scenes.target == -1).sum() == round(10 * fraction)


def test_events_are_used_equally_often():
    scenes = make(noise(23, RATE), noise(5, RATE, seed=1), anomalous_fraction=1.0)
    assert sorted(Counter(scenes.events.tolist()).values()) == [4, 4, 5, 5, 5]


def test_events_lie_anywhere_and_to_the_last_sample():
    scenes = make(np.full((300, 6), 0.1), np.full((1, 4), 0.1), sample_rate=8)
    onsets = scenes.onsets[scenes.target == -1] * 8
    # Three places for four samples in six: 50 of 150 expected in each.
    counts = Counter(onsets.tolist())
    assert set(counts) == {0.0, 1.0, 2.0}
    assert min(counts.values()) > 25


# How loud


@given(
    ratio=st.floats(-40, 40),
    scale=st.sampled_from([1e-6, 0.1, 1e4]),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_ratio_is_that_of_the_added_part_to_the_background(ratio, scale, seed):
    backgrounds = [
        noise(900, seed=seed % 99),
        noise(1300, seed=1),
        noise(1000, seed=2, scale=3e-4),
    ]
    events = [noise(1200, seed=3, scale=scale), noise(200, seed=4, scale=scale)]
    scenes = make(
        backgrounds,
        events,
        ratio,
        sample_rate=1000,
        anomalous_fraction=1.0,
        random_state=seed,
    )
    for row in range(3):
        here = interval(scenes, row)
        background = backgrounds[row][here].astype(float)
        added = scenes.data[row][here] - background
        assert abs(decibels(added, background) - ratio) < 1e-3
    assert scenes.ebr_db.tolist() == [ratio] * 3


def test_ratios_are_drawn_from_their_range():
    backgrounds = noise(200, 100)
    scenes = make(
        backgrounds,
        noise(3, 100, seed=1),
        (-6, 12),
        sample_rate=100,
        anomalous_fraction=1.0,
    )
    assert scenes.ebr_db.min() < -4
    assert scenes.ebr_db.max() > 10
    for row, ratio in enumerate(scenes.ebr_db):
        assert -6 <= ratio <= 12
        background = backgrounds[row, interval(scenes, row)].astype(float)
        added = scenes.data[row, interval(scenes, row)] - background
        assert abs(decibels(added, background) - ratio) < 1e-3


def test_loud_events_are_not_clipped():
    scenes = make(noise(2, RATE), noise(1, RATE, seed=1), 40.0)
    assert np.abs(scenes.data).max() > 1


def test_scenes_are_what_a_loop_over_samples_mixes():
    backgrounds, events = ragged_noise([50, 80, 60]), ragged_noise([9, 45], seed=5)
    scenes = make(backgrounds, events, (0, 10), sample_rate=40, anomalous_fraction=0.7)
    assert (scenes.target == -1).sum() == 2
    for row in np.flatnonzero(scenes.target == -1):
        event = events[scenes.events[row]].astype(float)
        length = min(len(event), 20)  # half a second
        loudest = max(
            range(len(event) - length + 1),
            key=lambda start: sum(event[start + i] ** 2 for i in range(length)),
        )
        onset = round(scenes.onsets[row] * 40)
        background = backgrounds[row].astype(float)
        above = below = 0.0
        for i in range(length):
            above += event[loudest + i] ** 2
            below += background[onset + i] ** 2
        expected = background.copy()
        for i in range(length):
            amplitude = np.sqrt(10 ** (scenes.ebr_db[row] / 10) * below / above)
            expected[onset + i] += amplitude * event[loudest + i]
        np.testing.assert_allclose(scenes.data[row], expected, rtol=1e-6, atol=1e-7)


# Which part of the event


@given(st.lists(st.integers(-9, 9), min_size=5, max_size=40), st.integers(1, 5))
def test_the_loudest_part_is_the_earliest_of_most_energy(samples, length):
    event = np.array(samples, dtype=float)
    energies = [
        sum(event[start + i] ** 2 for i in range(length))
        for start in range(len(event) - length + 1)
    ]
    assume(max(energies) > 0)
    loudest = event[energies.index(max(energies)) :][:length]
    # Samples of 1 under it, at a ratio that leaves the gain at 1.
    scenes = make(
        np.ones((1, length)),
        [event],
        decibels(loudest, np.ones(length)),
        sample_rate=1,
        anomalous_fraction=1.0,
        event_duration=length,
    )
    np.testing.assert_allclose(scenes.data[0] - 1, loudest, atol=1e-5)


def test_short_events_are_taken_whole():
    event = noise(300, seed=1)
    scenes = make(noise(4, RATE), [event], anomalous_fraction=1.0)
    np.testing.assert_allclose(scenes.durations, 300 / RATE)
    added = (scenes.data[0] - noise(4, RATE)[0])[interval(scenes, 0)]
    assert np.corrcoef(added, event)[0, 1] > 0.999


@pytest.mark.parametrize("duration", [0.01, 0.25, 1.0])
def test_the_duration_can_be_chosen(duration):
    scenes = make(
        noise(4, RATE),
        noise(2, 2 * RATE, seed=1),
        anomalous_fraction=1.0,
        event_duration=duration,
    )
    np.testing.assert_allclose(scenes.durations, duration)


# Seeds


def test_same_seed_same_scenes():
    clips = noise(12, RATE), noise(5, RATE, seed=1), (0, 12)
    first = make(*clips, random_state=3)
    again = make(*clips, random_state=np.random.RandomState(3))
    other = make(*clips, random_state=4)
    for key in ("data", "target", "onsets", "durations", "events", "ebr_db"):
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first.onsets, other.onsets, equal_nan=True)


def test_the_ratio_changes_neither_places_nor_events():
    clips = noise(12, RATE), ragged_noise([900, 8000, 5000], seed=1)
    quiet, loud, drawn = (make(*clips, ratio) for ratio in (0.0, 20.0, (0, 12)))
    for key in ("target", "onsets", "durations", "events"):
        np.testing.assert_array_equal(quiet[key], loud[key])
        np.testing.assert_array_equal(quiet[key], drawn[key])
    # The same events, ten times larger.
    np.testing.assert_allclose(
        loud.data - clips[0], 10 * (quiet.data - clips[0]), atol=1e-5
    )


def test_input_and_global_random_state_are_left_alone():
    backgrounds, events = noise(12, RATE), noise(5, RATE, seed=1)
    before = backgrounds.copy(), events.copy(), np.random.get_state()[1].copy()
    scenes = make(backgrounds, events, anomalous_fraction=1.0)
    assert not np.shares_memory(scenes.data, backgrounds)
    after = backgrounds, events, np.random.get_state()[1]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_input_may_be_double_precision_or_lists():
    backgrounds, events = noise(6, 400).astype(float), noise(2, 300, seed=1)
    expected = make(backgrounds, events, sample_rate=400)
    assert expected.data.dtype == np.float32
    as_lists = make(backgrounds.tolist(), list(events), sample_rate=400)
    np.testing.assert_array_equal(as_lists.data, expected.data)


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backgrounds": []}, "backgrounds is empty"),
        ({"events": []}, "events is empty"),
        ({"backgrounds": noise(RATE)}, r"backgrounds: clip 0 must be a 1-D .* \(\)"),
        ({"events": noise(2, 3, 50)}, r"events: clip 0 must be a 1-D .* \(3, 50\)"),
        ({"events": [noise(9), noise(0)]}, r"events: clip 1 must be .* \(0,\)"),
        ({"events": np.ones((2, 9), dtype=np.int16)}, "events: clip 0 .* int16"),
        (
            {"backgrounds": [noise(RATE), np.array([0.1, np.nan])]},
            "backgrounds: clip 1 holds NaN or infinity at sample 1",
        ),
        (
            {"backgrounds": [noise(RATE), noise(2000)]},
            r"clip 1 has 2000 samples \(0.25 s\), fewer .* 4000 \(0.5 s\)",
        ),
        (
            {"events": [noise(RATE), np.zeros(RATE)]},
            "events: clip 1 is silent, .* Leave it out",
        ),
        (
            {"backgrounds": [noise(RATE), np.zeros(RATE)], "anomalous_fraction": 1.0},
            r"backgrounds: clip 1 is silent in samples \d+ to \d+, .* faint noise",
        ),
        ({"event_duration": 1e-5}, "event_duration=1e-05 is less than one sample"),
        ({"ebr_db": (1, 2, 3)}, "ebr_db must be one number in dB or two"),
        ({"ebr_db": ("low", "high")}, "ebr_db must be one number in dB or two"),
        ({"ebr_db": (6, 0)}, "ebr_db must be finite, a number or"),
        ({"ebr_db": np.inf}, "ebr_db must be finite"),
        ({"ebr_db": "loud"}, "'ebr_db' parameter"),
        ({"sample_rate": 0}, "'sample_rate' parameter"),
        ({"anomalous_fraction": 1.5}, "'anomalous_fraction' parameter"),
        ({"event_duration": 0}, "'event_duration' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
    ],
)
def test_bad_input(changes, message):
    clips = {"backgrounds": noise(3, RATE), "events": noise(2, RATE, seed=1)}
    with pytest.raises(ValueError, match=message):
        make(**{**clips, **changes})


def test_silence_elsewhere_in_a_background_does_no_harm():
    half_silent = noise(1, RATE)
    half_silent[:, : RATE // 4] = 0
    scenes = make(half_silent, noise(1, RATE, seed=1), anomalous_fraction=1.0)
    assert np.isfinite(scenes.data).all()
    assert scenes.target.tolist() == [-1]
