"""load_urbansound8k."""

from pathlib import Path

import pytest

from sklearn_audio.datasets import load_urbansound8k

PUBLISHED = (
    "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
    "100263-2-0-117.wav,100263,58.5,62.5,1,10,2,children_playing\n"
    "7061-6-0-0.wav,7061,0.0,1.2,1,1,6,gun_shot\n"
)


@pytest.mark.parametrize("folder", ["UrbanSound8K", "urbansound8k"])
def test_reads_the_published_layout_as_far_as_it_goes(folder, make_files):
    home = make_files(
        {
            f"{folder}/metadata/UrbanSound8K.csv": PUBLISHED,
            f"{folder}/audio/fold5/100032-3-0-0.wav": "",
            f"{folder}/audio/fold10/100263-2-0-117.wav": "",
        }
    )
    data = load_urbansound8k(data_home=home)
    assert data.paths.tolist() == [
        str(home / folder / "audio/fold5/100032-3-0-0.wav"),
        str(home / folder / "audio/fold10/100263-2-0-117.wav"),
    ]
    assert data.target.tolist() == ["dog_bark", "children_playing"]
    assert data.groups.tolist() == ["100032", "100263"]
    assert data.folds.tolist() == [5, 10]
    assert data.sample_rate is None
    assert "CC BY-NC 3.0" in data.DESCR


def test_names_every_class_as_the_published_table_does(make_files):
    classes = [
        "air_conditioner",
        "car_horn",
        "children_playing",
        "dog_bark",
        "drilling",
        "engine_idling",
        "gun_shot",
        "jackhammer",
        "siren",
        "street_music",
    ]
    table = "filename,fold,classID,fsID\n" + "".join(
        f"{name}.ogg,1,{number},7\n" for number, name in enumerate(classes)
    )
    home = make_files({"meta.csv": table, **{f"{name}.ogg": "" for name in classes}})
    data = load_urbansound8k(data_home=home)
    assert data.target.tolist() == classes


def test_real_data(real_data):
    data = load_urbansound8k(data_home=real_data)
    assert len(data.paths) == 873
    assert len(data.target_names) == 10
    assert set(data.folds) == {1}
    assert all(Path(path).is_file() for path in data.paths)


def test_real_labels_and_groups_are_those_of_the_file_names(real_data):
    data = load_urbansound8k(data_home=real_data)
    # A file is named <fsID>-<classID>-<occurrence>-<slice>.
    parts = [Path(path).name.split("-") for path in data.paths]
    assert data.groups.tolist() == [part[0] for part in parts]
    ids = [int(part[1]) for part in parts]
    assert data.target.tolist() == [data.target_names[number] for number in ids]
