r"""What a tagger knows of sounds that were never labelled, as further classes.

With :math:`p_{it}` the probability of tag t for training clip i, a tag is a class whose
mean clip is

.. math:: m_t = \frac{\sum_i d_i\, p_{it}\, \theta(x_i)}{\sum_i d_i\, p_{it}},

and whose vector is that of its name. A dog has some of a wolf: the tag "howl" pulls at
the clips that sound a little like howling, though none of them is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

Matrix = NDArray[np.float64]


class Tags(NamedTuple):
    """Tags of the training clips: probabilities (n, T) and vectors (T, s)."""

    probabilities: Matrix
    vectors: NDArray[np.float32]


def check_tag_vectors(
    tag_embeddings: Any, n_tags: int, n_dims: int, source: str
) -> NDArray[np.float32]:
    """Return the vectors of tags, one for each column of ``source``: (T, s)."""
    vectors = check_array(tag_embeddings, dtype=np.float32, input_name="tag_embeddings")
    if vectors.shape != (n_tags, n_dims):
        raise ValueError(
            f"tag_embeddings has the shape {vectors.shape}; expected ({n_tags}, "
            f"{n_dims}): a row for each column of {source}, as long as the vectors of "
            "the classes."
        )
    return vectors


def check_probabilities(values: NDArray, source: str) -> None:
    """Refuse what cannot be probabilities of tags, such as logits."""
    if values.min() < 0:
        raise ValueError(
            f"With tag_embeddings, {source} holds probabilities, but its lowest value "
            f"is {values.min():.3g}. Give what predict_proba or tag returns."
        )


def check_tags(tags: Any, tag_embeddings: Any, n_clips: int, n_dims: int) -> Tags:
    """Check what a tagger says of the training clips, and its tags' vectors.

    Parameters
    ----------
    tags : array-like of shape (n_clips, n_tags)
        Probabilities.
    tag_embeddings : array-like of shape (n_tags, n_dims)
        Vectors of the tags.
    n_clips, n_dims : int
        Number of clips, and length of the class vectors.

    Returns
    -------
    tags : Tags
        Those that are found in any clip.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a number is not finite, or a probability negative.
    """
    found = check_array(tags, dtype=np.float64, input_name="tags")
    if len(found) != n_clips:
        raise ValueError(
            f"X holds {n_clips} clips, but tags holds {len(found)} rows: one a clip."
        )
    vectors = check_tag_vectors(tag_embeddings, found.shape[1], n_dims, "tags")
    check_probabilities(found, "tags")
    is_present = found.any(axis=0)  # (T,)
    return Tags(found[:, is_present], vectors[is_present])


def tag_means(clips: Matrix, probabilities: Matrix, weights: Matrix) -> Matrix:
    """Return the mean clip of each tag: (n, d), (n, T), (n,) -> (T, d).

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_features)
        Prepared clips.
    probabilities : ndarray of shape (n_clips, n_tags)
        Of which no column is zero throughout.
    weights : ndarray of shape (n_clips,)
        What each clip counts.

    Returns
    -------
    means : ndarray of shape (n_tags, n_features)
        Weighted by the probabilities.
    """
    shares = weights[:, np.newaxis] * probabilities  # (n, T)
    return shares.T @ clips / shares.sum(axis=0)[:, np.newaxis]
