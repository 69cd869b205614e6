"""load_fsdd."""

import hashlib
import io
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from sklearn_audio.datasets import _fsdd, load_fsdd


@pytest.mark.parametrize(
    "folder",
    ["fsdd", "free-spoken-digit-dataset-1.0.10", "free-spoken-digit-dataset-master"],
)
def test_reads_label_speaker_and_split_from_the_file_names(folder, make_files):
    names = ("3_jackson_4.wav", "3_jackson_5.wav", "0_theo_49.wav", "readme.wav")
    home = make_files({f"{folder}/recordings/{name}": "" for name in names})
    data = load_fsdd(data_home=home)
    assert [Path(path).name for path in data.paths] == [
        "0_theo_49.wav",
        "3_jackson_4.wav",
        "3_jackson_5.wav",
    ]
    assert data.target.tolist() == ["0", "3", "3"]
    assert data.groups.tolist() == ["theo", "jackson", "jackson"]
    assert data.split.tolist() == ["train", "test", "train"]
    assert data.folds is None
    assert data.sample_rate == 8000
    assert "CC BY-SA 4.0" in data.DESCR


def test_downloads_the_published_layout(server, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("free-spoken-digit-dataset-1.0.10/recordings/1_theo_0.wav", "")
        file.writestr("free-spoken-digit-dataset-1.0.10/README.md", "")
    server.content = buffer.getvalue()
    archive = replace(
        _fsdd._FSDD.archive,
        url=server.url,
        checksum=f"sha256:{hashlib.sha256(server.content).hexdigest()}",
    )
    monkeypatch.setattr(
        _fsdd, "_FSDD", replace(_fsdd._FSDD, archive=archive, n_clips=1)
    )
    paths, target = load_fsdd(data_home=tmp_path, download=True, return_X_y=True)
    recordings = tmp_path / "free-spoken-digit-dataset-1.0.10" / "recordings"
    assert paths.tolist() == [str(recordings / "1_theo_0.wav")]
    assert target.tolist() == ["1"]


def test_real_data(real_data):
    data = load_fsdd(data_home=real_data)
    assert len(data.paths) == 3000
    assert Counter(data.target.tolist()) == dict.fromkeys("0123456789", 300)
    assert len(set(data.groups)) == 6
    assert (
        Counter(zip(data.target, data.groups, strict=True)).most_common(1)[0][1] == 50
    )
    assert Counter(data.split.tolist()) == {"train": 2700, "test": 300}
    assert all(Path(path).is_file() for path in data.paths)
    assert soundfile.info(data.paths[0]).samplerate == data.sample_rate
