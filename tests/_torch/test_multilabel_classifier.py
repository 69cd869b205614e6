"""Classifiers that take one class per clip, or a table of several labels."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier

from sklearn_audio.model_selection import (
    MultilabelStratifiedKFold,
    SemiSupervisedSplit,
)
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder
from sklearn_audio.transfer import (
    EmbeddingRegularizedClassifier,
    ReprogrammedClassifier,
)

COMMON = {"batch_size": 16, "lr": 0.02, "random_state": 0}
CLASSIFIERS = {
    "reprogrammed": ReprogrammedClassifier(
        backbone=None, input_transform=None, max_epochs=60, **COMMON
    ),
    "embedding": EmbeddingRegularizedClassifier(
        width=4, augmenter=None, max_epochs=15, **COMMON
    ),
    "cae": CAEPretrainedClassifier(
        ConvAutoencoder(width=4, max_epochs=1),
        n_hidden=16,
        dropout=0.2,
        augmenter=None,
        max_epochs=20,
        **COMMON,
    ),
}
every_classifier = pytest.mark.parametrize(
    "classifier", CLASSIFIERS.values(), ids=CLASSIFIERS
)


@pytest.fixture(scope="module")
def tagged():
    """Three independent tags, the last one rare, each a tone in bands of its own."""
    rng = np.random.default_rng(0)
    y = (rng.random((200, 3)) < [0.4, 0.4, 0.2]).astype(int)
    X = rng.normal(0, 0.5, size=(200, 12, 12)).astype(np.float32)
    for clip, tags in zip(X, y, strict=True):
        for tag in np.flatnonzero(tags):
            clip[4 * tag + rng.integers(2)] += 3
    return X, y


def weights_of(model):
    weights = model.modules_["module"].state_dict().values()
    return np.concatenate([value.numpy().ravel() for value in weights])


@every_classifier
def test_learns_several_tags_which_their_frequencies_do_not_tell(classifier, tagged):
    X, y = tagged
    fitted = clone(classifier).fit(X[:120], y[:120])
    most_frequent = MultiOutputClassifier(DummyClassifier()).fit(X[:120], y[:120])
    expected = accuracy_score(y[120:], most_frequent.predict(X[120:]))
    assert expected < 0.5
    assert fitted.score(X[120:], y[120:]) > 0.7
    assert fitted.score(X[120:], y[120:]) == pytest.approx(
        accuracy_score(y[120:], fitted.predict(X[120:]))
    )
    probabilities = fitted.predict_proba(X[120:])
    assert average_precision_score(y[120:], probabilities) > 0.9


@every_classifier
def test_outputs_are_those_of_scikit_learns_multilabel_classifiers(classifier, tagged):
    X, y = tagged
    fitted = clone(classifier).set_params(max_epochs=2).fit(X, y)
    assert fitted.multilabel_
    assert fitted.classes_.tolist() == [0, 1, 2]
    logits = fitted.decision_function(X)
    assert logits.shape == (200, 3)
    np.testing.assert_allclose(fitted.predict_proba(X), expit(logits))
    np.testing.assert_array_equal(fitted.predict(X), logits >= 0)
    assert fitted.predict(X).dtype.kind == "i"


@every_classifier
def test_a_table_may_be_a_frame_sparse_or_of_whole_numbers(classifier, tagged):
    X, y = tagged
    short = clone(classifier).set_params(max_epochs=1)
    expected = weights_of(clone(short).fit(X, y))
    frame = pd.DataFrame(y, columns=["dog", "car", "rain"])
    for table in (frame, sparse.csr_matrix(y), y.astype(bool), y.tolist()):
        np.testing.assert_array_equal(weights_of(clone(short).fit(X, table)), expected)
        assert short.fit(X, y).score(X, table) == short.score(X, y)


@every_classifier
def test_unknown_entries_of_a_table_change_nothing(classifier, tagged):
    X, y = tagged
    short = clone(classifier).set_params(max_epochs=2)
    hidden = np.random.default_rng(1).random(y.shape) < 0.4
    as_numbers = clone(short).fit(X, np.where(hidden, -1, y))
    as_nan = clone(short).fit(X, np.where(hidden, np.nan, y))
    np.testing.assert_array_equal(weights_of(as_numbers), weights_of(as_nan))
    # What is known counts, and unknown is not the same as absent.
    for other in (np.where(hidden, -1, 1 - y), np.where(hidden, 0, y)):
        changed = clone(short).fit(X, other)
        assert not np.array_equal(weights_of(changed), weights_of(as_nan))


@every_classifier
def test_learns_from_a_table_with_holes(classifier, tagged):
    X, y = tagged
    hidden = np.random.default_rng(1).random(y.shape) < 0.4
    fitted = clone(classifier).fit(X[:120], np.where(hidden, -1, y)[:120])
    assert average_precision_score(y[120:], fitted.predict_proba(X[120:])) > 0.85


@every_classifier
def test_searches_with_folds_stratified_by_tag(classifier, tagged):
    X, y = tagged
    search = GridSearchCV(
        clone(classifier).set_params(max_epochs=3),
        {"weight_decay": [0.0, 0.1]},
        cv=MultilabelStratifiedKFold(2),
        scoring="f1_macro",
        error_score="raise",
    ).fit(X, y)
    assert search.predict(X).shape == y.shape
    auc = cross_val_score(
        classifier, X, y, cv=MultilabelStratifiedKFold(2), scoring="roc_auc"
    )
    assert auc.min() > 0.85


@every_classifier
def test_a_dump_predicts_the_same_tags(classifier, tagged, in_a_new_process):
    X, y = tagged
    fitted = clone(classifier).set_params(max_epochs=1).fit(X, y)
    probabilities, labels = in_a_new_process(fitted, X, "predict_proba", "predict")
    np.testing.assert_array_equal(probabilities, fitted.predict_proba(X))
    np.testing.assert_array_equal(labels, fitted.predict(X))


@every_classifier
def test_rare_tags_are_in_both_parts_of_a_validation_split(
    classifier, tagged, monkeypatch
):
    X, y = tagged
    y = y.copy()
    y[:, 2] = 0
    y[[5, 50, 100, 150], 2] = 1  # of 200 clips
    parts = []

    def keep(net, batch):
        parts.append(batch[1].numpy())
        return {"loss": torch.zeros((), requires_grad=True)}

    for seed in range(5):
        split = clone(classifier).set_params(
            max_epochs=1, validation_fraction=0.25, random_state=seed
        )
        monkeypatch.setattr(split, "_validate_batch", keep)
        split.fit(X, y)
        valid = np.concatenate(parts)
        parts.clear()
        assert len(valid) == 50
        assert valid[:, 2].sum() == 1
        assert "valid_loss" in split.history_


@every_classifier
def test_balanced_weights_raise_the_probability_of_rare_tags(classifier, tagged):
    X, y = tagged
    X = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)  # no signal
    short = clone(classifier).set_params(max_epochs=4, lr=5e-3)
    even = clone(short).fit(X, y).predict_proba(X).mean(axis=0)
    balanced = short.set_params(class_weight="balanced").fit(X, y)
    assert (balanced.predict_proba(X).mean(axis=0) > even).all()
    with pytest.raises(ValueError, match=r"class_weight=\{0: 2\} gives weights to cla"):
        short.set_params(class_weight={0: 2}).fit(X, y)


def label_loss_loop(logits, targets, weights, smoothing):
    """Return the loss entry by entry."""
    total = total_weight = 0.0
    for clip, label in np.ndindex(targets.shape):
        target = targets[clip, label]
        if np.isnan(target):
            continue
        absent, present = weights[:, label]
        weight = present * target + absent * (1 - target)
        smoothed = target * (1 - smoothing) + 0.5 * smoothing
        probability = 1 / (1 + np.exp(-logits[clip, label]))
        total -= weight * smoothed * np.log(probability)
        total -= weight * (1 - smoothed) * np.log(1 - probability)
        total_weight += weight
    return total / total_weight


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("mixed", [False, True])
def test_loss_equals_a_loop(smoothing, mixed):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(7, 3))
    targets = rng.random((7, 3)) if mixed else rng.integers(0, 2, (7, 3)).astype(float)
    targets[rng.random((7, 3)) < 0.3] = np.nan
    classifier = clone(CLASSIFIERS["cae"])
    classifier.multilabel_ = True
    classifier._class_weights = rng.uniform(0.2, 3, size=(2, 3))
    z = torch.tensor(logits, requires_grad=True)
    loss = classifier._label_loss(z, torch.tensor(targets), smoothing)
    expected = label_loss_loop(logits, targets, classifier._class_weights, smoothing)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert (z.grad.numpy()[np.isnan(targets)] == 0).all()
    assert np.isfinite(z.grad.numpy()).all()


def test_mixtures_know_what_both_clips_know():
    classifier = clone(CLASSIFIERS["cae"]).set_params(mixup_alpha=1.0)
    classifier.multilabel_ = True
    targets = torch.tensor([[1.0, 0.0, torch.nan], [torch.nan, 1.0, 1.0]])
    X = torch.tensor([[1.0], [0.0]])

    class Net:
        generator = torch.Generator().manual_seed(0)

    for _ in range(20):
        mixed, labels = classifier._mixed(Net(), X, targets)
        for clip, share_of_first in enumerate(mixed[:, 0].tolist()):
            if 0 < share_of_first < 1:
                assert labels[clip, [0, 2]].isnan().all()
                assert labels[clip, 1].item() == pytest.approx(
                    1 - share_of_first, abs=1e-6
                )


def test_mixing_and_smoothing_train(tagged):
    X, y = tagged
    classifier = clone(CLASSIFIERS["cae"]).set_params(
        mixup_alpha=0.2, label_smoothing=0.1
    )
    hidden = np.random.default_rng(1).random(y.shape) < 0.1
    fitted = classifier.fit(X[:120], np.where(hidden, -1, y)[:120])
    assert average_precision_score(y[120:], fitted.predict_proba(X[120:])) > 0.85
    sure = np.abs(fitted.decision_function(X)).mean()
    classifier.set_params(label_smoothing=0.6, mixup_alpha=0.0)
    assert np.abs(clone(classifier).fit(X, y).decision_function(X)).mean() < sure


def test_clips_of_which_nothing_is_known_are_pretrained_on(tagged):
    X, y = tagged
    classifier = clone(CLASSIFIERS["cae"]).set_params(max_epochs=2)
    few = np.where(np.arange(200)[:, None] < 60, y, -1)
    as_rows = clone(classifier).fit(X, few)
    apart = clone(classifier).fit(X[:60], y[:60], X_unlabeled=X[60:])
    without = clone(classifier).fit(X[:60], y[:60])
    np.testing.assert_array_equal(weights_of(as_rows), weights_of(apart))
    assert not np.array_equal(weights_of(as_rows), weights_of(without))
    scores = cross_val_score(classifier, X, few, cv=SemiSupervisedSplit(2))
    assert np.isfinite(scores).all()


def test_clips_of_which_nothing_is_known_follow_the_teacher_alone(tagged):
    X, y = tagged
    E = X.mean(axis=2)
    classifier = clone(CLASSIFIERS["embedding"]).set_params(max_epochs=2)
    few = np.where(np.arange(200)[:, None] < 60, y, np.nan)
    taught = clone(classifier).fit(X, few, embeddings=E)
    assert taught.penalty_ == "con"
    labelled = clone(classifier).fit(X[:60], y[:60], embeddings=E[:60])
    assert not np.array_equal(weights_of(taught), weights_of(labelled))
    alone = clone(classifier).fit(X, few)
    np.testing.assert_array_equal(
        weights_of(alone), weights_of(clone(classifier).fit(X[:60], y[:60]))
    )


@every_classifier
def test_score_leaves_out_what_is_unknown(classifier, tagged):
    X, y = tagged
    fitted = clone(classifier).set_params(max_epochs=1).fit(X, y)
    predicted = fitted.predict(X[:4])
    truth = predicted.astype(float)
    truth[0, 0] = 1 - truth[0, 0]  # wrong
    truth[1, 1] = np.nan  # the others are right
    truth[2] = -1  # does not count
    assert fitted.score(X[:4], truth) == pytest.approx(2 / 3)
    weighted = fitted.score(X[:4], truth, sample_weight=[2, 1, 5, 1])
    assert weighted == pytest.approx(2 / 4)
    with pytest.raises(ValueError, match="a table of 2 labels, but predictions"):
        fitted.score(X, y[:, :2])
    of_classes = clone(classifier).set_params(max_epochs=1).fit(X, y[:, 0])
    with pytest.raises(ValueError, match="Score it with labels of the kind"):
        of_classes.score(X[:3], y[:3])


@every_classifier
def test_says_what_is_wrong_with_a_table(classifier, tagged):
    X, y = tagged
    short = clone(classifier).set_params(max_epochs=1)
    with pytest.raises(ValueError, match=r"y holds 2 for clip 0 and label 0"):
        short.fit(X, y + 2)
    with pytest.raises(ValueError, match="no label at all"):
        short.fit(X, np.full(y.shape, -1))
    with pytest.raises(ValueError, match="200 clips, but y holds 150"):
        short.fit(X, y[:150])
    unheard_of = y.copy()
    unheard_of[:, 1] = -1
    with pytest.warns(UserWarning, match=r"labels in the columns \[1\]") as record:
        short.fit(X, unheard_of)
    assert record[0].filename == __file__
    short.set_params(warm_start=True).fit(X, y)
    short.fit(X, y)
    with pytest.raises(ValueError, match="needs the 3 labels of the first fit"):
        short.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="given as a table of labels, but y is a cla"):
        short.fit(X, y[:, 0])


@every_classifier
def test_a_table_after_classes_is_refused_in_a_warm_start(classifier, tagged):
    X, y = tagged
    short = clone(classifier).set_params(max_epochs=1, warm_start=True)
    short.fit(X, y[:, 0] + y[:, 1])
    assert not short.multilabel_
    with pytest.raises(ValueError, match="given as a class for each clip, but y is a"):
        short.fit(X, y)
    short.set_params(warm_start=False).fit(X, y)
    assert short.multilabel_
