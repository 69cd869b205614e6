"""load_speech_commands_ar."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sklearn_audio.datasets import load_speech_commands_ar


@pytest.mark.parametrize("validation", ["val.csv", "valid.csv"])
@pytest.mark.parametrize(
    "folder",
    ["arabic-speech-commands-dataset", "someone-arabic-speech-commands-dataset-72f34"],
)
def test_reads_the_published_layout(folder, validation, make_files):
    home = make_files(
        {
            f"{folder}/train.csv": (
                "file,class\n"
                "dataset/yes/00000001_NO_01.wav,yes\n"
                "dataset/yes/00000001_NO_02.wav,yes\n"  # not in this partial copy
            ),
            f"{folder}/{validation}": (
                "file,class\ndataset/zoom_in/00000002_NO_10.wav,zoom in\n"
            ),
            f"{folder}/test.csv": "file,class\ndataset/up/00000003_NO_01.wav,up\n",
            f"{folder}/dataset/yes/00000001_NO_01.wav": "",
            f"{folder}/dataset/zoom_in/00000002_NO_10.wav": "",
            f"{folder}/dataset/up/00000003_NO_01.wav": "",
        }
    )
    data = load_speech_commands_ar(data_home=home)
    rows = set(
        zip(data.target, data.groups, data.split, data.role, strict=True),
    )
    assert rows == {
        ("yes", "00000001", "train", "known"),
        ("zoom_in", "00000002", "validation", "unknown"),
        ("up", "00000003", "test", "known"),
    }
    assert all(Path(path).is_file() for path in data.paths)


def test_download_says_how_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=r"zenodo\.4662481 and pass archive="):
        load_speech_commands_ar(data_home=tmp_path, download=True)


def test_real_data(real_data):
    data = load_speech_commands_ar(data_home=real_data)
    assert len(data.paths) == 6000
    assert set(Counter(data.target.tolist()).values()) == {300}
    assert len(data.target_names) == 20
    assert len(set(data.target[data.role == "known"])) == 10
    assert all(Path(path).is_file() for path in data.paths)
    assert soundfile.info(data.paths[0]).samplerate == data.sample_rate
    speakers = {
        split: set(data.groups[data.split == split]) for split in np.unique(data.split)
    }
    sizes = {split: len(names) for split, names in speakers.items()}
    assert sizes == {"train": 18, "validation": 6, "test": 6}
    assert len(set.union(*speakers.values())) == 30


def test_real_roles_are_those_of_the_table(real_data):
    data = load_speech_commands_ar(data_home=real_data)
    with (real_data / "speech_commands_ar" / "meta.csv").open() as file:
        roles = {row["keyword"]: row["role"] for row in csv.DictReader(file)}
    assert dict(zip(data.target.tolist(), data.role.tolist(), strict=True)) == roles
