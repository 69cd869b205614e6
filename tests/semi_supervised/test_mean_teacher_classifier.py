"""A student of partial labels, its teacher, and the contract of every classifier."""

import pickle
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.metrics import get_scorer, masked_average_precision_score
from sklearn_audio.model_selection import MultilabelStratifiedKFold
from sklearn_audio.semi_supervised import MeanTeacherClassifier
from sklearn_audio.semi_supervised._partial_label_classifier import best_thresholds

SMALL = {
    "width": 8,
    "max_epochs": 3,
    "batch_size": 32,
    "lr": 1e-2,
    "consistency": 10.0,
    "random_state": 0,
}
PLAIN = {"consistency": 0.0, "decay": 0.0}
NOTHING_RANDOM = {"mixup": 0.0, "noise": 0.0, "masked_share": 0.0, "dropout": 0.0}


def small(**settings):
    return MeanTeacherClassifier(**SMALL | settings)


@pytest.fixture(scope="module")
def clips(make_clips):
    return make_clips(60, seed=0)


@pytest.fixture(scope="module")
def spectrograms():
    """Clips of two labels: a band that is loud for a while, or is not."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, size=(48, 2))
    X = rng.normal(-40, 4, size=(48, 6, 5)).astype(np.float32)
    for clip, labels in zip(X, truth, strict=True):
        clip[np.flatnonzero(labels), rng.integers(5)] += 30
    y = np.where(rng.random(truth.shape) < 0.3, -1, truth)
    return X, y, truth


@pytest.fixture(scope="module")
def classes():
    """Clips of one class each, half of which have none."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X[np.arange(60), truth] += 4
    return X, np.where(np.arange(60) < 30, truth, -1), truth


def assert_same_models(first, second):
    assert pickle.dumps(first) == pickle.dumps(second)


# Labels, and what is missing


def test_missing_labels_may_be_written_in_several_ways(clips):
    X, y, truth = clips
    nan = np.where(y == -1, np.nan, y)
    hidden = np.ma.masked_array(truth, y == -1)
    integers = pd.DataFrame(y).astype("Int64").mask(y == -1)
    assert integers.isna().to_numpy().any()
    settings = {"max_epochs": 1}
    first = small(**settings).fit(X, y)
    for same in (nan, nan.astype(np.float32), y.tolist(), hidden, integers):
        assert_same_models(small(**settings).fit(X, same), first)
    assert first.score(X, hidden) == first.score(X, integers) == first.score(X, y)
    with pytest.raises(ValueError, match="masked array that hides"):
        small().fit(X, hidden[:, 0])


def test_learns_from_few_labels_of_rows(make_clips):
    X, y, _ = make_clips(300, seed=0, share_missing=0.85)
    X_test, _, truth = make_clips(300, seed=1)
    classifier = small(width=16, max_epochs=15).fit(X, y)
    ranked = masked_average_precision_score(truth, classifier.predict_proba(X_test))
    assert ranked > 0.85
    assert (classifier.predict(X_test) == truth).mean() > 0.75


def test_learns_from_few_labels_of_spectrograms(spectrograms):
    X, y, truth = spectrograms
    classifier = small(width=16, max_epochs=40).fit(X, y)
    probabilities = classifier.predict_proba(X)
    hidden = np.where(y == -1, truth, -1)
    assert masked_average_precision_score(hidden, probabilities) > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_taking_missing_labels_for_absent_is_much_worse(make_clips, seed):
    X, y, _ = make_clips(400, seed, share_missing=0.9)
    X_test, _, truth = make_clips(400, seed + 100)
    masked, negative = (
        small(missing=missing, max_epochs=10, width=16, **PLAIN)
        .fit(X, y)
        .predict_proba(X_test)
        for missing in ("mask", "negative")
    )
    assert np.abs(masked.mean(axis=0) - truth.mean(axis=0)).max() < 0.2
    assert negative.mean() < 0.1 < 0.3 < truth.mean()
    assert masked_average_precision_score(
        truth, masked
    ) > masked_average_precision_score(truth, negative)


