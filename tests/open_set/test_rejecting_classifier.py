import numpy as np
import pytest
import sklearn
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from sklearn_audio.base import conformal_threshold
from sklearn_audio.open_set import RejectingClassifier


def make_overlapping_blobs(n_samples, random_state):
    centers = [[0, 0], [3, 0], [0, 3]]
    return make_blobs(n_samples, centers=centers, random_state=random_state)


@pytest.fixture(scope="module")
def blobs():
    return make_overlapping_blobs(120, random_state=0)


@pytest.fixture(scope="module")
def distant_blobs():
    return make_blobs(120, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)


@pytest.mark.parametrize("rejection_rate", [0.02, 0.1, 0.3])
@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        SVC(),
        GaussianNB(),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_rejects_as_many_fresh_known_clips_as_asked_for(classifier, rejection_rate):
    """In the mean over training sets, and neither more nor fewer than that."""
    X_fresh, _ = make_overlapping_blobs(2000, random_state=99)
    familiarity = "max_proba" if hasattr(classifier, "predict_proba") else "energy"
    rates = []
    for seed in range(20):
        rejecting = RejectingClassifier(
            classifier, familiarity=familiarity, rejection_rate=rejection_rate
        ).fit(*make_overlapping_blobs(200, random_state=seed))
        rates.append((rejecting.predict(X_fresh) == -1).mean())
    assert np.mean(rates) == pytest.approx(rejection_rate, abs=0.02)


def make_speakers(n_speakers, random_state):
    """Return ten clips per speaker, whose voice moves all of them to one side."""
    rng = np.random.default_rng(random_state)
    y = np.tile([0, 1], 5 * n_speakers)
    groups = np.repeat(np.arange(n_speakers), 10)
    voices = rng.normal(scale=2.0, size=(n_speakers, 20))
    X = rng.normal(size=(len(y), 20)) + voices[groups]
    X[:, 0] += 8 * y
    return X, y, groups


@pytest.mark.parametrize("rejection_rate", [0.05, 0.2])
def test_rejects_as_many_clips_of_fresh_speakers_as_asked_for(rejection_rate):
    """Folds that part the speakers score clips of a voice that they know."""
    X_fresh, _, _ = make_speakers(300, random_state=99)
    rates = {True: [], False: []}
    for seed in range(15):
        X, y, groups = make_speakers(24, random_state=seed)
        order = np.random.default_rng(seed).permutation(len(y))
        for is_grouped, found in rates.items():
            rejecting = RejectingClassifier(
                KNeighborsClassifier(3),
                familiarity=nearness,
                rejection_rate=rejection_rate,
            )
            rejecting.fit(
                X[order], y[order], groups=groups[order] if is_grouped else None
            )
            found.append((rejecting.predict(X_fresh) == -1).mean())
    assert np.mean(rates[True]) == pytest.approx(rejection_rate, abs=0.03)
    assert np.mean(rates[False]) > 2 * rejection_rate


def nearness(classifier, X):
    return -classifier.kneighbors(X)[0].mean(axis=1)


def test_more_clips_do_not_reject_fewer_unknown_ones():
    """A threshold below every training clip falls with the number of clips."""
    X_unknown = np.random.default_rng(0).normal([1, 1], 0.5, size=(500, 2))
    rates = [
        np.mean(
            [
                (
                    RejectingClassifier(LogisticRegression(), rejection_rate=0.1)
                    .fit(*make_overlapping_blobs(n_clips, random_state=seed))
                    .predict(X_unknown)
                    == -1
                ).mean()
                for seed in range(10)
            ]
        )
        for n_clips in (60, 2000)
    ]
    assert rates[1] > rates[0] - 0.02
    assert rates[1] > 0.2


def test_training_quantile_would_reject_far_more():
    """An overfitted classifier is sure of its training clips and of nothing else."""
    X, y = make_overlapping_blobs(60, random_state=0)
    X_fresh, _ = make_overlapping_blobs(2000, random_state=1)
    forest = KNeighborsClassifier(weights="distance", n_neighbors=15).fit(X, y)
    threshold = np.quantile(forest.predict_proba(X).max(axis=1), 0.05)
    naive = (forest.predict_proba(X_fresh).max(axis=1) < threshold).mean()
    rejecting = RejectingClassifier(forest).fit(X, y)
    assert naive > 0.3
    assert (rejecting.predict(X_fresh) == -1).mean() < 0.12


def test_rejects_what_lies_between_the_classes(distant_blobs):
    rejecting = RejectingClassifier(LogisticRegression()).fit(*distant_blobs)
    assert rejecting.predict([[4.5, 4.5]]).tolist() == [-1]
    assert rejecting.predict([[0.0, 9.0]]).tolist() == [2]
    assert rejecting.classes_.tolist() == [0, 1, 2]
    assert rejecting.outlier_label_ == -1


