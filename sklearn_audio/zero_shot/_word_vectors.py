"""A few words' vectors, out of files and objects that may hold millions of words.

Files are told apart by their first bytes. The text and binary formats are read as a
stream, of which only the wanted words are kept; npz archives are read whole.
"""

from __future__ import annotations

import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Iterable
from io import BufferedReader
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = dict[str, NDArray[np.float32]]
# What is known of some words before it has been checked.
RawVectors = dict[str, Any]
Stream = BufferedReader | gzip.GzipFile

_NAMES_IN_NPZ = ("words", "label")
_DAMAGES = (ValueError, EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
# No line of a text file is as long; a longer one is binary.
_LONGEST_LINE = 2**20
# Bytes that are in no text.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_CHUNK = 2**20
_NO_NUMBERS = (
    "its first word is not followed by numbers, as in word2vec's and GloVe's text "
    "formats. Files that gensim saved are pickles and never loaded: write them anew "
    "with KeyedVectors.save_word2vec_format."
)


def look_up(vectors: Any, wanted: Iterable[str]) -> Vectors:
    """Return the vectors of those wanted words that have one.

    Parameters
    ----------
    vectors : str, path-like, mapping or object like gensim's KeyedVectors
        Where they are, see `LabelEmbedding`.
    wanted : iterable of str
        The words, exactly as they may be spelled there.

    Returns
    -------
    found : dict of str to ndarray of shape (n_dims,), dtype float32
        Finite, and all of one length.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or a vector is not as it should be.
    """
    if isinstance(vectors, (str, os.PathLike)):
        return check_vectors(_read(Path(vectors).expanduser(), set(wanted)))
    vocabulary = getattr(vectors, "key_to_index", vectors)
    return check_vectors({w: vectors[w] for w in wanted if w in vocabulary})


def check_vectors(vectors: RawVectors) -> Vectors:
    """Return the vectors as float32, once they are finite and all of one length."""
    checked = {name: _as_vector(name, vector) for name, vector in vectors.items()}
    first = next(iter(checked), "")
    for name, vector in checked.items():
        if vector.size != checked[first].size:
            raise ValueError(
                f"the vectors differ in length: {checked[first].size} numbers for "
                f"{first!r}, {vector.size} for {name!r}. Give vectors of one length."
            )
    return checked


def _as_vector(name: str, vector: Any) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # infinity is refused below
            numbers = np.array(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the vector of {name!r} is no row of numbers but a "
            f"{type(vector).__name__}: {error}"
        ) from error
    if numbers.ndim != 1 or numbers.size == 0:
        raise ValueError(
            f"the vector of {name!r} has the shape {numbers.shape}; expected (n_dims,)."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"the vector of {name!r} holds NaN, infinity or a number too large for "
            "float32. Repair or remove it."
        )
    return numbers


def _read(path: Path, wanted: set[str]) -> RawVectors:
    if not path.is_file():
        raise FileNotFoundError(
            f"vectors={str(path)!r}: there is no such file. Word vectors are not part "
            "of this package: download some, or give a dict or a callable."
        )
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == _ZIP:
                return _read_npz(file, wanted)
            if start.startswith(_GZIP):
                return _read_stream(gzip.GzipFile(fileobj=file), wanted)
            return _read_stream(file, wanted)
    except _DAMAGES as error:
        raise ValueError(f"vectors={str(path)!r} cannot be read: {error}") from error


def _read_npz(file: BufferedReader, wanted: set[str]) -> RawVectors:
    with np.load(file, allow_pickle=False) as archive:
        names_key = next((key for key in _NAMES_IN_NPZ if key in archive), None)
        if names_key is None or "vectors" not in archive:
            raise ValueError(
                f"it holds {list(archive)}, but should hold the array 'vectors', of "
                "shape (n_words, n_dims), and an array 'words' or 'label' of text. "
                "Any other zip file has to be unpacked first."
            )
        names, vectors = archive[names_key], archive["vectors"]
    if names.dtype.kind != "U" or vectors.ndim != 2 or names.shape != vectors.shape[:1]:
        raise ValueError(
            f"{names_key!r} has the shape {names.shape} and dtype {names.dtype}, "
            f"'vectors' the shape {vectors.shape}; expected (n_words,) of text and "
            "(n_words, n_dims)."
        )
    found: RawVectors = {}
    for name, vector in zip(names.tolist(), vectors, strict=True):
        if name in wanted:
            _add(found, name, vector)
    return found


def _read_stream(file: Stream, wanted: set[str]) -> RawVectors:
    """Read word2vec's formats, which begin with two numbers, or GloVe's, without."""
    first = file.readline(_LONGEST_LINE)
    header = first.split()
    if len(header) != 2 or not all(field.isdigit() for field in header):
        n_dims = _count_numbers(first)
        if n_dims == 0:
            raise ValueError(_NO_NUMBERS)
        file.seek(0)
        return _read_text(file, wanted, None, n_dims)
    n_words, n_dims = (int(field) for field in header)
    # Bytes of binary numbers hardly ever look like numbers in decimals.
    second = file.readline(_LONGEST_LINE)
    is_text = _count_numbers(second) >= min(n_dims, 2) and not _CONTROLS.search(second)
    file.seek(len(first))
    if is_text:
        return _read_text(file, wanted, n_words, n_dims)
    return _read_binary(file, wanted, n_words, n_dims)


def _count_numbers(line: bytes) -> int:
    """Count the numbers at the end of a line, behind a word that may be one too."""
    fields = line.split()[1:]
    return sum(1 for _ in takewhile(_is_number, reversed(fields)))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_text(
    file: Stream, wanted: set[str], n_words: int | None, n_dims: int
) -> RawVectors:
    """Read lines of a word and its numbers, split at the last ``n_dims`` gaps.

    A word may hold spaces itself. Most lines are done with after a look at what stands
    before the first gap.
    """
    wanted_bytes = {word.encode() for word in wanted}
    beginnings = {word.split(None, 1)[0] for word in wanted_bytes if word.strip()}
    found: RawVectors = {}
    n_lines = 0
    for n_lines, line in enumerate(file, start=1):  # noqa: B007
        if beginnings.isdisjoint(line.split(None, 1)[:1]):
            continue
        word, *numbers = line.rsplit(None, n_dims)
        if word in wanted_bytes:
            _add(found, word.decode(), _parse(word.decode(), numbers, n_dims))
    if n_words is not None and n_lines < n_words:
        raise ValueError(_cut_short(n_lines, n_words))
    return found


def _parse(word: str, fields: list[bytes], n_dims: int) -> list[float]:
    if len(fields) != n_dims or not all(map(_is_number, fields)):
        raise ValueError(f"{word!r} is not followed by {n_dims} numbers.")
    return [float(field) for field in fields]


def _read_binary(
    file: Stream, wanted: set[str], n_words: int, n_dims: int
) -> RawVectors:
    """Read words, each with a space and little-endian float32 numbers behind it.

    Some writers end a vector with a line feed, others do not.
    """
    wanted_bytes = {word.encode() for word in wanted}
    n_bytes = 4 * n_dims
    found: RawVectors = {}
    buffer, place = b"", 0
    for index in range(n_words):
        space = buffer.find(b" ", place)
        while space < 0 or len(buffer) < space + 1 + n_bytes:
            chunk = file.read(max(_CHUNK, n_bytes))
            if not chunk:
                raise ValueError(_cut_short(index, n_words))
            buffer, place = buffer[place:] + chunk, 0
            space = buffer.find(b" ")
        word = buffer[place:space].lstrip(b"\n")
        place = space + 1 + n_bytes
        if word in wanted_bytes:
            # A copy: the vector alone is kept, not the buffer that it lies in.
            vector = np.frombuffer(buffer, "<f4", n_dims, space + 1).astype(np.float32)
            _add(found, word.decode(), vector)
    if (buffer[place:] + file.read(2)).strip(b"\n"):
        raise ValueError(
            f"{n_words} words of {n_dims} numbers, as its first line says, do not fill "
            "it. It is in none of the formats that can be told apart."
        )
    return found


def _cut_short(n_found: int, n_words: int) -> str:
    return (
        f"its first line promises {n_words} words, but it ends after {n_found}. "
        "Download it again."
    )


def _add(found: RawVectors, word: str, vector: Any) -> None:
    if not np.array_equal(found.setdefault(word, vector), vector, equal_nan=True):
        raise ValueError(f"{word!r} stands in it twice, with different vectors.")
