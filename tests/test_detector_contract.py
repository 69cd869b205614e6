"""What every anomaly detector owes to its users."""

import pickle

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.anomaly import (
    ConvAutoencoderDetector,
    GMGANDetector,
    NearestNeighborsDetector,
    WaveNetDetector,
)
from sklearn_audio.metrics import get_scorer, partial_auc

SMALL = {
    "width": 4,
    "max_epochs": 6,
    "lr": 3e-3,
    "batch_size": 16,
    "cv": 2,
    "random_state": 0,
}
TORCH_DETECTORS = [
    ConvAutoencoderDetector(latent_dim=3, **SMALL),
    GMGANDetector(latent_dim=8, n_components=2, familiarity="sum", **SMALL),
    WaveNetDetector(n_layers=2, **{**SMALL, "lr": 1e-2}),
]
DETECTORS = [*TORCH_DETECTORS, NearestNeighborsDetector()]


def name_of(detector):
    return type(detector).__name__


every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=name_of)
every_torch_detector = pytest.mark.parametrize("detector", TORCH_DETECTORS, ids=name_of)


@pytest.fixture(scope="module")
def spectrograms():
    """Steady hums in dB, and hums with a bang, which are the anomalies."""
    rng = np.random.default_rng(0)
    X = rng.normal(-40, 3, size=(80, 12, 16)).astype(np.float32)
    X[:, 2:4] += 20
    y = np.where(np.arange(80) < 60, 1, -1)
    for row in np.flatnonzero(y == -1):
        onset = rng.integers(3, 10)
        X[row, 4:, onset : onset + 4] += 20
    return X, y


