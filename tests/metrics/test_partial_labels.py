import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    auc,
    average_precision_score,
    f1_score,
    precision_recall_curve,
)

from sklearn_audio.metrics import (
    masked_auprc_score,
    masked_average_precision_score,
    two_sided_f1_score,
)

RANKING = [masked_average_precision_score, masked_auprc_score]


def area_of_scikit_learn(y_true, y_score):
    precision, recall, _ = precision_recall_curve(y_true, y_score)
    return auc(recall, precision)


REFERENCE = {
    masked_average_precision_score: average_precision_score,
    masked_auprc_score: area_of_scikit_learn,
    two_sided_f1_score: lambda y, pred: f1_score(y, pred, average="macro"),
}


def clips(n_clips=80, n_labels=4, seed=0):
    """Labels, some of them missing, scores with ties, and predictions."""
    rng = np.random.RandomState(seed)
    y = (rng.uniform(size=(n_clips, n_labels)) < 0.3).astype(int)
    scores = np.round(y + rng.normal(size=y.shape), 1)
    y[rng.uniform(size=y.shape) < 0.4] = -1
    return y, scores, (scores > 0.5).astype(int)


@st.composite
def tasks(draw):
    n_clips, n_labels = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    size = n_clips * n_labels
    labels = draw(st.lists(st.sampled_from([0, 1, -1]), min_size=size, max_size=size))
    scores = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    shape = (n_clips, n_labels)
    return np.reshape(labels, shape), np.reshape(scores, shape)


def by_label(metric, y_true, y_pred):
    """Return scikit-learn's value of each label's known entries, nan without both."""
    values = []
    for of_label, pred in zip(y_true.T, y_pred.T, strict=True):
        known = of_label != -1
        is_scorable = set(of_label[known]) == {0, 1}
        values.append(
            REFERENCE[metric](of_label[known], pred[known]) if is_scorable else np.nan
        )
    return np.array(values)


