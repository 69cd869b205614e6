"""load_esc50."""

from collections import Counter
from pathlib import Path

import pytest
import soundfile

from sklearn_audio.datasets import load_esc50

PUBLISHED = (
    "filename,fold,target,category,esc10,src_file,take\n"
    "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
    "5-9032-A-49.wav,5,49,hand_saw,False,9032,A\n"
    "2-81721-A-48.wav,2,48,fireworks,False,81721,A\n"
)


@pytest.mark.parametrize("folder", ["ESC-50-master", "ESC-50", "esc50"])
def test_reads_the_published_layout_as_far_as_it_goes(folder, make_files):
    home = make_files(
        {
            f"{folder}/meta/esc50.csv": PUBLISHED,
            f"{folder}/audio/1-100032-A-0.wav": "",
            f"{folder}/audio/5-9032-A-49.wav": "",
        }
    )
    data = load_esc50(data_home=home)
    assert data.paths.tolist() == [
        str(home / folder / "audio" / "1-100032-A-0.wav"),
        str(home / folder / "audio" / "5-9032-A-49.wav"),
    ]
    assert data.target.tolist() == ["dog", "hand_saw"]
    assert data.groups.tolist() == ["100032", "9032"]
    assert data.folds.tolist() == [1, 5]
    assert data.categories == {"dog": "animals", "hand_saw": "exterior"}
    assert data.sample_rate == 44100
    assert "CC BY-NC 3.0" in data.DESCR


def test_reads_a_single_table(make_files):
    home = make_files(
        {
            "esc50_fold4/meta.csv": (
                "filename,fold,target,category,src_file,take\n"
                "audio/4-102844-A-49.ogg,4,49,hand_saw,102844,A\n"
            ),
            "esc50_fold4/audio/4-102844-A-49.ogg": "",
        }
    )
    data = load_esc50(data_home=home)
    assert data.paths.tolist() == [str(home / "esc50_fold4/audio/4-102844-A-49.ogg")]
    assert data.target.tolist() == ["hand_saw"]


def test_two_values_have_no_categories(make_files):
    home = make_files(
        {"ESC-50/meta/esc50.csv": PUBLISHED, "ESC-50/audio/1-100032-A-0.wav": ""}
    )
    paths, target = load_esc50(data_home=home, return_X_y=True)
    assert len(paths) == len(target) == 1


def test_ignores_the_table_of_another_set(make_files):
    home = make_files({"meta.csv": "filename,fold,classID,fsID\na.ogg,1,3,7\n"})
    with pytest.raises(FileNotFoundError, match="ESC-50 was not found"):
        load_esc50(data_home=home)


def test_real_data(real_data):
    data = load_esc50(data_home=real_data)
    assert len(data.paths) == 400
    assert set(Counter(data.target.tolist()).values()) == {8}
    assert len(data.target_names) == 50
    assert set(data.folds) == {4}
    # The last number of a file's name counts the classes; ten make a category.
    names = ["animals", "natural", "human", "interior", "exterior"]
    for path, label in zip(data.paths, data.target, strict=True):
        number = int(Path(path).stem.split("-")[-1])
        assert data.categories[label] == names[number // 10]
    assert len(data.categories) == 50
    assert all(Path(path).is_file() for path in data.paths)
    assert soundfile.info(data.paths[0]).samplerate == data.sample_rate
