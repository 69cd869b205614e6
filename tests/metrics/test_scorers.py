import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.feature_selection import RFE
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import make_scorer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM

from sklearn_audio.metrics import (
    aupr_in,
    aupr_out,
    ccr_at_fpr,
    equal_error_rate,
    fpr_at_tpr,
    get_scorer,
    get_scorer_names,
    harmonic_mean_accuracy,
    masked_auprc_score,
    masked_average_precision_score,
    open_set_accuracy,
    open_set_auroc,
    open_set_f1,
    oscr_score,
    partial_auc,
    two_sided_f1_score,
    zero_shot_accuracy,
)
from sklearn_audio.model_selection import (
    MultilabelStratifiedKFold,
    OpenSetSplit,
    SemiSupervisedSplit,
    ZeroShotSplit,
)

RANKING = {
    "open_set_auroc": (open_set_auroc, 1),
    "aupr_in": (aupr_in, 1),
    "aupr_out": (aupr_out, 1),
    "neg_equal_error_rate": (equal_error_rate, -1),
    "neg_fpr_at_95_tpr": (fpr_at_tpr, -1),
    "partial_auc": (partial_auc, 1),
    "dcase_partial_auc": (partial(partial_auc, form="dcase"), 1),
}
DETECTION = ["partial_auc", "dcase_partial_auc"]
CLOSED_SET = {
    "oscr": oscr_score,
    "ccr_at_fpr_10": partial(ccr_at_fpr, fpr=0.1),
}
ANSWERS = {"open_set_accuracy": open_set_accuracy, "open_set_f1_macro": open_set_f1}
NAMES = [*RANKING, *CLOSED_SET, *ANSWERS]
ZERO_SHOT = [
    "zero_shot_accuracy",
    "top_3_accuracy",
    "top_5_accuracy",
    "mean_class_accuracy",
    "harmonic_mean_accuracy",
]
PARTIAL_LABELS = {
    "masked_average_precision": masked_average_precision_score,
    "masked_average_precision_micro": partial(
        masked_average_precision_score, average="micro"
    ),
    "masked_auprc": masked_auprc_score,
    "masked_auprc_micro": partial(masked_auprc_score, average="micro"),
    "two_sided_f1": two_sided_f1_score,
}


class NearestMean(ClassifierMixin, BaseEstimator):
    """The smallest open-set classifier: far from every class mean is unknown."""

    def __init__(self, radius=1.0, outlier_label="unknown"):
        self.radius = radius
        self.outlier_label = outlier_label

    def fit(self, X, y):
        self.calls_ = []
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == label].mean(axis=0) for label in self.classes_])
        self.outlier_label_ = self.outlier_label
        self.n_features_in_ = X.shape[1]
        return self

    def _distances(self, X):
        return np.linalg.norm(np.asarray(X)[:, None] - self.means_, axis=2)

    def decision_function(self, X):
        self.calls_.append("decision_function")
        return -self._distances(X)

    def score_samples(self, X):
        self.calls_.append("score_samples")
        # Not the largest decision, so that a scorer that takes that instead is found.
        return -np.median(self._distances(X), axis=1)

    def predict(self, X):
        self.calls_.append("predict")
        labels = self.classes_[self._distances(X).argmin(axis=1)].astype(object)
        labels[self._distances(X).min(axis=1) > self.radius] = self.outlier_label
        return labels


@pytest.fixture
def flowers():
    """Five classes cut from iris; the last two are unknown."""
    X, species = load_iris(return_X_y=True)
    y = np.array(["down", "up", "dog"])[species].astype("<U4")
    y[75:100], y[100:125] = "left", "cat"
    return X, y


@pytest.fixture
def fitted(flowers):
    X, y = flowers
    known = np.isin(y, ["down", "up", "left"])
    return NearestMean().fit(X[known], y[known])


def test_names_are_those_of_the_scorers():
    assert get_scorer_names("open_set") == sorted(NAMES)
    assert get_scorer_names("zero_shot") == sorted(ZERO_SHOT)
    assert get_scorer_names("partial_labels") == sorted(PARTIAL_LABELS)
    assert get_scorer_names() == sorted([*NAMES, *ZERO_SHOT, *PARTIAL_LABELS])
    with pytest.raises(ValueError, match=r"'tagging' is not offered.*'zero_shot'"):
        get_scorer_names("tagging")


