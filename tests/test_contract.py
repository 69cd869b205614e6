"""What every classifier of the package promises."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
import skops.io
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import has_fit_parameter

from sklearn_audio.augmentation import AugmentingClassifier, SpectrogramAugmenter
from sklearn_audio.open_set import (
    AugGANClassifier,
    OpenSetGANClassifier,
    RejectingClassifier,
    ScatteringResNetClassifier,
)
from sklearn_audio.zero_shot import BilinearZeroShot, ConSEZeroShot

SMALL_RESNET = ScatteringResNetClassifier(
    width=4, n_angles=4, max_epochs=8, lr=0.01, batch_size=32, random_state=0
)
SMALL_GAN = {"width": 4, "gan_width": 4, "latent_dim": 4, "lr": 0.01, "batch_size": 32}
TORCH_CLASSIFIERS = [
    SMALL_RESNET,
    clone(SMALL_RESNET).set_params(first_stage="convolution"),
    AugGANClassifier(first_stage="convolution", max_epochs=4, **SMALL_GAN),
    OpenSetGANClassifier(max_epochs=8, cv=2, rejection_rate=None, **SMALL_GAN),
    OpenSetGANClassifier(
        outliers="generated",
        max_epochs=8,
        ensemble=False,
        rejection_rate=None,
        **SMALL_GAN,
    ),
]
# What tells 48 clips of 3 classes apart; scikit-learn's checks need less.
LONGER = {"max_epochs": 15}
for classifier in TORCH_CLASSIFIERS:
    classifier.set_params(random_state=0)
CLASSIFIERS = [
    *TORCH_CLASSIFIERS,
    # scikit-learn's checks want the largest decision value to be the answer for every
    # training clip, and a threshold that holds on fresh clips rejects some of them.
    RejectingClassifier(LogisticRegression(), rejection_rate=None),
    RejectingClassifier(
        make_pipeline(StandardScaler(), LogisticRegression()),
        familiarity="energy",
        rejection_rate=None,
    ),
    RejectingClassifier(
        RandomForestClassifier(10, random_state=0), rejection_rate=None
    ),
    AugmentingClassifier(
        LogisticRegression(), SpectrogramAugmenter(decibels_per_unit=40), random_state=0
    ),
    BilinearZeroShot(),
    *[BilinearZeroShot(solver=solver) for solver in ("ridge", "eszsl", "sae")],
    *[
        BilinearZeroShot(solver=solver, max_epochs=15, batch_size=16, random_state=0)
        for solver in ("batch", "algorithm1", "warp")
    ],
    *[
        BilinearZeroShot(
            solver="batch",
            projection=projection,
            rank=8,
            max_epochs=15,
            batch_size=16,
            random_state=0,
        )
        for projection in ("factored", "nonlinear")
    ],
    ConSEZeroShot(),
    ConSEZeroShot(estimator=RandomForestClassifier(10, random_state=0)),
]


def name_of(estimator):
    return str(estimator).replace("\n", "").replace(" ", "")[:70]


every_classifier = pytest.mark.parametrize("estimator", CLASSIFIERS, ids=name_of)
every_torch_classifier = pytest.mark.parametrize(
    "estimator", TORCH_CLASSIFIERS, ids=name_of
)


@pytest.fixture(scope="module")
def spectrograms():
    """Clips of three classes in dB, none of which sounds the same backwards."""
    rng = np.random.default_rng(0)
    y = np.repeat(["tone", "click", "swell"], 16)
    frames = np.arange(16)
    X = rng.normal(-40, 5, size=(len(y), 12, 16)).astype(np.float32)
    for clip, name in zip(X, y, strict=True):
        if name == "tone":
            clip[rng.integers(3, 9), 8:] += 20
        if name == "click":
            onset = rng.integers(3, 7)
            clip[:, onset:] += 25 * 0.6 ** (frames[onset:] - onset)
        if name == "swell":
            clip += 20 * frames / 15
    order = rng.permutation(len(y))
    return X[order], y[order]


# -1 is a class of some checks' toy data, beside which nothing can be rejected.
@pytest.mark.filterwarnings("ignore:The outlier label -1 is also a class")
# Casting what the checks put into X on purpose, infinity and NaN, to float32.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@every_classifier
def test_passes_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


@pytest.mark.filterwarnings("ignore:The outlier label -1 is also a class")
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
def test_rejected_training_clips_fail_one_check_and_no_other():
    rejecting = RejectingClassifier(LogisticRegression())
    results = check_estimator(rejecting, on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert failed == {"check_classifiers_train"}


@every_classifier
def test_parameters_are_stored_and_nothing_else(estimator):
    copied = clone(estimator)
    assert vars(copied).keys() == copied.get_params(deep=False).keys()


@every_torch_classifier
def test_spectrograms_and_rows_take_one_code_path(estimator, spectrograms):
    X, y = spectrograms
    for clips in (X, X.reshape(len(X), -1)):
        fitted = clone(estimator).set_params(**LONGER).fit(clips, y)
        assert fitted.score(clips, y) > 0.9
        assert fitted.predict_proba(clips).shape == (len(y), 3)
        assert fitted.decision_function(clips).shape == (len(y), 3)


@every_torch_classifier
def test_outputs_do_not_depend_on_the_other_rows(estimator, spectrograms):
    X, y = spectrograms
    fitted = clone(estimator).set_params(max_epochs=2).fit(X, y)
    together = fitted.decision_function(X)
    for rows in ([3], [40, 3], list(range(47, -1, -1))):
        np.testing.assert_array_equal(fitted.decision_function(X[rows]), together[rows])


@every_torch_classifier
def test_same_seed_same_predictions(estimator, spectrograms):
    X, y = spectrograms
    first, second = (
        clone(estimator).set_params(max_epochs=2).fit(X, y) for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert pickle.dumps(first) == pickle.dumps(second)


@pytest.mark.parametrize(
    "estimator",
    [ScatteringResNetClassifier(), AugGANClassifier(), OpenSetGANClassifier()],
    ids=name_of,
)
def test_a_default_dump_is_hardly_larger_than_its_weights(
    estimator, spectrograms, tmp_path
):
    fitted = clone(estimator).set_params(max_epochs=1, random_state=0)
    fitted.fit(*spectrograms)
    members = getattr(fitted, "estimators_", [fitted])
    modules = [module for member in members for module in member.modules_.values()]
    states = [module.state_dict() for module in modules]
    n_bytes = sum(v.numel() * v.element_size() for s in states for v in s.values())
    joblib.dump(fitted, tmp_path / "model.joblib")
    assert (tmp_path / "model.joblib").stat().st_size <= 1.2 * n_bytes


@every_classifier
def test_a_dump_predicts_the_same_in_a_new_process(
    estimator, spectrograms, in_a_new_process
):
    X, y = spectrograms
    if estimator not in TORCH_CLASSIFIERS:
        X = (X.reshape(len(X), -1) + 40) / 40
    fitted = clone(estimator).fit(X, y)
    probabilities, labels = in_a_new_process(fitted, X, "predict_proba", "predict")
    np.testing.assert_array_equal(probabilities, fitted.predict_proba(X))
    np.testing.assert_array_equal(labels, fitted.predict(X))


@every_torch_classifier
def test_skops_loads_a_dump_that_names_our_classes_alone(estimator, spectrograms):
    X, y = spectrograms
    fitted = clone(estimator).set_params(max_epochs=1).fit(X, y)
    dump = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=dump)
    own_class = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    assert untrusted == [own_class]
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


@every_torch_classifier
def test_grid_search_over_two_processes(estimator, spectrograms):
    X, y = spectrograms
    search = GridSearchCV(
        RejectingClassifier(clone(estimator).set_params(max_epochs=2), cv=2),
        {"estimator__lr": [1e-3, 3e-3], "rejection_rate": [0.1]},
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    alone = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(
        search.best_estimator_.predict_proba(X), alone.predict_proba(X)
    )


@every_torch_classifier
def test_composes_with_calibration_stacking_and_cross_validation(
    estimator, spectrograms
):
    X, y = spectrograms
    longer = clone(estimator).set_params(**LONGER)
    assert cross_val_score(longer, X, y, cv=2, n_jobs=2).mean() > 0.6
    calibrated = CalibratedClassifierCV(estimator, cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1.0)
    rows = X.reshape(len(X), -1)
    stack = StackingClassifier(
        [("network", longer), ("svc", SVC())], LogisticRegression(), cv=2
    ).fit(rows, y)
    assert stack.score(rows, y) > 0.8


@every_torch_classifier
def test_groups_are_routed_through_a_pipeline(estimator, spectrograms):
    X, y = spectrograms
    groups = np.arange(len(y)) % 4
    short = clone(estimator).set_params(max_epochs=2)
    seen = []

    class Folds(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(groups)
            return super().split(X, y, groups)

    with sklearn.config_context(enable_metadata_routing=True):
        if has_fit_parameter(short, "groups"):  # it takes them itself
            short.set_fit_request(groups=False)
        rejecting = RejectingClassifier(short, cv=Folds(2))
        make_pipeline(rejecting).fit(X, y, groups=groups)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], groups)


@every_torch_classifier
def test_bad_input(estimator, spectrograms):
    X, y = spectrograms
    unfitted = clone(estimator)
    with pytest.raises(ValueError, match="NaN"):
        unfitted.fit(np.where(X > -20, np.nan, X), y)
    with pytest.raises(ValueError, match="got 4 dimensions"):
        unfitted.fit(X[:, None], y)
    with pytest.raises(ValueError, match="1 class: "):
        unfitted.fit(X, np.full(len(y), "tone"))
    with pytest.raises(ValueError, match="48 clips, but y holds 47 labels"):
        unfitted.fit(X, y[:-1])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        unfitted.fit(X, np.linspace(0, 1, len(y)))
    with pytest.raises(ValueError, match="'max_epochs' parameter"):
        clone(estimator).set_params(max_epochs=0).fit(X, y)
    fitted = unfitted.set_params(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        fitted.predict(X[:, :, :-1])


@every_torch_classifier
def test_huge_values_are_refused(estimator, spectrograms):
    X, y = spectrograms
    for huge in (1e20 * X, -1e30 * X):
        with pytest.raises(ValueError, match=r"values up to .*e\+.*Scale X"):
            clone(estimator).fit(huge.astype(np.float32), y)
    clone(estimator).set_params(max_epochs=1).fit((1e12 * X).astype(np.float32), y)


def test_nothing_is_left_in_torchs_global_generator(spectrograms):
    before = torch.random.get_rng_state()
    clone(SMALL_RESNET).set_params(max_epochs=1).fit(*spectrograms)
    assert torch.equal(torch.random.get_rng_state(), before)