def test_negative_is_what_filling_in_zeros_would_be(clips):
    X, y, _ = clips
    by_hand = small().fit(X, np.where(y == -1, 0, y))
    negative = small(missing="negative").fit(X, y)
    np.testing.assert_array_equal(negative.predict_proba(X), by_hand.predict_proba(X))
    masked = small().fit(X, y)
    assert not np.array_equal(masked.predict_proba(X), by_hand.predict_proba(X))


def test_shapes_of_the_outputs(clips, spectrograms):
    for (X, y, _), shape in [(clips, (60, 3)), (spectrograms, (48, 2))]:
        classifier = small().fit(X, y)
        assert classifier.multilabel_ is True
        assert classifier.classes_.tolist() == list(range(shape[1]))
        assert classifier.input_shape_ == X.shape[1:]
        assert classifier.n_features_in_ == X.shape[1]
        logits = classifier.decision_function(X)
        probabilities = classifier.predict_proba(X)
        labels = classifier.predict(X)
        assert logits.shape == probabilities.shape == labels.shape == shape
        assert logits.dtype == probabilities.dtype == np.float64
        assert labels.dtype == int
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)))
        np.testing.assert_array_equal(labels, probabilities >= 0.5)
        assert len(np.unique(labels)) == 2


def test_a_batch_without_any_label_is_no_error(clips):
    X, y, _ = clips
    few = np.full_like(y, -1)
    few[:2] = [[0, 1, 1], [1, 0, 0]]
    for settings in ({}, PLAIN):
        classifier = small(batch_size=4, **settings).fit(X, few)
        assert np.isfinite(classifier.history_["train_loss"]).all()
        assert np.isfinite(classifier.predict_proba(X)).all()


def test_clips_without_any_label_teach_consistency_alone(clips):
    X, y, _ = clips
    y = y.copy()
    y[40:] = -1
    changed = X.copy()
    changed[40:] = X[:-21:-1]
    both = [
        small(consistency=5.0).fit(clips_, y).predict_proba(X)
        for clips_ in (X, changed)
    ]
    assert not np.allclose(*both)


def test_what_nobody_knows_of_a_label_is_said_once_where_it_was_asked(clips):
    X, y, _ = clips
    y = y.copy()
    y[:, 1] = -1
    with pytest.warns(UserWarning, match=r"Nothing is known.*\[1\]") as caught:
        small().fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]


# Classes that exclude each other


def test_clips_without_a_class_are_left_out_of_the_loss(classes):
    X, y, truth = classes
    classifier = small(max_epochs=20).fit(X, y)
    assert classifier.multilabel_ is False
    assert classifier.thresholds_ is None
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.score(X[30:], truth[30:]) > 0.9
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == classifier.decision_function(X).shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(classifier.predict(X), probabilities.argmax(axis=1))


def test_classes_may_be_text_and_two(classes):
    X, _, truth = classes
    y = np.array(["low", "high"])[(truth == 1).astype(int)]
    classifier = small(max_epochs=15).fit(X, y)
    assert classifier.classes_.tolist() == ["high", "low"]
    assert classifier.score(X, y) > 0.85
    logits = classifier.decision_function(X)
    present = classifier.predict_proba(X)[:, 1]
    assert logits.shape == (60,)
    np.testing.assert_allclose(np.log(present / (1 - present)), logits, atol=1e-9)
    np.testing.assert_array_equal(classifier.predict(X) == "low", logits > 0)


def test_missing_means_nothing_to_exclusive_classes(classes):
    X, y, _ = classes
    masked, negative = (small(missing=m).fit(X, y) for m in ("mask", "negative"))
    np.testing.assert_array_equal(masked.predict_proba(X), negative.predict_proba(X))


# The teacher