@pytest.mark.parametrize("name", RANKING)
def test_ranking_scorers_take_score_samples(name, flowers, fitted):
    X, y = flowers
    metric, sign = RANKING[name]
    y_known = np.isin(y, fitted.classes_)
    expected = sign * metric(y_known, fitted.score_samples(X))
    assert get_scorer(name)(fitted, X, y) == expected
    assert 0 < abs(expected) < 1


@pytest.mark.parametrize("name", CLOSED_SET)
def test_closed_set_scorers_ignore_rejections(name, flowers, fitted):
    X, y = flowers
    closed = fitted.classes_[fitted.decision_function(X).argmax(axis=1)]
    expected = CLOSED_SET[name](
        y, closed, fitted.score_samples(X), known_labels=fitted.classes_
    )
    assert get_scorer(name)(fitted, X, y) == expected
    assert 0 < expected < 1


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_scorers_count_rejections(name, flowers, fitted):
    X, y = flowers
    expected = ANSWERS[name](
        y, fitted.predict(X), known_labels=fitted.classes_, outlier_label="unknown"
    )
    assert "unknown" in fitted.predict(X)
    assert get_scorer(name)(fitted, X, y) == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_method_is_called_twice(name, flowers, fitted):
    fitted.calls_.clear()
    get_scorer(name)(fitted, *flowers)
    assert len(fitted.calls_) == len(set(fitted.calls_))


@pytest.mark.parametrize("name", NAMES)
def test_scorers_reach_into_pipelines_searches_and_selectors(name, flowers):
    X, y = flowers
    known = np.isin(y, ["down", "up", "left"])
    model = NearestMean(outlier_label="?")
    nested = make_pipeline(
        StandardScaler(),
        GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2),
    ).fit(X[known], y[known])
    scaler, search = nested.named_steps.values()
    plain = search.best_estimator_
    assert get_scorer(name)(nested, X, y) == get_scorer(name)(
        plain, scaler.transform(X), y
    )


class RejectingLDA(LinearDiscriminantAnalysis):
    def fit(self, X, y):
        self.outlier_label_ = "?"
        return super().fit(X, y)

    def predict(self, X):
        labels = super().predict(X).astype(object)
        labels[self.predict_proba(X).max(axis=1) < 0.9] = self.outlier_label_
        return labels


def test_outlier_label_is_found_inside_a_feature_selector(flowers):
    X, y = flowers
    known = np.isin(y, ["down", "up", "left"])
    selector = RFE(RejectingLDA(), n_features_to_select=2).fit(X[known], y[known])
    expected = open_set_accuracy(
        y, selector.predict(X), known_labels=selector.classes_, outlier_label="?"
    )
    assert get_scorer("open_set_accuracy")(selector, X, y) == expected


@pytest.mark.parametrize(
    ("classifier", "method"),
    [
        (GaussianNB(), "predict_proba"),
        (CalibratedClassifierCV(GaussianNB(), cv=2), "predict_proba"),
        (RidgeClassifier(), "decision_function"),
    ],
)
def test_plain_classifier_is_as_familiar_as_its_best_class(flowers, classifier, method):
    X, y = flowers
    known = np.isin(y, ["down", "up", "left"])
    classifier.fit(X[known], y[known])
    scores = getattr(classifier, method)(X)
    closed = classifier.classes_[scores.argmax(axis=1)]
    assert get_scorer("open_set_auroc")(classifier, X, y) == open_set_auroc(
        known, scores.max(axis=1)
    )
    assert get_scorer("oscr")(classifier, X, y) == oscr_score(
        y, closed, scores.max(axis=1), known_labels=classifier.classes_
    )
    assert_allclose(
        get_scorer("open_set_accuracy")(classifier, X, y),
        np.mean(classifier.predict(X) == y),
    )


def test_two_classes_with_one_column_of_decisions():
    X, y = load_iris(return_X_y=True)
    model = SVC().fit(X[y < 2], y[y < 2])
    decision = model.decision_function(X)
    assert decision.ndim == 1
    assert get_scorer("aupr_out")(model, X, y) == aupr_out(y < 2, np.abs(decision))
    assert get_scorer("oscr")(model, X, y) == oscr_score(
        y, model.predict(X), np.abs(decision), known_labels=[0, 1]
    )


