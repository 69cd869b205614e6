"""AudioLoader: equal to soundfile and soxr by hand, and clear where it cannot be."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.feature_extraction import AudioLoader

RATE = 16000


def sweep(n_samples=RATE, n_channels=None, seed=0):
    rng = np.random.default_rng(seed)
    shape = n_samples if n_channels is None else (n_samples, n_channels)
    return 0.3 * rng.uniform(-1, 1, size=shape)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def by_hand(path, rate):
    samples, native = soundfile.read(path, dtype="float32")
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if native != rate:
        samples = soxr.resample(samples, native, rate)
    return samples


def object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def wav(folder):
    return write(folder / "good.wav", sweep())


@pytest.fixture(scope="module")
def three_wavs(folder):
    return [
        str(write(folder / f"{index}.wav", sweep(4000 * (index + 1), seed=index)))
        for index in range(3)
    ]


@pytest.mark.parametrize(
    "loader",
    [AudioLoader(), AudioLoader(duration=0.001, pad="tile", crop="center", n_jobs=2)],
    ids=["default", "short"],
)
def test_scikit_learn_checks(loader):
    results = check_estimator(loader)
    assert len(results) >= 45
    assert {result["status"] for result in results} == {"passed"}


# -- Decoding and resampling -----------------------------------------------------------


@pytest.mark.parametrize("n_channels", [None, 1, 2, 5])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_U8"),
        ("a.wav", "FLOAT"),
        ("a.flac", "PCM_24"),
        ("a.ogg", "VORBIS"),
        ("a.mp3", None),
    ],
)
@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_files_equal_soundfile_and_soxr_by_hand(
    tmp_path, name, subtype, n_channels, rate
):
    if name == "a.mp3" and n_channels == 5:
        n_channels = 2  # all that mp3 has
    path = write(tmp_path / name, sweep(3001, n_channels), subtype=subtype)
    (loaded,) = AudioLoader(rate, duration=None).fit_transform([path])
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, by_hand(path, rate))


@pytest.mark.parametrize(
    ("pattern", "rate"),
    [
        ("fsdd/recordings/*.wav", 16000),
        ("speech_commands_ar/**/*.ogg", 16000),
        ("esc10/**/*.ogg", 22050),
        ("urbansound8k_fold1/**/*.ogg", 16000),
    ],
)
def test_real_files_equal_soundfile_and_soxr_by_hand(real_data, pattern, rate):
    files = sorted(real_data.glob(pattern))
    chosen = np.random.default_rng(0).choice(files, size=12, replace=False)
    loaded = AudioLoader(rate, duration=None, n_jobs=2).fit_transform(chosen)
    for path, samples in zip(chosen, loaded, strict=True):
        np.testing.assert_array_equal(samples, by_hand(path, rate))


def test_bytes_of_a_file_are_decoded_as_the_file(wav):
    loader = AudioLoader(8000)
    np.testing.assert_array_equal(
        loader.fit_transform([wav.read_bytes()]), loader.fit_transform([wav])
    )


@pytest.mark.parametrize("quality", ["HQ", "VHQ", "MQ", "LQ", "QQ"])
def test_quality_is_that_of_soxr(quality):
    samples = sweep(2000).astype(np.float32)
    loader = AudioLoader(8000, duration=None, quality=quality, input_sample_rate=44100)
    (loaded,) = loader.fit_transform([samples])
    expected = soxr.resample(samples, 44100, 8000, quality=quality)
    np.testing.assert_array_equal(loaded, expected)


def test_a_tone_keeps_its_frequency_at_another_rate():
    tone = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    loaded = AudioLoader(16000, input_sample_rate=44100).fit_transform([tone])
    assert np.abs(np.fft.rfft(loaded[0])).argmax() == 1000


def test_input_sample_rate_is_not_for_files(wav):
    with_rate = AudioLoader(RATE, input_sample_rate=44100).fit_transform([wav])
    np.testing.assert_array_equal(with_rate, AudioLoader(RATE).fit_transform([wav]))


# -- Length ----------------------------------------------------------------------------


@given(
    n_samples=st.integers(1, 50),
    n_wanted=st.integers(1, 50),
    pad=st.sampled_from(["zeros", "tile"]),
    crop=st.sampled_from(["start", "center"]),
)
def test_length_is_made_by_cropping_or_padding(n_samples, n_wanted, pad, crop):
    clip = np.arange(1, n_samples + 1, dtype=np.float32)
    loader = AudioLoader(100, n_wanted / 100, pad=pad, crop=crop)
    (row,) = loader.fit_transform([clip])
    skipped = max(0, n_samples - n_wanted) // 2 if crop == "center" else 0
    for index in range(n_wanted):
        if index + skipped < n_samples:
            assert row[index] == clip[index + skipped]
        else:
            assert row[index] == (clip[index % n_samples] if pad == "tile" else 0)


def test_without_duration_the_output_is_ragged(three_wavs):
    loaded = AudioLoader(duration=None).fit_transform(three_wavs)
    assert loaded.dtype == object
    assert [clip.shape for clip in loaded] == [(4000,), (8000,), (12000,)]


def test_without_duration_equal_lengths_stay_an_object_array():
    loaded = AudioLoader(duration=None).fit_transform(np.ones((3, 7)))
    assert loaded.shape == (3,)


def test_duration_below_one_sample_is_refused():
    with pytest.raises(ValueError, match=r"duration=0.01 .*not milliseconds"):
        AudioLoader(sample_rate=10, duration=0.01).fit([[0.0, 1.0]])


# -- Collections -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "collect",
    [
        list,
        tuple,
        np.array,
        object_array,
        pd.Series,
        lambda paths: [Path(path) for path in paths],
        lambda paths: pd.Series(paths, dtype="string"),
        lambda paths: pd.DataFrame({"path": paths}),
        lambda paths: pd.DataFrame({"path": [Path(path) for path in paths]}),
        lambda paths: np.array(paths)[:, np.newaxis],
        lambda paths: [[path] for path in paths],
        lambda paths: [Path(path).read_bytes() for path in paths],
        lambda paths: [paths[0], soundfile.read(paths[1])[0], Path(paths[2])],
    ],
)
def test_files_may_come_in_any_collection(three_wavs, collect):
    expected = np.stack([by_hand(path, RATE)[:4000] for path in three_wavs])
    loaded = AudioLoader(duration=0.25).fit_transform(collect(three_wavs))
    np.testing.assert_allclose(loaded, expected, atol=1e-7)


@pytest.mark.parametrize(
    "collect",
    [
        list,
        tuple,
        np.stack,
        object_array,
        lambda clips: [clip.tolist() for clip in clips],
        lambda clips: pd.DataFrame(np.stack(clips)),
        lambda clips: pd.Series(object_array(clips)),
        lambda clips: np.stack(clips).astype(object),
        lambda clips: object_array(clips)[:, np.newaxis],
        lambda clips: np.stack(clips)[:, np.newaxis],
        lambda clips: [np.stack([clip, clip]) for clip in clips],
    ],
)
def test_waveforms_may_come_in_any_collection(collect):
    clips = [sweep(100, seed=seed) for seed in range(3)]
    loaded = AudioLoader(duration=100 / RATE).fit_transform(collect(clips))
    np.testing.assert_allclose(loaded, np.stack(clips), atol=1e-7)


def test_waveforms_may_differ_in_length():
    clips = [np.ones(3), np.ones(5), np.ones((2, 4))]
    loaded = AudioLoader(duration=4 / RATE).fit_transform(object_array(clips))
    np.testing.assert_array_equal(loaded, [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])


def test_channels_are_averaged():
    dense = np.random.default_rng(0).normal(size=(2, 3, 50)).astype(np.float32)
    loaded = AudioLoader(duration=50 / RATE).fit_transform(dense)
    np.testing.assert_array_equal(loaded, dense.mean(axis=1))


@pytest.mark.parametrize(
    ("dtype", "low", "middle", "high"),
    [
        (np.int16, -(2**15), 0, 2**15 - 1),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.uint8, 0, 128, 255),
        (np.int8, -128, 0, 127),
    ],
)
def test_integers_are_scaled_by_the_full_scale_of_their_dtype(dtype, low, middle, high):
    clip = np.array([low, middle, high], dtype=dtype)
    (row,) = AudioLoader(duration=3 / RATE).fit_transform([clip])
    step = 2.0 ** (1 - 8 * clip.itemsize)
    np.testing.assert_allclose(row, [-1, 0, 1 - step], rtol=0, atol=1e-7)


def test_integers_of_a_wav_file_equal_the_file(wav):
    samples, _ = soundfile.read(wav, dtype="int16")
    loader = AudioLoader()
    np.testing.assert_array_equal(
        loader.fit_transform([samples]), loader.fit_transform([wav])
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.bool_])
def test_other_numbers_are_taken_as_they_are(dtype):
    clip = np.array([0, 1, 1], dtype=dtype)
    (row,) = AudioLoader(duration=3 / RATE).fit_transform([clip])
    np.testing.assert_array_equal(row, [0, 1, 1])


def test_silence_and_a_single_sample_are_clips_like_any_other():
    loaded = AudioLoader(duration=3 / RATE).fit_transform([np.zeros(5), np.ones(1)])
    np.testing.assert_array_equal(loaded, [[0, 0, 0], [1, 0, 0]])


# -- Bad input -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad_files(folder, wav):
    ogg = write(folder / "whole.ogg", sweep())
    flac = write(folder / "whole.flac", sweep())
    files = {name: folder / name for name in ("text.wav", "empty.wav", "noise.raw")}
    files["text.wav"].write_text("this is no sound\n" * 100)
    files["empty.wav"].write_bytes(b"")
    files["noise.raw"].write_bytes(bytes(range(256)) * 10)
    for source in (ogg, flac):
        content = source.read_bytes()
        cut = folder / f"cut{source.suffix}"
        cut.write_bytes(content[: len(content) * 3 // 4])
        files[cut.name] = cut
    files["header.wav"] = folder / "header.wav"
    files["header.wav"].write_bytes(wav.read_bytes()[:30])
    files["no_samples.wav"] = write(folder / "no_samples.wav", np.zeros(0))
    holes = sweep()
    holes[70] = np.nan
    files["nan.wav"] = write(folder / "nan.wav", holes, subtype="FLOAT")
    files["missing.wav"] = folder / "missing.wav"
    files["folder"] = folder
    return files


BAD_FILES = [
    ("text.wav", ValueError, "cannot be decoded as audio"),
    ("empty.wav", ValueError, "cannot be decoded as audio"),
    ("noise.raw", ValueError, "cannot be decoded as audio"),
    ("header.wav", ValueError, "cannot be decoded as audio"),
    ("cut.flac", ValueError, "cannot be decoded as audio"),
    ("cut.ogg", ValueError, "cannot be decoded as audio|0 samples"),
    ("no_samples.wav", ValueError, "0 samples"),
    ("nan.wav", ValueError, "NaN or infinity"),
    ("missing.wav", FileNotFoundError, "no such file"),
    ("folder", ValueError, "is a directory"),
]


@pytest.mark.parametrize(("name", "error", "message"), BAD_FILES)
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_bad_file_is_an_error_that_names_it(
    wav, bad_files, name, error, message, n_jobs
):
    path = bad_files[name]
    loader = AudioLoader(n_jobs=n_jobs)
    with pytest.raises(error, match=message) as caught:
        loader.fit_transform([wav, wav, path])
    assert str(caught.value).startswith(f"clip 2 ({str(path)!r}): ")


@pytest.mark.parametrize(("name", "error", "message"), BAD_FILES)
def test_bad_file_becomes_silence_with_a_warning_on_demand(
    wav, bad_files, name, error, message
):
    path = bad_files[name]
    with pytest.warns(UserWarning, match=message) as caught:
        loaded = AudioLoader(on_error="warn").fit_transform([path, wav])
    assert [str(warning.message).split(": ")[0] for warning in caught] == [
        f"clip 0 ({str(path)!r})"
    ]
    np.testing.assert_array_equal(loaded, AudioLoader().transform([np.zeros(1), wav]))


def test_every_bad_file_has_its_warning_in_order(wav, bad_files):
    names = ["missing.wav", "text.wav", "folder"] * 15
    paths = [bad_files[name] for name in names]
    # A filter of the caller must hold for all of them, threads or not.
    with pytest.warns(UserWarning, match="Silence stands in") as caught:
        AudioLoader(0.1 * RATE, on_error="warn", n_jobs=2).transform([wav, *paths])
    assert {warning.filename for warning in caught} == {__file__}
    places = [int(str(warning.message).split()[1]) for warning in caught]
    assert places == list(range(1, 46))


def test_silence_lasts_a_second_where_no_duration_is_set(wav):
    with pytest.warns(UserWarning, match="no such file"):
        loaded = AudioLoader(100, duration=None, on_error="warn").transform(["nowhere"])
    np.testing.assert_array_equal(loaded[0], np.zeros(100))


def test_wav_that_was_cut_short_gives_what_is_left(folder, wav):
    cut = folder / "cut.wav"
    cut.write_bytes(wav.read_bytes()[: 44 + 2 * 1000])
    (loaded,) = AudioLoader(duration=None).fit_transform([cut])
    whole = by_hand(wav, RATE)
    np.testing.assert_array_equal(loaded, whole[: loaded.size])
    assert 900 < loaded.size <= 1000


NAN = np.array([0.0, np.nan])
INFINITE = np.array([np.inf, 0.0])


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        (NAN, ValueError, "NaN or infinity"),
        (INFINITE, ValueError, "NaN or infinity"),
        (-INFINITE, ValueError, "NaN or infinity"),
        (np.zeros(0), ValueError, "0 samples"),
        ([], ValueError, "0 samples"),
        (np.zeros((2, 0)), ValueError, "0 samples"),
        (np.zeros((2, 2, 2)), ValueError, r"its shape is \(2, 2, 2\)"),
        (np.zeros((50, 2)), ValueError, r"50 channels of 2 samples.*Transpose"),
        (None, TypeError, "it is None"),
        (3.0, TypeError, "it is a float"),
        (np.float32(3), TypeError, "it is a float32"),
        ({}, TypeError, "it is a dict"),
        (np.array([1j, 2]), TypeError, "it is a ndarray"),
        ([[1.0], [1.0, 2.0]], TypeError, "it is a list"),
        (["a", "b"], TypeError, "it is a list"),
        (object_array([np.ones(2), np.ones(3)]), TypeError, "it is a ndarray"),
        (b"no file", ValueError, "cannot be decoded as audio"),
        ("no\0path", (ValueError, FileNotFoundError), "null|no such file"),
    ],
)
def test_bad_clip_is_an_error_that_names_it(clip, error, message):
    with pytest.raises(error, match=message) as caught:
        AudioLoader().fit_transform([np.ones(3), clip])
    assert str(caught.value).startswith("clip 1")


def test_a_missing_path_in_a_column_is_named(wav):
    frame = pd.DataFrame({"path": [str(wav), None, str(wav)]})
    with pytest.raises(TypeError, match=r"clip 1: expected a waveform"):
        AudioLoader().fit_transform(frame)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("clip.wav", TypeError, r"single str.*\[X\]"),
        (Path("clip.wav"), TypeError, r"single \w*Path.*\[X\]"),
        (b"RIFF", TypeError, r"single bytes.*\[X\]"),
        (np.ones(5), ValueError, r"one clip of 5 samples.*\[X\]"),
        ([1.0, 2.0], ValueError, r"one clip of 2 samples.*\[X\]"),
        (pd.Series([1.0, 2.0]), ValueError, r"one clip of 2 samples.*\[X\]"),
        ([], ValueError, "no clips"),
        ((), ValueError, "no clips"),
        (np.zeros(0), ValueError, "no clips"),
        (np.zeros((0, 4)), ValueError, "0 sample"),
        (np.zeros((4, 0)), ValueError, "0 feature"),
        (np.zeros((1, 1, 1, 4)), ValueError, "dim 4"),
        (np.array([b"a", b"b"]), ValueError, "dtype bytes"),
        (np.array([["a.wav", "b.wav"]]), ValueError, "strings|convert"),
    ],
)
def test_bad_collection_is_refused_in_fit_and_transform(X, error, message):
    with pytest.raises(error, match=message):
        AudioLoader().fit(X)
    with pytest.raises(error, match=message):
        AudioLoader().transform(X)


def test_bad_row_of_a_dense_array_is_named():
    X = np.zeros((4, 9))
    X[2, 5] = np.nan
    with pytest.raises(ValueError, match=r"^clip 2: it contains NaN"):
        AudioLoader().fit(X)
    with pytest.warns(UserWarning, match=r"^clip 2: it contains NaN"):
        loaded = AudioLoader(on_error="warn").fit_transform(X)
    assert loaded.shape == (4, RATE)


def test_resampling_a_clip_away_is_an_error():
    loader = AudioLoader(8000, input_sample_rate=48000)
    with pytest.raises(ValueError, match=r"clip 0: nothing is left of its 1 samples"):
        loader.fit_transform([[0.5]])


@pytest.mark.parametrize(
    "params",
    [
        {"sample_rate": "16000"},
        {"sample_rate": 0},
        {"sample_rate": None},
        {"duration": -1},
        {"duration": "1 s"},
        {"pad": "wrap"},
        {"crop": "end"},
        {"quality": "best"},
        {"input_sample_rate": "8k"},
        {"on_error": "ignore"},
        {"n_jobs": 1.5},
    ],
)
def test_bad_parameter_is_named(params):
    (name,) = params
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match=f"'{name}' parameter of AudioLoader"):
            getattr(AudioLoader(**params), method)([[0.0, 1.0]])


# -- A scikit-learn citizen ------------------------------------------------------------


def test_threads_do_not_change_the_result(three_wavs):
    paths = three_wavs * 30
    np.testing.assert_array_equal(
        AudioLoader(8000, n_jobs=3).transform(paths), AudioLoader(8000).transform(paths)
    )


def test_dense_width_is_checked_but_lists_are_free():
    loader = AudioLoader(duration=4 / RATE).fit(np.ones((2, 4)))
    assert loader.n_features_in_ == 4
    with pytest.raises(ValueError, match="X has 5 features"):
        loader.transform(np.ones((2, 5)))
    assert loader.transform(list(np.ones((2, 5)))).shape == (2, 4)


def test_refitting_on_a_list_forgets_the_columns(three_wavs):
    loader = AudioLoader().fit(pd.DataFrame({"path": three_wavs}))
    assert list(loader.feature_names_in_) == ["path"]
    assert loader.n_features_in_ == 1
    loader.fit(three_wavs)
    assert not hasattr(loader, "feature_names_in_")
    assert not hasattr(loader, "n_features_in_")


def test_another_column_name_is_refused(three_wavs):
    loader = AudioLoader().fit(pd.DataFrame({"path": three_wavs}))
    with pytest.raises(ValueError, match="feature names should match"):
        loader.transform(pd.DataFrame({"file": three_wavs}))


def test_feature_names_and_data_frames(three_wavs):
    loader = AudioLoader(100, 0.02).set_output(transform="pandas")
    frame = loader.fit_transform(pd.DataFrame({"path": three_wavs}, index=[5, 6, 7]))
    assert list(frame.columns) == ["audioloader0", "audioloader1"]
    assert list(frame.index) == [5, 6, 7]
    assert list(loader.get_feature_names_out()) == list(frame.columns)
    ragged = AudioLoader(duration=None).fit(three_wavs)
    assert list(ragged.get_feature_names_out()) == ["audioloader0"]


def test_clones_and_pickles_load_the_same(three_wavs):
    loader = AudioLoader(8000, 0.3, pad="tile", crop="center").fit(three_wavs)
    expected = loader.transform(three_wavs)
    for copy in (clone(loader), pickle.loads(pickle.dumps(loader))):  # noqa: S301
        assert copy.get_params() == loader.get_params()
        np.testing.assert_array_equal(copy.transform(three_wavs), expected)
