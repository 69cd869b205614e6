"""save_clips and load_audio_folder."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sklearn_audio.datasets import load_audio_folder, save_clips

RATE = 8000


@pytest.fixture
def clips():
    X = np.random.RandomState(0).uniform(-1, 1, (5, 400)).astype(np.float32)
    return X, np.array(["dog", "cat", "dog", "two words", "dog"])


# Writing


def test_save_clips_writes_what_it_was_given(clips, tmp_path):
    X, y = clips
    paths = save_clips(tmp_path / "sounds", X, y, sample_rate=RATE)
    for path, clip, label in zip(paths, X, y, strict=True):
        assert Path(path).parent == tmp_path / "sounds" / label
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        # One step of 16 bits.
        np.testing.assert_allclose(samples, clip, atol=2**-15)


def test_save_clips_takes_ragged_clips_and_numeric_labels(tmp_path):
    X = [np.zeros(10), np.ones(20)]
    paths = save_clips(tmp_path / "sounds", X, [1, 2], sample_rate=RATE)
    assert [soundfile.info(path).frames for path in paths] == [10, 20]
    assert [Path(path).parent.name for path in paths] == ["1", "2"]


def test_saved_clips_load_again(clips, tmp_path):
    X, y = clips
    saved = save_clips(tmp_path / "sounds", X, y, sample_rate=RATE)
    paths, target = load_audio_folder(tmp_path / "sounds", return_X_y=True)
    assert dict(zip(paths, target, strict=True)) == dict(zip(saved, y, strict=True))


def test_files_of_a_class_sort_in_the_clips_order(tmp_path):
    X = np.zeros((12, 4))
    saved = save_clips(tmp_path / "sounds", X, ["a"] * 12, sample_rate=RATE)
    assert sorted(saved) == saved.tolist()


def test_save_clips_fills_an_empty_folder_only(clips, tmp_path, tree):
    X, y = clips
    (tmp_path / "sounds").mkdir()
    save_clips(tmp_path / "sounds", X, y, sample_rate=RATE)
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match="sounds holds something"):
        save_clips(tmp_path / "sounds", X, y, sample_rate=RATE)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full(4, 1.5), r"clip 1 has samples outside \[-1, 1\]"),
        (np.full(4, np.nan), r"clip 1 has samples outside \[-1, 1\] or NaN"),
        (np.zeros((2, 4)), r"clip 1 must be a 1-D array .* \(2, 4\)"),
        (np.zeros(4, dtype=np.int16), r"clip 1 must hold floats .* int16"),
    ],
)
def test_a_bad_clip_is_named_and_nothing_is_written(bad, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_clips(
            tmp_path / "sounds", [np.zeros(4), bad], ["a", "b"], sample_rate=RATE
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["../up", "a/b", "a\\b", "..", ".hidden", ""])
def test_labels_that_cannot_name_a_folder(label, tmp_path):
    with pytest.raises(ValueError, match="cannot name a folder"):
        save_clips(tmp_path / "sounds", [np.zeros(4)], [label], sample_rate=RATE)
    assert list(tmp_path.iterdir()) == []


def test_clips_and_labels_of_different_number(tmp_path):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        save_clips(tmp_path / "sounds", np.zeros((2, 4)), ["a"], sample_rate=RATE)


# Reading


def test_load_audio_folder_finds_audio_at_any_depth(make_files):
    folder = make_files(
        {
            "dog/1.wav": "",
            "dog/more/2.FLAC": "",
            "cat/3.ogg": "",
            "cat/notes.txt": "",
            "cat/.hidden.wav": "",
            ".cache/4.wav": "",
            "5.wav": "",
        }
    )
    data = load_audio_folder(folder)
    found = [Path(path).relative_to(folder).as_posix() for path in data.paths]
    assert found == ["cat/3.ogg", "dog/1.wav", "dog/more/2.FLAC"]
    assert data.target.tolist() == ["cat", "dog", "dog"]
    assert data.target_names.tolist() == ["cat", "dog"]
    assert data.groups is None
    assert str(folder) in data.DESCR


@pytest.mark.parametrize("files", [{}, {"5.wav": ""}, {"cat/notes.txt": ""}])
def test_load_audio_folder_without_audio(files, make_files):
    with pytest.raises(FileNotFoundError, match="No audio files in the subfolders"):
        load_audio_folder(make_files(files))


def test_load_audio_folder_that_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        load_audio_folder(tmp_path / "absent")
