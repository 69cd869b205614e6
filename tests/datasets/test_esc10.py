"""load_esc10."""

from collections import Counter
from pathlib import Path

import soundfile

from sklearn_audio.datasets import load_esc10


def test_is_cut_out_of_a_copy_of_esc50(make_files):
    home = make_files(
        {
            "ESC-50-master/meta/esc50.csv": (
                "filename,fold,target,category,esc10,src_file,take\n"
                "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
                "5-9032-A-49.wav,5,49,hand_saw,False,9032,A\n"
            ),
            "ESC-50-master/audio/1-100032-A-0.wav": "",
            "ESC-50-master/audio/5-9032-A-49.wav": "",
        }
    )
    data = load_esc10(data_home=home)
    assert data.target.tolist() == ["dog"]
    assert data.categories == {"dog": "animals"}
    assert "CC BY 3.0" in data.DESCR


def test_real_data(real_data):
    data = load_esc10(data_home=real_data)
    assert len(data.paths) == 400
    assert set(Counter(data.target.tolist()).values()) == {40}
    assert len(data.target_names) == 10
    assert data.categories.keys() == set(data.target_names)
    assert len(set(data.categories.values())) == 5
    assert set(data.folds) == {1, 2, 3, 4, 5}
    assert all(Path(path).is_file() for path in data.paths)
    assert soundfile.info(data.paths[0]).samplerate == data.sample_rate


def test_real_recordings_keep_to_one_fold(real_data):
    data = load_esc10(data_home=real_data)
    pairs = set(zip(data.groups.tolist(), data.folds.tolist(), strict=True))
    assert len(pairs) == len(set(data.groups))
