"""ConSEZeroShot: convex combinations, by loops and on toy sounds."""

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import get_tags

from sklearn_audio.zero_shot import ConSEZeroShot, LabelEmbedding

N_TAGS, N_DIMS = 8, 5
VECTORS = np.random.default_rng(1).normal(size=(4, N_DIMS))
CLASSES = dict(zip("abcd", VECTORS, strict=True))
TAGS = np.random.default_rng(2).normal(size=(N_TAGS, N_DIMS))


@pytest.fixture
def probabilities():
    return np.random.default_rng(3).random((30, N_TAGS)).astype(np.float32)


@pytest.fixture(scope="module")
def sounds():
    """Return mixtures: a clip of class i + j lies between classes i and j."""
    rng = np.random.default_rng(0)
    pure = rng.normal(size=(4, 12)) * 3
    names = np.eye(4)
    vectors = {f"pure{i}": names[i] for i in range(4)}
    means = {f"pure{i}": pure[i] for i in range(4)}
    for i in range(4):
        for j in range(i):
            vectors[f"mix{i}{j}"] = (names[i] + names[j]) / 2
            means[f"mix{i}{j}"] = (pure[i] + pure[j]) / 2
    y = np.repeat(list(means), 20)
    X = np.array([means[label] for label in y])
    return X + rng.normal(scale=0.3, size=X.shape), y, vectors


def combination(row, n_top):
    """Return f(x) of the paper, with its normaliser Z."""
    best = sorted(range(len(row)), key=lambda tag: -row[tag])[:n_top]
    total = sum(row[tag] for tag in best)
    return sum(row[tag] / total * TAGS[tag] for tag in best)


@pytest.mark.parametrize("n_top", [1, 3, 8, 100])
def test_scores_are_cosines_with_the_combination(n_top, probabilities):
    model = ConSEZeroShot(CLASSES, tag_embeddings=TAGS, n_top=n_top).fit(probabilities)
    expected = [
        [1 - cosine(combination(row, n_top), vector) for vector in CLASSES.values()]
        for row in probabilities.astype(np.float64)
    ]
    np.testing.assert_allclose(
        model.decision_function(probabilities), expected, atol=1e-6
    )


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_sum_of_probabilities_and_the_length_of_vectors_do_not_matter(a, b):
    X = np.random.default_rng(3).random((4, N_TAGS))
    longer = {name: a * vector for name, vector in CLASSES.items()}
    expected = ConSEZeroShot(CLASSES, tag_embeddings=TAGS).fit(X).decision_function(X)
    model = ConSEZeroShot(longer, tag_embeddings=TAGS).fit(b * X)
    np.testing.assert_allclose(model.decision_function(b * X), expected, atol=1e-5)


def test_unseen_mixtures_lie_between_seen_sounds(sounds):
    """Trained on four pure sounds, told the names of six mixtures."""
    X, y, vectors = sounds
    is_pure = np.char.startswith(y, "pure")
    mixtures = [name for name in vectors if name.startswith("mix")]
    model = ConSEZeroShot(vectors, mixtures, estimator=LogisticRegression(C=0.01))
    model.fit(X[is_pure], y[is_pure])
    assert model.seen_classes_.tolist() == [f"pure{i}" for i in range(4)]
    assert model.score(X[~is_pure], y[~is_pure]) > 0.8
    dealt = dict(zip(vectors, np.roll(list(vectors.values()), 3, axis=0), strict=True))
    misled = clone(model).set_params(class_embeddings=dealt)
    assert misled.fit(X[is_pure], y[is_pure]).score(X[~is_pure], y[~is_pure]) < 0.5


def test_without_vectors_it_is_its_classifier(sounds):
    X, y, _ = sounds
    classifier = KNeighborsClassifier(5)
    model = ConSEZeroShot(estimator=classifier).fit(X[::2], y[::2])
    expected = classifier.fit(X[::2], y[::2]).predict(X[1::2])
    np.testing.assert_array_equal(model.predict(X[1::2]), expected)
    assert not hasattr(model.estimator, "estimator_")


def test_labels_are_needed_only_to_know_what_was_seen(probabilities):
    alone = ConSEZeroShot(CLASSES, tag_embeddings=TAGS).fit(probabilities)
    assert alone.classes_.tolist() == list("abcd")
    assert len(alone.seen_classes_) == 0
    assert alone.temperature_ == 0.1
    y = np.array(["a", "b"])[np.arange(30) % 2]
    labelled = ConSEZeroShot(CLASSES, tag_embeddings=TAGS, seen_penalty=0.25)
    labelled.fit(probabilities, y)
    assert labelled.seen_classes_.tolist() == ["a", "b"]
    np.testing.assert_allclose(
        alone.decision_function(probabilities)
        - labelled.decision_function(probabilities),
        np.tile([0.25, 0.25, 0, 0], (30, 1)),
    )
    fixed = ConSEZeroShot(CLASSES, tag_embeddings=TAGS, temperature=0.5)
    assert fixed.fit(probabilities).temperature_ == 0.5


