"""Label texts to vectors that lie close together where the labels mean alike."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions

from sklearn_audio.base import VersionedEstimator
from sklearn_audio.zero_shot._word_vectors import Vectors, check_vectors, look_up

_SEPARATORS = re.compile(r"[\s_,;:/&()\-]+")
# Between "car" and "Horn" of "carHorn", between "TV" and "Show" of "TVShow".
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Labels that an error names before it only counts them.
_MOST_NAMED = 10


def split_label(label: str) -> list[str]:
    """Return the words of a label, in its order and spelling."""
    return [word for word in _SEPARATORS.split(_CAMEL_CASE.sub(" ", label)) if word]


def _spellings_of_label(label: str) -> list[str]:
    label = label.strip()
    return [label, label.lower(), label.capitalize()]


def _spellings_of_word(word: str) -> list[str]:
    return [word.lower(), word, word.capitalize()]


def _spellings(label: str) -> list[str]:
    words = split_label(label)
    of_words = [spelling for word in words for spelling in _spellings_of_word(word)]
    return _spellings_of_label(label) + of_words


def _average(label: str, found: Vectors) -> tuple[NDArray | None, list[str]]:
    """Return a label's vector, if any word has one, and the words that have none."""
    whole = [found[s] for s in _spellings_of_label(label) if s in found]
    if whole:
        return whole[0], []
    present, missing = [], []
    for word in split_label(label):
        vectors = [found[s] for s in _spellings_of_word(word) if s in found]
        present += vectors[:1]
        if not vectors and word.lower() not in missing:
            missing.append(word.lower())
    mean = np.stack(present).mean(axis=0, dtype=np.float64) if present else None
    return mean, missing


