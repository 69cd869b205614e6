"""Files fetched from a loopback server: checked, and all or nothing."""

import hashlib
import sys

import pytest

from sklearn_audio._download import PublishedFile, fetch

CONTENT = b"content" * 1000


def published_at(server, content=CONTENT, **changes):
    server.content = content
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    settings = {"checksum": checksum, "megabytes": 1} | changes
    return PublishedFile(server.url, "set.zip", **settings)


def fetch_to(folder, published):
    return fetch(published, folder, name="the set", by_hand="archive")


def test_fetch_saves_the_file(server, tmp_path):
    published = published_at(server)
    file = fetch_to(tmp_path / "new", published)
    assert file == tmp_path / "new" / "set.zip"
    assert file.read_bytes() == server.content


def test_fetch_checks_md5_too(server, tmp_path):
    checksum = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    file = fetch_to(tmp_path, published_at(server, checksum=checksum))
    assert file.read_bytes() == CONTENT


def test_fetch_may_judge_the_content_instead_of_the_file(server, tmp_path, tree):
    def is_content(file):
        return file.read_bytes() == CONTENT

    published = published_at(server, checksum=None, accepts=is_content)
    server.content = b"<html>Log in first</html>"
    with pytest.raises(ValueError, match="not the set as published"):
        fetch_to(tmp_path, published)
    assert tree(tmp_path) == []
    server.content = CONTENT
    assert fetch_to(tmp_path, published).read_bytes() == CONTENT


def test_fetch_shows_a_progress_bar(server, tmp_path, capsys):
    fetch_to(tmp_path, published_at(server))
    assert "100%" in capsys.readouterr().err


def test_fetch_takes_a_file_that_lies_there_without_the_network(server, tmp_path):
    published = published_at(server)
    (tmp_path / "set.zip").write_bytes(server.content)
    fetch_to(tmp_path, published)
    assert server.n_requests == 0


def test_fetch_replaces_a_damaged_file_that_lies_there(server, tmp_path):
    published = published_at(server)
    (tmp_path / "set.zip").write_bytes(server.content[:-5])
    fetch_to(tmp_path, published)
    assert (tmp_path / "set.zip").read_bytes() == server.content


def test_fetch_tries_again_after_a_broken_transfer(server, tmp_path):
    published = published_at(server)
    server.answers = ["broken", "missing", "whole"]
    file = fetch_to(tmp_path, published)
    assert server.n_requests == 3
    assert file.read_bytes() == server.content


def test_fetch_gives_up_after_three_attempts_and_keeps_nothing(server, tmp_path, tree):
    published = published_at(server)
    server.answers = ["broken"] * 9
    with pytest.raises(ConnectionError, match="3 attempts"):
        fetch_to(tmp_path, published)
    assert server.n_requests == 3
    assert tree(tmp_path) == []


def test_fetch_without_a_server_says_what_to_do(server, tmp_path):
    published = published_at(server)
    server.close()
    with pytest.raises(ConnectionError) as caught:
        fetch_to(tmp_path, published)
    message = str(caught.value)
    assert "the set" in message
    assert server.url in message
    assert str(tmp_path / "set.zip") in message
    assert "archive=" in message


@pytest.mark.parametrize(
    ("answer", "error"), [("whole", ValueError), ("missing", ConnectionError)]
)
def test_fetch_advises_no_argument_where_there_is_none(server, tmp_path, answer, error):
    published = published_at(server, checksum=f"sha256:{'0' * 64}")
    server.answers = [answer] * 3
    with pytest.raises(error) as caught:
        fetch(published, tmp_path, name="the list", by_hand=None)
    message = str(caught.value)
    assert f"at {tmp_path / 'set.zip'}" in message
    assert "pass " not in message


def test_fetch_refuses_another_checksum_at_once_and_keeps_nothing(
    server, tmp_path, tree
):
    published = published_at(server, checksum=f"sha256:{'0' * 64}")
    with pytest.raises(ValueError, match="checksum is not sha256:0000"):
        fetch_to(tmp_path, published)
    assert server.n_requests == 1
    assert tree(tmp_path) == []


def test_fetch_names_the_extra_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    published = PublishedFile("http://127.0.0.1", "set.zip", "sha256:0", megabytes=1)
    with pytest.raises(ImportError, match=r"sklearn-audio\[data\]"):
        fetch_to(tmp_path, published)