def test_the_teacher_is_who_is_asked(clips):
    X, y, _ = clips
    classifier = small(decay=0.9).fit(X, y)
    assert classifier.modules_.keys() == {"module", "student"}
    with torch.no_grad():
        asked, other = (
            classifier.modules_[name](torch.from_numpy(X)).numpy()
            for name in ("module", "student")
        )
    np.testing.assert_array_equal(classifier.decision_function(X), asked)
    assert not np.allclose(asked, other, atol=1e-3)


@pytest.mark.parametrize("kind", ["labels", "classes"])
def test_the_teacher_is_who_is_validated(kind, clips, classes):
    X, y, _ = clips if kind == "labels" else classes
    pairs = []

    class Watched(MeanTeacherClassifier):
        def _validate_batch(self, net, batch):
            X, targets, _ = batch
            found = super()._validate_batch(net, batch)["loss"]
            losses = [
                known_cross_entropy(net.modules[name](X), targets)
                for name in ("module", "student")
            ]
            pairs.append((found.item(), *losses))
            return {"loss": found}

    Watched(**SMALL, decay=0.9, validation_fraction=0.4).fit(X, y)
    found, of_teacher, of_student = np.transpose(pairs)
    assert len(found) == 3
    np.testing.assert_allclose(found, of_teacher, rtol=1e-4)
    assert not np.allclose(found[1:], of_student[1:], rtol=1e-3)


def known_cross_entropy(logits, targets):
    """Return the mean over what is known: of labels by themselves, or of classes."""
    z, targets = logits.numpy().astype(float), targets.numpy()
    if targets.ndim == 2:
        absent = np.log1p(np.exp(z))
        return (absent - targets * z)[~np.isnan(targets)].mean()
    known = np.flatnonzero(targets >= 0)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[known, targets[known]].mean()


def test_without_decay_the_teacher_is_the_student(clips):
    X, y, _ = clips
    modules = small(decay=0.0).fit(X, y).modules_
    student = dict(modules["student"].named_parameters())
    for name, value in modules["module"].network.named_parameters():
        assert torch.equal(value, student[name])
    modules = small(decay=0.5).fit(X, y).modules_
    first, second = modules["module"].network.bias, modules["student"].bias
    assert not torch.equal(first, second)


def test_without_consistency_the_teacher_does_not_touch_the_student(clips):
    X, y, _ = clips
    students = [
        small(consistency=0.0, decay=decay).fit(X, y).modules_["student"]
        for decay in (0.0, 0.9)
    ]
    for first, second in zip(*(s.parameters() for s in students), strict=True):
        assert torch.equal(first, second)


