"""Word vectors out of files of every format: exact, streamed, and never unpickled."""

import gzip
import pickle
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_audio.zero_shot import _word_vectors
from sklearn_audio.zero_shot._word_vectors import look_up

VECTORS = {
    "dog": [1.0, -0.25, 1e-7],
    "Dog": [0.1, 0.2, 0.3],
    "niño": [5.0, 0.0, -0.0],
    "3": [3.0, 3.0, 3.0],
    "nan": [0.5, 0.5, 0.5],
    "car": [0.0, 2.0, 7.5],
}
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
# The four bytes of one binary number may be a decimal number and the end of its line.
vocabularies = st.integers(2, 5).flatmap(
    lambda n_dims: st.dictionaries(
        st.text(st.characters(exclude_categories="ZCS"), min_size=1, max_size=6),
        arrays(np.float32, n_dims, elements=finite),
        min_size=1,
        max_size=6,
    )
)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for word, vector in found.items():
        assert vector.dtype == np.float32
        np.testing.assert_array_equal(vector, np.float32(expected[word]))


# -- Formats ---------------------------------------------------------------------------


def test_every_format_gives_the_vectors_of_the_words_that_it_holds(
    tmp_path, write_vectors, format_name
):
    path = write_vectors(tmp_path, format_name, VECTORS)
    assert_equal(look_up(path, {*VECTORS, "cat"}), VECTORS)
    assert_equal(look_up(str(path), ["car"]), {"car": VECTORS["car"]})
    assert look_up(path, ["do", "DOG", ""]) == {}


@given(vectors=vocabularies, data=st.data())
def test_any_words_and_numbers_come_back_from_every_format(
    write_vectors, vectors, data
):
    wanted = data.draw(st.sets(st.sampled_from(sorted(vectors))))
    expected = {word: vectors[word] for word in wanted}
    with tempfile.TemporaryDirectory() as folder:
        for name in write_vectors.formats:
            path = write_vectors(Path(folder), name, vectors)
            assert_equal(look_up(path, wanted), expected)


def test_binary_numbers_that_look_like_a_line_of_text(tmp_path, write_vectors):
    """Of 7233.2734, the bytes begin with a zero and the end of a line."""
    vectors = {"0": [0.0], "00": np.array([7233.2734], np.float32), "000": [0.0]}
    path = write_vectors(tmp_path, "google_news_binary", vectors)
    assert_equal(look_up(path, vectors), vectors)


@pytest.mark.parametrize("format_name", ["word2vec_text", "glove_text", "label_npz"])
def test_words_may_hold_spaces_in_text_and_npz(tmp_path, write_vectors, format_name):
    vectors = {"Vehicle horn, car horn": [1.0, 2.0], "Car": [3.0, 4.0], ". .": [5, 6]}
    path = write_vectors(tmp_path, format_name, vectors)
    assert_equal(look_up(path, vectors), vectors)
    # Of ". . 5.0 6.0", "." is no word, though it comes before the first space.
    assert look_up(path, ["Vehicle", "."]) == {}


@pytest.mark.parametrize("head", [b"", b"2 2\r\n"])
def test_text_files_may_have_tabs_empty_lines_and_ends_as_in_windows(tmp_path, head):
    path = tmp_path / "vectors.txt"
    path.write_bytes(head + b"dog 1 2\r\n\r\ncat\t3e0\t-4")
    assert_equal(look_up(path, ["dog", "cat"]), {"dog": [1, 2], "cat": [3, -4]})


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_binary_files_may_be_cut_into_chunks_anywhere(
    tmp_path, write_vectors, monkeypatch, chunk
):
    monkeypatch.setattr(_word_vectors, "_CHUNK", chunk)
    for name in ("word2vec_binary", "google_news_binary"):
        path = write_vectors(tmp_path, name, VECTORS)
        assert_equal(look_up(path, VECTORS), VECTORS)


@pytest.mark.parametrize("format_name", ["google_news_binary", "glove_text"])
def test_a_large_file_is_never_in_memory_as_a_whole(
    tmp_path, write_vectors, monkeypatch, format_name
):
    monkeypatch.setattr(_word_vectors, "_CHUNK", 2**14)
    rng = np.random.default_rng(0)
    vectors = {f"w{i}": rng.normal(size=100).astype(np.float32) for i in range(5000)}
    path = write_vectors(tmp_path, format_name, vectors)
    wanted = {f"w{i}": vectors[f"w{i}"] for i in range(0, 5000, 50)}
    tracemalloc.start()
    found = look_up(path, wanted)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_equal(found, wanted)
    # 40 kB are wanted, of 2 MB and more.
    assert peak < 400_000 < path.stat().st_size / 4


def test_objects_like_those_of_gensim_are_asked_for_what_they_have():
    class KeyedVectors:
        key_to_index = {"dog": 1, "car": 0}

        def __getitem__(self, word):
            return np.array([[0.0, 2.0], [1.0, 3.0]])[self.key_to_index[word]]

    assert_equal(look_up(KeyedVectors(), ["dog", "cat"]), {"dog": [1.0, 3.0]})


