"""What is known of classes: their labels and a vector each, in whatever form it comes.

Five forms lead to the same table: none at all, a dict, a pandas DataFrame, an array
with names, and a transformer of labels such as ``LabelEmbedding``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

# Labels that an error names before it only counts them.
_MOST_NAMED = 10
_FORMS = (
    "None, a dict from labels to vectors, a pandas DataFrame with the labels as index, "
    "a tuple (array of shape (n_classes, n_dims), labels), or a transformer of labels "
    "such as LabelEmbedding"
)


@dataclass(frozen=True)
class ClassTable:
    """Classes and their vectors.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        Sorted; each one once; all text or all numbers.
    vectors : ndarray of shape (n_classes, n_dims), dtype float32
        Finite, one row a label.
    """

    labels: NDArray
    vectors: NDArray[np.float32]

    def rows_of(self, labels: Iterable[Any], role: str) -> NDArray[np.intp]:
        """Return the rows where ``labels`` stand; refuse those that stand nowhere."""
        wanted = np.asarray(labels).tolist()
        rows = {label: row for row, label in enumerate(self.labels.tolist())}
        missing = [label for label in dict.fromkeys(wanted) if label not in rows]
        if missing:
            raise ValueError(
                f"class_embeddings has no vector for {_named(missing)} of {role}. "
                f"It has {_named(self.labels.tolist())}. Add the missing vectors, or "
                "write the labels as they are written there."
            )
        return np.array([rows[label] for label in wanted], dtype=np.intp)

    def joined(self, other: ClassTable, labels: NDArray) -> ClassTable:
        """Return this table with the rows that ``other`` has for fresh ``labels``."""
        rows = other.rows_of(labels, "candidate_classes")
        n_dims, n_others = self.vectors.shape[1], other.vectors.shape[1]
        if n_dims != n_others:
            raise ValueError(
                f"class_embeddings gives vectors of {n_others} numbers, but gave "
                f"{n_dims} in fit. Fit again."
            )
        return _make_table(
            np.concatenate([self.labels, labels]),
            np.concatenate([self.vectors, other.vectors[rows]]),
        )


def embed_classes(class_embeddings: Any, labels: NDArray) -> ClassTable:
    """Return all classes that have a vector.

    Parameters
    ----------
    class_embeddings : object
        Any of the forms above.
    labels : ndarray of shape (n_labels,)
        The classes that are needed, which None and a transformer embed. The other forms
        know their labels themselves, and may hold more classes or fewer.

    Returns
    -------
    table : ClassTable
        The classes; one-hot vectors where ``class_embeddings`` is None.

    Raises
    ------
    TypeError
        If ``class_embeddings`` is none of the forms.
    ValueError
        If labels are repeated or mixed, or vectors are not finite or differ in length.
    """
    labels = np.unique(labels)
    if class_embeddings is None:
        return ClassTable(labels, np.eye(len(labels), dtype=np.float32))
    if isinstance(class_embeddings, Mapping):
        return _make_table(class_embeddings.keys(), list(class_embeddings.values()))
    if hasattr(class_embeddings, "to_numpy") and hasattr(class_embeddings, "index"):
        return _make_table(class_embeddings.index, class_embeddings.to_numpy())
    if hasattr(class_embeddings, "transform"):
        return _make_table(labels, _transform(class_embeddings, labels))
    if isinstance(class_embeddings, tuple) and len(class_embeddings) == 2:
        vectors, names = class_embeddings
        return _make_table(names, vectors)
    raise TypeError(
        f"class_embeddings is a {type(class_embeddings).__name__}; expected {_FORMS}."
    )


def knows_its_labels(class_embeddings: Any) -> bool:
    """Tell forms that say themselves which classes there are from those that do not."""
    is_transformer = hasattr(class_embeddings, "transform")
    is_frame = hasattr(class_embeddings, "to_numpy")
    return class_embeddings is not None and (is_frame or not is_transformer)


def check_labels(labels: Any, role: str) -> NDArray:
    """Return distinct labels as an array, once all of them are text or all numbers."""
    if isinstance(labels, (str, bytes)):
        raise TypeError(
            f"{role} is the single text {labels!r}, not a collection of labels: wrap "
            "it in a list."
        )
    values = [
        label.item() if isinstance(label, np.generic) else label for label in labels
    ]
    n_texts = sum(isinstance(label, str) for label in values)
    if 0 < n_texts < len(values):
        raise ValueError(
            f"{role} mixes text and numbers: {_named(values)}. Use one kind of labels, "
            "that of y."
        )
    array = np.array(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{role} has the shape {array.shape}; expected at least one label, in one "
            "dimension."
        )
    distinct, counts = np.unique(array, return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"{role} holds {_named(distinct[counts > 1].tolist())} more than once. "
            "Name every class once."
        )
    return array


def _transform(embedder: Any, labels: NDArray) -> Any:
    """Embed labels with a transformer, which is left as it is."""
    try:
        return embedder.transform(labels)
    except NotFittedError:
        return clone(embedder, safe=False).fit_transform(labels)


def _make_table(labels: Any, vectors: Any) -> ClassTable:
    labels = check_labels(labels, "class_embeddings")
    if len(labels) != len(vectors):
        raise ValueError(
            f"class_embeddings holds {len(labels)} labels, but {len(vectors)} vectors. "
            "Give one vector a label."
        )
    rows = [
        _as_vector(label, vector)
        for label, vector in zip(labels.tolist(), vectors, strict=True)
    ]
    for label, row in zip(labels.tolist(), rows, strict=True):
        if row.shape != rows[0].shape:
            raise ValueError(
                f"class_embeddings: the vectors differ in length, {rows[0].size} "
                f"numbers for {labels[0].item()!r}, but {row.size} for {label!r}."
            )
    order = np.argsort(labels)
    return ClassTable(labels[order], np.stack(rows)[order])


def _as_vector(label: Any, vector: Any) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # infinity is refused below
            row = np.array(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"class_embeddings: the vector of {label!r} is no row of numbers but a "
            f"{type(vector).__name__}: {error}"
        ) from error
    if row.ndim != 1 or row.size == 0:
        raise ValueError(
            f"class_embeddings: the vector of {label!r} has the shape {row.shape}; "
            "expected (n_dims,)."
        )
    if not np.isfinite(row).all():
        raise ValueError(
            f"class_embeddings: the vector of {label!r} holds NaN, infinity or a "
            "number too large for float32."
        )
    return row


def _named(labels: list[Any]) -> str:
    names = ", ".join(repr(label) for label in labels[:_MOST_NAMED])
    more = len(labels) - _MOST_NAMED
    return names + (f" and {more} more" if more > 0 else "")