def test_the_outputs_begin_at_the_priors(clips):
    X, y, _ = clips
    y = y.copy()
    y[:, 0] = 0
    classifier = small(lr=1e-9, max_epochs=1).fit(X, y)
    n_present, n_absent = (y == 1).sum(axis=0), (y == 0).sum(axis=0)
    expected = np.log((n_present + 1) / (n_absent + 1))
    for module in (
        classifier.modules_["module"].network,
        classifier.modules_["student"],
    ):
        found = module.bias.detach().numpy()[:, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["labels", "classes"])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_disagreement_is_a_mean_square_of_probabilities(
    kind, temperature, clips, classes
):
    X, y, _ = clips if kind == "labels" else classes
    pairs = []

    def probabilities(logits):
        z = logits.detach().numpy().astype(float)
        if kind == "labels":
            return 1 / (1 + np.exp(-z))
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    class Watched(MeanTeacherClassifier):
        def _inconsistency(self, net, X):
            student = deepcopy(net.modules["student"]).train()
            teacher = deepcopy(net.modules["module"]).eval()
            found = super()._inconsistency(net, X)
            difference = probabilities(student(X)) - probabilities(
                teacher(X) / temperature
            )
            pairs.append((found.item(), np.square(difference).mean()))
            return found

    settings = {"consistency": 5.0, "temperature": temperature, **NOTHING_RANDOM}
    Watched(**SMALL | settings).fit(X, y)
    found, expected = np.transpose(pairs)
    assert len(found) == 3 * 2
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (expected > 1e-5).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_weight_of_the_disagreement_ramps_up(share, clips):
    X, y, _ = clips
    n_epochs = 4
    history = small(max_epochs=n_epochs, consistency=7.0, ramp_up=share).fit(X, y)
    history = history.history_
    progress = np.arange(1, n_epochs + 1) / max(share * n_epochs, 1e-9)
    ramp = np.exp(-5 * (1 - np.minimum(progress, 1)) ** 2)
    names = ("train_loss", "train_supervised", "train_consistency")
    loss, supervised, consistency = (np.array(history[name]) for name in names)
    np.testing.assert_allclose(loss, supervised + 7 * ramp * consistency, rtol=1e-5)
    assert len(loss) == n_epochs
    assert (consistency > 0).all()
    plain = small(consistency=0.0, validation_fraction=0.25).fit(X, y)
    assert plain.history_.keys() == {"train_loss", "valid_loss"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_student_and_teacher_agree_more_where_they_have_to(make_clips, seed):
    X, y, _ = make_clips(160, seed, share_missing=0.8)
    finals = [
        small(consistency=weight, temperature=1.0, random_state=seed, max_epochs=8)
        .fit(X, y)
        .history_["train_consistency"][-1]
        for weight in (1e-9, 30.0)
    ]
    assert finals[1] < 0.7 * finals[0]


@pytest.mark.parametrize(
    "settings",
    [{"mixup": 1.0}, {"noise": 0.3}, {"masked_share": 0.3}, {"dropout": 0.5}],
    ids=lambda settings: next(iter(settings)),
)
def test_each_change_of_what_the_student_hears_has_an_effect(settings, clips):
    X, y, _ = clips
    with_it, without = (
        small(consistency=5.0, **NOTHING_RANDOM | changes).fit(X, y).predict_proba(X)
        for changes in (settings, {})
    )
    assert not np.allclose(with_it, without, atol=1e-4)


def test_the_scale_of_the_features_does_not_matter(clips):
    X, y, _ = clips
    scale = np.logspace(-1, 3, 8).astype(np.float32)
    plain = small().fit(X, y).predict_proba(X)
    scaled = small().fit(scale * X, y).predict_proba(scale * X)
    # All but what is added to variances of 0.
    np.testing.assert_allclose(scaled, plain, atol=0.02)


@pytest.mark.parametrize("as_clips", [False, True], ids=["rows", "spectrograms"])
def test_an_offset_of_the_features_does_not_matter(as_clips, clips, spectrograms):
    X, y, _ = spectrograms if as_clips else clips
    X = (X - X.mean()) / X.std()
    plain = small().fit(X, y).predict_proba(X)
    shifted = small().fit(X + 1e4, y).predict_proba(X + 1e4)
    # All but the rounding of features of 10000 to a thousandth.
    np.testing.assert_allclose(shifted, plain, atol=0.01)


# Weights of labels


@pytest.mark.parametrize("missing", ["mask", "negative"])
def test_a_label_of_no_weight_is_no_label(missing, clips):
    X, y, _ = clips
    rng = np.random.default_rng(1)
    is_light = (y != -1) & (rng.random(y.shape) < 0.3)
    settings = {"threshold": "tuned", "cv": 2}
    weighted = small(**settings).fit(X, y, label_weight=~is_light)
    fewer = small(**settings).fit(X, np.where(is_light, -1, y))
    np.testing.assert_array_equal(weighted.thresholds_, fewer.thresholds_)
    np.testing.assert_array_equal(weighted.predict_proba(X), fewer.predict_proba(X))
    # Nor does it matter what the label is.
    models = [
        small(missing=missing).fit(X, labels, label_weight=~is_light)
        for labels in (y, np.where(is_light, 1 - y, y), np.where(is_light, -1, y))
    ]
    assert_same_models(models[0], models[1])
    assert_same_models(models[0], models[2])


def test_a_class_of_no_weight_is_no_class(classes):
    X, _, truth = classes
    is_light = np.arange(60) % 4 == 0
    weighted = small().fit(X, truth, label_weight=~is_light)
    fewer = small().fit(X, np.where(is_light, -1, truth))
    assert_same_models(weighted, fewer)


def test_only_ratios_of_weights_matter(clips, classes):
    rng = np.random.default_rng(1)
    for X, y, _ in (clips, classes):
        weights = rng.random(y.shape)
        first, second = (
            small().fit(X, y, label_weight=scale * weights) for scale in (1, 4)
        )
        assert_same_models(first, second)
        plain = small().fit(X, y)
        assert not np.array_equal(first.predict_proba(X), plain.predict_proba(X))
        assert_same_models(plain, small().fit(X, y, label_weight=np.ones(y.shape)))


def test_heavy_labels_win_where_labels_contradict_each_other(clips):
    X, _, truth = clips
    X, y = np.concatenate([X, X]), np.concatenate([truth, 1 - truth])
    weights = np.repeat([[10.0], [0.1]], 60, axis=0) * np.ones(3)
    for heavy, expected in [(weights, truth), (weights[::-1], 1 - truth)]:
        classifier = small(max_epochs=20, **PLAIN).fit(X, y, label_weight=heavy)
        assert (classifier.predict(X[:60]) == expected).mean() > 0.75


def test_weights_are_routed_through_pipelines_and_folds(clips):
    X, y, _ = clips
    weights = np.random.default_rng(1).random(y.shape)
    expected = small().fit(X, y, label_weight=weights).predict_proba(X)
    unweighted = small().fit(X, y).predict_proba(X)
    assert not np.array_equal(expected, unweighted)
    pipeline = make_pipeline(FunctionTransformer(), small())
    pipeline.fit(X, y, meanteacherclassifier__label_weight=weights)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)
    seen = []

    class Spy(MeanTeacherClassifier):
        def fit(self, X, y, label_weight=None):
            seen.append(label_weight)
            return super().fit(X, y, label_weight)

    folds = list(KFold(2).split(X))
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(), small())
        pipeline.fit(X, y, label_weight=weights)
        np.testing.assert_array_equal(pipeline.predict_proba(X), expected)
        cross_val_score(
            make_pipeline(FunctionTransformer(), Spy(**SMALL)),
            X,
            y,
            cv=folds,
            scoring=get_scorer("masked_average_precision"),
            params={"label_weight": weights},
            error_score="raise",
        )
    for (train, _), part in zip(folds, seen, strict=True):
        np.testing.assert_array_equal(part, weights[train])