def test_numeric_classes_have_minus_1_for_outlier_label():
    X, y = load_iris(return_X_y=True)
    model = NearestMean(outlier_label=-1).fit(X[y < 2], y[y < 2])
    expected = np.mean(model.predict(X) == np.where(y < 2, y, -1))
    assert get_scorer("open_set_accuracy")(model, X, y) == expected
    del model.outlier_label_  # a classifier that only follows the convention
    assert get_scorer("open_set_accuracy")(model, X, y) == expected


def test_classifier_that_never_rejects():
    X, y = load_iris(return_X_y=True)
    labels = np.array([-1, 1, 7])[y]
    model = NearestMean(radius=np.inf, outlier_label=None).fit(X[y < 2], labels[y < 2])
    expected = np.mean(model.predict(X) == labels)
    assert get_scorer("open_set_accuracy")(model, X, labels) == expected


def test_closed_set_predictions_fall_back_on_predict():
    class ScoresAndLabels(GaussianNB):
        @property
        def predict_proba(self):
            raise AttributeError

        def score_samples(self, X):
            return -np.abs(X).sum(axis=1)

    X, y = load_iris(return_X_y=True)
    model = ScoresAndLabels().fit(X[y > 0], y[y > 0])
    plain = GaussianNB().fit(X[y > 0], y[y > 0])
    assert get_scorer("oscr")(model, X, y) == oscr_score(
        y, plain.predict(X), model.score_samples(X), known_labels=[1, 2]
    )


@pytest.mark.parametrize("name", NAMES)
def test_scorers_survive_pickling(name, flowers, fitted):
    scorer = pickle.loads(pickle.dumps(get_scorer(name)))  # noqa: S301
    assert scorer(fitted, *flowers) == get_scorer(name)(fitted, *flowers)
    assert repr(scorer) == f"get_scorer({name!r})"


@pytest.mark.parametrize("name", [*RANKING, *CLOSED_SET])
@pytest.mark.parametrize("side", ["known", "unknown"])
def test_fold_with_one_side_gives_nan_and_a_warning(name, side, flowers, fitted):
    X, y = flowers
    kept = np.isin(y, fitted.classes_) == (side == "known")
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(get_scorer(name)(fitted, X[kept], y[kept]))


@pytest.mark.parametrize("name", ["open_set_auroc", "oscr", "open_set_accuracy"])
def test_grid_search_picks_what_the_scorer_prefers(name, flowers):
    X, y = flowers
    cv = OpenSetSplit(3, unknown_classes=["dog", "cat"], random_state=0)
    grid = {"nearestmean__radius": [0.01, 1.5, np.inf]}
    pipeline = make_pipeline(StandardScaler(), NearestMean())
    search = GridSearchCV(
        pipeline, grid, cv=cv, scoring=get_scorer(name), refit=False
    ).fit(X, y)
    expected = [
        np.mean(
            [
                get_scorer(name)(
                    make_pipeline(StandardScaler(), NearestMean(radius)).fit(
                        X[train], y[train]
                    ),
                    X[test],
                    y[test],
                )
                for train, test in cv.split(X, y)
            ]
        )
        for radius in grid["nearestmean__radius"]
    ]
    assert_allclose(search.cv_results_["mean_test_score"], expected)
    assert search.best_index_ == np.argmax(expected)


def test_grid_search_in_two_processes_finds_the_same(flowers):
    X, y = flowers
    searches = [
        GridSearchCV(
            GaussianNB(),
            {"var_smoothing": [1e-9, 1.0]},
            cv=OpenSetSplit(2, unknown_classes=["dog", "cat"], random_state=0),
            scoring=get_scorer("oscr"),
            n_jobs=n_jobs,
            refit=False,
        ).fit(X, y)
        for n_jobs in (None, 2)
    ]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    assert_allclose(one, two)