@pytest.mark.parametrize(
    ("familiarity", "expected"),
    [
        ("max_proba", lambda c, X: c.predict_proba(X).max(axis=1)),
        ("max_decision", lambda c, X: c.decision_function(X).max(axis=1)),
        ("energy", lambda c, X: logsumexp(c.decision_function(X), axis=1)),
        (lambda c, X: -np.abs(X).sum(axis=1), lambda c, X: -np.abs(X).sum(axis=1)),
    ],
    ids=["max_proba", "max_decision", "energy", "callable"],
)
def test_familiarity_is_what_its_formula_says(blobs, familiarity, expected):
    X, y = blobs
    rejecting = RejectingClassifier(LogisticRegression(), familiarity=familiarity)
    rejecting.fit(X, y)
    np.testing.assert_allclose(
        rejecting.score_samples(X), expected(LogisticRegression().fit(X, y), X)
    )
    rejected = rejecting.predict(X * 3) == -1
    np.testing.assert_array_equal(
        rejected, rejecting.score_samples(X * 3) < rejecting.offset_
    )


def test_two_classes_are_symmetric():
    X, y = make_blobs(60, centers=2, random_state=3)
    for familiarity in ("max_decision", "energy"):
        rejecting = RejectingClassifier(LogisticRegression(), familiarity=familiarity)
        scores = rejecting.fit(X, y).score_samples(X)
        swapped = rejecting.fit(X, 1 - y).score_samples(X)
        np.testing.assert_allclose(scores, swapped, rtol=1e-3)
    decisions = np.abs(LogisticRegression().fit(X, y).decision_function(X))
    rejecting.set_params(familiarity="max_decision").fit(X, y)
    np.testing.assert_allclose(2 * rejecting.score_samples(X), decisions)


def test_outputs_on_the_known_classes_pass_through(blobs):
    X, y = blobs
    rejecting = RejectingClassifier(LogisticRegression()).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(rejecting.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_allclose(
        rejecting.decision_function(X), plain.decision_function(X)
    )
    without_probabilities = RejectingClassifier(
        RidgeClassifier(), familiarity="max_decision"
    )
    assert not hasattr(without_probabilities, "predict_proba")
    assert hasattr(without_probabilities.fit(X, y), "decision_function")


def test_a_classifier_without_the_outputs_of_the_familiarity(blobs):
    with pytest.raises(AttributeError, match=r"needs predict_proba.*RidgeClassifier"):
        RejectingClassifier(RidgeClassifier()).fit(*blobs)
    with pytest.raises(ValueError, match=r"one number a clip.*shape"):
        RejectingClassifier(
            GaussianNB(), familiarity=lambda c, X: c.predict_proba(X)
        ).fit(*blobs)


@pytest.mark.parametrize("nothing", [{"rejection_rate": None}, {"outlier_label": None}])
def test_nothing_is_rejected_where_nothing_may_be(blobs, nothing):
    rejecting = RejectingClassifier(LogisticRegression(), **nothing).fit(*blobs)
    assert rejecting.offset_ == -np.inf
    labels = rejecting.predict([[1.0, 1.0], [1e3, 1e3]])
    assert set(labels) <= {0, 1, 2}


def test_text_labels_are_not_cut(distant_blobs):
    X, y = distant_blobs
    y = np.array(["a", "b", "c"])[y]
    rejecting = RejectingClassifier(LogisticRegression()).fit(X, y)
    assert rejecting.predict([[4.5, 4.5], [0.0, 9.0]]).tolist() == ["unknown", "c"]
    rejecting.set_params(outlier_label="something else").fit(X, y)
    assert rejecting.predict([[4.5, 4.5]]).tolist() == ["something else"]


def test_an_outlier_label_that_is_a_class(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match="outlier_label=2 is one of the classes"):
        RejectingClassifier(LogisticRegression(), outlier_label=2).fit(X, y)
    with pytest.warns(UserWarning, match="nothing will be rejected"):
        rejecting = RejectingClassifier(LogisticRegression()).fit(X, y - 1)
    assert rejecting.outlier_label_ is None
    assert set(rejecting.predict([[1.0, 1.0]])) <= {-1, 0, 1}


def test_few_clips_lower_the_number_of_folds():
    X, y = make_overlapping_blobs(9, random_state=0)
    assert np.isfinite(RejectingClassifier(GaussianNB()).fit(X, y).offset_)
    y = np.r_[0, np.repeat([1, 2], 4)]
    with pytest.raises(ValueError, match="one sample alone"):
        RejectingClassifier(LogisticRegression()).fit(X, y)


def test_a_frozen_classifier_is_only_calibrated(blobs):
    X, y = blobs
    classifier = LogisticRegression().fit(X[:60], y[:60])
    rejecting = RejectingClassifier(FrozenEstimator(classifier), rejection_rate=0.2)
    rejecting.fit(X[60:], y[60:])
    scores = classifier.predict_proba(X[60:]).max(axis=1)
    assert rejecting.offset_ == conformal_threshold(scores, 0.2)
    np.testing.assert_array_equal(rejecting.calibration_scores_, np.sort(scores))
    np.testing.assert_array_equal(
        rejecting.predict_proba(X), classifier.predict_proba(X)
    )


def test_a_pipeline_of_frozen_steps_is_only_calibrated(blobs):
    X, y = blobs
    scaler = StandardScaler().fit(X[:60])
    classifier = LogisticRegression().fit(scaler.transform(X[:60]), y[:60])
    pipeline = make_pipeline(
        FunctionTransformer(np.copy),
        "passthrough",
        FrozenEstimator(scaler),
        FrozenEstimator(classifier),
    )
    rejecting = RejectingClassifier(pipeline, rejection_rate=0.2).fit(X[60:], y[60:])
    scores = classifier.predict_proba(scaler.transform(X[60:])).max(axis=1)
    assert rejecting.offset_ == conformal_threshold(scores, 0.2)
    # One step that is fitted anew is enough for scores out of fold.
    pipeline = make_pipeline(StandardScaler(), FrozenEstimator(classifier))
    rejecting = RejectingClassifier(pipeline, rejection_rate=0.2).fit(X[60:], y[60:])
    whole = pipeline.fit(X[60:], y[60:]).predict_proba(X[60:]).max(axis=1)
    assert rejecting.offset_ != conformal_threshold(whole, 0.2)


def test_the_outlier_label_is_no_class_of_a_frozen_classifier(blobs):
    X, y = blobs
    frozen = FrozenEstimator(LogisticRegression().fit(X, y - 1))
    is_positive = y > 0  # the clips that calibrate lack the class -1
    with pytest.warns(UserWarning, match="nothing will be rejected"):
        rejecting = RejectingClassifier(frozen).fit(X[is_positive], y[is_positive] - 1)
    assert rejecting.outlier_label_ is None
    with pytest.raises(ValueError, match="outlier_label=-1 is one of the classes"):
        RejectingClassifier(frozen, outlier_label=-1).fit(
            X[is_positive], y[is_positive] - 1
        )


def test_a_threshold_belongs_to_its_score(blobs):
    rejecting = RejectingClassifier(LogisticRegression()).fit(*blobs)
    rejecting.set_params(familiarity="energy")
    with pytest.raises(ValueError, match=r"'energy' was set after fit.*'max_proba'"):
        rejecting.predict(blobs[0])
    np.testing.assert_allclose(
        rejecting.score_samples(blobs[0]),
        logsumexp(rejecting.decision_function(blobs[0]), axis=1),
    )
    rejecting.set_params(rejection_rate=None).fit(*blobs)
    assert (rejecting.set_params(familiarity="max_proba").predict(blobs[0]) >= 0).all()


class RecordingClassifier(ClassifierMixin, BaseEstimator):
    """Remember what each fit was given, whoever's clone it is."""

    calls: list = []

    def fit(self, X, y, note=None):
        self.classes_ = np.unique(y)
        self.calls.append((set(np.asarray(X)[:, 0]), note))
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))

    def predict_proba(self, X):
        shares = np.ones((len(X), len(self.classes_)))
        return shares / len(self.classes_)