# Casting what the checks put into X on purpose, infinity and NaN, to float32.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@every_detector
@pytest.mark.parametrize("novelty", [True, False])
def test_passes_every_check_of_scikit_learn(detector, novelty):
    detector = clone(detector).set_params(novelty=novelty)
    assert hasattr(detector, "fit_predict") != novelty
    results = check_estimator(detector, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 45


@every_detector
def test_parameters_are_stored_and_nothing_else(detector):
    copied = clone(detector)
    assert vars(copied).keys() == copied.get_params(deep=False).keys()


@every_torch_detector
def test_finds_what_is_foreign_among_spectrograms_and_rows(detector, spectrograms):
    X, y = spectrograms
    for clips in (X, X.reshape(len(X), -1)):
        fitted = clone(detector).set_params(max_epochs=30).fit(clips[:40])
        scores = fitted.score_samples(clips[40:])
        assert partial_auc(y[40:], scores, max_fpr=1.0) > 0.85
        np.testing.assert_array_equal(
            fitted.decision_function(clips),
            fitted.score_samples(clips) - fitted.offset_,
        )
        answers = np.where(fitted.decision_function(clips) < 0, -1, 1)
        np.testing.assert_array_equal(fitted.predict(clips), answers)


@every_detector
@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_without_novelty_contamination_is_the_share_of_training_clips(
    detector, spectrograms, contamination
):
    X = spectrograms[0][:60].reshape(60, -1)
    fitted = clone(detector).set_params(novelty=False, contamination=contamination)
    labels = fitted.fit_predict(X)
    assert np.mean(labels == -1) == pytest.approx(contamination)
    np.testing.assert_array_equal(fitted.predict(X), labels)
    scores = np.sort(fitted.score_samples(X))
    np.testing.assert_array_equal(fitted.calibration_scores_, scores)


@every_detector
def test_without_contamination_there_is_no_threshold(detector, spectrograms):
    X = spectrograms[0].reshape(80, -1)
    ranked = clone(detector).set_params(contamination=None).fit(X)
    np.testing.assert_array_equal(
        ranked.score_samples(X), clone(detector).fit(X).score_samples(X)
    )
    assert (ranked.offset_, len(ranked.calibration_scores_)) == (-np.inf, 0)
    np.testing.assert_array_equal(ranked.predict(X), 1)
    with pytest.raises(AttributeError, match="decision_function") as caught:
        ranked.decision_function(X)
    assert "no threshold with contamination=None" in str(caught.value.__cause__)
    assert not hasattr(clone(ranked), "decision_function")
    ranked.set_params(contamination=0.1)  # which fit has not seen
    assert not hasattr(ranked, "decision_function")


@every_torch_detector
@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_the_threshold_is_that_of_scores_out_of_fold(
    detector, spectrograms, contamination
):
    X = spectrograms[0][:60]
    groups = np.arange(60) // 6  # 10 groups
    fitted = clone(detector).set_params(contamination=contamination)
    fitted.fit(X, groups=groups)
    # The same weights to start from, half of the clips, and twice as many epochs.
    members = [
        clone(detector).set_params(contamination=None, max_epochs=12).fit(X[train])
        for train, _ in GroupKFold(2).split(X, groups=groups)
    ]
    tests = [test for _, test in GroupKFold(2).split(X, groups=groups)]
    for name in detector._parameter_constraints["familiarity"][0].options:
        scores = [
            member.set_params(familiarity=name).score_samples(X[test])
            for member, test in zip(members, tests, strict=True)
        ]
        expected = np.sort(np.concatenate(scores))
        fitted.set_params(familiarity=name)
        place = {0.05: 3, 0.3: 18}[contamination]  # of 60 clips and a fresh one
        assert fitted.offset_ == expected[place - 1]
        below = fitted.score_samples(X) < fitted.offset_
        np.testing.assert_array_equal(fitted.predict(X), np.where(below, -1, 1))
        if name == detector.familiarity:
            np.testing.assert_array_equal(fitted.calibration_scores_, expected)


@every_torch_detector
def test_folds_heed_groups_and_take_any_splitter(detector, spectrograms):
    X, groups = spectrograms[0][:60], np.arange(60) % 10
    quick = clone(detector).set_params(max_epochs=1)
    by_default = clone(quick).fit(X, groups=groups).calibration_scores_
    splits = list(GroupKFold(2).split(X, groups=groups))
    listed = clone(quick).set_params(cv=splits).fit(X)
    np.testing.assert_array_equal(listed.calibration_scores_, by_default)
    assert not np.array_equal(clone(quick).fit(X).calibration_scores_, by_default)
    with pytest.raises(ValueError, match=r"puts clips of group .* on both sides"):
        clone(quick).set_params(cv=KFold(2)).fit(X, groups=groups)
    with pytest.raises(ValueError, match="X has one group alone"):
        clone(quick).fit(X, groups=np.zeros(60))
    with pytest.raises(ValueError, match="groups holds 3 values, but there are 60"):
        clone(quick).fit(X, groups=[0, 1, 2])


@every_detector
def test_groups_are_routed_by_default(detector, spectrograms):
    X, groups = spectrograms[0][:60].reshape(60, -1), np.arange(60) // 6
    expected = clone(detector).fit(X, groups=groups).offset_
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(FunctionTransformer(), clone(detector))
        assert model.fit(X, groups=groups)[-1].offset_ == expected
    assert clone(detector).fit(X).offset_ != expected


@every_torch_detector
def test_what_is_set_after_fit_does_not_spoil_the_threshold(detector, spectrograms):
    X = spectrograms[0][:60]
    fitted = clone(detector).set_params(max_epochs=1).fit(X)
    scores, offset = fitted.score_samples(X), fitted.offset_
    others = {"contamination": 0.5, "novelty": False, "max_epochs": 3, "width": 9}
    if hasattr(detector, "with_centering"):
        others["with_centering"] = False
    fitted.set_params(**others)
    np.testing.assert_array_equal(fitted.score_samples(X), scores)
    assert fitted.offset_ == offset
    for familiarity in ("loudness", "detector"):
        fitted.set_params(familiarity=familiarity)
        for use in (fitted.score_samples, fitted.predict, fitted.decision_function):
            with pytest.raises(ValueError, match=f"familiarity='{familiarity}' is not"):
                use(X)


@every_torch_detector
def test_outputs_do_not_depend_on_the_other_rows(detector, spectrograms):
    X, _ = spectrograms
    fitted = clone(detector).set_params(max_epochs=2).fit(X)
    together = fitted.score_samples(X)
    for rows in ([3], [70, 3], list(range(79, -1, -1))):
        np.testing.assert_array_equal(fitted.score_samples(X[rows]), together[rows])


@every_torch_detector
def test_same_seed_same_scores_and_torch_is_left_alone(detector, spectrograms):
    X, _ = spectrograms
    before = torch.random.get_rng_state()
    first, second = (clone(detector).set_params(max_epochs=2).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))
    assert pickle.dumps(first) == pickle.dumps(second)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "detector",
    [ConvAutoencoderDetector(), GMGANDetector(), WaveNetDetector()],
    ids=name_of,
)
def test_a_default_dump_is_hardly_larger_than_its_weights(
    detector, spectrograms, tmp_path
):
    fitted = clone(detector).set_params(max_epochs=1, random_state=0)
    fitted.fit(spectrograms[0])
    states = [module.state_dict() for module in fitted.modules_.values()]
    n_bytes = sum(v.numel() * v.element_size() for s in states for v in s.values())
    joblib.dump(fitted, tmp_path / "model.joblib")
    assert (tmp_path / "model.joblib").stat().st_size <= 1.2 * n_bytes


@every_torch_detector
def test_a_dump_scores_the_same_in_a_new_process(
    detector, spectrograms, in_a_new_process
):
    X, _ = spectrograms
    fitted = clone(detector).set_params(max_epochs=2).fit(X)
    (distances,) = in_a_new_process(fitted, X, "decision_function")
    np.testing.assert_array_equal(distances, fitted.decision_function(X))


