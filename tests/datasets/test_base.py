"""The data folder, local copies and downloads, through a small published set."""

import hashlib
import io
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sklearn_audio._download import PublishedFile
from sklearn_audio.datasets import get_data_home
from sklearn_audio.datasets._base import (
    Clip,
    DataSet,
    as_bunch,
    load_data_set,
    read_table,
)

N_CLIPS = 4


def read_wavs(root):
    return [Clip(path, label=path.parent.name) for path in root.glob("[ab]/*.wav")]


def wavs(n=N_CLIPS):
    return {f"{'ab'[index % 2]}/{index}.wav": "" for index in range(n)}


def data_set_at(server=None):
    if server is None:
        archive = None
    else:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name in wavs():
                file.writestr(f"small-set-1.0/{name}", "")
        server.content = buffer.getvalue()
        checksum = f"sha256:{hashlib.sha256(server.content).hexdigest()}"
        archive = PublishedFile(server.url, "small.zip", checksum, megabytes=1)
    return DataSet(
        name="the small set",
        description="About the small set",
        sample_rate=8000,
        n_clips=N_CLIPS,
        read=read_wavs,
        content="<a or b>/<number>.wav",
        folders=("small-set", "my_small_set*"),
        page="https://example.org/small",
        archive=archive,
    )


def load(data_set, home, *, download=False, archive=None, return_X_y=False):
    return load_data_set(
        data_set,
        data_home=home,
        download=download,
        archive=archive,
        return_X_y=return_X_y,
    )


# The data folder


def test_data_home_is_the_folder_given(monkeypatch, tmp_path):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", "/elsewhere")
    assert get_data_home(tmp_path) == tmp_path
    assert get_data_home(str(tmp_path)) == tmp_path


def test_data_home_is_the_variable_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(tmp_path / "named"))
    assert get_data_home() == tmp_path / "named"
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", "")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert get_data_home() == tmp_path / "cache" / "sklearn_audio"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_data_home() == tmp_path / ".cache" / "sklearn_audio"


@pytest.mark.parametrize(
    ("platform", "below_home"),
    [("darwin", "Library/Caches"), ("win32", "AppData/Local")],
)
def test_data_home_on_other_systems(platform, below_home, monkeypatch, tmp_path):
    for variable in ("SKLEARN_AUDIO_DATA", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert get_data_home() == tmp_path / below_home / "sklearn_audio"


def test_data_home_expands_the_tilde_and_is_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert get_data_home("~/sounds") == tmp_path / "sounds"
    assert get_data_home("sounds") == Path(os.getcwd()) / "sounds"


# Local copies


@pytest.mark.parametrize("folder", ["", "small-set", "my_small_set_v2"])
def test_a_copy_is_found_below_the_data_home(folder, make_files):
    home = make_files({f"{folder}/{name}".lstrip("/"): "" for name in wavs()})
    data = load(data_set_at(), home)
    expected = {str(home / folder / name) for name in wavs()}
    assert set(data.paths) == expected


def test_the_most_complete_copy_wins(make_files):
    home = make_files(
        {
            "small-set/a/0.wav": "",
            **{f"my_small_set/{name}": "" for name in wavs(3)},
        }
    )
    data = load(data_set_at(), home)
    assert all("my_small_set" in path for path in data.paths)
    assert len(data.paths) == 3


def test_the_variable_names_the_data_home(make_files, monkeypatch):
    home = make_files({f"small-set/{name}": "" for name in wavs()})
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(home))
    assert len(load(data_set_at(), None).paths) == N_CLIPS


@pytest.mark.parametrize("files", [{}, {"small-set/a/readme.txt": "no wav"}])
def test_without_a_copy_the_error_says_what_to_do(files, make_files, server):
    home = make_files(files)
    with pytest.raises(FileNotFoundError) as caught:
        load(data_set_at(server), home)
    message = str(caught.value)
    for part in (
        "the small set",
        "<a or b>/<number>.wav",
        str(home),
        "small-set, my_small_set*",
        "download=True",
        "data_home",
        "SKLEARN_AUDIO_DATA",
    ):
        assert part in message
    assert server.n_requests == 0


def test_without_a_copy_or_a_download_the_error_names_the_page(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"example\.org/small and pass archive="
    ):
        load(data_set_at(), tmp_path / "absent")


# Download


