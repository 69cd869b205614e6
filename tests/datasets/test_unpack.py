"""Archives: unpacked all or nothing."""

import io
import tarfile
import zipfile

import pytest

from sklearn_audio.datasets import _unpack
from sklearn_audio.datasets._unpack import unpack

FILES = {"top/audio/a.wav": b"first", "top/audio/b.wav": b"second" * 1000}


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(files, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def anything(folder):
    return True


@pytest.mark.parametrize("pack", [zip_of, tar_of], ids=["zip", "tar.gz"])
def test_unpack_leaves_a_single_top_folder_out(pack, tmp_path, tree):
    (tmp_path / "archive").write_bytes(pack(FILES))
    unpack(tmp_path / "archive", tmp_path / "home" / "set", accepts=anything)
    assert tree(tmp_path / "home") == ["set/audio/a.wav", "set/audio/b.wav"]
    assert (tmp_path / "home/set/audio/b.wav").read_bytes() == b"second" * 1000


def test_unpack_keeps_several_top_entries(tmp_path, tree):
    files = {"./yes/a.wav": b"1", "./no/b.wav": b"2", "./list.txt": b"3"}
    (tmp_path / "archive").write_bytes(tar_of(files))
    unpack(tmp_path / "archive", tmp_path / "set", accepts=anything)
    assert tree(tmp_path / "set") == ["list.txt", "no/b.wav", "yes/a.wav"]


@pytest.mark.parametrize("name", ["../evil.wav", "top/../../evil.wav", "/tmp/evil.wav"])
@pytest.mark.parametrize("pack", [zip_of, tar_of], ids=["zip", "tar.gz"])
def test_unpack_refuses_files_that_would_land_elsewhere(pack, name, tmp_path, tree):
    (tmp_path / "archive").write_bytes(pack({"top/a.wav": b"", name: b"evil"}))
    with pytest.raises(ValueError, match=r"evil\.wav.*would land outside"):
        unpack(tmp_path / "archive", tmp_path / "set", accepts=anything)
    assert tree(tmp_path) == ["archive"]


def test_unpack_leaves_links_out(tmp_path, tree):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
        # Would be written through the link, were it there.
        through = tarfile.TarInfo("top/link/file")
        archive.addfile(through, io.BytesIO(b""))
    (tmp_path / "archive").write_bytes(buffer.getvalue())
    unpack(tmp_path / "archive", tmp_path / "set", accepts=anything)
    assert tree(tmp_path / "set") == ["link/file"]
    assert not (tmp_path / "set" / "link").is_symlink()


def test_unpack_that_is_interrupted_leaves_nothing(tmp_path, tree, monkeypatch):
    copies = []

    def copy_once(source, target):
        if copies:
            raise KeyboardInterrupt
        copies.append(target.write(source.read()))

    monkeypatch.setattr(_unpack.shutil, "copyfileobj", copy_once)
    (tmp_path / "archive").write_bytes(zip_of(FILES))
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "archive", tmp_path / "home" / "set", accepts=anything)
    assert copies == [5]
    assert tree(tmp_path) == ["archive"]
    assert list((tmp_path / "home").iterdir()) == []


def damaged_zip():
    content = bytearray(zip_of(FILES))
    content[content.index(b"secondsecond")] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [damaged_zip(), tar_of(FILES)[:-30], tar_of(FILES, mode="w")[:4000]],
    ids=["zip", "tar.gz", "tar"],
)
def test_unpack_of_a_damaged_archive_leaves_nothing(content, tmp_path, tree):
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(ValueError, match=r"archive is damaged .* fetch it again"):
        unpack(tmp_path / "archive", tmp_path / "set", accepts=anything)
    assert tree(tmp_path) == ["archive"]


def test_unpack_refuses_what_is_no_archive(tmp_path):
    (tmp_path / "page.zip").write_text("<html>Not found</html>")
    with pytest.raises(ValueError, match="neither a zip nor a tar file"):
        unpack(tmp_path / "page.zip", tmp_path / "set", accepts=anything)


def test_unpack_refuses_unexpected_content(tmp_path, tree):
    (tmp_path / "archive").write_bytes(zip_of(FILES))
    with pytest.raises(ValueError, match="does not hold the expected files"):
        unpack(tmp_path / "archive", tmp_path / "set", accepts=lambda root: False)
    assert tree(tmp_path) == ["archive"]


def test_unpack_of_a_missing_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no archive .*missing\.zip"):
        unpack(tmp_path / "missing.zip", tmp_path / "set", accepts=anything)
