import pickle

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics import DistanceMetric
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_audio.anomaly import NearestNeighborsDetector
from sklearn_audio.metrics import get_scorer, partial_auc


def rows(n_clips, n_features=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n_clips, n_features))


def scores_by_hand(training, clips, k, distance=lambda a, b: np.linalg.norm(a - b)):
    """Score clip by clip, leaving one training clip out where it is the clip itself."""
    scores = []
    for clip in clips:
        others = list(training)
        for place, other in enumerate(others):
            if np.array_equal(other, clip):
                del others[place]
                break
        nearest = sorted(distance(clip, other) for other in others)[:k]
        scores.append(-sum(nearest) / k)
    return np.array(scores)


METRICS = {
    "euclidean": lambda a, b: np.sqrt(((a - b) ** 2).sum()),
    "manhattan": lambda a, b: np.abs(a - b).sum(),
    "chebyshev": lambda a, b: np.abs(a - b).max(),
    "cosine": lambda a, b: 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b),
}


# Up to 15 features are searched by a tree, more by matrix products.
@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize("n_neighbors", [1, 4])
@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_what_a_loop_over_all_clips_gives(n_features, n_neighbors, metric):
    training, fresh = rows(40, n_features), rows(15, n_features, seed=1)
    detector = NearestNeighborsDetector(n_neighbors=n_neighbors, metric=metric)
    detector.fit(training)
    for clips in (fresh, training):
        scores = detector.score_samples(clips)
        expected = scores_by_hand(training, clips, n_neighbors, METRICS[metric])
        np.testing.assert_allclose(scores, expected, rtol=1e-9)
        assert scores.dtype == np.float64


def test_other_ways_to_say_the_metric():
    training, fresh = rows(40), rows(15, seed=1)
    expected = scores_by_hand(training, fresh, 5, METRICS["manhattan"])
    for metric in (METRICS["manhattan"], DistanceMetric.get_metric("manhattan")):
        detector = NearestNeighborsDetector(metric=metric).fit(training)
        np.testing.assert_allclose(detector.score_samples(fresh), expected)


def test_precomputed_distances_are_those_of_the_metric():
    training, fresh = rows(40), np.concatenate([rows(15, seed=1), rows(3)])
    plain = NearestNeighborsDetector().fit(training)
    detector = NearestNeighborsDetector(metric="precomputed")
    detector.fit(cdist(training, training))
    distances = cdist(fresh, training)
    np.testing.assert_allclose(
        detector.score_samples(distances), plain.score_samples(fresh)
    )
    assert detector.offset_ == pytest.approx(plain.offset_)
    for fitted in (detector, plain):
        tags = get_tags(fitted).input_tags
        assert tags.pairwise == tags.positive_only == (fitted is detector)


@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_a_training_clip_is_not_its_own_neighbour(contamination):
    X = rows(200, 20)
    distances, _ = NearestNeighbors(n_neighbors=5).fit(X).kneighbors()
    scores = np.sort(-distances.mean(axis=1))
    fresh = NearestNeighborsDetector(contamination=contamination).fit(X)
    np.testing.assert_allclose(fresh.calibration_scores_, scores)
    place = int(contamination * 201)  # of 200 clips and a fresh one
    assert fresh.offset_ == pytest.approx(scores[place - 1])
    detector = clone(fresh).set_params(novelty=False)
    labels = detector.fit_predict(X)
    assert detector.offset_ == pytest.approx(scores[place])
    assert np.mean(labels == -1) == pytest.approx(contamination)
    np.testing.assert_array_equal(labels, detector.predict(X))


@pytest.mark.parametrize("contamination", [0.02, 0.05, 0.1, 0.3])
def test_as_many_fresh_clips_as_asked_for_are_called_anomalous(contamination):
    detector = NearestNeighborsDetector(contamination=contamination)
    shares = [
        np.mean(detector.fit(rows(300, 10, seed)).predict(rows(900, 10, 99)) == -1)
        for seed in range(8)
    ]
    assert np.mean(shares) == pytest.approx(contamination, rel=0.2)