def test_all_scorers_at_once(flowers):
    X, y = flowers
    names = [*get_scorer_names("open_set"), "accuracy"]
    scoring = {name: get_scorer(name) for name in names}
    result = cross_validate(
        make_pipeline(StandardScaler(), NearestMean()),
        X,
        y,
        cv=OpenSetSplit(3, unknown_classes=["dog", "cat"], random_state=0),
        scoring=scoring,
    )
    scores = {name: result[f"test_{name}"] for name in scoring}
    assert all(np.isfinite(values).all() for values in scores.values())
    assert (scores["oscr"] <= scores["open_set_auroc"]).all()


def test_search_with_sample_weight_and_several_scorers(flowers):
    X, y = flowers
    search = GridSearchCV(
        GaussianNB(),
        {},
        cv=OpenSetSplit(2, unknown_classes=["dog", "cat"], random_state=0),
        scoring={"auroc": get_scorer("open_set_auroc"), "oscr": get_scorer("oscr")},
        refit=False,
    )
    with warnings.catch_warnings():
        # scikit-learn 1.9 warns of scorers without weights; earlier releases do not.
        warnings.filterwarnings("ignore", "The scoring", UserWarning)
        search.fit(X, y, sample_weight=np.ones(len(y)))
    assert np.isfinite(search.cv_results_["mean_test_auroc"]).all()


def test_metadata_routing_leaves_scorers_alone(flowers):
    X, y = flowers
    with sklearn.config_context(enable_metadata_routing=True):
        result = cross_validate(
            GaussianNB(),
            X,
            y,
            cv=OpenSetSplit(2, unknown_classes=["dog"], random_state=0),
            scoring={name: get_scorer(name) for name in get_scorer_names("open_set")},
            params={"groups": np.arange(len(y))},
        )
    assert np.isfinite(result["test_oscr"]).all()


def test_other_names_are_scikit_learns(flowers):
    X, y = flowers
    model = GaussianNB().fit(X, y)
    assert get_scorer("accuracy")(model, X, y) == model.score(X, y)
    assert get_scorer(get_scorer("oscr")) is get_scorer("oscr")


def test_misspelt_name_is_corrected():
    with pytest.raises(ValueError, match=r"'open_set_auc' is no scorer. Did you mean "
                                         "'open_set_auroc'"):  # fmt: skip
        get_scorer("open_set_auc")
    with pytest.raises(
        ValueError, match=r"'xyz' is no scorer. This package's scorers: aupr"
    ):
        get_scorer("xyz")


@pytest.fixture
def sounds():
    """Normal and anomalous clips, 1 and -1, that overlap."""
    rng = np.random.RandomState(0)
    y = np.repeat([1, -1], [80, 40])
    return rng.normal(np.where(y == 1, 0, 2)[:, None], size=(120, 3)), y


@pytest.mark.parametrize("name", DETECTION)
@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(n_estimators=5, random_state=0),
        OneClassSVM(),
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(random_state=0),
        KernelDensity(),
        make_pipeline(StandardScaler(), GaussianMixture(random_state=0)),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_detection_scorers_take_score_samples_of_detectors(name, detector, sounds):
    X, y = sounds
    detector.fit(X[y == 1])
    expected = RANKING[name][0](y, detector.score_samples(X))
    assert get_scorer(name)(detector, X, y) == expected
    assert get_scorer(name)(detector, X, y == 1) == expected
    assert 0 < expected < 1


@pytest.mark.parametrize("name", DETECTION)
def test_detection_scorers_fall_back_on_decisions(name, sounds):
    class DecisionsOnly(OneClassSVM):
        score_samples = property()

    X, y = sounds
    detector = DecisionsOnly().fit(X[y == 1])
    assert get_scorer(name)(detector, X, y) == RANKING[name][0](
        y, detector.decision_function(X)
    )


@pytest.mark.parametrize("name", DETECTION)
def test_search_for_the_best_detector(name, sounds):
    X, y = sounds
    folds = [
        (train[y[train] == 1], test) for train, test in StratifiedKFold(2).split(X, y)
    ]
    pipeline = make_pipeline(StandardScaler(), OneClassSVM())
    search = GridSearchCV(
        pipeline,
        {"oneclasssvm__gamma": [1e-3, 1.0, 1e3]},
        cv=folds,
        scoring=get_scorer(name),
    ).fit(X, y)
    expected = [
        np.mean(
            [
                RANKING[name][0](
                    y[test],
                    pipeline.set_params(oneclasssvm__gamma=gamma)
                    .fit(X[train])
                    .score_samples(X[test]),
                )
                for train, test in folds
            ]
        )
        for gamma in [1e-3, 1.0, 1e3]
    ]
    assert_allclose(search.cv_results_["mean_test_score"], expected)
    assert search.best_index_ == np.argmax(expected)
    assert get_scorer(name)(search, X, y) == get_scorer(name)(
        search.best_estimator_, X, y
    )


