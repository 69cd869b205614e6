"""from_soundata and from_mirdata, on real objects of those libraries.

Each object is pointed at a small index and small files: nothing is downloaded.
"""

import json

import mirdata
import numpy as np
import pytest
import soundata

from sklearn_audio.datasets import from_mirdata, from_soundata


def with_index(dataset, path, items):
    path.write_text(json.dumps({"version": "test", **items}))
    dataset.index_path = str(path)
    return dataset


def audio_index(names):
    return {name: {"audio": [file, "0" * 32]} for name, file in names.items()}


@pytest.fixture
def esc50(make_files, tmp_path):
    home = make_files(
        {
            "meta/esc50.csv": (
                "filename,fold,target,category,esc10,src_file,take\n"
                "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
                "5-9032-A-49.wav,5,49,hand_saw,False,9032,A\n"
                "2-81721-A-48.wav,2,48,fireworks,False,81721,A\n"
            ),
            "audio/1-100032-A-0.wav": "",
            "audio/5-9032-A-49.wav": "",
        }
    )
    names = ("1-100032-A-0", "5-9032-A-49", "2-81721-A-48")
    index = audio_index({name: f"audio/{name}.wav" for name in names})
    dataset = soundata.initialize("esc50", data_home=str(home))
    return with_index(dataset, tmp_path / "index.json", {"clips": index})


def test_soundata_esc50(esc50):
    data = from_soundata(esc50)
    home = esc50.data_home
    assert data.paths.tolist() == [
        f"{home}/audio/1-100032-A-0.wav",
        f"{home}/audio/5-9032-A-49.wav",
    ]
    assert data.target.tolist() == ["dog", "hand_saw"]
    assert data.target_names.tolist() == ["dog", "hand_saw"]
    assert data.groups.tolist() == ["100032", "9032"]
    assert data.folds.tolist() == [1, 5]
    assert "split" not in data
    assert data.DESCR.startswith("esc50")
    assert "Piczak" in data.DESCR


def test_soundata_properties_by_name_and_by_function(esc50):
    data = from_soundata(
        esc50,
        label=lambda clip: None if clip.category == "dog" else clip.take,
        group="take",
        fold="target",
    )
    assert data.target.tolist() == ["A"]
    assert data.groups.tolist() == ["A"]
    assert data.folds.tolist() == [49]


def test_soundata_return_X_y(esc50):  # noqa: N802
    paths, target = from_soundata(esc50, return_X_y=True)
    assert paths.shape == target.shape == (2,)


def test_soundata_urbansound8k(make_files, tmp_path):
    home = make_files(
        {
            "metadata/UrbanSound8K.csv": (
                "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
                "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
            ),
            "audio/fold5/100032-3-0-0.wav": "",
        }
    )
    index = audio_index({"100032-3-0-0": "audio/fold5/100032-3-0-0.wav"})
    dataset = with_index(
        soundata.initialize("urbansound8k", data_home=str(home)),
        tmp_path / "index.json",
        {"clips": index},
    )
    data = from_soundata(dataset)
    assert data.target.tolist() == ["dog_bark"]
    assert data.groups.tolist() == ["100032"]
    assert data.folds.tolist() == [5]


def tags_of(clip, names):
    return soundata.annotations.Tags(names, "open", np.ones(len(names)))


def test_soundata_one_tag_per_clip_is_its_class(esc50):
    data = from_soundata(esc50, label=lambda clip: tags_of(clip, [clip.category]))
    assert data.target.tolist() == ["dog", "hand_saw"]
    one_of_several = from_soundata(esc50, label=lambda clip: ["b", "a"][0])
    assert one_of_several.target.tolist() == ["b", "b"]


@pytest.mark.parametrize("kind", [list, tuple, np.array, "Tags"])
def test_soundata_several_tags_per_clip_are_a_table(esc50, kind):
    names = {"dog": ["rain", "dog"], "hand_saw": ["tool"]}

    def label(clip):
        tags = names[clip.category]
        return tags_of(clip, tags) if kind == "Tags" else kind(tags)

    data = from_soundata(esc50, label=label)
    assert data.target_names.tolist() == ["dog", "rain", "tool"]
    assert data.target.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert data.target.dtype.kind == "i"
    assert data.groups.tolist() == ["100032", "9032"]
    paths, target = from_soundata(esc50, label=label, return_X_y=True)
    assert target.shape == (len(paths), 3)


