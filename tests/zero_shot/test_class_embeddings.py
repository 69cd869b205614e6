"""Five forms of class vectors, one table."""

import re

import numpy as np
import pandas as pd
import pytest

from sklearn_audio.zero_shot import LabelEmbedding
from sklearn_audio.zero_shot._class_embeddings import (
    ClassTable,
    check_labels,
    embed_classes,
    knows_its_labels,
)

VECTORS = {"dog": [1.0, 0.0], "cat": [0.5, 0.25], "ant": [0.0, 2.0]}
LABELS = np.array(["dog", "cat"])


class Lengths:
    """The least that embeds labels; not an estimator of scikit-learn."""

    def transform(self, labels):
        return np.array([[len(label), 1.0] for label in labels])


class Fitted(LabelEmbedding):
    """A transformer that is to be fitted first."""

    def transform(self, X):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "labels_")
        return super().transform(X)


@pytest.mark.parametrize(
    ("class_embeddings", "labels"),
    [
        (VECTORS, ["ant", "cat", "dog"]),
        (pd.DataFrame(VECTORS).T, ["ant", "cat", "dog"]),
        ((np.array(list(VECTORS.values())), list(VECTORS)), ["ant", "cat", "dog"]),
        ((list(VECTORS.values()), np.array(list(VECTORS))), ["ant", "cat", "dog"]),
        (LabelEmbedding(VECTORS), ["cat", "dog"]),
        (Fitted(VECTORS), ["cat", "dog"]),
    ],
    ids=["dict", "frame", "tuple", "lists", "transformer", "to be fitted"],
)
def test_every_form_gives_the_same_table(class_embeddings, labels):
    table = embed_classes(class_embeddings, LABELS)
    assert table.labels.tolist() == labels
    assert table.vectors.dtype == np.float32
    np.testing.assert_array_equal(table.vectors, [VECTORS[name] for name in labels])


def test_a_transformer_to_be_fitted_is_left_unfitted():
    embedding = Fitted(VECTORS)
    embed_classes(embedding, LABELS)
    assert not hasattr(embedding, "labels_")


def test_any_object_with_transform_will_do():
    table = embed_classes(Lengths(), np.array(["dog", "horse"]))
    np.testing.assert_array_equal(table.vectors, [[3, 1], [5, 1]])


def test_without_vectors_classes_are_one_hot():
    table = embed_classes(None, np.array([7, 3, 7, 5]))
    assert table.labels.tolist() == [3, 5, 7]
    np.testing.assert_array_equal(table.vectors, np.eye(3))


def test_labels_may_be_numbers():
    table = embed_classes({10: [1.0], 9: [2.0], -1: [3.0]}, np.array([9]))
    assert table.labels.tolist() == [-1, 9, 10]
    assert table.labels.dtype.kind == "i"
    assert table.rows_of([9.0, -1], "y").tolist() == [1, 0]


def test_some_forms_know_their_labels():
    assert knows_its_labels(VECTORS)
    assert knows_its_labels(pd.DataFrame(VECTORS).T)
    assert knows_its_labels(([[1.0]], ["dog"]))
    assert not knows_its_labels(None)
    assert not knows_its_labels(LabelEmbedding(VECTORS))


def test_rows_follow_the_labels_and_repeat():
    table = embed_classes(VECTORS, LABELS)
    assert table.rows_of(np.array(["dog", "ant", "dog"]), "y").tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("class_embeddings", "message"),
    [
        ({"dog": [1.0], "cat": [1.0, 2.0]}, "differ in length, 1 numbers for 'dog'"),
        ({"dog": [1.0], "cat": [np.nan]}, "'cat' holds NaN, infinity"),
        ({"dog": [1.0], "cat": [1e300]}, "'cat' holds NaN, infinity"),
        ({"dog": [1.0], "cat": 1.0}, r"'cat' has the shape \(\)"),
        ({"dog": [1.0], "cat": ["high"]}, "'cat' is no row of numbers but a list"),
        (([[1.0], [2.0]], ["dog", "dog"]), "holds 'dog' more than once"),
        (([[1.0], [2.0]], ["dog"]), "1 labels, but 2 vectors"),
        ({"dog": [1.0], 3: [2.0]}, "mixes text and numbers: 'dog', 3"),
        ({}, r"has the shape \(0,\)"),
        (
            pd.DataFrame([[1.0], [2.0]], index=["dog", "dog"]),
            "holds 'dog' more than once",
        ),
    ],
)
def test_bad_vectors(class_embeddings, message):
    with pytest.raises(ValueError, match=message):
        embed_classes(class_embeddings, LABELS)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="is a ndarray; expected None, a dict"):
        embed_classes(np.eye(2), LABELS)


def test_labels_without_a_vector_are_named():
    table = embed_classes(VECTORS, LABELS)
    wanted = "no vector for 'cow', 'elk' of y. It has 'ant', 'cat', 'dog'."
    with pytest.raises(ValueError, match=re.escape(wanted)):
        table.rows_of(["cow", "dog", "elk", "cow"], "y")
    many = [f"class{i}" for i in range(12)]
    with pytest.raises(ValueError, match="'class9' and 2 more of y"):
        table.rows_of(many, "y")


def test_a_single_text_is_no_collection_of_labels():
    with pytest.raises(TypeError, match="the single text 'dog'"):
        check_labels("dog", "candidate_classes")
    with pytest.raises(ValueError, match=r"has the shape \(1, 2\)"):
        check_labels([["dog", "cat"]], "candidate_classes")


def test_fresh_rows_join_a_table():
    table = embed_classes({"dog": [1.0], "ant": [2.0]}, LABELS)
    more = embed_classes({"cat": [3.0], "elk": [4.0]}, LABELS)
    joined = table.joined(more, np.array(["cat"]))
    assert joined.labels.tolist() == ["ant", "cat", "dog"]
    np.testing.assert_array_equal(joined.vectors, [[2], [3], [1]])
    with pytest.raises(ValueError, match="vectors of 2 numbers, but gave 1 in fit"):
        table.joined(ClassTable(np.array(["cat"]), np.ones((1, 2), "f4")), ["cat"])