@pytest.mark.parametrize("name", DETECTION)
def test_detection_scorers_need_a_score_and_two_kinds_of_labels(name, sounds):
    X, y = sounds
    with pytest.raises(ValueError, match="KMeans has none of score_samples"):
        get_scorer(name)(KMeans(2).fit(X), X, y)
    with pytest.raises(ValueError, match=r"y_normal must be boolean.*\[0, 1\]"):
        get_scorer(name)(
            IsolationForest(n_estimators=2).fit(X), X, (y == -1).astype(int)
        )
    with pytest.warns(UndefinedMetricWarning, match="without anomalous clips"):
        get_scorer(name)(OneClassSVM().fit(X), X[y == 1], y[y == 1])


@pytest.mark.parametrize("detector", [IsolationForest(n_estimators=2), KMeans(2)])
def test_only_classifiers_can_be_scored(detector, flowers):
    X, y = flowers
    with pytest.raises(ValueError, match="has no classes_"):
        get_scorer("open_set_auroc")(detector.fit(X), X, y)


def test_classifier_without_any_score_is_refused(flowers):
    class LabelsOnly(NearestCentroid):
        predict_proba = decision_function = property()

    X, y = flowers
    with pytest.raises(ValueError, match="LabelsOnly has none of score_samples"):
        get_scorer("open_set_auroc")(LabelsOnly().fit(X, y), X, y)


def test_one_score_per_pair_of_classes_is_refused():
    X, y = load_iris(return_X_y=True)
    y = y * 2 + np.arange(len(y)) % 2
    model = SVC(decision_function_shape="ovo").fit(X[y < 4], y[y < 4])
    with pytest.raises(ValueError, match=r"\(150, 6\), expected one column for each"):
        get_scorer("open_set_auroc")(model, X, y)


def test_labels_of_another_kind_are_refused(fitted, flowers):
    X, _ = flowers
    with pytest.raises(ValueError, match="y_true holds numbers"):
        get_scorer("open_set_auroc")(fitted, X, np.zeros(len(X), dtype=int))


# Where each class is, also those that are not trained on.
PLACES = {
    f"class{k}": place
    for k, place in enumerate(np.random.RandomState(0).normal(size=(8, 3)))
}


class NearestPlace(ClassifierMixin, BaseEstimator):
    """The smallest zero-shot classifier: learns how far off clips are on average."""

    def __init__(self, lean=0.0):
        self.lean = lean

    def fit(self, X, y):
        self.calls_ = []
        self.seen_classes_ = np.unique(y)
        self.classes_ = np.array(sorted(PLACES))
        self.places_ = np.array([PLACES[label] for label in self.classes_])
        self.offset_by_ = np.mean(X - np.array([PLACES[label] for label in y]), axis=0)
        return self

    def _scores(self, X):
        clips = np.asarray(X)[:, None] - self.offset_by_
        scores = -np.linalg.norm(clips - self.places_, axis=2)
        return scores + self.lean * np.isin(self.classes_, self.seen_classes_)

    def decision_function(self, X):
        self.calls_.append("decision_function")
        return self._scores(X)

    def predict(self, X):
        self.calls_.append("predict")
        return self.classes_[self._scores(X).argmax(axis=1)]


@pytest.fixture
def placed_clips():
    rng = np.random.RandomState(1)
    y = np.repeat(list(PLACES), 12)
    return 5 + rng.normal([PLACES[label] for label in y], 1.0), y


@pytest.fixture
def zero_shot(placed_clips):
    """A fitted classifier, clips of all classes, and those of unseen ones."""
    X, y = placed_clips
    is_seen = y < "class5"
    model = NearestPlace(lean=0.3).fit(X[is_seen], y[is_seen])
    return model, (X, y), (X[~is_seen], y[~is_seen])