class LabelEmbedding(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, VersionedEstimator
):
    """Turn label texts into vectors that are close where the labels mean alike.

    The vector of a label is the mean of its words' vectors [1]_. It is what is known of
    a class that has no training clips.

    Parameters
    ----------
    vectors : str, path-like, mapping, KeyedVectors or callable
        Where vectors come from:

        - a path to a file of word vectors in word2vec's binary or text format, in
          GloVe's text format (the same without a first line), or to an npz archive with
          the arrays ``vectors`` (n_words, n_dims) and ``words`` or ``label`` (n_words,)
          of text. The formats are told apart by their content; the first three may be
          compressed with gzip;
        - a dict from words to vectors;
        - an object like gensim's ``KeyedVectors``, with ``key_to_index`` and square
          brackets;
        - a function from a list of n texts to an array of shape (n, n_dims), such as
          the ``encode`` method of an embedder of sentences. It is called with the
          labels as they are, each one once; nothing is split or averaged.
    out_of_vocabulary : {"ignore", "error"}, default="ignore"
        What to do with words that have no vector. "ignore" leaves them out of the mean,
        since "of" and "and" are missing in many vocabularies; "error" refuses labels
        that have one. A label *none* of whose words has a vector is always an error.
        Not used by callables.

    Attributes
    ----------
    labels_ : ndarray of shape (n_labels,), dtype str
        The labels seen in `fit`, sorted, each one once.
    missing_words_ : dict of str to list of str
        For each label of `fit` that has words without a vector, these words in lower
        case.
    vectors_ : ndarray of shape (n_labels, n_dims), dtype float32
        The vectors of ``labels_``.

    Notes
    -----
    A label that is in the vocabulary as a whole, as "car_horn" may be, keeps that one
    vector. It is looked for as it is written, in lower case, and capitalised. All other
    labels are split at spaces, ``_ , ; : / & ( ) -`` and where camel case begins a
    word. Each word is looked for in lower case, as in [1]_, then as it is written, then
    capitalised. Vocabularies that tell "Dog" from "dog", such as word2vec's of Google
    News, hence want labels in lower case; and where whole labels should be averaged all
    the same, spaces in place of "_".

    Vectors are averaged as they are and not normalised before or after.
    :class:`sklearn.preprocessing.Normalizer` behind this transformer makes them unit
    vectors.

    `transform` works without `fit`. After `fit` it reads the labels of `fit` from
    memory and all others from `vectors`, so that a dumped transformer knows its labels
    on a machine where there is no such file. Text and binary files are read from end to
    end as a stream, of which only the vectors of the labels' words are kept: millions
    of words take seconds to minutes, but hardly any memory. npz archives are read
    whole. Nothing is ever unpickled.

    References
    ----------
    .. [1] Xie, H. and Virtanen, T. (2019). "Zero-shot audio classification based on
       class label embeddings." IEEE WASPAA. https://doi.org/10.1109/WASPAA.2019.8937283

    Examples
    --------
    >>> from sklearn_audio.zero_shot import LabelEmbedding
    >>> words = {
    ...     "dog": [1.0, 0.0, 0.2],
    ...     "bark": [0.6, 0.2, 0.0],
    ...     "car": [0.0, 1.0, 0.0],
    ...     "horn": [0.2, 0.8, 0.4],
    ... }
    >>> embedding = LabelEmbedding(words)
    >>> embedding.fit_transform(["dog_bark", "Car horn", "the dog"])
    array([[0.8, 0.1, 0.1],
           [0.1, 0.9, 0.2],
           [1. , 0. , 0.2]], dtype=float32)
    >>> embedding.missing_words_
    {'the dog': ['the']}
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "vectors": "no_validation",  # a TypeError below says what would do
        "out_of_vocabulary": [StrOptions({"ignore", "error"})],
    }

    def __init__(
        self,
        vectors: Any,
        *,
        out_of_vocabulary: Literal["ignore", "error"] = "ignore",
    ) -> None:
        self.vectors = vectors
        self.out_of_vocabulary = out_of_vocabulary

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Look up the vectors of some labels and remember them.

        Parameters
        ----------
        X : array-like of shape (n_labels,)
            Label texts. Repeated ones, such as those of clips, count once.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : LabelEmbedding
            The transformer itself.

        Raises
        ------
        FileNotFoundError
            If there is no such file as `vectors`.
        TypeError
            If `X` is a single text, a label is no text, or `vectors` is none of the
            things above.
        ValueError
            If a label is empty or has no vector, if the vectors are not finite or not
            of one length, or if the file cannot be read. The error names what it was.
        """
        labels = np.unique(_check_labels(X))
        self.vectors_, self.missing_words_ = self._embed(labels.tolist())
        self.labels_ = labels
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the vectors of labels.

        Parameters
        ----------
        X : array-like of shape (n_labels,)
            Label texts, whether or not they were seen in `fit`.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims), dtype float32
            One row a label.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            See `fit`. Also a ValueError where vectors have another length than those
            of `fit`.
        """
        self._validate_params()
        labels, rows = np.unique(_check_labels(X), return_inverse=True)
        known: dict[str, NDArray] = {}
        if hasattr(self, "labels_"):
            known = dict(zip(self.labels_.tolist(), self.vectors_, strict=True))
        fresh = [label for label in labels.tolist() if label not in known]
        if fresh:
            vectors, _ = self._embed(fresh)
            self._check_n_dims(vectors)
            known.update(zip(fresh, vectors, strict=True))
        return np.stack([known[label] for label in labels.tolist()])[rows]

    def _embed(self, labels: list[str]) -> tuple[NDArray, dict[str, list[str]]]:
        """Return the vectors of distinct labels, and the words left out of them."""
        if not _is_vocabulary(self.vectors):
            return _call(self.vectors, labels), {}
        spellings = [spelling for label in labels for spelling in _spellings(label)]
        found = look_up(self.vectors, dict.fromkeys(spellings))
        averages = {label: _average(label, found) for label in labels}
        missing = {label: words for label, (_, words) in averages.items() if words}
        if self.out_of_vocabulary == "error" and missing:
            raise ValueError(
                f"out_of_vocabulary='error', and words of {_named(missing, labels)} "
                "have no vector. Rename the labels, give vectors= that hold the words, "
                "or set out_of_vocabulary='ignore' to average the other words."
            )
        lost = {label: w for label, w in missing.items() if averages[label][0] is None}
        if lost:
            raise ValueError(
                f"no word of {_named(lost, labels)} has a vector. Rename the labels, "
                "or give vectors= that hold at least one word of each."
            )
        return np.array([mean for mean, _ in averages.values()], np.float32), missing

    def _check_n_dims(self, vectors: NDArray) -> None:
        """Compare new vectors with those of `fit`, which lie beside them."""
        if hasattr(self, "vectors_") and vectors.shape[1] != self._n_features_out:
            raise ValueError(
                f"vectors= now gives {vectors.shape[1]} numbers a label, but gave "
                f"{self._n_features_out} in fit. Fit again."
            )

    @property
    def _n_features_out(self) -> int:
        return self.vectors_.shape[1]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _check_labels(X: Any) -> list[str]:
    """Return the labels as a list, once each of them is a text with a word in it."""
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"X is a single {type(X).__name__}, not a collection of labels: wrap it in "
            "a list, [X]."
        )
    if not isinstance(X, (list, tuple)):
        values = np.asarray(X)
        if values.ndim != 1:
            raise ValueError(
                f"X has the shape {values.shape}; expected (n_labels,). Give one "
                "column of a table alone, or a list."
            )
        X = values.tolist()
    if not X:
        raise ValueError("X holds no labels: it is empty.")
    for index, label in enumerate(X):
        if not isinstance(label, str):
            raise TypeError(
                f"label {index} is {label!r}, a {type(label).__name__}; expected text. "
                "Write the name of each class in place of its number."
            )
        if not split_label(label):
            raise ValueError(
                f"label {index} ({label!r}) has no words in it. Name its class."
            )
    return list(X)


def _is_vocabulary(vectors: Any) -> bool:
    """Tell what maps words to vectors from what is called with whole labels."""
    return isinstance(vectors, (str, os.PathLike, Mapping)) or (
        hasattr(vectors, "key_to_index") and hasattr(vectors, "__getitem__")
    )


def _call(embedder: Any, labels: list[str]) -> NDArray[np.float32]:
    if not callable(embedder):
        raise TypeError(
            f"vectors is a {type(embedder).__name__}; expected a path to a file of "
            "word vectors, a dict from words to vectors, an object like gensim's "
            "KeyedVectors, or a callable from a list of texts to an array."
        )
    rows = embedder(labels)
    try:
        vectors = dict(zip(labels, rows, strict=True))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"vectors was called with {len(labels)} texts and returned a "
            f"{type(rows).__name__}, not one row for each: {error}. Give a callable "
            "that returns an array of shape (n_texts, n_dims)."
        ) from error
    return np.stack(list(check_vectors(vectors).values()))


def _named(refused: Mapping[str, list[str]], labels: list[str]) -> str:
    """Return how many labels are meant, and which, with the words that are missing."""
    names = [
        f"{label!r} ({', '.join(words)})"
        for label, words in list(refused.items())[:_MOST_NAMED]
    ]
    more = len(refused) - len(names)
    rest = f" and {more} more" if more else ""
    return f"{len(refused)} of {len(labels)} labels, {', '.join(names)}{rest},"
