"""Tags as further classes: their mean clips, and what they are good for."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, GroupKFold

from sklearn_audio.zero_shot import BilinearZeroShot
from sklearn_audio.zero_shot._tags import check_tags, tag_means

N_DIMS, N_FEATURES = 6, 24
SEEN = [f"seen{i}" for i in range(4)]
UNSEEN = [f"unseen{i}" for i in range(5)]


def softmax_rows(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """Return few seen classes, and tags that hear all dimensions in their clips."""
    rng = np.random.default_rng(0)
    names = [*SEEN, *UNSEEN]
    vectors = dict(zip(names, rng.normal(size=(len(names), N_DIMS)), strict=True))
    hearing = rng.normal(size=(N_DIMS, N_FEATURES))
    tag_vectors = rng.normal(size=(40, N_DIMS))

    def record(labels):
        meant = np.array([vectors[label] for label in labels])
        meant = meant + rng.normal(scale=0.6, size=meant.shape)
        X = meant @ hearing + rng.normal(scale=0.3, size=(len(labels), N_FEATURES))
        return X, softmax_rows(2 * meant @ tag_vectors.T)

    y, y_test = np.repeat(SEEN, 30), np.repeat(UNSEEN, 20)
    (X, tags), (X_test, _) = record(y), record(y_test)
    return vectors, tag_vectors, (X, y, tags), (X_test, y_test)


def test_mean_clips_are_weighted_by_probabilities():
    rng = np.random.default_rng(0)
    clips, weights = rng.normal(size=(7, 3)), rng.uniform(0.5, 2, size=7)
    tags = rng.uniform(size=(7, 4))
    expected = np.zeros((4, 3))
    for t in range(4):
        total = 0.0
        for i in range(7):
            expected[t] += weights[i] * tags[i, t] * clips[i]
            total += weights[i] * tags[i, t]
        expected[t] /= total
    np.testing.assert_allclose(tag_means(clips, tags, weights), expected)


def test_tags_tell_what_few_seen_classes_cannot(world):
    vectors, tag_vectors, (X, y, tags), test = world
    alone = BilinearZeroShot(vectors, UNSEEN).fit(X, y).score(*test)
    model = BilinearZeroShot(vectors, UNSEEN, tag_embeddings=tag_vectors)
    assert model.fit(X, y, tags=tags).score(*test) > alone + 0.15
    # Tags under each other's names say nothing.
    dealt = np.roll(tag_vectors, 1, axis=0)
    model.set_params(tag_embeddings=dealt).fit(X, y, tags=tags)
    assert model.score(*test) < alone + 0.05


def test_a_tag_that_is_a_class_counts_as_that_class_once_more(world):
    """As if each class were there twice, with the same vector and the same clips."""
    vectors, _, (X, y, _), (X_test, _) = world
    own = np.array([vectors[name] for name in SEEN])
    hard = (y[:, None] == np.array(SEEN)).astype(float)
    twice = BilinearZeroShot(vectors, alpha=2.0, tag_embeddings=own)
    twice.fit(X, y, tags=hard)
    # Two equal terms in the sum are one of twice the weight, or half of the penalty.
    once = BilinearZeroShot(vectors, alpha=1.0).fit(X, y)
    np.testing.assert_allclose(
        twice.decision_function(X_test), once.decision_function(X_test), atol=1e-5
    )


def test_tags_that_no_clip_has_do_not_matter(world):
    vectors, tag_vectors, (X, y, tags), (X_test, _) = world
    model = BilinearZeroShot(vectors, tag_embeddings=tag_vectors).fit(X, y, tags=tags)
    more = BilinearZeroShot(
        vectors, tag_embeddings=np.pad(tag_vectors, [(0, 1), (0, 0)])
    )
    more.fit(X, y, tags=np.pad(tags, [(0, 0), (0, 1)]))
    np.testing.assert_allclose(
        more.decision_function(X_test), model.decision_function(X_test), atol=1e-6
    )


def test_a_search_hands_on_the_tags_of_each_fold(world):
    vectors, tag_vectors, (X, y, tags), test = world
    search = GridSearchCV(
        BilinearZeroShot(vectors, tag_embeddings=tag_vectors),
        {"alpha": [1.0, 3.0]},
        cv=GroupKFold(2),
        error_score="raise",
    ).fit(X, y, groups=y, tags=tags)
    assert search.best_estimator_.set_candidates(UNSEEN).score(*test) > 0.4


def test_bad_tags(world):
    vectors, tag_vectors, (X, y, tags), _ = world
    model = BilinearZeroShot(vectors, tag_embeddings=tag_vectors)
    with pytest.raises(ValueError, match="There are no tags in fit"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="There are no tag_embeddings"):
        BilinearZeroShot(vectors).fit(X, y, tags=tags)
    with pytest.raises(ValueError, match="solver='ridge' has no use for tags"):
        BilinearZeroShot(vectors, tag_embeddings=tag_vectors, solver="ridge").fit(
            X, y, tags=tags
        )
    n_clips = len(X)
    for bad, embeddings, message in (
        (tags[1:], tag_vectors, "120 clips, but tags holds 119 rows"),
        (
            tags[:, 1:],
            tag_vectors,
            r"\(40, 6\); expected \(39, 6\): .* column of tags",
        ),
        (tags, tag_vectors[:, 1:], r"shape \(40, 5\); expected \(40, 6\)"),
        (
            np.log(tags),
            tag_vectors,
            "tags holds probabilities, but its lowest",
        ),
        (np.where(tags > 0.5, np.nan, tags), tag_vectors, "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            check_tags(bad, embeddings, n_clips, N_DIMS)