def test_zero_shot_scorers_say_what_loops_over_clips_say(zero_shot):
    model, _, (X, y) = zero_shot
    n_right = dict.fromkeys(ZERO_SHOT[:3], 0)
    for scores, label in zip(model.decision_function(X), y, strict=True):
        by_label = dict(zip(model.classes_, scores, strict=True))
        among_all = sorted(by_label, key=by_label.get, reverse=True)
        among_test = [name for name in among_all if name in y]
        n_right["zero_shot_accuracy"] += label == among_test[0]
        n_right["top_3_accuracy"] += label in among_all[:3]
        n_right["top_5_accuracy"] += label in among_all[:5]
    assert len(set(n_right.values())) == 3
    for name, count in n_right.items():
        assert get_scorer(name)(model, X, y) == pytest.approx(count / len(y))


def test_name_scorers_take_predict(zero_shot):
    model, (X, y), _ = zero_shot
    predicted = model.predict(X)
    expected = harmonic_mean_accuracy(y, predicted, seen_classes=model.seen_classes_)
    assert get_scorer("harmonic_mean_accuracy")(model, X, y) == expected
    assert 0 < expected < 1
    few = np.r_[0:6, 60:96]  # one seen class, with fewer clips than the unseen ones
    accuracies = [np.mean(predicted[few][y[few] == k] == k) for k in np.unique(y[few])]
    score = get_scorer("mean_class_accuracy")(model, X[few], y[few])
    assert score == pytest.approx(np.mean(accuracies))


@pytest.mark.parametrize("name", ZERO_SHOT)
def test_zero_shot_scorers_reach_into_pipelines_and_searches(name, zero_shot):
    model, (X, y), _ = zero_shot
    is_seen = np.isin(y, model.seen_classes_)
    search = GridSearchCV(make_pipeline(NearestPlace(lean=0.3)), {}, cv=2)
    nested = make_pipeline(search).fit(X[is_seen], y[is_seen])
    expected = get_scorer(name)(model, X, y)
    assert get_scorer(name)(nested, X, y) == pytest.approx(expected)
    scorer = pickle.loads(pickle.dumps(get_scorer(name)))  # noqa: S301
    assert scorer(model, X, y) == expected
    model.calls_.clear()
    scorer(model, X, y)
    assert len(model.calls_) == 1


def test_search_on_zero_shot_folds(placed_clips):
    X, y = placed_clips
    names = [name for name in ZERO_SHOT if name != "harmonic_mean_accuracy"]
    search = GridSearchCV(
        NearestPlace(),
        {"lean": [0.0, 9.0]},
        cv=ZeroShotSplit(4, random_state=0),
        scoring={name: get_scorer(name) for name in names},
        refit=False,
    ).fit(X, y)
    scores = {name: search.cv_results_[f"mean_test_{name}"] for name in names}
    # A lean towards seen classes does not matter where these do not compete.
    assert_allclose(*scores["zero_shot_accuracy"])
    assert scores["zero_shot_accuracy"][0] > 0.8
    without_lean, with_lean = scores["mean_class_accuracy"]
    assert without_lean > 0.3  # chance is 1/8
    assert with_lean == 0
    assert (scores["top_5_accuracy"] >= scores["top_3_accuracy"]).all()


def test_search_on_folds_of_seen_and_unseen_classes(placed_clips):
    search = GridSearchCV(
        NearestPlace(),
        {"lean": [-9.0, 0.0, 9.0]},
        cv=OpenSetSplit(3, n_unknown_classes=3, random_state=0),
        scoring=get_scorer("harmonic_mean_accuracy"),
        refit=False,
    ).fit(*placed_clips)
    towards_unseen, without, towards_seen = search.cv_results_["mean_test_score"]
    assert towards_unseen == towards_seen == 0
    assert without > 0.3


def test_probabilities_that_have_vanished_do_not_decide(zero_shot):
    """All but the largest probability may be 0; the decisions still differ."""

    class WithProbabilities(NearestPlace):
        def predict_proba(self, X):
            scores = self._scores(X)
            return (scores == scores.max(axis=1, keepdims=True)).astype(float)

    _, _, (X, y) = zero_shot
    model = WithProbabilities().fit(X + 1, y)
    few = y < "class7"
    score = get_scorer("zero_shot_accuracy")(model, X[few], y[few])
    assert score == zero_shot_accuracy(
        y[few], model.decision_function(X[few]), labels=model.classes_
    )
    assert score != zero_shot_accuracy(
        y[few], model.predict_proba(X[few]), labels=model.classes_
    )