def test_soundata_clips_without_a_tag_are_rows_of_zeros(esc50):
    data = from_soundata(
        esc50, label=lambda clip: ["dog"] if clip.category == "dog" else []
    )
    assert data.target.tolist() == [[1], [0]]
    left_out = from_soundata(
        esc50, label=lambda clip: ["a", "b"] if clip.category == "dog" else None
    )
    assert left_out.target.tolist() == [[1, 1]]
    assert len(left_out.paths) == 1
    mixed = from_soundata(
        esc50, label=lambda clip: "dog" if clip.category == "dog" else ["dog", "saw"]
    )
    assert mixed.target.tolist() == [[1, 0], [1, 1]]


def test_soundata_without_files(esc50, tmp_path):
    esc50.data_home = str(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"none of its 3 audio files.*download"):
        from_soundata(esc50)


def test_soundata_without_audio(make_files, tmp_path):
    # Clips of this kind that the index gives no audio file.
    dataset = soundata.initialize("esc50", data_home=str(make_files({})))
    clips = {"1-100032-A-0": {"audio": [None, None]}}
    with_index(dataset, tmp_path / "index.json", {"clips": clips})
    with pytest.raises(ValueError, match="no audio file, in the attribute audio_path"):
        from_soundata(dataset)


def test_soundata_unknown_attribute(esc50):
    with pytest.raises(ValueError, match=r"group='speaker'.*src_file"):
        from_soundata(esc50, group="speaker")


def test_soundata_all_classes_none(esc50):
    for nothing in (None, []):
        with pytest.raises(ValueError, match="esc50: no clip has a class or a tag"):
            from_soundata(esc50, label=lambda clip, nothing=nothing: nothing)


@pytest.mark.parametrize("dataset", ["esc50", None])
def test_what_is_no_data_set_of_soundata(dataset):
    with pytest.raises(TypeError, match=r"soundata\.initialize"):
        from_soundata(dataset)


@pytest.fixture
def medley_solos_db(make_files, tmp_path):
    home = make_files(
        {
            "annotation/Medley-solos-DB_metadata.csv": (
                "subset,instrument,instrument_id,song_id,uuid4\n"
                "test,clarinet,0,12,aaa\n"
                "training,flute,3,34,bbb\n"
            ),
            "audio/aaa.wav": "",
            "audio/bbb.wav": "",
        }
    )
    index = audio_index({"aaa": "audio/aaa.wav", "bbb": "audio/bbb.wav"})
    dataset = mirdata.initialize("medley_solos_db", data_home=str(home))
    return with_index(dataset, tmp_path / "index.json", {"tracks": index})


def test_mirdata_medley_solos_db(medley_solos_db):
    data = from_mirdata(medley_solos_db)
    assert data.target.tolist() == ["clarinet", "flute"]
    assert data.groups.tolist() == ["12", "34"]
    assert data.split.tolist() == ["test", "training"]
    assert data.folds is None
    assert "Lostanlen" in data.DESCR


def test_mirdata_properties_by_name(medley_solos_db):
    data = from_mirdata(medley_solos_db, label="instrument_id", fold="song_id")
    assert data.target.tolist() == ["0", "3"]
    assert data.folds.tolist() == [12, 34]


def test_mirdata_genre(make_files, tmp_path):
    home = make_files({"audio/blues.00000.wav": ""})
    dataset = with_index(
        mirdata.initialize("gtzan_genre", data_home=str(home)),
        tmp_path / "index.json",
        {
            "tracks": {
                "blues.00000": {
                    "audio": ["audio/blues.00000.wav", "0" * 32],
                    "tempo": [None, None],
                    "beats": [None, None],
                }
            }
        },
    )
    data = from_mirdata(dataset)
    assert data.target.tolist() == ["blues"]
    assert data.groups is None


def test_mirdata_without_a_class(make_files, tmp_path):
    home = make_files({"a.wav": "", "a.txt": ""})
    dataset = mirdata.initialize("vocadito", data_home=str(home))
    keys = ("f0", "lyrics", "notesA1", "notesA2")
    track = {"audio": ["a.wav", ""], **{key: ["a.txt", ""] for key in keys}}
    with_index(dataset, tmp_path / "index.json", {"tracks": {"1": track}})
    with pytest.raises(ValueError, match=r"Say which one is the class with label="):
        from_mirdata(dataset)


def test_what_is_no_data_set_of_mirdata(esc50):
    with pytest.raises(TypeError, match=r"mirdata\.initialize"):
        from_mirdata(esc50)