# Thresholds


def f1_loop(truth, scores, threshold):
    hits = misses = false_alarms = 0
    for label, score in zip(truth, scores, strict=True):
        if not np.isnan(label):
            hits += label == 1 and score >= threshold
            misses += label == 1 and score < threshold
            false_alarms += label == 0 and score >= threshold
    return 2 * hits / max(2 * hits + misses + false_alarms, 1)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("decimals", [1, 9])
def test_no_threshold_has_a_better_f1(seed, decimals):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=(25, 3)).astype(float)
    labels[rng.random(labels.shape) < 0.3] = np.nan
    scores = np.round(0.3 * np.nan_to_num(labels) + 0.7 * rng.random((25, 3)), decimals)
    for found, truth, score in zip(
        best_thresholds(labels, scores), labels.T, scores.T, strict=True
    ):
        best = max(f1_loop(truth, score, candidate) for candidate in score)
        assert f1_loop(truth, score, found) == pytest.approx(best, abs=1e-12)
        # Where probabilities round a little lower, the clips are still in.
        lower = np.unique(score[~np.isnan(truth)])
        if found > lower[0]:
            assert f1_loop(truth, score, found - 1e-10) == pytest.approx(best)


def test_one_kind_of_label_keeps_the_threshold_in_the_middle():
    labels = np.array([[0, 1, np.nan, 0], [0, 1, np.nan, 1], [np.nan, 1, np.nan, 1]])
    scores = np.array(
        [[0.1, 0.9, 0.2, 0.7], [0.2, 0.8, 0.3, 0.8], [0.3, 0.7, 0.4, 0.9]]
    )
    thresholds = best_thresholds(labels, scores)
    assert thresholds[:3].tolist() == [0.5, 0.5, 0.5]
    assert 0.7 < thresholds[3] < 0.8