def test_zero_shot_scorers_of_plain_classifiers(flowers):
    X, y = flowers
    model = GaussianNB().fit(X, y)
    score = get_scorer("zero_shot_accuracy")(model, X, y)
    assert score == pytest.approx(model.score(X, y))
    with pytest.raises(ValueError, match="GaussianNB has no seen_classes_"):
        get_scorer("harmonic_mean_accuracy")(model, X, y)

    class LabelsOnly(NearestCentroid):
        predict_proba = decision_function = property()

    with pytest.raises(ValueError, match="no decision_function and no predict_proba"):
        get_scorer("top_3_accuracy")(LabelsOnly().fit(X, y), X, y)


def test_a_test_class_that_is_no_candidate_is_named(zero_shot):
    model, _, (X, y) = zero_shot
    labels = np.where(y == "class7", "cow", y)
    with pytest.raises(ValueError, match=r"'cow' at index 24.*Make it a candidate"):
        get_scorer("zero_shot_accuracy")(model, X, labels)


class LabelMeans(BaseEstimator):
    """The smallest classifier for missing labels: known positives against negatives."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def fit(self, X, y):
        y = np.asarray(y, dtype=float)
        sides = [
            np.array([X[of_label == side].mean(axis=0) for of_label in y.T])
            for side in (0, 1)
        ]
        # A weight of -1 turns every answer into its opposite.
        self.directions_ = self.weight * (sides[1] - sides[0])
        self.thresholds_ = np.sum(self.directions_ * (sides[0] + sides[1]) / 2, axis=1)
        return self

    def decision_function(self, X):
        return X @ self.directions_.T - self.thresholds_

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


class LabelProbabilities(LabelMeans):
    def predict_proba(self, X):
        return 1 / (1 + np.exp(-self.decision_function(X)))


@pytest.fixture(params=[-1, np.nan])
def tagged(request):
    """Clips with three labels each, of which two fifths are missing."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, 4))
    y = (X[:, :3] + X[:, 3:] + rng.normal(size=(150, 3)) > 0).astype(float)
    y[rng.uniform(size=y.shape) < 0.4] = request.param
    return X, y


def known_only(y):
    """Stand 0 in for what is missing, for classifiers that cannot do without."""
    return (y == 1).astype(int)


@pytest.mark.parametrize("name", PARTIAL_LABELS)
@pytest.mark.parametrize("model", [LabelMeans(), LabelProbabilities()])
def test_label_scorers_take_one_column_for_each_label(name, model, tagged):
    X, y = tagged
    model.fit(X, y)
    if name == "two_sided_f1":
        answers = model.predict(X)
    elif isinstance(model, LabelProbabilities):
        answers = model.predict_proba(X)
    else:
        answers = model.decision_function(X)
    expected = PARTIAL_LABELS[name](y, answers)
    assert get_scorer(name)(model, X, y) == expected
    assert 0.6 < expected < 1


