"""What every anomaly detector owes to its users."""

import pickle

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit
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

SMALL = {"width": 4, "max_epochs": 6, "lr": 3e-3, "batch_size": 16, "random_state": 0}
TORCH_DETECTORS = [
    ConvAutoencoderDetector(latent_dim=3, **SMALL),
    GMGANDetector(latent_dim=8, n_components=2, familiarity="sum", **SMALL),
    WaveNetDetector(n_layers=3, **SMALL),
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
def test_passes_every_check_of_scikit_learn(detector):
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


@every_torch_detector
@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_contamination_is_the_share_of_training_clips(
    detector, spectrograms, contamination
):
    X = spectrograms[0][:60]
    fitted = clone(detector).set_params(max_epochs=1, contamination=contamination)
    assert np.mean(fitted.fit_predict(X) == -1) == pytest.approx(contamination)


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
        lambda X: X[:2],
        lambda X: 1e-30 * X,
    ],
    ids=["constant", "duplicates", "one outlier", "two clips", "tiny values"],
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