def test_download_unpacks_and_keeps_no_archive(server, tmp_path, tree):
    data = load(data_set_at(server), tmp_path, download=True)
    assert len(data.paths) == N_CLIPS
    assert tree(tmp_path) == sorted(f"small-set/{name}" for name in wavs())


def test_download_happens_once(server, tmp_path):
    for _ in range(2):
        load(data_set_at(server), tmp_path, download=True)
    assert server.n_requests == 1


def test_download_completes_a_partial_copy_elsewhere(server, make_files):
    home = make_files({f"my_small_set/{name}": "" for name in wavs(2)})
    data = load(data_set_at(server), home, download=True)
    assert len(data.paths) == N_CLIPS
    assert (home / "my_small_set" / "a" / "0.wav").exists()


def test_download_never_writes_into_a_folder_of_yours(server, make_files, tree):
    home = make_files({"small-set/a/0.wav": "mine"})
    with pytest.raises(FileExistsError, match=r"small-set exists .* 1 of 4 clips"):
        load(data_set_at(server), home, download=True)
    assert tree(home) == ["small-set/a/0.wav"]
    assert server.n_requests == 0


def test_download_uses_an_archive_put_there_by_hand_and_keeps_it(server, tmp_path):
    data_set = data_set_at(server)
    (tmp_path / "small.zip").write_bytes(server.content)
    data = load(data_set, tmp_path, download=True)
    assert len(data.paths) == N_CLIPS
    assert server.n_requests == 0
    assert (tmp_path / "small.zip").exists()


def test_download_of_a_set_without_a_known_archive(tmp_path):
    with pytest.raises(ValueError, match=r"no automatic download.*example\.org/small"):
        load(data_set_at(), tmp_path, download=True)


def test_an_archive_of_your_own_needs_no_checksum(server, tmp_path):
    data_set = data_set_at(server)
    mine = tmp_path / "mine.zip"
    mine.write_bytes(server.content)
    home = tmp_path / "home"
    data = load(replace(data_set, archive=None), home, archive=mine)
    assert len(data.paths) == N_CLIPS
    assert mine.exists()


def test_an_archive_of_another_set_is_refused(server, tmp_path, tree):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("other/readme.txt", "another set")
    (tmp_path / "other.zip").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="does not hold the expected files"):
        load(data_set_at(), tmp_path, archive=tmp_path / "other.zip")
    assert tree(tmp_path) == ["other.zip"]


# The Bunch


def test_bunch_holds_arrays_in_the_clips_order():
    clips = [
        Clip(Path("/2.wav"), "b", group="g", fold=2, split="test", role="known"),
        Clip(Path("/1.wav"), "a", group="h", fold=1, split="train", role="unknown"),
    ]
    data = as_bunch(clips, sample_rate=8000, description="text", return_X_y=False)
    assert data.paths.dtype == object
    assert data.paths.tolist() == ["/2.wav", "/1.wav"]
    assert data.target.tolist() == ["b", "a"]
    assert data.target_names.tolist() == ["a", "b"]
    assert data.groups.tolist() == ["g", "h"]
    assert data.folds.tolist() == [2, 1]
    assert np.issubdtype(data.folds.dtype, np.integer)
    assert data.split.tolist() == ["test", "train"]
    assert data.role.tolist() == ["known", "unknown"]
    assert (data.sample_rate, data.DESCR) == (8000, "text")


def test_bunch_leaves_out_what_the_set_does_not_tell():
    clips = [Clip(Path("/1.wav"), "a"), Clip(Path("/2.wav"), "a", group="g")]
    data = as_bunch(clips, sample_rate=None, description="", return_X_y=False)
    assert data.groups is None
    assert data.folds is None
    assert "split" not in data
    assert "role" not in data


def test_return_X_y(make_files):  # noqa: N802
    home = make_files(wavs())
    paths, target = load(data_set_at(), home, return_X_y=True)
    assert [Path(path).parent.name for path in paths] == target.tolist()


# Tables


def test_read_table(tmp_path):
    file = tmp_path / "meta.csv"
    file.write_text('name,note\na,"x, y"\n')
    assert read_table(file, ("name",)) == [{"name": "a", "note": "x, y"}]
    assert read_table(file, ("name", "fold")) == []
    assert read_table(tmp_path / "absent.csv", ("name",)) == []
    file.write_text("")
    assert read_table(file, ("name",)) == []
