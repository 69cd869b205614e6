from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import precision_recall_curve

from sklearn_audio.metrics import (
    aupr_in,
    aupr_out,
    equal_error_rate,
    fpr_at_tpr,
    open_set_auroc,
)

METRICS = [
    open_set_auroc,
    aupr_in,
    aupr_out,
    equal_error_rate,
    fpr_at_tpr,
    partial(fpr_at_tpr, tpr=0.5),
]


EXTREMES = [-np.inf, -1e308, 0.0, 5e-324, 1e308, np.inf]


@st.composite
def rankings(draw, scores=range(-4, 5)):
    """Few distinct scores, so that ties within and across the sides are common."""
    n_known, n_unknown = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    size = n_known + n_unknown
    y_known = draw(st.permutations([True] * n_known + [False] * n_unknown))
    y_score = draw(st.lists(st.sampled_from(scores), min_size=size, max_size=size))
    return np.array(y_known), np.array(y_score, dtype=float)


def operating_points(y_known, y_score):
    """(FPR, TPR) of every threshold, counted clip by clip."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(y_score), reverse=True):
        accepted = [score >= threshold for score in y_score]
        hits = sum(a and k for a, k in zip(accepted, y_known, strict=True))
        alarms = sum(a and not k for a, k in zip(accepted, y_known, strict=True))
        points.append((alarms / sum(~y_known), hits / sum(y_known)))
    return points


@given(rankings())
def test_auroc_is_the_chance_that_a_known_clip_is_more_familiar(ranking):
    y_known, y_score = ranking
    pairs = [
        (known > unknown) + 0.5 * (known == unknown)
        for known in y_score[y_known]
        for unknown in y_score[~y_known]
    ]
    assert_allclose(open_set_auroc(y_known, y_score), np.mean(pairs), atol=1e-12)


def slow_average_precision(y_positive, y_score):
    """Sum of precision times gain in recall, from the highest threshold down."""
    total, last_recall = 0.0, 0.0
    for threshold in sorted(set(y_score), reverse=True):
        accepted = y_positive[y_score >= threshold]
        recall = accepted.sum() / y_positive.sum()
        total += accepted.mean() * (recall - last_recall)
        last_recall = recall
    return total


@given(rankings())
def test_aupr_sums_precision_over_recall(ranking):
    y_known, y_score = ranking
    assert_allclose(
        aupr_in(y_known, y_score), slow_average_precision(y_known, y_score), atol=1e-12
    )
    assert_allclose(
        aupr_out(y_known, y_score),
        slow_average_precision(~y_known, -y_score),
        atol=1e-12,
    )


@given(rankings())
def test_aupr_out_swaps_the_sides(ranking):
    y_known, y_score = ranking
    assert aupr_out(y_known, y_score) == aupr_in(~y_known, -y_score)


def test_aupr_agrees_with_the_precision_recall_curve_of_distinct_scores():
    rng = np.random.RandomState(0)
    y_known, y_score = np.arange(60) % 3 > 0, rng.normal(size=60)
    precision, recall, _ = precision_recall_curve(y_known, y_score)
    steps = np.sum(precision[:-1] * -np.diff(recall))
    assert_allclose(aupr_in(y_known, y_score), steps)


@given(rankings())
def test_eer_lies_where_the_segments_cross_the_diagonal(ranking):
    y_known, y_score = ranking
    points = operating_points(y_known, y_score)
    for (fpr, tpr), (next_fpr, next_tpr) in pairwise(points):
        if fpr + tpr <= 1 <= next_fpr + next_tpr:
            step = (1 - fpr - tpr) / (next_fpr + next_tpr - fpr - tpr)
            expected = fpr + step * (next_fpr - fpr)
    assert_allclose(equal_error_rate(y_known, y_score), expected, atol=1e-12)


@given(rankings())
def test_eer_of_negated_scores_is_the_complement(ranking):
    y_known, y_score = ranking
    assert_allclose(
        equal_error_rate(y_known, -y_score),
        1 - equal_error_rate(y_known, y_score),
        atol=1e-12,
    )


def test_eer_at_a_threshold_with_equal_errors():
    # At 0.5 one known clip of four is rejected and one unknown clip of four accepted.
    y_known = [1, 1, 1, 1, 0, 0, 0, 0]
    y_score = [0.9, 0.8, 0.7, 0.2, 0.6, 0.4, 0.3, 0.1]
    assert equal_error_rate(y_known, y_score) == 0.25


def test_rounding_does_not_carry_a_perfect_ranking_past_1():
    # scikit-learn's sum of 20 steps is 1.0000000000000002.
    is_known = np.arange(21) > 0
    assert aupr_in(is_known, np.arange(21)) == 1.0
    assert aupr_out(~is_known, -np.arange(21)) == 1.0


@given(rankings(), st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.8, 0.95, 1.0]))
def test_fpr_at_tpr_is_the_least_fpr_of_the_thresholds_that_qualify(ranking, tpr):
    y_known, y_score = ranking
    qualifying = [f for f, t in operating_points(y_known, y_score) if t >= tpr]
    assert fpr_at_tpr(y_known, y_score, tpr=tpr) == min(qualifying)


def test_fpr_at_tpr_puts_the_threshold_below_95_percent_of_the_known_clips():
    """With 100 distinct known scores, the 5 % quantile is their 6th lowest score."""
    rng = np.random.RandomState(0)
    known, unknown = rng.normal(2, 1, size=100), rng.normal(0, 1, size=77)
    threshold = np.sort(known)[5]
    y_known = np.repeat([True, False], [100, 77])
    assert_allclose(
        fpr_at_tpr(y_known, np.concatenate([known, unknown])),
        np.mean(unknown >= threshold),
    )


@pytest.mark.parametrize("metric", METRICS)
@given(ranking=rankings())
def test_stays_between_0_and_1(metric, ranking):
    assert 0 <= metric(*ranking) <= 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("transform", [np.arctan, np.exp, lambda s: s**3 - 1e6])
@given(ranking=rankings())
def test_depends_only_on_the_order_of_the_scores(metric, transform, ranking):
    y_known, y_score = ranking
    assert metric(y_known, transform(y_score)) == metric(y_known, y_score)


@pytest.mark.parametrize("metric", METRICS)
@given(ranking=rankings(scores=EXTREMES))
def test_extreme_scores_rank_like_any_other(metric, ranking):
    y_known, y_score = ranking
    order = np.searchsorted(EXTREMES, y_score)
    assert metric(y_known, y_score) == metric(y_known, order)


@pytest.mark.parametrize(
    ("metric", "best", "worst"),
    [
        (open_set_auroc, 1, 0),
        (equal_error_rate, 0, 1),
        (fpr_at_tpr, 0, 1),
        # One known clip behind nine unknown ones: precision 1 / 10.
        (aupr_in, 1, 0.1),
        # Nine unknown clips behind one known clip: mean of k / (k + 1), k = 1 … 9.
        (aupr_out, 1, np.mean([k / (k + 1) for k in range(1, 10)])),
    ],
)
def test_perfect_and_reversed_separation(metric, best, worst):
    y_known = np.arange(10) == 9
    assert metric(y_known, np.arange(10)) == best
    assert_allclose(metric(y_known, -np.arange(10)), worst)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (open_set_auroc, 0.5),
        (equal_error_rate, 0.5),
        (fpr_at_tpr, 1.0),
        (aupr_in, 0.3),
        (aupr_out, 0.7),
    ],
)
def test_constant_scores_give_chance(metric, expected):
    assert_allclose(metric(np.arange(10) < 3, np.full(10, 0.4)), expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("side", "missing"), [(True, "unknown"), (False, "known")])
def test_one_side_alone_gives_nan_and_a_warning(metric, side, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"clips of {missing} classes"):
        assert np.isnan(metric([side] * 4, [0.1, 0.2, 0.3, 0.4]))


@pytest.mark.parametrize("metric", METRICS)
def test_takes_lists_series_and_zeros_and_ones(metric):
    pd = pytest.importorskip("pandas")
    y_known, y_score = [1, 0, 1, 0, 1], [3, 1, 2, 2, 5]
    expected = metric(np.array(y_known, dtype=bool), np.array(y_score, dtype=float))
    assert metric(y_known, y_score) == expected
    assert metric(pd.Series(y_known), pd.Series(y_score, index=list("abcde"))) == (
        expected
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("y_known", "y_score", "message"),
    [
        ([1, 0], [0.5, np.nan], "NaN for 1 of 2 clips, the first at index 1"),
        ([1, 0], [0.1, 0.2, 0.3], "lengths: y_known 2, y_score 3"),
        ([1, 0], [[0.1, 0.9], [0.8, 0.2]], r"y_score must be 1-D.*\(2, 2\)"),
        ([1, 0], ["high", "low"], "one number per clip"),
        ([[1], [0]], [0.1, 0.2], r"y_known must be 1-D.*\(2, 1\)"),
        (["dog", "cat"], [0.1, 0.2], "np.isin"),
        ([1, -1], [0.1, 0.2], "boolean or 0 and 1"),
        ([1, np.nan], [0.1, 0.2], "boolean or 0 and 1"),
        ([], [], "y_known is empty"),
    ],
)
def test_bad_input_is_named(metric, y_known, y_score, message):
    with pytest.raises(ValueError, match=message):
        metric(y_known, y_score)


@pytest.mark.parametrize("tpr", [0, 1.01, "95%"])
def test_tpr_must_be_a_share(tpr):
    with pytest.raises(ValueError, match="'tpr' parameter"):
        fpr_at_tpr([1, 0], [0.1, 0.2], tpr=tpr)