@given(tasks())
@pytest.mark.parametrize("metric", REFERENCE)
def test_each_label_is_scored_as_by_scikit_learn_on_its_known_entries(metric, task):
    y, scores = task
    if metric is two_sided_f1_score:
        scores = (scores > 2).astype(int)
    expected = by_label(metric, y, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        values = metric(y, scores, average=None)
        mean = metric(y, scores)
    assert_allclose(values, expected)
    if np.isfinite(expected).any():
        assert mean == pytest.approx(np.nanmean(expected))
    else:
        assert np.isnan(mean)


@pytest.mark.parametrize("metric", RANKING)
def test_micro_average_takes_all_known_entries_for_one_label(metric):
    y, scores, _ = clips()
    known = y != -1
    expected = REFERENCE[metric](y[known], scores[known])
    assert metric(y, scores, average="micro") == pytest.approx(expected)
    assert 0.3 < expected < 1


@pytest.mark.parametrize("average", ["macro", "micro", None])
def test_without_gaps_average_precision_is_that_of_scikit_learn(average):
    y, scores, _ = clips()
    y = np.abs(y)
    assert_allclose(
        masked_average_precision_score(y, scores, average=average),
        average_precision_score(y, scores, average=average),
    )


def test_trapezoids_of_a_slow_loop_over_thresholds():
    y, scores, _ = clips()
    values = masked_auprc_score(y, scores, average=None)
    for label, value in enumerate(values):
        known = y[:, label] != -1
        positive, s = y[known, label] == 1, scores[known, label]
        area, before = 0.0, (0.0, 1.0)
        for threshold in sorted(set(s), reverse=True):
            accepted = s >= threshold
            recall = np.sum(accepted & positive) / np.sum(positive)
            precision = np.sum(accepted & positive) / np.sum(accepted)
            area += (recall - before[0]) * (precision + before[1]) / 2
            before = recall, precision
        assert value == pytest.approx(area)


def test_two_sided_f1_of_a_slow_count():
    y, _, pred = clips()
    for label, value in enumerate(two_sided_f1_score(y, pred, average=None)):
        pairs = [(t, p) for t, p in zip(y[:, label], pred[:, label], strict=True)]
        f1 = []
        for side in (0, 1):
            found = pairs.count((side, side))
            precision = found / (found + pairs.count((1 - side, side)))
            recall = found / (found + pairs.count((side, 1 - side)))
            f1.append(2 * precision * recall / (precision + recall))
        assert value == pytest.approx(np.mean(f1))


@pytest.mark.parametrize("metric", REFERENCE)
def test_what_is_said_of_missing_labels_does_not_count(metric):
    y, scores, pred = clips()
    given = pred if metric is two_sided_f1_score else scores
    other = np.where(y == -1, 1 - given, given)
    assert np.any(other != given)
    assert metric(y, given) == metric(y, other)


@pytest.mark.parametrize("metric", REFERENCE)
@pytest.mark.parametrize(
    "convert",
    [
        lambda y: np.where(y == -1, np.nan, y),
        lambda y: np.where(y == -1, None, y),
        lambda y: np.where(y == -1, pd.NA, y),
        lambda y: np.ma.masked_array(np.abs(y), y == -1),
        lambda y: y.tolist(),
    ],
    ids=["NaN", "None", "NA", "mask", "lists"],
)
def test_missing_labels_of_every_kind(metric, convert):
    y, _, pred = clips()
    assert metric(convert(y), pred) == metric(y, pred)


@pytest.mark.parametrize("metric", RANKING)
@pytest.mark.parametrize("average", ["macro", "micro"])
def test_only_the_order_of_scores_counts_and_infinite_ones_have_a_place(
    metric, average
):
    y, scores, _ = clips()
    expected = metric(y, scores, average=average)
    assert metric(y, np.exp(scores), average=average) == expected
    extreme = np.where(scores == scores.min(), -np.inf, scores)
    extreme[scores == scores.max()] = np.inf
    assert metric(y, extreme, average=average) == expected


@pytest.mark.parametrize("metric", REFERENCE)
def test_right_answers_score_1(metric):
    y, _, _ = clips()
    right = np.where(y == -1, 0, y)
    assert metric(y, right) == 1
    assert_array_equal(metric(y, right, average=None), 1)
    if metric in RANKING:
        assert metric(y, right, average="micro") == 1


def test_two_sided_f1_does_not_reward_the_same_answer_for_all():
    y, _, _ = clips()
    always = two_sided_f1_score(y, np.ones_like(y))
    never = two_sided_f1_score(y, np.zeros_like(y))
    assert max(always, never) < 0.5


@pytest.fixture
def gaps():
    """Only labels 0 and 3 have both sides; 1 lacks positives, 2 negatives, 4 both."""
    y, scores, pred = clips(n_labels=5)
    y[y[:, 1] == 1, 1] = -1
    y[y[:, 2] == 0, 2] = -1
    y[:, 4] = -1
    return y, scores, pred


@pytest.mark.parametrize("metric", REFERENCE)
def test_labels_without_both_sides_are_left_out_and_named(metric, gaps):
    y, scores, pred = gaps
    given = pred if metric is two_sided_f1_score else scores
    message = r"^3 of 5 label\(s\), 1, 2, 4, have no known positive or no known neg"
    with pytest.warns(UndefinedMetricWarning, match=f"{message}.*mean leaves them out"):
        mean = metric(y, given)
    with pytest.warns(UndefinedMetricWarning, match=f"{message}.*set to nan"):
        values = metric(y, given, average=None)
    assert_array_equal(np.isnan(values), [False, True, True, False, True])
    assert mean == pytest.approx(metric(y[:, [0, 3]], given[:, [0, 3]]))


@pytest.mark.parametrize("metric", RANKING)
def test_micro_average_needs_one_entry_of_each_side_in_all(metric, gaps):
    y, scores, _ = gaps
    known = y != -1
    expected = REFERENCE[metric](y[known], scores[known])
    assert metric(y, scores, average="micro") == pytest.approx(expected)
    with pytest.warns(UndefinedMetricWarning, match="^y_true has no known positive"):
        assert np.isnan(metric(np.where(y == 1, -1, y), scores, average="micro"))


@pytest.mark.parametrize("metric", REFERENCE)
def test_nothing_to_score_is_nan_and_long_lists_are_cut(metric):
    y = np.zeros((3, 8))
    with pytest.warns(
        UndefinedMetricWarning, match=r"0, 1, 2, 3, 4, \.\.\., have .*nan"
    ):
        assert np.isnan(metric(y, y))


@pytest.mark.parametrize("metric", REFERENCE)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1, 0], [1, 0], r"y_true must have a row .* got an array of shape \(2,\)"),
        ([[1, 2], [0, 0]], [[1, 0]] * 2, "y_true holds 2.0 for clip 0 and label 1"),
        ([["dog"]], [[1]], "y_true must be a dense table of numbers"),
        (np.zeros((0, 2)), np.zeros((0, 2)), r"y_true is empty, of shape \(0, 2\)"),
        ([[1, 0]], [[1]], r"must have the shape of y_true, \(1, 2\), got \(1, 1\)"),
        ([[1], [0]], [1, 0], r"a column for each label, got an array of shape \(2,\)"),
    ],
)
def test_bad_input_is_named(metric, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred)


def test_bad_scores_predictions_and_averages_are_named():
    for metric in RANKING:
        with pytest.raises(ValueError, match="y_score is NaN for clip 1 and label 0"):
            metric([[1], [0]], [[0.5], [np.nan]])
        with pytest.raises(ValueError, match="'average' parameter"):
            metric([[1], [0]], [[1], [0]], average="weighted")
    for wrong in (-1, 0.5, np.nan):
        with pytest.raises(ValueError, match=f"y_pred holds {wrong}.* for clip 1"):
            two_sided_f1_score([[1], [0]], [[1], [wrong]])
    with pytest.raises(ValueError, match="'average' parameter"):
        two_sided_f1_score([[1], [0]], [[1], [0]], average="micro")
