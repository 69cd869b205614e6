"""load_speech_commands."""

from pathlib import Path

import pytest

from sklearn_audio.datasets import load_speech_commands

FILES = {
    "yes/0a7c2a8d_nohash_0.wav": "",
    "yes/0a7c2a8d_nohash_1.wav": "",
    "yes/1b2c3d4e_nohash_0.wav": "",
    "bed/00f0204f_nohash_0.wav": "",
    "bed/notes.wav": "",
    "_background_noise_/white_nohash_0.wav": "",
    "LICENSE": "",
}
LISTS = {
    "validation_list.txt": "yes/1b2c3d4e_nohash_0.wav\n",
    "testing_list.txt": "bed/00f0204f_nohash_0.wav\n",
}


@pytest.mark.parametrize(
    "folder",
    [
        "speech_commands_v0.02",
        "SpeechCommands/speech_commands_v0.02",
        "speech_commands",
    ],
)
def test_reads_the_published_layout(folder, make_files):
    home = make_files({f"{folder}/{name}": text for name, text in FILES.items()})
    for name, text in LISTS.items():
        (home / folder / name).write_text(text)
    data = load_speech_commands(data_home=home)
    found = [Path(path).relative_to(home / folder).as_posix() for path in data.paths]
    assert found == [
        "bed/00f0204f_nohash_0.wav",
        "yes/0a7c2a8d_nohash_0.wav",
        "yes/0a7c2a8d_nohash_1.wav",
        "yes/1b2c3d4e_nohash_0.wav",
    ]
    assert data.target.tolist() == ["bed", "yes", "yes", "yes"]
    assert data.groups.tolist() == ["00f0204f", "0a7c2a8d", "0a7c2a8d", "1b2c3d4e"]
    assert data.split.tolist() == ["test", "train", "train", "validation"]
    assert data.role.tolist() == ["unknown", "known", "known", "known"]
    assert data.sample_rate == 16000
    assert "version 2" in data.DESCR


def test_the_ten_known_words(make_files):
    words = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
    others = ["zero", "marvin", "backward"]
    home = make_files({f"{word}/x_nohash_0.wav": "" for word in (*words, *others)})
    data = load_speech_commands(data_home=home)
    assert set(data.target[data.role == "known"]) == set(words)
    assert set(data.target[data.role == "unknown"]) == set(others)


def test_a_copy_without_lists_has_no_split(make_files):
    data = load_speech_commands(data_home=make_files(FILES))
    assert "split" not in data
    assert len(data.paths) == 4


def test_versions_have_folders_of_their_own(make_files):
    home = make_files(
        {
            "speech_commands_v0.01/no/a_nohash_0.wav": "",
            "speech_commands_v0.02/yes/a_nohash_0.wav": "",
        }
    )
    first = load_speech_commands(data_home=home, version=1)
    assert first.target.tolist() == ["no"]
    assert "version 1" in first.DESCR
    second = load_speech_commands(data_home=home, version=2)
    assert second.target.tolist() == ["yes"]


def test_unknown_version(tmp_path):
    with pytest.raises(ValueError, match="version must be 1 or 2, not 3"):
        load_speech_commands(data_home=tmp_path, version=3)


def test_without_a_copy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Speech Commands version 1 was not"):
        load_speech_commands(data_home=tmp_path / "absent", version=1)