def test_a_label_embedding_needs_candidates_where_there_are_no_labels(probabilities):
    embedding = LabelEmbedding(CLASSES)
    with pytest.raises(ValueError, match="nothing to choose from"):
        ConSEZeroShot(embedding, tag_embeddings=TAGS).fit(probabilities)
    model = ConSEZeroShot(embedding, ["c", "a", "d"], tag_embeddings=TAGS)
    expected = ConSEZeroShot(CLASSES, ["a", "c", "d"], tag_embeddings=TAGS)
    np.testing.assert_array_equal(
        model.fit(probabilities).top_k(probabilities, 3),
        expected.fit(probabilities).top_k(probabilities, 3),
    )


def test_windows_are_averaged(probabilities):
    model = ConSEZeroShot(CLASSES, tag_embeddings=TAGS)
    windows = probabilities.reshape(10, 3, N_TAGS).transpose(0, 2, 1)
    means = windows.mean(axis=2)
    np.testing.assert_allclose(
        clone(model).fit(windows).decision_function(windows),
        clone(model).fit(means).decision_function(means),
    )


def test_rows_do_not_depend_on_each_other(probabilities, tmp_path):
    model = ConSEZeroShot(CLASSES, tag_embeddings=TAGS, n_top=3).fit(probabilities)
    together = model.predict_proba(probabilities)
    for rows in ([3], [20, 3], list(range(30))[::-1]):
        alone = model.predict_proba(probabilities[rows])
        np.testing.assert_array_equal(alone, together[rows])
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(probabilities), together)


def test_candidates_change_and_two_have_one_decision(probabilities):
    model = ConSEZeroShot(CLASSES, tag_embeddings=TAGS).fit(probabilities)
    scores = model.decision_function(probabilities)
    decisions = model.set_candidates(["d", "b"]).decision_function(probabilities)
    np.testing.assert_allclose(decisions, scores[:, 3] - scores[:, 1], atol=1e-12)
    np.testing.assert_array_equal(
        model.predict(probabilities), np.where(decisions > 0, "d", "b")
    )


def test_grid_search_over_held_out_classes(sounds):
    X, y, vectors = sounds
    search = GridSearchCV(
        ConSEZeroShot(vectors, estimator=LogisticRegression()),
        {"n_top": [1, 4], "estimator__C": [0.01, 1.0]},
        cv=GroupKFold(5),
        error_score="raise",
    ).fit(X, y, groups=y)
    assert search.best_score_ > 0


def test_tags_ask_for_labels_only_where_a_classifier_is_trained():
    assert get_tags(ConSEZeroShot()).target_tags.required
    tags = get_tags(ConSEZeroShot(CLASSES, tag_embeddings=TAGS))
    assert not tags.target_tags.required
    assert tags.input_tags.positive_only


def test_bad_input(probabilities):
    X = probabilities
    y = np.array(["a", "b"])[np.arange(30) % 2]
    with pytest.raises(ValueError, match="exclude each other"):
        ConSEZeroShot(CLASSES, estimator=LogisticRegression(), tag_embeddings=TAGS).fit(
            X
        )
    with pytest.raises(ValueError, match="target y is None"):
        ConSEZeroShot(CLASSES).fit(X)
    with pytest.raises(ValueError, match="1 class: "):
        ConSEZeroShot(CLASSES).fit(X, ["a"] * 30)
    with pytest.raises(ValueError, match="no vector for 'x' of y"):
        ConSEZeroShot(CLASSES).fit(X, np.where(y == "a", "x", y))
    for tags in (TAGS[:-1], TAGS[:, :-1]):
        with pytest.raises(ValueError, match=r"expected \(8, 5\)"):
            ConSEZeroShot(CLASSES, tag_embeddings=tags).fit(X)
    with pytest.raises(ValueError, match="tag_embeddings contains NaN"):
        ConSEZeroShot(CLASSES, tag_embeddings=np.where(TAGS > 1, np.nan, TAGS)).fit(X)
    model = ConSEZeroShot(CLASSES, tag_embeddings=TAGS)
    for labels in (None, y):
        with pytest.raises(ValueError, match="its lowest value is -"):
            model.fit(X - 1, labels)
    with pytest.raises(ValueError, match="its lowest value is -"):
        model.fit(X).predict(X - 1)
    with pytest.raises(ValueError, match="k == 5, must be <= 4"):
        model.top_k(X)