@pytest.mark.parametrize("name", PARTIAL_LABELS)
@pytest.mark.parametrize(
    "model",
    [
        MultiOutputClassifier(GaussianNB()),
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), MultiOutputClassifier(GaussianNB())),
        GridSearchCV(MultiOutputClassifier(GaussianNB()), {}, cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_label_scorers_take_the_positives_of_one_array_for_each_label(
    name, model, tagged
):
    X, y = tagged
    model.fit(X, known_only(y))
    arrays = model.predict_proba(X)
    assert isinstance(arrays, list)
    answers = np.column_stack([of_label[:, 1] for of_label in arrays])
    if name == "two_sided_f1":
        answers = model.predict(X)
    assert get_scorer(name)(model, X, y) == PARTIAL_LABELS[name](y, answers)


@pytest.mark.parametrize("name", PARTIAL_LABELS)
def test_label_scorers_take_scikit_learns_tables(name, tagged):
    X, y = tagged
    for model in (OneVsRestClassifier(GaussianNB()), RidgeClassifier()):
        model.fit(X, known_only(y))
        assert 0.5 < get_scorer(name)(model, X, y) < 1


def test_column_of_positives_is_found_by_its_class(tagged):
    """Labels that no training clip had, or all, or that were missing as class -1."""
    X, y = tagged
    labels = np.nan_to_num(y, nan=-1).astype(int)
    labels[:, 0], labels[:, 1] = 0, 1
    model = RandomForestClassifier(5, random_state=0).fit(X, labels)
    assert [of_label.shape[1] for of_label in model.predict_proba(X)] == [1, 1, 3]
    answers = np.zeros(y.shape)
    answers[:, 1] = 1
    answers[:, 2] = model.predict_proba(X)[2][:, 2]
    for name in ("masked_average_precision", "masked_auprc_micro"):
        assert get_scorer(name)(model, X, y) == PARTIAL_LABELS[name](y, answers)


def test_one_label_with_one_score_a_clip(tagged):
    X, y = tagged
    model = RidgeClassifier().fit(X, known_only(y[:, 0]))
    assert model.decision_function(X).ndim == 1
    expected = masked_auprc_score(y[:, :1], model.decision_function(X)[:, np.newaxis])
    assert get_scorer("masked_auprc")(model, X, y[:, :1]) == expected


@pytest.mark.parametrize("name", PARTIAL_LABELS)
@pytest.mark.parametrize("model", [LabelMeans(), LabelProbabilities()])
def test_search_where_labels_are_missing(name, model, tagged):
    X, y = tagged
    cv = MultilabelStratifiedKFold(3)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {f"{type(model).__name__.lower()}__weight": [-1, 1]},
        cv=cv,
        scoring=get_scorer(name),
    ).fit(X, y)
    expected = []
    for train, test in cv.split(X, y):
        fitted = make_pipeline(StandardScaler(), model).fit(X[train], y[train])
        expected.append(get_scorer(name)(fitted, X[test], y[test]))
    assert search.best_index_ == 1
    assert_allclose(search.best_score_, np.mean(expected))
    copy = pickle.loads(pickle.dumps(get_scorer(name)))  # noqa: S301
    assert copy(search, X, y) == get_scorer(name)(search, X, y) > 0.6


def test_all_label_scorers_at_once_on_clips_some_of_which_have_no_label(tagged):
    X, y = tagged
    y[100:] = np.nan
    scoring = {name: get_scorer(name) for name in get_scorer_names("partial_labels")}
    result = cross_validate(
        LabelProbabilities(), X, y, cv=SemiSupervisedSplit(3), scoring=scoring
    )
    for name in scoring:
        assert (result[f"test_{name}"] > 0.6).all()


@pytest.mark.parametrize(
    ("metric", "method"),
    [
        (masked_average_precision_score, "predict_proba"),
        (masked_auprc_score, ("decision_function", "predict_proba")),
        (two_sided_f1_score, "predict"),
    ],
)
def test_metrics_of_missing_labels_pass_make_scorer(metric, method, tagged):
    X, y = tagged
    scores = cross_validate(
        LabelProbabilities(),
        X,
        y,
        cv=MultilabelStratifiedKFold(3),
        scoring=make_scorer(metric, response_method=method),
    )["test_score"]
    assert (scores > 0.6).all()


def test_labels_without_both_sides_in_a_fold_are_left_out_with_a_warning(tagged):
    X, y = tagged
    model = LabelMeans().fit(X, y)
    y[:, 1] = 1
    with pytest.warns(UndefinedMetricWarning, match=r"1 of 3 label\(s\), 1, have no"):
        value = get_scorer("masked_auprc")(model, X, y)
    answers = model.decision_function(X)
    assert value == masked_auprc_score(y[:, [0, 2]], answers[:, [0, 2]])


def test_classifier_without_scores_of_its_labels_is_refused(tagged):
    class LabelsOnly(LabelMeans):
        decision_function = property()

    X, y = tagged
    message = "LabelsOnly has neither predict_proba nor decision_function"
    with pytest.raises(ValueError, match=message):
        get_scorer("masked_auprc")(LabelsOnly().fit(X, y), X, y)