def test_home_folders_are_found(tmp_path, write_vectors, monkeypatch):
    path = write_vectors(tmp_path, "glove_text", VECTORS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert_equal(look_up(f"~/{path.name}", VECTORS), VECTORS)


# -- Bad files -------------------------------------------------------------------------


def npz(**members):
    def write(path):
        with path.open("wb") as file:
            np.savez(file, **members)

    return write


def content(data):
    return lambda path: path.write_bytes(data)


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.txt", "dog 1 2")


def binary(text, *numbers):
    return text.encode() + np.array(numbers, dtype="<f4").tobytes()


TEXT = np.array(["dog", "cat"])
BAD_FILES = {
    "empty": (content(b""), "not followed by numbers"),
    "prose": (content(b"These are no vectors.\n"), "not followed by numbers"),
    "pickle": (content(pickle.dumps({"dog": [1.0]})), "pickles and never loaded"),
    "cut text": (content(b"3 2\ndog 1 2\ncat 3 4\n"), "promises 3 words.*after 2"),
    "short line": (content(b"dog 1 2\ncat 3\n"), "'cat' is not followed by 2 numbers"),
    "no number": (content(b"dog 1 2\ncat 3 x\n"), "'cat' is not followed by 2"),
    "other length": (content(b"1 300\ndog 1 2\n"), "'dog' is not followed by 300"),
    "cut binary": (content(binary("2 2\ndog ", 1, 2, 3)), "promises 2.*after 1"),
    "cut gzip": (content(gzip.compress(b"dog 1 2\ncat 3 4\n")[:-9]), "ended before"),
    "damaged gzip": (content(b"\x1f\x8b" + bytes(50)), "compression method"),
    "cut npz": (content(b"PK\x03\x04" + bytes(20)), "not a zip file"),
    "long binary": (content(binary("1 2\ndog ", 1, 2, 3)), "do not fill it"),
    "twice": (content(b"dog 1 2\ncat 3 4\ndog 1 3\n"), "'dog' stands in it twice"),
    "zip": (other_zip, r"holds \['glove.txt'\].*unpacked"),
    "no words": (npz(vectors=np.ones((2, 3))), r"holds \['vectors'\]"),
    "no vectors": (npz(words=TEXT), r"holds \['words'\]"),
    "numbered": (npz(words=np.arange(2), vectors=np.ones((2, 3))), "dtype int64"),
    "flat": (npz(words=TEXT, vectors=np.ones(2)), r"shape \(2,\)"),
    "unequal": (npz(label=TEXT, vectors=np.ones((3, 2))), r"shape \(3, 2\)"),
    "twice in npz": (
        npz(words=np.array(["dog", "dog"]), vectors=np.eye(2)),
        "'dog' stands in it twice",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_is_an_error_that_names_it(tmp_path, name):
    write, message = BAD_FILES[name]
    path = tmp_path / "vectors"
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        look_up(path, ["dog", "cat"])
    assert str(caught.value).startswith(f"vectors={str(path)!r} cannot be read: ")


def test_a_missing_file_and_a_folder_are_no_such_file(tmp_path):
    for path in (tmp_path / "missing.bin", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no such file") as caught:
            look_up(path, ["dog"])
        assert repr(str(path)) in str(caught.value)


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_is_ever_unpickled(tmp_path):
    gone_off = tmp_path / "gone_off"
    bomb = np.array([Bomb(gone_off), None], dtype=object)
    pickle.loads(pickle.dumps(bomb))  # noqa: S301
    assert gone_off.exists()
    gone_off.unlink()
    path = tmp_path / "vectors"
    for members in ({"words": bomb}, {"vectors": bomb}):
        npz(**{"words": TEXT, "vectors": np.ones((2, 3)), **members})(path)
        with pytest.raises(ValueError, match="allow_pickle=False"):
            look_up(path, ["dog"])
    path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(ValueError, match="never loaded"):
        look_up(path, ["dog"])
    assert not gone_off.exists()


def test_equal_repetitions_and_trouble_with_other_words_do_no_harm(tmp_path):
    path = tmp_path / "vectors"
    path.write_bytes(b"dog 1 2\ncat nan 4\ncow 1\n\xff\xfe 1 2\ndog 1.0 2\n")
    assert_equal(look_up(path, ["dog"]), {"dog": [1, 2]})


# -- Bad vectors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1.0, np.nan], "'dog' holds NaN, infinity"),
        ([1.0, -np.inf], "'dog' holds NaN, infinity"),
        ([1.0, 1e300], "'dog' holds NaN, infinity or a number too large"),
        ([], r"'dog' has the shape \(0,\)"),
        (3.0, r"'dog' has the shape \(\)"),
        ([[1.0, 2.0]], r"'dog' has the shape \(1, 2\)"),
        ("bark", "'dog' is no row of numbers but a str"),
        (None, r"'dog' has the shape \(\)"),
        ([1.0, [2.0]], "'dog' is no row of numbers but a list"),
        ([1.0, 2.0, 3.0], "2 numbers for 'cat', 3 for 'dog'"),
    ],
)
def test_bad_vector_is_an_error_that_names_the_word(vector, message):
    with pytest.raises(ValueError, match=message):
        look_up({"dog": vector, "cat": [1.0, 2.0]}, ["cat", "dog"])
    assert_equal(look_up({"dog": vector, "cat": [1, 2]}, ["cat"]), {"cat": [1, 2]})


def test_not_a_number_in_a_file_is_an_error_too(tmp_path, write_vectors, format_name):
    path = write_vectors(tmp_path, format_name, {**VECTORS, "cat": [1.0, np.nan, 0]})
    with pytest.raises(ValueError, match="'cat' holds NaN"):
        look_up(path, ["dog", "cat"])
