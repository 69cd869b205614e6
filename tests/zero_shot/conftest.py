"""Word vectors, written in each format as its own tools write it."""

import gzip

import numpy as np
import pytest


def numbers(vector):
    return " ".join(repr(float(number)) for number in vector)


def header(vectors):
    return f"{len(vectors)} {len(next(iter(vectors.values())))}\n"


def word2vec_text(vectors):
    # word2vec.c leaves a space at the end of each line.
    lines = (f"{word} {numbers(vector)} \n" for word, vector in vectors.items())
    return (header(vectors) + "".join(lines)).encode()


def glove_text(vectors):
    lines = (f"{word} {numbers(vector)}\n" for word, vector in vectors.items())
    return "".join(lines).encode()


def word2vec_binary(vectors, end=b"\n"):
    entries = (
        word.encode() + b" " + np.asarray(vector, dtype="<f4").tobytes() + end
        for word, vector in vectors.items()
    )
    return header(vectors).encode() + b"".join(entries)


def google_news_binary(vectors):
    return word2vec_binary(vectors, end=b"")


TEXT_AND_BINARY = {
    "word2vec_text": word2vec_text,
    "glove_text": glove_text,
    "word2vec_binary": word2vec_binary,
    "google_news_binary": google_news_binary,
}
NPZ = {"words_npz": "words", "label_npz": "label"}


class Writer:
    """Writes a dict of vectors; `formats` are the names of what it can write."""

    formats = [
        *TEXT_AND_BINARY,
        *(f"{name}_gz" for name in TEXT_AND_BINARY),
        *NPZ,
    ]

    def __call__(self, folder, name, vectors):
        path = folder / f"vectors_{name}"
        if name in NPZ:
            table = np.array(list(vectors.values()), dtype=np.float32)
            with path.open("wb") as file:
                np.savez(file, vectors=table, **{NPZ[name]: np.array(list(vectors))})
        else:
            content = TEXT_AND_BINARY[name.removesuffix("_gz")](vectors)
            compress = gzip.compress if name.endswith("_gz") else bytes
            path.write_bytes(compress(content))
        return path


@pytest.fixture(scope="session")
def write_vectors():
    return Writer()


@pytest.fixture(params=Writer.formats)
def format_name(request):
    """Run a test once for every format."""
    return request.param
