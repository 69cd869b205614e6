"""A teacher completes labels as a loop would; its student keeps every contract."""

import pickle

import numpy as np
import pytest
import sklearn
import skops.io
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.metrics import get_scorer, masked_average_precision_score
from sklearn_audio.model_selection import MultilabelStratifiedKFold
from sklearn_audio.semi_supervised import (
    LabelEnhancingClassifier,
    MeanTeacherClassifier,
)
from sklearn_audio.semi_supervised._label_enhancing_classifier import (
    enhance,
    one_vs_rest,
)
from sklearn_audio.semi_supervised._last_step import last_step_of, weight_keyword
from sklearn_audio.semi_supervised._partial_label_classifier import best_thresholds
from sklearn_audio.semi_supervised._per_label_classifier import PerLabelClassifier

NAN = np.nan
NO_WEIGHTS = (
    r"guess_weight=0\.1 wants an estimator whose fit takes sample_weight, which "
    "KNeighborsClassifier does not. Set guess_weight=1"
)
# The paper's: every guess is negative, and counts like what is known.
PAPER = {"missing": "negative", "positive_share": 0.0, "guess_weight": 1.0}


def network(**settings):
    small = {"width": 8, "max_epochs": 3, "batch_size": 32, "lr": 1e-2}
    plain = {"consistency": 0.0, "decay": 0.0, "random_state": 0}
    return MeanTeacherClassifier(**small | plain | settings)


every_kind = pytest.mark.parametrize(
    "estimator", [LogisticRegression(), network()], ids=["lr", "network"]
)


def enhancing(estimator=None, **settings):
    estimator = LogisticRegression() if estimator is None else estimator
    return LabelEnhancingClassifier(estimator, **settings)


@pytest.fixture(scope="module")
def clips(make_clips):
    return make_clips(80, seed=0)


