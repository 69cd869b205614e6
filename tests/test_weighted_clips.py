"""What every classifier that is trained by a loss makes of weights of clips."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_audio.open_set import AugGANClassifier, ScatteringResNetClassifier
from sklearn_audio.transfer import (
    EmbeddingRegularizedClassifier,
    ReprogrammedClassifier,
)

FEW = {"max_epochs": 2, "batch_size": 8, "random_state": 0}
SMALL = {"width": 2, **FEW}
CLASSIFIERS = [
    ScatteringResNetClassifier(first_stage="convolution", **SMALL),
    AugGANClassifier(first_stage="convolution", gan_width=2, latent_dim=2, **SMALL),
    EmbeddingRegularizedClassifier(**SMALL),
    ReprogrammedClassifier(backbone=None, **FEW),
]
every_classifier = pytest.mark.parametrize(
    "classifier", CLASSIFIERS, ids=lambda classifier: type(classifier).__name__
)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    X = rng.normal(size=(24, 9, 8)).astype(np.float32)
    for clip, label in zip(X, y, strict=True):
        clip[3 * label : 3 * label + 3] += 3
    return X, y, rng.integers(0, 4, size=24)


def repeat(weights, *arrays):
    """Return rows as often as they weigh, in another order."""
    rows = np.arange(len(weights)).repeat(weights)
    rows = np.random.default_rng(1).permutation(rows)
    return [array[rows] for array in arrays]


def assert_same(first, second, X):
    np.testing.assert_allclose(
        first.predict_proba(X), second.predict_proba(X), rtol=1e-6, atol=1e-9
    )


@every_classifier
def test_a_weight_is_a_repetition(classifier, clips):
    X, y, weights = clips
    weighted = clone(classifier).fit(X, y, sample_weight=weights)
    repeated = clone(classifier).fit(*repeat(weights, X, y))
    assert_same(weighted, repeated, X)
    plain = clone(classifier).fit(X, y)
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X))
    assert_same(clone(classifier).fit(X, y, sample_weight=np.ones(24)), plain, X)


@pytest.mark.parametrize("classifier", CLASSIFIERS[2:], ids=lambda c: type(c).__name__)
def test_a_weight_is_a_repetition_of_a_row_of_labels(classifier, clips):
    X, y, weights = clips
    table = np.eye(3)[y]
    table[::4, 0] = -1
    for class_weight in (None, "balanced"):
        weighted = clone(classifier).set_params(class_weight=class_weight)
        repeated = clone(weighted).fit(*repeat(weights, X, table))
        assert_same(weighted.fit(X, table, sample_weight=weights), repeated, X)


def test_a_teacher_of_weighted_clips(clips):
    X, y, weights = clips
    E = np.random.default_rng(2).normal(size=(24, 5)) + np.arange(24)[:, None]
    classifier = EmbeddingRegularizedClassifier(weight=0.9, **SMALL)
    weighted = clone(classifier).fit(X, y, embeddings=E, sample_weight=weights)
    X_repeated, y_repeated, E_repeated = repeat(weights, X, y, E)
    repeated = clone(classifier).fit(X_repeated, y_repeated, embeddings=E_repeated)
    assert_same(weighted, repeated, X)


# Clips that come with either label: the weights alone say which is right.
LEARNS = {
    "ScatteringResNetClassifier": {"lr": 0.02},
    "AugGANClassifier": {"lr": 0.02, "augmenter": None},
    "EmbeddingRegularizedClassifier": {"lr": 0.02, "augmenter": None},
    "ReprogrammedClassifier": {"lr": 0.02},
}


@every_classifier
@pytest.mark.parametrize("right", [0, 1])
def test_weights_decide_what_is_learned(classifier, right, clips):
    X, _, _ = clips
    y = np.arange(24) % 2
    X = X.copy()
    X[y == 1, :4] += 4
    twice, either = np.concatenate([X, X]), np.concatenate([y, 1 - y])
    # They sum to 1, and none is whole.
    weights = np.repeat([0.95, 0.05] if right == 0 else [0.05, 0.95], 24) / 24
    settings = {"max_epochs": 20, **LEARNS[type(classifier).__name__]}
    learned = clone(classifier).set_params(**settings)
    learned.fit(twice, either, sample_weight=weights)
    accuracy = learned.score(X, y)
    assert accuracy > 0.85 if right == 0 else accuracy < 0.15


@every_classifier
def test_weights_are_routed_through_pipelines_and_folds(classifier, clips):
    X, y, weights = clips
    with sklearn.config_context(enable_metadata_routing=True):
        asking = clone(classifier).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(asking).fit(X, y, sample_weight=weights)
        asking.set_score_request(sample_weight=True)
        params = {"sample_weight": weights + 1.0}
        scores = cross_val_score(asking, X, y, cv=2, params=params)
        assert np.isfinite(scores).all()
    direct = clone(classifier).fit(X, y, sample_weight=weights)
    assert_same(pipeline, direct, X)


@every_classifier
def test_weights_that_mean_nothing(classifier, clips):
    X, y, _ = clips
    for weights, message in [
        (np.where(y == 0, -1.0, 1.0), "Negative values"),
        (np.where(y == 0, np.nan, 1.0), "NaN"),
        (np.zeros(24), "zero"),
        ((y == 1).astype(float), "1 class"),
    ]:
        with pytest.raises(ValueError, match=message):
            clone(classifier).fit(X, y, sample_weight=weights)


def test_partial_fit_counts_weights(clips):
    X, y, weights = clips
    weighted, repeated = clone(CLASSIFIERS[0]), clone(CLASSIFIERS[0])
    classes = [0, 1, 2]
    weighted.partial_fit(X, y, classes=classes, sample_weight=weights)
    repeated.partial_fit(*repeat(weights, X, y), classes=classes)
    assert_same(weighted, repeated, X)


def test_copies_of_a_clip_are_not_on_both_sides_of_a_validation_split(clips):
    X, y, _ = clips
    seen = {"train": set(), "valid": set()}

    class Watching(ScatteringResNetClassifier):
        def _losses(self, net, batch):
            seen["train"].update(batch[0][:, 0, 0].tolist())
            return super()._losses(net, batch)

        def _validate_batch(self, net, batch):
            seen["valid"].update(batch[0][:, 0, 0].tolist())
            return super()._losses(net, batch)

    settings = CLASSIFIERS[0].get_params(deep=False)
    Watching(**{**settings, "validation_fraction": 0.25}).fit(
        X, y, sample_weight=np.full(24, 3)
    )
    assert len(seen["valid"]) == 6
    assert not seen["valid"] & seen["train"]
