"""Recordings in blocks: sample by sample what the whole file holds."""

import warnings

import numpy as np
import pytest
import soundfile
import soxr

from sklearn_audio.feature_extraction import _stream
from sklearn_audio.feature_extraction._stream import stream_mono

RATE = 16000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(_stream, "_BLOCK_SAMPLES", 997)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).uniform(-0.3, 0.3, size=(20_011, 2))


def by_hand(source, rate):
    samples, native = soundfile.read(source, dtype="float32")
    samples = samples.mean(axis=1) if samples.ndim == 2 else samples
    return samples if native == rate else soxr.resample(samples, native, rate)


def whole(recording, rate=RATE):
    blocks = list(stream_mono(recording, rate))
    assert all(block.dtype == np.float32 for block in blocks)
    return np.concatenate(blocks)


@pytest.mark.parametrize("rate", [RATE, 22050, 8000, 44100.0])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_files_equal_soundfile_and_soxr_by_hand(tmp_path, noise, rate, n_channels):
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise[:, :n_channels], RATE)
    for recording in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(whole(recording, rate), by_hand(path, rate))


@pytest.mark.parametrize(
    ("container", "codec"),
    [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)],
)
def test_decoders_keep_their_state_from_block_to_block(
    tmp_path, noise, container, codec
):
    path = tmp_path / "noise"
    soundfile.write(path, noise[:, 0], RATE, format=container, subtype=codec)
    # Rounding to float32: another kind of read, another order of operations.
    np.testing.assert_allclose(whole(path), by_hand(path, RATE), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_arrays_in_memory_and_on_disk(tmp_path, noise, dtype):
    samples = noise[:, 0]
    if dtype == "int16":
        samples = np.round(samples * 32768)
    samples = samples.astype(dtype)
    np.save(tmp_path / "noise.npy", samples)
    on_disk = np.load(tmp_path / "noise.npy", mmap_mode="r")
    expected = samples / np.float32(32768 if dtype == "int16" else 1)
    for recording in (samples, on_disk):
        np.testing.assert_array_equal(whole(recording), expected.astype(np.float32))


def test_a_reader_that_stops_early_closes_the_file(tmp_path, noise):
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise, RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        blocks = stream_mono(path, RATE)
        assert len(next(blocks)) == 997
        blocks.close()
    path.unlink()
    with pytest.raises(StopIteration):
        next(blocks)


def test_a_file_that_was_cut_short_is_an_error_once_that_is_seen(tmp_path, noise):
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise, RATE)
    content = path.read_bytes()
    blocks = stream_mono(content[: len(content) // 2], RATE)
    assert len(next(blocks)) == 997
    with pytest.raises(ValueError, match=r"cannot be decoded.*libsndfile"):
        list(blocks)


@pytest.mark.parametrize(
    ("recording", "error", "message"),
    [
        ("missing.wav", FileNotFoundError, "there is no such file"),
        (b"no audio", ValueError, "cannot be decoded as audio"),
        (np.zeros((2, 5)), ValueError, r"\(2, 5\) where a waveform of one channel"),
        (np.array([0.0, np.nan]), ValueError, "NaN or infinity"),
        (["a.wav", "b.wav"], TypeError, "expected a waveform of real numbers"),
        (None, TypeError, "it is None"),
    ],
)
def test_bad_recordings(recording, error, message):
    with pytest.raises(error, match=message):
        list(stream_mono(recording, RATE))


def test_samples_of_a_file_that_are_not_finite(tmp_path):
    samples = np.zeros(3000, dtype=np.float32)
    samples[2500] = np.inf
    soundfile.write(tmp_path / "odd.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="NaN or infinity"):
        list(stream_mono(tmp_path / "odd.wav", RATE))