@pytest.mark.parametrize("missing", ["mask", "negative"])
def test_tuning_looks_at_clips_that_a_model_has_not_seen(missing, clips):
    X, y, _ = clips
    weights = np.random.default_rng(1).random(y.shape)
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]
    tuned = small(missing=missing, threshold="tuned", cv=folds).fit(
        X, y, label_weight=weights
    )
    rows, probabilities = [], []
    for train, test in folds:
        model = small(missing=missing).fit(
            X[train], y[train], label_weight=weights[train]
        )
        rows.extend(test)
        probabilities.extend(model.predict_proba(X[test]))
    labels = np.where(y[rows] == -1, np.nan, y[rows])
    expected = best_thresholds(labels, np.array(probabilities))
    np.testing.assert_array_equal(tuned.thresholds_, expected)
    # Nothing but the thresholds changes.
    plain = small(missing=missing).fit(X, y, label_weight=weights)
    np.testing.assert_array_equal(tuned.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(
        tuned.predict(X), plain.predict_proba(X) >= tuned.thresholds_
    )
    assert not np.array_equal(tuned.predict(X), plain.predict(X))


def test_tuning_shuffles_the_clips_by_the_seed(make_clips):
    X, y, _ = make_clips(40, seed=0)
    order = np.lexsort(y.T)  # folds in order would lack labels
    first, second, other = (
        small(max_epochs=1, threshold="tuned", random_state=seed, cv=2)
        .fit(X[order], y[order])
        .thresholds_
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_tuning_keeps_groups_together(clips):
    X, y, _ = clips
    groups, seen = np.arange(60) // 6, []

    class Spy(MeanTeacherClassifier):
        def fit(self, X, y, label_weight=None, groups=None):
            seen.append((X, groups))
            return super().fit(X, y, label_weight, groups)

    with sklearn.config_context(enable_metadata_routing=True):
        spy = Spy(**SMALL, threshold="tuned")
        make_pipeline(FunctionTransformer(), spy).fit(X, y, groups=groups)
    (_, given), *folds = seen
    np.testing.assert_array_equal(given, groups)
    assert len(folds) == 5
    for rows, passed_on in folds:
        assert passed_on is None
        trained = (X[:, None] == rows).all(axis=2).any(axis=1)
        assert trained.sum() == 48
        assert not set(groups[trained]) & set(groups[~trained])


def test_rare_labels_may_be_missing_from_a_fold(clips):
    X, y, _ = clips
    y = y.copy()
    y[:, 2] = -1
    y[:5, 2] = [0, 1, 0, 1, 0]
    splitter = KFold(2)  # all that is known of the label is in the first fold
    classifier = small(threshold="tuned", cv=splitter).fit(X, y)
    assert ((classifier.thresholds_ > 0) & (classifier.thresholds_ < 1)).all()


def test_a_threshold_is_that_of_every_label(clips):
    X, y, _ = clips
    probabilities = small().fit(X, y).predict_proba(X)
    for threshold in (0.2, 0.7):
        classifier = small(threshold=threshold).fit(X, y)
        assert classifier.thresholds_.tolist() == [threshold] * 3
        np.testing.assert_array_equal(classifier.predict(X), probabilities >= threshold)


# scikit-learn


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@pytest.mark.parametrize("settings", [{}, PLAIN], ids=["teacher", "plain"])
def test_passes_every_check_of_scikit_learn(settings):
    classifier = small(**{"width": 16, "max_epochs": 10, "lr": 2e-2} | settings)
    results = check_estimator(classifier, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


def test_parameters_are_stored_and_nothing_else(clips):
    X, y, _ = clips
    model = clone(small())
    assert vars(model).keys() == model.get_params(deep=False).keys()
    fitted = small().fit(X, y)
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "modules_")
    assert sklearn.utils.get_tags(model).classifier_tags.multi_label


@pytest.mark.parametrize("kind", ["rows", "spectrograms", "classes"])
def test_same_seed_same_model(kind, clips, spectrograms, classes):
    kinds = {"rows": clips, "spectrograms": spectrograms, "classes": classes}
    X, y, _ = kinds[kind]
    before = torch.random.get_rng_state()
    first, second = (small().fit(X, y) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_same_models(first, second)
    other = small(random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), first.predict_proba(X))


@pytest.mark.parametrize("kind", ["rows", "spectrograms"])
def test_outputs_do_not_depend_on_the_other_rows(kind, clips, spectrograms):
    X, y, _ = clips if kind == "rows" else spectrograms
    model = small().fit(X, y)
    together = model.decision_function(X)
    for rows in ([3], [40, 3], list(range(len(X) - 1, -1, -1))):
        np.testing.assert_array_equal(model.decision_function(X[rows]), together[rows])


@pytest.mark.parametrize("kind", ["labels", "classes"])
def test_a_dump_predicts_the_same_in_a_new_process(
    kind, clips, classes, in_a_new_process
):
    X, y, _ = clips if kind == "labels" else classes
    model = small(threshold="tuned", cv=2).fit(X, y)
    methods = ("predict_proba", "decision_function", "predict")
    for method, found in zip(
        methods, in_a_new_process(model, X, *methods), strict=True
    ):
        np.testing.assert_array_equal(found, getattr(model, method)(X))


def test_a_default_dump_is_hardly_larger_than_its_weights(clips, tmp_path):
    X, y, _ = clips
    model = MeanTeacherClassifier(max_epochs=1, random_state=0).fit(X, y)
    states = [module.state_dict() for module in model.modules_.values()]
    n_bytes = sum(v.numel() * v.element_size() for s in states for v in s.values())
    joblib.dump(model, tmp_path / "model.joblib")
    assert (tmp_path / "model.joblib").stat().st_size <= 1.2 * n_bytes


def test_skops_loads_a_dump_that_names_our_class_alone(clips):
    X, y, _ = clips
    model = small().fit(X, y)
    dump = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert [name.rsplit(".", 1)[1] for name in untrusted] == ["MeanTeacherClassifier"]
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_search_bears_missing_labels(clips):
    X, y, _ = clips
    search = GridSearchCV(
        small(max_epochs=2),
        {"consistency": [0.0, 5.0], "missing": ["mask", "negative"]},
        scoring=get_scorer("masked_average_precision"),
        cv=MultilabelStratifiedKFold(2),
        error_score="raise",
    ).fit(X, np.where(y == -1, np.nan, y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    alone = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


def test_composes_with_a_pipeline(clips):
    X, y, _ = clips
    pipeline = make_pipeline(StandardScaler(), small()).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(
        pipeline.predict_proba(X), small().fit(scaled, y).predict_proba(scaled)
    )
    assert pipeline.predict(X).shape == (60, 3)


def test_warm_start_goes_on(clips):
    X, y, _ = clips
    model = small(warm_start=True).fit(X, y)
    first = model.modules_["student"].bias.detach().clone()
    n_steps = int(model.modules_["module"].n_steps)
    model.fit(X, y)
    assert model.n_iter_ == 6
    assert len(model.history_["train_loss"]) == 6
    assert int(model.modules_["module"].n_steps) == 2 * n_steps
    assert not torch.equal(model.modules_["student"].bias, first)
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert loaded.fit(X, y).n_iter_ == 3
    assert int(loaded.modules_["module"].n_steps) == 3 * n_steps
    with pytest.raises(ValueError, match="warm_start=True needs the labels"):
        model.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="warm_start=True needs the labels"):
        model.fit(X, np.arange(60) % 3)
    with pytest.raises(ValueError, match="8 features"):
        model.fit(X[:, :4], y)


def test_tuning_trains_anew_in_a_warm_start(clips):
    X, y, _ = clips
    settings = {"threshold": "tuned", "cv": 2}
    warm = small(warm_start=True, **settings).fit(X, y)
    cold = small(**settings).fit(X, y)
    np.testing.assert_array_equal(warm.thresholds_, cold.thresholds_)
    warm.fit(X, y)
    np.testing.assert_array_equal(warm.thresholds_, cold.thresholds_)


def test_the_score_leaves_missing_labels_out(clips):
    X, _, truth = clips
    fitted = small().fit(X, truth)
    predicted = fitted.predict(X)
    y = np.where(np.arange(truth.size).reshape(truth.shape) % 4 == 0, -1, truth)
    y[:5] = -1  # clips that nobody knows anything of
    weights = np.arange(len(y), dtype=float)
    right, total = 0.0, 0.0
    for labels, guesses, weight in zip(y, predicted, weights, strict=True):
        known = labels >= 0
        if known.any():
            total += weight
            right += weight * np.array_equal(labels[known], guesses[known])
    assert 0 < right < total
    assert fitted.score(X, y, sample_weight=weights) == pytest.approx(right / total)
    assert fitted.score(X, np.where(y < 0, np.nan, y), weights) == right / total
    all_right = (predicted == truth).all(axis=1).mean()
    assert fitted.score(X, truth) == pytest.approx(all_right)


def test_the_score_of_classes_is_the_accuracy_on_clips_with_a_label(classes):
    X, y, truth = classes
    fitted = small().fit(X, y)
    is_right = fitted.predict(X) == truth
    assert fitted.score(X, truth) == is_right.mean()
    assert is_right[y >= 0].mean() > 0
    assert fitted.score(X, y) == is_right[y >= 0].mean()


@pytest.mark.parametrize("kind", ["labels", "classes"])
def test_keeps_the_best_epoch(kind, clips, classes):
    X, y, _ = clips if kind == "labels" else classes
    model = small(
        max_epochs=60,
        validation_fraction=0.3,
        n_iter_no_change=2,
        lr=0.1,
        lr_schedule=None,
    ).fit(X, y)
    losses = model.history_["valid_loss"]
    assert len(losses) < 60
    assert np.argmin(losses) == len(losses) - 3


def test_bad_input(clips):
    X, y, _ = clips
    for parameters, message in [
        ({"missing": "drop"}, "'missing' parameter"),
        ({"consistency": -1.0}, "'consistency' parameter"),
        ({"ramp_up": 1.1}, "'ramp_up' parameter"),
        ({"temperature": 0.0}, "'temperature' parameter"),
        ({"mixup": -1.0}, "'mixup' parameter"),
        ({"decay": 1.0}, "'decay' parameter"),
        ({"noise": -0.1}, "'noise' parameter"),
        ({"masked_share": 1.0}, "'masked_share' parameter"),
        ({"width": 0}, "'width' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"threshold": 1.0}, "'threshold' parameter"),
        ({"threshold": "best"}, "'threshold' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(X, y)
    for clips_, labels, message in [
        (np.where(X > 2, np.nan, X), y, "NaN"),
        (X[:, None, None], y, "got 4 dimensions"),
        (X, y[:-1], "60 clips, but y holds 59 labels"),
        (X, 2 * y, "y holds 2 for clip"),
        (X, np.full_like(y, -1), "no label at all"),
        (X, np.zeros(60), "1 class: "),
        (X, np.linspace(0, 1, 60), "Unknown label type: continuous"),
        (X, None, "requires y to be passed"),
    ]:
        with pytest.raises(ValueError, match=message):
            small().fit(clips_, labels)
    for weights, message in [
        (np.ones(60), r"label_weight has the shape \(60,\), but y has \(60, 3\)"),
        (-np.ones(y.shape), "Negative values"),
        (np.full(y.shape, np.nan), "label_weight contains NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            small().fit(X, y, label_weight=weights)
    model = small(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="8 features"):
        model.predict(X[:, :-1])
