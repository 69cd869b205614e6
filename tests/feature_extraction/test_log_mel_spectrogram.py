"""LogMelSpectrogram: equal to librosa, independent of company, modest in memory."""

import pickle
import subprocess
import sys
import warnings

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.feature_extraction import LogMelSpectrogram

SMALL = {"sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}


def noise(n_clips=3, n_samples=4000, seed=0):
    return np.random.default_rng(seed).normal(scale=0.1, size=(n_clips, n_samples))


def ragged_noise(lengths, seed=0):
    return [noise(1, length, seed + i)[0] for i, length in enumerate(lengths)]


def by_librosa(clip, *, sample_rate, ref=1.0, amin=1e-10, top_db=80.0, **settings):
    with warnings.catch_warnings():
        # Clips shorter than a frame, and mel bands without a bin, are tried on purpose.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        warnings.filterwarnings("ignore", message="Empty filters")
        power = librosa.feature.melspectrogram(y=clip, sr=sample_rate, **settings)
    ref = np.max if ref == "max" else ref
    return librosa.power_to_db(power, ref=ref, amin=amin, top_db=top_db)


def assert_equals_librosa(decibels, expected):
    assert decibels.shape == expected.shape
    tolerance = 1e-4 * max(10.0, np.ptp(expected))
    np.testing.assert_allclose(decibels, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "log_mel",
    [
        LogMelSpectrogram(),
        LogMelSpectrogram(n_mels=4, scaling="unit", flatten=True, n_jobs=2),
        LogMelSpectrogram(n_mels=4, scaling="standardize", n_frames=3, flatten=True),
    ],
    ids=["default", "unit", "standardize"],
)
def test_scikit_learn_checks(log_mel):
    results = check_estimator(log_mel)
    assert len(results) >= 45
    assert {result["status"] for result in results} == {"passed"}


# -- The same as librosa ---------------------------------------------------------------


@given(
    # A constant has nothing in most bands but rounding errors, which may differ.
    n_samples=st.integers(8, 900),
    n_fft=st.integers(16, 300),
    hop_length=st.integers(1, 400),
    relative_win_length=st.floats(0.1, 1.0),
    window=st.sampled_from(["hann", "hamming", ("kaiser", 4.0), 8.6, "boxcar"]),
    pad_mode=st.sampled_from(["constant", "edge", "reflect", "symmetric"]),
    power=st.sampled_from([1.0, 2.0, 2, 3.5]),
    n_mels=st.integers(1, 12),
    band=st.sampled_from([(0.0, None), (100.0, 3000.0), (0.0, 4000.0)]),
    htk=st.booleans(),
    norm=st.sampled_from(["slaney", None, 1, np.inf]),
    ref=st.sampled_from([1.0, 0.01, 1e-12, "max"]),
    amin=st.sampled_from([1e-10, 1e-4]),
    top_db=st.sampled_from([None, 80.0, 10, 0]),
    seed=st.integers(0, 10),
)
@settings(max_examples=150, deadline=None)
def test_equals_librosa_for_any_setting(
    n_samples, n_fft, relative_win_length, band, ref, amin, top_db, seed, **shared
):
    shared |= {
        "n_fft": n_fft,
        "win_length": max(3, round(relative_win_length * n_fft)),
        "fmin": band[0],
        "fmax": band[1],
    }
    levels = {"ref": ref, "amin": amin, "top_db": top_db}
    clip = noise(1, n_samples, seed)[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The mel bands")
        log_mel = LogMelSpectrogram(8000, **shared, **levels)
        (decibels,) = log_mel.fit_transform([clip])
    expected = by_librosa(clip, sample_rate=8000, **shared, **levels)
    assert_equals_librosa(decibels, expected)


@pytest.mark.parametrize("n_fft", [255, 256])
@pytest.mark.parametrize("n_samples", [256, 257, 335, 336, 337, 4000])
def test_equals_librosa_without_centring(n_fft, n_samples):
    clip = noise(1, n_samples)[0]
    setting = SMALL | {"n_fft": n_fft, "center": False}
    (decibels,) = LogMelSpectrogram(**setting).fit_transform([clip])
    assert_equals_librosa(decibels, by_librosa(clip, **setting))


@pytest.mark.parametrize(
    ("sample_rate", "seconds", "n_fft", "hop_length", "n_mels"),
    [(16000, 1, 512, 160, 64), (44100, 5, 1024, 512, 128), (44100, 5, 12288, 6144, 28)],
)
def test_equals_librosa_in_the_settings_of_the_benchmark(
    sample_rate, seconds, n_fft, hop_length, n_mels
):
    clips = noise(2, sample_rate * seconds)
    setting = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
    decibels = LogMelSpectrogram(sample_rate, **setting).fit_transform(clips)
    for clip, spectrogram in zip(clips, decibels, strict=True):
        expected = by_librosa(clip, sample_rate=sample_rate, **setting)
        assert_equals_librosa(spectrogram, expected)


def test_equals_librosa_on_every_spoken_digit(real_data):
    files = sorted((real_data / "fsdd" / "recordings").glob("*.wav"))
    clips = [soundfile.read(path, dtype="float32")[0] for path in files]
    assert len(clips) == 3000
    longest = 1 + max(clip.size for clip in clips) // SMALL["hop_length"]
    spectrograms = LogMelSpectrogram(**SMALL, n_frames=longest).fit_transform(clips)
    for clip, spectrogram in zip(clips, spectrograms, strict=True):
        expected = by_librosa(clip, **SMALL)
        assert_equals_librosa(spectrogram[:, : expected.shape[1]], expected)


def test_loud_and_faint_bins_stand_side_by_side():
    time = np.arange(8000) / 8000
    clip = np.sin(2 * np.pi * 500 * time) + 1e-4 * np.sin(2 * np.pi * 3000 * time)
    setting = SMALL | {"top_db": None}
    (decibels,) = LogMelSpectrogram(**setting).fit_transform([clip])
    assert_equals_librosa(decibels, by_librosa(clip, **setting))


def test_loudest_value_is_exactly_the_reference_of_its_clip():
    clips = [*noise(5), np.zeros(4000)]
    spectrograms = LogMelSpectrogram(**SMALL, ref="max").fit_transform(clips)
    np.testing.assert_array_equal(spectrograms.max(axis=(1, 2)), 0)


def test_half_a_hundred_db_between_tones_is_measured_right():
    time = np.arange(8000) / 8000
    tones = np.stack([a * np.sin(2 * np.pi * 1000 * time) for a in (1.0, 10**-2.5)])
    loud, faint = LogMelSpectrogram(**SMALL, top_db=None).fit_transform(tones)
    assert loud.max() - faint.max() == pytest.approx(50, abs=0.01)


# -- Alone or in company ---------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [None, 2, 3])
@pytest.mark.parametrize("setting", [{}, {"power": 1.0}, {"n_fft": 4096, "n_mels": 9}])
def test_a_clip_has_the_same_bits_alone_and_in_any_company(n_jobs, setting):
    rng = np.random.default_rng(0)
    clips = ragged_noise(rng.integers(1, 30000, size=40))
    clips[7][:] = 0
    log_mel = LogMelSpectrogram(**SMALL | setting, n_frames=50, n_jobs=n_jobs)
    together = log_mel.fit_transform(clips)
    backwards = log_mel.transform(clips[::-1])[::-1]
    alone = np.concatenate([log_mel.transform([clip]) for clip in clips])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(backwards, alone)


@given(lengths=st.lists(st.integers(1, 3000), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_company_of_any_lengths_leaves_a_clip_alone(lengths):
    clips = ragged_noise(lengths)
    log_mel = LogMelSpectrogram(**SMALL, n_frames=30).fit(clips)
    together = log_mel.transform(clips)
    for clip, spectrogram in zip(clips, together, strict=True):
        np.testing.assert_array_equal(log_mel.transform([clip])[0], spectrogram)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_layout_and_precision_of_the_input_do_not_matter(dtype, order):
    clips = noise(5).astype(np.float32)
    given_clips = np.asarray(clips, dtype=dtype, order=order)
    log_mel = LogMelSpectrogram(**SMALL).fit(clips)
    np.testing.assert_array_equal(
        log_mel.transform(given_clips), log_mel.transform(clips)
    )


def test_one_torch_thread_is_used_and_the_number_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        LogMelSpectrogram(**SMALL, n_jobs=2).fit_transform(noise())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_input_is_not_changed():
    clips = noise()
    before = clips.copy()
    LogMelSpectrogram(**SMALL, scaling="unit").fit_transform(clips)
    np.testing.assert_array_equal(clips, before)


MEMORY = """
import resource, sys
import numpy as np
from sklearn_audio.feature_extraction import LogMelSpectrogram

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

clips = np.empty({shape})
np.random.default_rng(0).random(out=clips)
LogMelSpectrogram().fit_transform(clips[:1, :16000])
before = peak()
spectrograms = LogMelSpectrogram(**{setting}).fit_transform(clips)
print(peak() - before - spectrograms.nbytes)
"""


@pytest.mark.parametrize(
    ("shape", "setting"),
    [
        ((1, 600 * 16000), {"scaling": "standardize"}),
        ((1500, 16000), {"scaling": "unit", "n_jobs": 2}),
    ],
    ids=["ten minutes", "many clips on two threads"],
)
def test_extra_memory_is_bounded(shape, setting):
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY.format(shape=shape, setting=setting)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) <= 64 * 2**20


# -- Length ----------------------------------------------------------------------------


def test_long_clips_lose_their_end_before_any_maximum_is_taken():
    clip = noise(1, 4000)[0]
    clip[3000:] *= 1000
    kept = LogMelSpectrogram(**SMALL, n_frames=20).fit_transform([clip])
    quiet = LogMelSpectrogram(**SMALL, n_frames=20).fit_transform([clip[:2000]])
    np.testing.assert_array_equal(kept, quiet)


@pytest.mark.parametrize("top_db", [None, 30.0])
@pytest.mark.parametrize("ref", [1.0, 0.1, "max"])
def test_short_clips_are_continued_by_what_silence_gives(top_db, ref):
    clip = noise(1, 800)[0]
    setting = SMALL | {"top_db": top_db, "ref": ref}
    (short,) = LogMelSpectrogram(**setting, n_frames=40).fit_transform([clip])
    (silent,) = LogMelSpectrogram(**setting, n_frames=40).fit_transform(
        [np.concatenate([clip, np.zeros(3200)])]
    )
    np.testing.assert_array_equal(short[:, 13:], silent[:, 13:])
    assert np.unique(short[:, 13:]).size == 1


def test_a_clip_may_fill_its_blocks_to_the_last_frame():
    clip = noise(1, (2 * 1024 - 1) * 80)[0]  # two blocks of 1024 frames
    (decibels,) = LogMelSpectrogram(**SMALL).fit_transform([clip])
    assert decibels.shape[1] == 2048
    assert_equals_librosa(decibels, by_librosa(clip, **SMALL))


def test_lists_of_one_length_need_no_n_frames():
    clips = noise()
    log_mel = LogMelSpectrogram(**SMALL)
    expected = log_mel.fit_transform(clips)
    np.testing.assert_array_equal(log_mel.fit_transform(list(clips)), expected)
    assert log_mel.n_frames_ == expected.shape[2] == 51
    assert not hasattr(log_mel, "n_features_in_")


def test_ragged_clips_need_n_frames():
    with pytest.raises(ValueError, match=r"clip 2: its 500 samples give 7 frames.*51"):
        LogMelSpectrogram(**SMALL).fit(ragged_noise([4000, 4000, 500]))


def test_another_length_than_in_fit_is_refused():
    log_mel = LogMelSpectrogram(**SMALL).fit(noise())
    with pytest.raises(ValueError, match="X has 500 features"):
        log_mel.transform(noise(n_samples=500))
    with pytest.raises(ValueError, match=r"clip 1: its 500 samples give 7 frames"):
        log_mel.transform(ragged_noise([4000, 500]))


def test_clips_shorter_than_a_window_are_for_centred_frames_only():
    short = [np.ones(1), np.ones(255)]
    assert LogMelSpectrogram(**SMALL, n_frames=2).fit_transform(short).shape[0] == 2
    with pytest.raises(ValueError, match=r"clip 0: its 1 samples are fewer than"):
        LogMelSpectrogram(**SMALL, n_frames=2, center=False).fit(short)


# -- Scaling ---------------------------------------------------------------------------


def test_unit_scaling_is_the_range_of_fit_and_clips():
    train, test = noise(seed=0), 3 * noise(seed=1)
    decibels = LogMelSpectrogram(**SMALL).fit(train)
    low, high = decibels.transform(train).min(), decibels.transform(train).max()
    unit = LogMelSpectrogram(**SMALL, scaling="unit").fit(train)
    assert unit.db_range_ == (low, high)
    expected = 2 * (decibels.transform(test) - low) / (high - low) - 1
    assert expected.max() > 1
    scaled = unit.transform(test)
    np.testing.assert_allclose(scaled, np.clip(expected, -1, 1), atol=1e-5)
    assert unit.transform(train).min() == -1
    assert unit.transform(train).max() == pytest.approx(1)


def test_standardize_is_a_standard_scaler_for_each_band():
    train, test = noise(seed=0), 3 * noise(seed=1)
    plain = LogMelSpectrogram(**SMALL).fit(train)
    scaler = LogMelSpectrogram(**SMALL, scaling="standardize").fit(train)
    reference = plain.transform(train).astype(np.float64)
    mean = reference.mean(axis=(0, 2), keepdims=True)
    std = reference.std(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(
        scaler.transform(test), (plain.transform(test) - mean) / std, atol=1e-4
    )


@pytest.mark.parametrize("scaling", ["unit", "standardize"])
def test_silence_alone_can_be_scaled(scaling):
    log_mel = LogMelSpectrogram(**SMALL, scaling=scaling)
    scaled = log_mel.fit_transform(np.zeros((3, 900)))
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled, -1 if scaling == "unit" else 0, atol=1e-3)


@pytest.mark.parametrize("scaling", ["db", "unit", "standardize"])
@pytest.mark.parametrize("n_frames", [None, 70])
def test_fit_transform_is_fit_and_transform(scaling, n_frames, monkeypatch):
    clips = noise(7)
    log_mel = LogMelSpectrogram(**SMALL, scaling=scaling, n_frames=n_frames)
    # Batches of two clips, so that there are several.
    monkeypatch.setattr(
        "sklearn_audio.feature_extraction._log_mel_spectrogram._FIT_VALUES",
        2 * 20 * (n_frames or 51),
    )
    at_once = log_mel.fit_transform(clips)
    np.testing.assert_array_equal(log_mel.fit(clips).transform(clips), at_once)


def test_fit_transform_computes_every_block_once(monkeypatch):
    calls = []
    transform = torch.fft.rfft
    monkeypatch.setattr(
        torch.fft, "rfft", lambda frames: calls.append(1) or transform(frames)
    )
    # 3 clips of 51 frames fit into one block of 1024.
    LogMelSpectrogram(**SMALL, scaling="standardize").fit_transform(noise())
    assert len(calls) == 1


# -- Bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2000, 3999])
@pytest.mark.parametrize("collect", [np.asarray, list])
def test_clip_that_is_not_finite_is_named(value, place, collect):
    clips = noise()
    log_mel = LogMelSpectrogram(**SMALL, n_frames=5).fit(collect(clips))
    clips[1, place] = value
    for method in (log_mel.fit, log_mel.fit_transform, log_mel.transform):
        with pytest.raises(ValueError, match=r"^clip 1: it contains NaN or infinity"):
            method(collect(clips))


def test_power_that_overflows_is_named():
    clips = noise()
    clips[2] *= 1e30
    with pytest.raises(ValueError, match=r"^clip 2: its power overflows.*\[-1, 1\]"):
        LogMelSpectrogram(**SMALL).fit_transform(clips)


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        ("digit.wav", TypeError, r"^clip 1 \('digit.wav'\): is a file.*AudioLoader"),
        (b"RIFF", TypeError, "^clip 1: is a file.*AudioLoader"),
        (np.ones((2, 400)), ValueError, r"^clip 1: has the shape \(2, 400\).*channel"),
        (np.zeros(0), ValueError, "^clip 1: it has 0 samples"),
        (None, TypeError, "^clip 1: .* it is None"),
        (np.array([1j]), TypeError, "^clip 1: .* real numbers"),
    ],
)
def test_bad_clip_is_an_error_that_names_it(clip, error, message):
    with pytest.raises(error, match=message):
        LogMelSpectrogram(**SMALL, n_frames=5).fit([np.ones(400), clip])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones(400), ValueError, "one clip of 400 samples"),
        ([], ValueError, "no clips"),
        (np.zeros((0, 400)), ValueError, "0 sample"),
        (np.ones((2, 1, 400)), ValueError, "dim 3"),
        ("clip.wav", TypeError, "single str"),
    ],
)
def test_bad_collection_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        LogMelSpectrogram(**SMALL).fit(X)