@pytest.mark.parametrize("cv", [LeaveOneGroupOut(), None, 3])
@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_the_splitter_and_metadata_the_classifier(routing, cv):
    X = np.column_stack([np.arange(12), np.zeros(12)])
    y, groups = np.tile([0, 1], 6), np.repeat([0, 1, 2], 4)
    RecordingClassifier.calls.clear()
    with sklearn.config_context(enable_metadata_routing=routing):
        classifier = RecordingClassifier()
        if routing:
            classifier.set_fit_request(note=True)
        RejectingClassifier(classifier, cv=cv).fit(
            X, y, groups=groups, note=np.arange(12) * 10
        )
    whole, *folds = RecordingClassifier.calls
    assert whole[0] == set(range(12))
    assert sorted(sorted(set(range(12)) - rows) for rows, _ in folds) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    for rows, note in folds:
        assert set(note) == {10 * row for row in rows}


def test_groups_reach_the_splitter_through_a_pipeline(blobs):
    X, y = blobs
    groups = np.arange(len(y)) % 5
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), RejectingClassifier(GaussianNB(), cv=GroupKFold(3))
        )
        pipeline.fit(X, y, groups=groups)
    alone = RejectingClassifier(GaussianNB(), cv=GroupKFold(3))
    alone.fit(StandardScaler().fit_transform(X), y, groups=groups)
    assert pipeline[-1].offset_ == alone.offset_


def test_lists_of_clips_reach_the_classifier_as_they_are(tmp_path):
    class CountLetters(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            assert isinstance(X, list)
            return np.array([[len(text)] for text in X])

        def __sklearn_is_fitted__(self):
            return True

    X = ["a", "bb", "aaaaaaa", "bbbbbbbb"] * 5
    y = np.array([0, 0, 1, 1] * 5)
    rejecting = RejectingClassifier(make_pipeline(CountLetters(), LogisticRegression()))
    assert rejecting.fit(X, y).predict(["c", "ccccccc"]).tolist() == [0, 1]
    assert not hasattr(rejecting, "n_features_in_")


def test_folds_in_parallel_give_the_same_threshold(blobs):
    one, two = (
        RejectingClassifier(LogisticRegression(), n_jobs=n).fit(*blobs) for n in (1, 2)
    )
    assert one.offset_ == two.offset_