def test_with_groups_the_neighbours_are_of_other_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), [2, 9, 5, 5, 30, 4])
    X = rng.normal(size=(6, 3))[groups] + 0.1 * rng.normal(size=(55, 3))
    order = rng.permutation(55)
    X, groups = X[order], groups[order]
    detector = NearestNeighborsDetector(n_neighbors=26, contamination=0.1)
    detector.fit(X, groups=groups)
    expected = [
        -np.sort(np.linalg.norm(X[groups != g] - x, axis=1))[:26].mean()  # or all 25
        for x, g in zip(X, groups, strict=True)
    ]
    np.testing.assert_allclose(detector.calibration_scores_, np.sort(expected))
    precomputed = clone(detector).set_params(metric="precomputed")
    precomputed.fit(cdist(X, X), groups=groups)
    assert precomputed.offset_ == pytest.approx(detector.offset_)


@pytest.mark.parametrize("contamination", [0.05, 0.2])
def test_with_groups_the_threshold_is_for_new_groups(contamination):
    def recordings(n, seed):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(n), 10)
        return rng.normal(size=(n, 3))[groups] + 0.1 * rng.normal(
            size=(10 * n, 3)
        ), groups

    detector = NearestNeighborsDetector(contamination=contamination)
    fresh, _ = recordings(300, seed=99)
    shares = {True: [], False: []}
    for seed in range(12):
        X, groups = recordings(60, seed)
        for heeded in shares:
            detector.fit(X, groups=groups if heeded else None)
            shares[heeded].append(np.mean(detector.predict(fresh) == -1))
    assert np.mean(shares[True]) == pytest.approx(contamination, rel=0.3)
    assert np.mean(shares[False]) > 3 * contamination


# Few values, so that many of the clips are equal.
@given(
    training=arrays(float, (12, 2), elements=st.sampled_from([0.0, 1.0, 7.0])),
    n_neighbors=st.integers(1, 11),
)
def test_of_equal_training_clips_all_but_one_count(training, n_neighbors):
    detector = NearestNeighborsDetector(n_neighbors=n_neighbors).fit(training)
    np.testing.assert_allclose(
        detector.score_samples(training),
        scores_by_hand(training, training, n_neighbors),
        atol=1e-12,
    )


@pytest.mark.parametrize("seed", range(5))
def test_clips_that_are_all_the_same_are_normal(seed):
    clip = 100 * rows(1, 50, seed) - 40
    detector = NearestNeighborsDetector().fit(np.repeat(clip, 30, axis=0))
    assert detector.score_samples(clip) == detector.offset_ == 0
    assert detector.predict(clip) == 1
    assert detector.predict(clip + 1e-3) == -1


def test_answers_are_where_the_score_is_below_the_threshold():
    detector = NearestNeighborsDetector().fit(rows(100))
    clips = np.concatenate([rows(20, seed=1), 5 + rows(5, seed=2)])
    scores = detector.score_samples(clips)
    np.testing.assert_array_equal(
        detector.decision_function(clips), scores - detector.offset_
    )
    below = scores < detector.offset_
    np.testing.assert_array_equal(detector.predict(clips), np.where(below, -1, 1))
    assert below[20:].all()
    assert not below[:20].all()


@pytest.mark.parametrize("n_clips", [2, 5])
def test_too_few_clips_for_the_neighbours_are_all_taken(n_clips):
    training, fresh = rows(n_clips), rows(15, seed=1)
    message = f"n_neighbors=5 is lowered to {n_clips - 1}, for X holds only {n_clips}"
    with pytest.warns(UserWarning, match=message) as caught:
        detector = NearestNeighborsDetector().fit(training)
    assert caught[0].filename == __file__
    assert (detector.n_neighbors_, detector.n_neighbors) == (n_clips - 1, 5)
    expected = scores_by_hand(training, fresh, n_clips - 1)
    np.testing.assert_allclose(detector.score_samples(fresh), expected)