@pytest.mark.parametrize(
    "params",
    [
        {"sample_rate": "16000"},
        {"n_fft": 1},
        {"n_fft": 512.0},
        {"hop_length": 0},
        {"win_length": 0},
        {"center": "yes"},
        {"pad_mode": "wrap"},
        {"power": 0},
        {"n_mels": 0},
        {"fmin": -1},
        {"fmax": 0},
        {"norm": "l2"},
        {"ref": "min"},
        {"ref": 0},
        {"amin": 0},
        {"top_db": -1},
        {"scaling": "minmax"},
        {"n_frames": 0},
        {"flatten": "no"},
    ],
)
def test_bad_parameter_is_named(params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of LogMelSpectrogram"):
        LogMelSpectrogram(**params).fit(noise())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fmax": 4001}, r"fmax=4001 Hz is above half.*sample_rate=8000.*4000 Hz"),
        ({"fmin": 4000}, r"fmin=4000 Hz is not below the highest frequency, 4000 Hz"),
        ({"fmin": 900, "fmax": 800}, r"fmin=900 Hz is not below.* 800 Hz"),
        ({"win_length": 257}, r"win_length=257 is larger than n_fft=256"),
        ({"window": "hand"}, r"window='hand' is none that scipy.signal.get_window"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        LogMelSpectrogram(**SMALL | params).fit(noise())


def test_empty_mel_bands_are_a_warning_that_names_them():
    log_mel = LogMelSpectrogram(**SMALL | {"n_mels": 100, "fmax": 1000})
    message = r"mel bands \[.*\] are empty: with n_fft=256"
    with pytest.warns(UserWarning, match=message) as caught:
        log_mel.fit(noise())
    assert caught[0].filename == __file__
    spectrograms = log_mel.transform(noise())
    with pytest.warns(UserWarning, match="Empty filters"):
        filters = librosa.filters.mel(sr=8000, n_fft=256, n_mels=100, fmax=1000)
    empty = np.flatnonzero(filters.sum(axis=1) == 0)
    assert str(empty.tolist()) in str(caught[0].message)
    assert np.ptp(spectrograms[:, empty], axis=2).max() == 0


# -- A scikit-learn citizen ------------------------------------------------------------


def test_integers_are_scaled_like_those_of_a_loader():
    clips = (noise() * 2**15).astype(np.int16)
    log_mel = LogMelSpectrogram(**SMALL)
    np.testing.assert_array_equal(
        log_mel.fit_transform(clips),
        log_mel.fit_transform(clips.astype(np.float32) / 2**15),
    )


def test_flat_output_is_the_picture_row_by_row_with_names():
    clips = noise()
    pictures = LogMelSpectrogram(**SMALL).fit_transform(clips)
    flat = LogMelSpectrogram(**SMALL, flatten=True).fit(clips)
    rows = flat.transform(clips)
    np.testing.assert_array_equal(rows, pictures.reshape(3, -1))
    names = list(flat.get_feature_names_out())
    assert len(names) == rows.shape[1]
    assert rows[1, names.index("mel7_frame33")] == pictures[1, 7, 33]


def test_flat_output_may_be_a_data_frame():
    log_mel = LogMelSpectrogram(**SMALL, flatten=True).set_output(transform="pandas")
    frame = log_mel.fit_transform(pd.DataFrame(noise(), index=list("abc")))
    assert list(frame.index) == list("abc")
    assert list(frame.columns) == list(log_mel.get_feature_names_out())


def test_bands_of_spectrograms_have_names():
    log_mel = LogMelSpectrogram(**SMALL).fit(noise())
    names = [f"mel{band}" for band in range(SMALL["n_mels"])]
    assert list(log_mel.get_feature_names_out()) == names


def test_clones_and_pickles_transform_the_same():
    clips = noise()
    log_mel = LogMelSpectrogram(**SMALL, scaling="standardize").fit(clips)
    expected = log_mel.transform(clips)
    copy = pickle.loads(pickle.dumps(log_mel))  # noqa: S301
    np.testing.assert_array_equal(copy.transform(clips), expected)
    np.testing.assert_array_equal(clone(log_mel).fit_transform(clips), expected)