@pytest.fixture(scope="module")
def classes():
    """Clips of one class each, half of which have none."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X[np.arange(60), truth] += 4
    return X, np.where(np.arange(60) < 30, truth, -1), truth


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that remembers, for all its copies, what it was trained on."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        self.seen.append((X, y, sample_weight))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        present = 1 / (1 + np.exp(-X[:, 0].astype(float)))
        return np.column_stack([1 - present, present])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def recorder():
    Recorder.seen = []
    return Recorder()


# What is filled in


def enhance_loop(labels, probabilities, masked_share, positive_share):
    """Fill in one entry after the other, the most probable first."""
    enhanced = np.array(labels, dtype=float)
    for label in range(labels.shape[1]):
        missing = [i for i in range(len(labels)) if np.isnan(labels[i, label])]
        missing.sort(key=lambda i: -probabilities[i, label])
        n_expected = sum(probabilities[i, label] for i in missing)
        if not any(labels[i, label] == 1 for i in range(len(labels))):
            n_expected = 0
        for place, i in enumerate(missing, start=1):
            if place <= positive_share * n_expected:
                enhanced[i, label] = 1
            elif place <= masked_share * len(missing):
                enhanced[i, label] = NAN
            else:
                enhanced[i, label] = 0
    return enhanced


def guesses(seed, n_clips=23):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=(n_clips, 4)).astype(float)
    labels[rng.random(labels.shape) < 0.6] = NAN
    labels[labels[:, 3] == 1, 3] = 0  # one that no clip is known to have
    return labels, rng.random(labels.shape)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("masked_share", [0.0, 0.25, 0.8, 1.0])
@pytest.mark.parametrize("positive_share", [0.0, 0.5, 1.0])
def test_labels_are_completed_as_by_hand(seed, masked_share, positive_share):
    labels, probabilities = guesses(seed)
    before = labels.copy()
    found = enhance(labels, probabilities, masked_share, positive_share)
    expected = enhance_loop(labels, probabilities, masked_share, positive_share)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(labels, before)
    known = ~np.isnan(labels)
    np.testing.assert_array_equal(found[known], labels[known])


def test_a_share_of_less_than_one_entry_masks_nothing():
    labels = np.array([[1.0], [0.0], [NAN], [NAN], [NAN]])
    probabilities = np.array([[0.9], [0.1], [0.8], [0.7], [0.2]])
    completed = enhance(labels, probabilities, 0.33, 0.0)[:, 0]
    assert completed.tolist() == [1, 0, 0, 0, 0]
    completed = enhance(labels, probabilities, 0.34, 0.0)[:, 0]
    np.testing.assert_array_equal(completed, [1, 0, NAN, 0, 0])


def test_all_or_nothing_may_be_taken_for_negative():
    labels, probabilities = guesses(0)
    missing = np.isnan(labels)
    nothing_masked = enhance(labels, probabilities, 0.0, 0.0)
    np.testing.assert_array_equal(nothing_masked, np.where(missing, 0, labels))
    all_masked = enhance(labels, probabilities, 1.0, 0.0)
    np.testing.assert_array_equal(all_masked, labels)


def test_as_many_positives_are_filled_in_as_the_teacher_expects():
    labels = np.full((10, 2), NAN)
    labels[0] = [1, 0]
    probabilities = np.linspace(0.9, 0, 10)[:, None] * np.ones((1, 2))
    # 3.6 are expected among the nine clips of which nothing is known.
    found = enhance(labels, probabilities, 0.5, 1.0)
    np.testing.assert_array_equal(found[:, 0], [1, 1, 1, 1, NAN, 0, 0, 0, 0, 0])
    # Nobody is known to have the other label.
    np.testing.assert_array_equal(found[:, 1], [0, *[NAN] * 4, 0, 0, 0, 0, 0])


def test_positives_may_reach_beyond_what_is_masked():
    labels = np.array([[1.0], [NAN], [NAN], [NAN]])
    found = enhance(labels, np.full((4, 1), 0.99), 0.34, 1.0)
    assert found[:, 0].tolist() == [1, 1, 1, 0]


def test_one_vs_rest_gives_each_class_a_column():
    columns = one_vs_rest(np.array([0, 2, -1, 1, 2]))
    expected = [[1, 0, 0], [0, 0, 1], [NAN] * 3, [0, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(columns, expected)


# The procedure


def logistic_regressions(X, labels, weights=None):
    models = []
    for i, column in enumerate(labels.T):
        known = ~np.isnan(column)
        weight = None if weights is None else weights[known, i]
        models.append(LogisticRegression().fit(X[known], column[known], weight))
    return models


def probabilities_of(models, X):
    return np.column_stack([model.predict_proba(X)[:, 1] for model in models])


def test_the_papers_procedure(clips):
    X, y, _ = clips
    found = enhancing(masked_share=0.3, **PAPER).fit(X, y).predict_proba(X)
    X = X.astype(float)
    teachers = logistic_regressions(X, np.where(y == -1, 0.0, y))
    probabilities = probabilities_of(teachers, X)
    labels = np.where(y == -1, 0.0, y)
    for i, column in enumerate(y.T):
        missing = np.flatnonzero(column == -1)
        best = missing[np.argsort(probabilities[missing, i])[::-1]]
        labels[best[: int(0.3 * len(missing))], i] = NAN
    students = logistic_regressions(X, labels)
    np.testing.assert_allclose(found, probabilities_of(students, X), rtol=1e-6)
    assert not np.allclose(found, probabilities, atol=0.05)


def test_our_procedure(clips):
    X, y, _ = clips
    settings = {"masked_share": 0.4, "positive_share": 0.6, "guess_weight": 0.2}
    found = enhancing(**settings).fit(X, y).predict_proba(X)
    X, partial = X.astype(float), np.where(y == -1, NAN, y)
    teachers = logistic_regressions(X, partial)
    labels = enhance_loop(partial, probabilities_of(teachers, X), 0.4, 0.6)
    weights = np.where(y == -1, np.float32(0.2), 1.0)
    students = logistic_regressions(X, labels, weights)
    np.testing.assert_allclose(found, probabilities_of(students, X), rtol=1e-4)


def test_teacher_and_student_of_a_network_by_hand(clips):
    X, y, _ = clips
    settings = {"masked_share": 0.5, "positive_share": 0.5, "guess_weight": 0.2}
    found = enhancing(network(), **settings).fit(X, y)
    partial = np.where(y == -1, NAN, y)
    teacher = network().fit(X, partial)
    labels = enhance_loop(partial, teacher.predict_proba(X), 0.5, 0.5)
    weights = np.where(y == -1, 0.2, 1.0)
    student = network().fit(X, labels, label_weight=weights)
    np.testing.assert_array_equal(found.predict_proba(X), student.predict_proba(X))
    assert isinstance(found.estimator_, MeanTeacherClassifier)


def test_what_the_student_learned_from_is_kept(clips):
    X, y, _ = clips
    fitted = enhancing(masked_share=0.3, positive_share=0.4).fit(X, y)
    used = fitted.transduction_
    np.testing.assert_array_equal(used[y >= 0], y[y >= 0])
    assert np.isnan(used[y < 0]).any()
    assert (used[y < 0] == 0).any()
    assert (used[y < 0] == 1).any()


def test_students_that_take_no_weights_of_labels_are_named(clips):
    X, y, _ = clips
    nested = enhancing(enhancing())
    with pytest.raises(ValueError, match="takes label_weight, which LabelEnhancing"):
        nested.fit(X, y)
    assert nested.set_params(guess_weight=1.0).fit(X, y).predict(X).shape == y.shape


def test_where_nothing_is_missing_there_is_no_teacher(clips, recorder):
    X, _, truth = clips
    enhancing(recorder).fit(X, truth)
    assert len(recorder.seen) == 3
    for (_, labels, weights), column in zip(recorder.seen, truth.T, strict=True):
        np.testing.assert_array_equal(labels, column)
        assert weights is None
    # One that takes no weights is good enough, then.
    fitted = enhancing(KNeighborsClassifier(), guess_weight=0.1).fit(X, truth)
    assert (fitted.predict(X) == truth).mean() > 0.8


def test_teacher_and_student_see_what_they_should(clips, recorder):
    X, y, _ = clips
    settings = {"masked_share": 0.5, "positive_share": 0.0, "guess_weight": 0.1}
    enhancing(recorder, **settings).fit(X, y)
    assert len(recorder.seen) == 2 * 3
    for i, (_, labels, weights) in enumerate(recorder.seen[:3]):
        np.testing.assert_array_equal(labels, y[y[:, i] != -1, i])
        assert weights is None
    for i, (rows, labels, weights) in enumerate(recorder.seen[3:]):
        n_missing = (y[:, i] == -1).sum()
        n_masked = n_missing // 2
        assert len(rows) == len(labels) == len(weights) == len(X) - n_masked
        assert rows.dtype == np.float64
        np.testing.assert_array_equal((weights == 1).sum(), len(X) - n_missing)
        np.testing.assert_array_equal(labels[weights < 1], 0)
        np.testing.assert_allclose(weights[weights < 1], 0.1)


def test_the_paper_shows_its_teacher_zeros(clips, recorder):
    X, y, _ = clips
    enhancing(recorder, **PAPER).fit(X, y)
    for i, (_, labels, weights) in enumerate(recorder.seen[:3]):
        np.testing.assert_array_equal(labels, y[:, i] == 1)
        assert weights is None
    assert all(weights is None for _, _, weights in recorder.seen)


def test_all_masked_is_what_is_known(clips):
    X, y, _ = clips
    nothing = enhancing(masked_share=1.0, positive_share=0.0).fit(X, y)
    students = logistic_regressions(X.astype(float), np.where(y == -1, NAN, y))
    expected = probabilities_of(students, X.astype(float))
    np.testing.assert_allclose(nothing.predict_proba(X), expected, rtol=1e-4)


def test_clips_without_any_label_are_no_error(clips):
    X, y, _ = clips
    y = y.copy()
    y[5:40] = -1
    for estimator in (LogisticRegression(), network()):
        probabilities = enhancing(estimator).fit(X, y).predict_proba(X)
        assert probabilities.shape == (80, 3)
        assert np.isfinite(probabilities).all()


def test_learns_from_few_labels(make_clips):
    X, y, _ = make_clips(300, seed=0, share_missing=0.85)
    X_test, _, truth = make_clips(300, seed=1)
    model = enhancing().fit(X, y)
    ranked = masked_average_precision_score(truth, model.predict_proba(X_test))
    assert ranked > 0.9
    assert (model.predict(X_test) == truth).mean() > 0.75
    # A teacher of zeros, and a student of its guesses, hear next to nothing.
    paper = enhancing(**PAPER).fit(X, y)
    assert paper.predict_proba(X_test).mean() < 0.3 < truth.mean()


# Estimators


def test_without_an_estimator_it_is_the_plain_network(clips):
    X, y, _ = clips
    model = LabelEnhancingClassifier(random_state=0, cv=2)
    with pytest.MonkeyPatch.context() as patch:
        settings = []
        fit = MeanTeacherClassifier.fit

        def quick(self, X, y, label_weight=None):
            settings.append((self.consistency, self.decay, self.random_state))
            return fit(self.set_params(width=4, max_epochs=1), X, y, label_weight)

        patch.setattr(MeanTeacherClassifier, "fit", quick)
        model.fit(X, y)
    assert [pair[:2] for pair in settings] == [(0, 0), (0, 0)]
    assert None not in {seed for *_, seed in settings}
    assert type(model.estimator_) is MeanTeacherClassifier
    assert model.estimator is None


def test_spectrograms_reach_a_network(clips):
    X, y, _ = clips
    frames = X.reshape(80, 4, 2)
    model = enhancing(network()).fit(frames, y)
    assert model.input_shape_ == (4, 2)
    assert model.n_features_in_ == 4
    assert model.predict_proba(frames).shape == (80, 3)
    with pytest.raises(ValueError, match="dim 3"):
        enhancing().fit(frames, y)


def test_a_pipeline_may_end_in_a_network(clips):
    X, y, _ = clips
    settings = {"masked_share": 0.0, "positive_share": 0.0, "guess_weight": 0.1}
    found = enhancing(make_pipeline(StandardScaler(), network()), **settings).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    weights = np.where(y == -1, 0.1, 1.0)
    alone = network().fit(scaled, np.where(y == -1, 0, y), label_weight=weights)
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(scaled))


def test_a_mean_teacher_may_be_both(clips):
    X, y, _ = clips
    model = enhancing(network(consistency=5.0, decay=0.9)).fit(X, y)
    assert model.estimator_.history_.keys() >= {"train_consistency"}
    assert model.predict(X).shape == (80, 3)


def test_estimators_without_weights_are_named(clips):
    X, y, _ = clips
    knn = KNeighborsClassifier(3)
    for estimator in (knn, make_pipeline(StandardScaler(), knn)):
        with pytest.raises(ValueError, match=NO_WEIGHTS):
            enhancing(estimator, guess_weight=0.1).fit(X, y)
        trusting = enhancing(estimator, guess_weight=1).fit(X, y)
        assert (trusting.predict(X) == y)[y != -1].mean() > 0.8


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        RandomForestClassifier(10, random_state=0),
        LinearSVC(),
        SGDClassifier(random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda estimator: type(last_step_of(estimator)).__name__,
)
def test_takes_many_a_classifier(estimator, clips):
    X, y, truth = clips
    model = enhancing(estimator).fit(X, y)
    logits, probabilities = model.decision_function(X), model.predict_proba(X)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)))
    assert masked_average_precision_score(truth, probabilities) > 0.75


def test_a_label_of_one_kind_is_its_prior(clips):
    X, y, _ = clips
    y = np.where(y == -1, NAN, y)
    y[:, 0] = [0] * 6 + [NAN] * 74
    y[:, 1] = [1] * 4 + [NAN] * 76
    model = PerLabelClassifier(LogisticRegression()).fit(X, y)
    probabilities = model.predict_proba(X)
    # As if one clip more of each kind had been there.
    np.testing.assert_allclose(probabilities[:, 0], 1 / 8, rtol=1e-6)
    np.testing.assert_allclose(probabilities[:, 1], 5 / 6, rtol=1e-6)
    assert np.ptp(probabilities[:, 2]) > 0.1
    assert [e is None for e in model.estimators_] == [True, True, False]


def test_a_prior_trusts_guesses_as_little_as_the_student_does(clips):
    X, *_ = clips
    labels = np.zeros((len(X), 2))
    weights = np.ones_like(labels)
    weights[10:, 0] = 0.1
    fitted = PerLabelClassifier(GaussianNB()).fit(X, labels, weights)
    expected = -np.log([1 + weights[:, 0].sum(), 1 + len(X)])
    np.testing.assert_allclose(fitted.decision_function(X)[0], expected, rtol=1e-6)


def test_clips_keep_their_ranks_where_a_model_is_nearly_certain():
    X = np.linspace(-30, 30, 61)[:, None]
    labels = (X > 0).astype(float)
    fitted = PerLabelClassifier(LogisticRegression()).fit(X, labels)
    linear = fitted.estimators_[0].decision_function(X)
    near = np.abs(linear) < 30
    assert np.abs(linear[near]).max() > 20
    assert (np.diff(fitted.decision_function(X)[near, 0]) > 0).all()


def test_certain_trees_have_finite_log_odds(clips):
    X, _, truth = clips
    forest = RandomForestClassifier(3, bootstrap=False, random_state=0)
    model = PerLabelClassifier(forest).fit(X, truth.astype(float))
    logits = model.decision_function(X)
    assert np.isfinite(logits).all()
    assert set(np.unique(np.sign(logits))) == {-1, 1}


# Weights


def test_last_steps_and_their_keywords():
    model = LogisticRegression()
    inner = make_pipeline(StandardScaler(), model)
    outer = make_pipeline(FunctionTransformer(), inner)
    assert last_step_of(model) is last_step_of(inner) is last_step_of(outer) is model
    keywords = [weight_keyword(e, "sample_weight") for e in (model, inner, outer)]
    assert keywords == [
        "sample_weight",
        "logisticregression__sample_weight",
        "pipeline__logisticregression__sample_weight",
    ]
    with sklearn.config_context(enable_metadata_routing=True):
        assert weight_keyword(outer, "sample_weight") == "sample_weight"


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_weights_reach_the_last_step_of_a_pipeline(routing, nested, clips, recorder):
    X, y, _ = clips
    scaler, last = StandardScaler(), recorder
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            scaler.set_fit_request(sample_weight=False)
            last.set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, last)
        pipeline = (
            make_pipeline(FunctionTransformer(), pipeline) if nested else pipeline
        )
        enhancing(pipeline, guess_weight=0.25).fit(X, y)
    teachers, students = recorder.seen[:3], recorder.seen[3:]
    assert len(students) == 3
    assert all(weights is None for _, _, weights in teachers)
    for i, (rows, labels, weights) in enumerate(students):
        assert len(weights) == len(labels) == len(rows)
        assert set(weights.tolist()) == {0.25, 1.0}
        assert (weights == 1).sum() == (y[:, i] != -1).sum()
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-6)  # scaled


@pytest.mark.parametrize("routing", [False, True])
def test_guesses_of_less_weight_matter_less_to_a_pipeline(routing, clips):
    X, y, _ = clips
    with sklearn.config_context(enable_metadata_routing=routing):
        scaler, last = StandardScaler(), LogisticRegression()
        if routing:
            scaler.set_fit_request(sample_weight=False)
            last.set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, last)
        settings = {"masked_share": 0.0, "positive_share": 0.0}
        means = [
            enhancing(pipeline, guess_weight=weight, **settings)
            .fit(X, y)
            .predict_proba(X)
            .mean()
            for weight in (1.0, 0.3, 0.01)
        ]
    # All guesses are negative.
    assert means[0] < means[1] - 0.02 < means[2] - 0.04


def test_routed_weights_have_to_be_requested(clips):
    X, y, _ = clips
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(), LogisticRegression())
        with pytest.raises(ValueError, match="sample_weight"):
            enhancing(pipeline, guess_weight=0.1).fit(X, y)
        enhancing(pipeline, guess_weight=1.0).fit(X, y)


# Labels in, decisions out


def test_missing_labels_may_be_minus_one_or_nan(clips):
    X, y, _ = clips
    for estimator in (LogisticRegression(), network()):
        first, second = (
            enhancing(estimator, random_state=0).fit(X, labels)
            for labels in (y, np.where(y == -1, NAN, y))
        )
        assert pickle.dumps(first) == pickle.dumps(second)


@every_kind
def test_shapes_of_the_outputs(estimator, clips):
    X, y, _ = clips
    model = enhancing(estimator).fit(X, y)
    assert model.multilabel_ is True
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_features_in_ == 8
    probabilities = model.predict_proba(X)
    assert probabilities.shape == model.decision_function(X).shape == (80, 3)
    assert probabilities.dtype == np.float64
    assert model.predict(X).dtype == int
    np.testing.assert_array_equal(model.predict(X), probabilities >= 0.5)


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), network(max_epochs=25)], ids=["lr", "network"]
)
def test_classes_that_exclude_each_other(estimator, classes):
    X, y, truth = classes
    model = enhancing(estimator).fit(X, y)
    assert model.multilabel_ is False
    assert model.thresholds_ is None
    assert model.classes_.tolist() == [0, 1, 2]
    probabilities = model.predict_proba(X)
    assert probabilities.shape == model.decision_function(X).shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), probabilities.argmax(axis=1))
    assert model.score(X[30:], truth[30:]) > 0.9


def test_probabilities_of_classes_are_scaled_to_sum_to_one(classes):
    X, _, truth = classes
    found = enhancing().fit(X, truth).predict_proba(X)
    columns = np.eye(3)[truth]
    students = logistic_regressions(X.astype(float), columns)
    expected = probabilities_of(students, X.astype(float))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_two_classes_may_be_text(classes):
    X, _, truth = classes
    y = np.array(["low", "high"])[(truth == 1).astype(int)]
    model = enhancing().fit(X, y)
    assert model.classes_.tolist() == ["high", "low"]
    assert model.score(X, y) > 0.9
    assert model.decision_function(X).shape == (60,)
    np.testing.assert_array_equal(
        model.predict(X) == "low", model.decision_function(X) > 0
    )


def test_what_nobody_knows_of_a_label_is_said_where_it_was_asked(clips):
    X, y, _ = clips
    y = y.copy()
    y[:, 1] = -1
    with pytest.warns(UserWarning, match=r"Nothing is known.*\[1\]") as caught:
        model = enhancing().fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isfinite(model.predict_proba(X)).all()


def test_tuning_looks_at_clips_that_a_model_has_not_seen(clips):
    X, y, _ = clips
    folds = list(KFold(2).split(X))
    tuned = enhancing(threshold="tuned", cv=folds).fit(X, y)
    rows, probabilities = [], []
    for train, test in folds:
        rows.extend(test)
        model = enhancing().fit(X[train], y[train])
        probabilities.extend(model.predict_proba(X[test]))
    labels = np.where(y[rows] == -1, NAN, y[rows])
    expected = best_thresholds(labels, np.array(probabilities))
    np.testing.assert_array_equal(tuned.thresholds_, expected)
    np.testing.assert_array_equal(tuned.predict(X), tuned.predict_proba(X) >= expected)
    assert enhancing(threshold=0.2).fit(X, y).thresholds_.tolist() == [0.2] * 3


@pytest.mark.parametrize("cv", [None, 3, np.int64(3), GroupKFold(3)])
@pytest.mark.parametrize("routing", [False, True])
def test_tuning_keeps_groups_together(cv, routing, recorder):
    X = np.arange(40.0)[:, None]
    y, groups = np.random.default_rng(0).integers(0, 2, (40, 2)), np.arange(40) // 4
    with sklearn.config_context(enable_metadata_routing=routing):
        pipeline = make_pipeline(
            FunctionTransformer(), enhancing(recorder, threshold="tuned", cv=cv)
        )
        name = "groups" if routing else "labelenhancingclassifier__groups"
        pipeline.fit(X, y, **{name: groups})
    whole, folds = recorder.seen[:2], recorder.seen[2::2]
    assert all(len(rows) == 40 for rows, _, _ in whole)
    assert len(folds) == (5 if cv is None else 3)
    left_out = [set(range(40)) - set(rows[:, 0].astype(int)) for rows, _, _ in folds]
    assert sorted(set.union(*left_out)) == list(range(40))
    for clips in left_out:
        assert len(clips) == 4 * len(set(groups[list(clips)]))


def test_tuning_without_groups_shuffles_the_clips(recorder):
    X, y = np.arange(40.0)[:, None], np.arange(80).reshape(40, 2) // 2 % 2
    enhancing(recorder, threshold="tuned", random_state=3).fit(X, y)
    seed = np.random.RandomState(3).randint(np.iinfo(np.int32).max)
    folds = KFold(5, shuffle=True, random_state=seed).split(X)
    for (rows, _, _), (train, _) in zip(recorder.seen[2::2], folds, strict=True):
        np.testing.assert_array_equal(rows[:, 0], train)


def test_tuning_refuses_folds_that_part_a_group(clips):
    X, y, _ = clips
    tuned = enhancing(threshold="tuned", cv=KFold(3))
    with pytest.raises(ValueError, match=r"KFold.*on both sides.*GroupKFold"):
        tuned.fit(X, y, groups=np.arange(80) % 4)
    with pytest.raises(ValueError, match="groups holds 3 values, but there are 80"):
        tuned.fit(X, y, groups=[0, 1, 2])


# scikit-learn


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), network(width=16, max_epochs=6, lr=2e-2, batch_size=64)],
    ids=["lr", "network"],
)
def test_passes_every_check_of_scikit_learn(estimator):
    model = LabelEnhancingClassifier(estimator, random_state=0)
    results = check_estimator(model, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


def test_parameters_are_stored_and_nothing_else():
    model = clone(enhancing())
    assert vars(model).keys() == model.get_params(deep=False).keys()
    assert sklearn.utils.get_tags(model).classifier_tags.multi_label


def test_what_was_given_stays_unfitted(clips):
    X, y, _ = clips
    estimator = LogisticRegression()
    model = enhancing(estimator).fit(X, y)
    assert model.estimator is estimator
    assert not hasattr(estimator, "coef_")
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(5), network(random_state=None)],
    ids=["forest", "network"],
)
def test_the_seed_is_that_of_teacher_and_student(estimator, clips):
    X, y, _ = clips
    before = torch.random.get_rng_state()
    first, second, other = (
        enhancing(estimator, random_state=seed).fit(X, y) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert pickle.dumps(first) == pickle.dumps(second)
    assert not np.array_equal(other.predict_proba(X), first.predict_proba(X))


def test_without_a_seed_the_estimators_own_is_kept(clips):
    X, y, _ = clips
    model = enhancing(network(random_state=3)).fit(X, y)
    assert model.estimator_.random_state == 3
    seeded = enhancing(network(random_state=3), random_state=0).fit(X, y)
    assert seeded.estimator_.random_state != 3
    assert seeded.estimator.random_state == 3


@every_kind
def test_outputs_do_not_depend_on_the_other_rows(estimator, clips):
    X, y, _ = clips
    model = enhancing(estimator).fit(X, y)
    together = model.decision_function(X)
    for rows in ([3], [40, 3], list(range(79, -1, -1))):
        found = model.decision_function(X[rows])
        np.testing.assert_allclose(found, together[rows], rtol=1e-12, atol=1e-12)


@every_kind
def test_a_dump_predicts_the_same_in_a_new_process(estimator, clips, in_a_new_process):
    X, y, _ = clips
    model = enhancing(estimator).fit(X, y)
    found = in_a_new_process(model, X, "predict_proba", "predict")
    np.testing.assert_array_equal(found[0], model.predict_proba(X))
    np.testing.assert_array_equal(found[1], model.predict(X))


@every_kind
def test_skops_loads_a_dump_that_names_our_classes_alone(estimator, clips):
    X, y, _ = clips
    model = enhancing(estimator).fit(X, y)
    dump = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert all(name.startswith("sklearn_audio.semi_supervised") for name in untrusted)
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_search_bears_missing_labels(clips):
    X, y, _ = clips
    search = GridSearchCV(
        make_pipeline(StandardScaler(), enhancing()),
        {
            "labelenhancingclassifier__masked_share": [0.0, 0.5],
            "labelenhancingclassifier__estimator__C": [1e-2, 1.0],
        },
        scoring=get_scorer("masked_average_precision"),
        cv=MultilabelStratifiedKFold(2),
        error_score="raise",
    ).fit(X, np.where(y == -1, NAN, y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    alone = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


def test_bad_input(clips):
    X, y, _ = clips
    for parameters, message in [
        ({"missing": "drop"}, "'missing' parameter"),
        ({"masked_share": 1.1}, "'masked_share' parameter"),
        ({"positive_share": -0.1}, "'positive_share' parameter"),
        ({"guess_weight": 0.0}, "'guess_weight' parameter"),
        ({"threshold": "best"}, "'threshold' parameter"),
        ({"cv": "many"}, "'cv' parameter"),
        ({"estimator": StandardScaler()}, "'estimator' parameter"),
        ({"estimator": network(width=0)}, "'width' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            LabelEnhancingClassifier(**parameters).fit(X, y)
    for clips_, labels, message in [
        (np.where(X > 2, NAN, X), y, "NaN"),
        (X[:, None, None], y, "got 4 dimensions"),
        (X, y[:-1], "80 clips, but y holds 79 labels"),
        (X, 2 * y, "y holds -2 for clip"),
        (X, np.full_like(y, -1), "no label at all"),
        (X, np.zeros(80), "1 class: "),
        (X, np.linspace(0, 1, 80), "Unknown label type: continuous"),
        (X, None, "requires y to be passed"),
    ]:
        with pytest.raises(ValueError, match=message):
            enhancing().fit(clips_, labels)
    with pytest.raises(ValueError, match="8 features"):
        enhancing().fit(X, y).predict(X[:, :-1])