def test_just_enough_clips_raise_no_warning():
    assert NearestNeighborsDetector().fit(rows(6)).n_neighbors_ == 5


def test_clips_close_to_a_dense_cluster_are_normal():
    """To the local outlier factor, which knows no absolute distance, they are not."""
    dense, wide = 0.01 * rows(80), 10 + rows(80, seed=1)
    near_dense = 0.05 * rows(40, seed=2)
    training = np.concatenate([dense, wide])
    clips = np.concatenate([10 + rows(40, seed=3), near_dense])
    nearest = NearestNeighborsDetector().fit(training)
    local = LocalOutlierFactor(n_neighbors=5, novelty=True).fit(training)
    assert (nearest.predict(clips)[40:] == 1).all()
    assert (local.predict(clips)[40:] == -1).mean() > 0.9


def test_a_few_anomalies_among_the_training_clips_do_no_harm():
    anomalies = 6 + rows(23, seed=1)
    detector = NearestNeighborsDetector().fit(np.concatenate([rows(97), anomalies[:3]]))
    clips = np.concatenate([rows(20, seed=2), anomalies[3:]])
    y = np.repeat([1, -1], 20)
    assert partial_auc(y, detector.score_samples(clips), max_fpr=1.0) > 0.95


def test_outputs_do_not_depend_on_the_other_rows():
    X = rows(600, 20)
    detector = NearestNeighborsDetector().fit(X)
    together = detector.score_samples(X)
    for some in ([3], [70, 3], list(range(599, -1, -1))):
        scores = detector.score_samples(X[some])
        np.testing.assert_allclose(scores, together[some], rtol=1e-12)


def test_grid_search_in_a_pipeline_over_two_processes():
    X = np.concatenate([rows(80), 4 + rows(20, seed=1)])
    y = np.repeat([1, -1], [80, 20])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), NearestNeighborsDetector()),
        {"nearestneighborsdetector__n_neighbors": [1, 5]},
        scoring=get_scorer("partial_auc"),
        cv=PredefinedSplit(np.where(np.arange(100) < 60, -1, 0)),
        n_jobs=2,
        refit=False,
        error_score="raise",
    ).fit(X, y)
    assert (search.cv_results_["mean_test_score"] > 0.9).all()


def test_dumps_score_the_same(in_a_new_process):
    X = rows(40, 20)
    fitted = NearestNeighborsDetector(n_jobs=2).fit(X)
    (distances,) = in_a_new_process(fitted, X, "decision_function")
    np.testing.assert_array_equal(distances, fitted.decision_function(X))
    assert pickle.dumps(fitted) == pickle.dumps(clone(fitted).fit(X))
    dump = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=dump)
    own = NearestNeighborsDetector
    assert untrusted == [f"{own.__module__}.{own.__name__}"]
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))


def test_bad_input():
    X = rows(20)
    detector = NearestNeighborsDetector()
    with pytest.raises(ValueError, match=r"at least 2 clips.*holds 1 sample"):
        detector.fit(X[:1])
    with pytest.raises(ValueError, match="NaN"):
        detector.fit(np.where(X > 1, np.nan, X))
    with pytest.raises(ValueError, match="dim 3"):
        detector.fit(X[:, :, np.newaxis])
    for name, value in {
        "n_neighbors": 0,
        "metric": "loudness",
        "contamination": 0.6,
        "n_jobs": 0.5,
    }.items():
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            clone(detector).set_params(**{name: value}).fit(X)
    with pytest.raises(ValueError, match="X has one group alone"):
        detector.fit(X, groups=np.ones(20))
    with pytest.raises(ValueError, match="groups holds 2 values, but there are 20"):
        detector.fit(X, groups=[0, 1])
    with pytest.raises(ValueError, match="expecting 4 features"):
        detector.fit(X).predict(X[:, :3])