@every_torch_detector
def test_skops_loads_a_dump_that_names_our_classes_alone(detector, spectrograms):
    X, _ = spectrograms
    fitted = clone(detector).set_params(max_epochs=1).fit(X)
    dump = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert untrusted == [f"{type(fitted).__module__}.{type(fitted).__qualname__}"]
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))


@every_torch_detector
def test_grid_search_in_a_pipeline_over_two_processes(detector, spectrograms):
    X, y = spectrograms
    # Anomalies are in the test alone.
    folds = np.where(np.arange(80) < 40, -1, 0)
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(np.negative), clone(detector)),
        {f"{type(detector).__name__.lower()}__lr": [1e-3, 3e-3]},
        scoring=get_scorer("partial_auc"),
        cv=PredefinedSplit(folds),
        n_jobs=2,
        refit=False,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@every_torch_detector
def test_warm_start_goes_on(detector, spectrograms):
    X, _ = spectrograms
    fitted = clone(detector).set_params(max_epochs=2, warm_start=True).fit(X)
    assert fitted.fit(X).n_iter_ == 4
    at_once = clone(detector).set_params(max_epochs=4).fit(X)
    np.testing.assert_array_equal(
        fitted.calibration_scores_, at_once.calibration_scores_
    )
    with pytest.raises(ValueError, match="shape"):
        fitted.fit(X[:, :, :-1])


@every_torch_detector
def test_clips_that_are_set_aside_stop_the_training(detector, spectrograms):
    X, _ = spectrograms
    fitted = clone(detector).set_params(
        validation_fraction=0.25, n_iter_no_change=1, max_epochs=50, lr=0.03
    )
    assert fitted.fit(X).n_iter_ < 50
    assert len(fitted.history_["valid_loss"]) == fitted.n_iter_


@every_torch_detector
def test_bad_input(detector, spectrograms):
    X, _ = spectrograms
    unfitted = clone(detector)
    with pytest.raises(ValueError, match="NaN"):
        unfitted.fit(np.where(X > -20, np.nan, X))
    with pytest.raises(ValueError, match="got 4 dimensions"):
        unfitted.fit(X[:, None])
    with pytest.raises(ValueError, match="at least 2 clips"):
        unfitted.fit(X[:1])
    with pytest.raises(ValueError, match="leaves 1 of 2 clips to train on in a fold"):
        unfitted.fit(X[:2])
    ranked = clone(detector).set_params(contamination=None, max_epochs=1).fit(X[:2])
    assert np.isfinite(ranked.score_samples(X)).all()
    with pytest.raises(ValueError, match="'contamination' parameter"):
        clone(detector).set_params(contamination=0.6).fit(X)
    fitted = unfitted.set_params(max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        fitted.predict(X[:, :, :-1])


@every_torch_detector
@pytest.mark.parametrize(
    "make_odd",
    [
        lambda X: np.full_like(X, 3.0),
        lambda X: np.repeat(X[:1], len(X), axis=0),
        lambda X: np.concatenate([X[:-1], X[-1:] + 1e6]),
        lambda X: X[:4],
        lambda X: 1e-30 * X,
    ],
    ids=["constant", "duplicates", "one outlier", "four clips", "tiny values"],
)
def test_odd_clips_have_finite_scores(detector, spectrograms, make_odd):
    X = make_odd(spectrograms[0])
    fitted = clone(detector).set_params(max_epochs=2).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    assert np.isfinite(fitted.score_samples(2 * X)).all()


@every_torch_detector
def test_a_clip_of_huge_values_is_anomalous(detector, spectrograms):
    X, _ = spectrograms
    fitted = clone(detector).set_params(max_epochs=2).fit(X[:60])
    for size in (1e20, -1e20, 1e37):
        huge = X[:2] + np.float32(size) * (np.arange(16) % 3 == 0)
        assert np.isfinite(fitted.score_samples(huge)).all()
        assert fitted.predict(huge).tolist() == [-1, -1]


@every_torch_detector
def test_clips_of_a_single_frame(detector, spectrograms):
    X = np.random.default_rng(0).normal(size=(80, 12, 1))
    X[60:, 4:7] += 6
    fitted = clone(detector).set_params(max_epochs=30).fit(X[:40])
    y = np.repeat([1, -1], [20, 20])
    assert partial_auc(y, fitted.score_samples(X[40:]), max_fpr=1.0) > 0.85


@every_torch_detector
def test_a_hundred_thousand_rows(detector):
    X = np.random.default_rng(0).normal(size=(100_000, 4)).astype(np.float32)
    fitted = clone(detector).set_params(width=1, max_epochs=1, batch_size=8192).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
