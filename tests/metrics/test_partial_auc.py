import warnings
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score

from sklearn_audio.metrics import open_set_auroc, partial_auc

FORMS = ["standardised", "dcase"]
EXTREMES = [-np.inf, -1e308, 0.0, 5e-324, 1e308, np.inf]
MAX_FPRS = st.sampled_from(["0.05", "0.1", "0.29", "0.3", "0.5", "0.57", "0.9", "1.0"])


@st.composite
def rankings(draw, scores=range(-4, 5), distinct=False):
    """At least 20 normal clips, so that no form is undefined; ties unless distinct."""
    n_normal, n_anomalous = draw(st.integers(20, 40)), draw(st.integers(1, 12))
    size = n_normal + n_anomalous
    if distinct:
        y_score = draw(st.permutations(range(size)))
    else:
        y_score = draw(st.lists(st.sampled_from(scores), min_size=size, max_size=size))
    return np.repeat([1, -1], [n_normal, n_anomalous]), np.array(y_score, dtype=float)


def area_of_trapezia(y_normal, y_score, max_fpr):
    """Area from 0 to max_fpr, point by point, from thresholds counted clip by clip."""
    normal, anomalous = y_score[y_normal == 1], y_score[y_normal == -1]
    points = [(0.0, 0.0)]
    points += [
        (np.mean([s <= t for s in normal]), np.mean([s <= t for s in anomalous]))
        for t in sorted(set(y_score))
    ]
    area = 0.0
    for (left, low), (right, high) in pairwise(points):
        if left >= max_fpr or left == right:
            continue
        end = min(right, max_fpr)
        at_end = low + (high - low) * (end - left) / (right - left)
        area += (end - left) * (low + at_end) / 2
    return area


def slow_dcase(y_normal, y_score, max_fpr):
    """The published double sum, over anomaly scores; the floor is taken exactly."""
    normal = sorted((-y_score[y_normal == 1]).tolist(), reverse=True)
    anomalous = (-y_score[y_normal == -1]).tolist()
    n_strangest = int(Fraction(max_fpr) * len(normal))
    total = 0
    for i in range(n_strangest):
        for j in range(len(anomalous)):
            total += anomalous[j] > normal[i]
    return total / (n_strangest * len(anomalous))


@given(rankings(), MAX_FPRS)
def test_standardised_form_is_scikit_learns(ranking, max_fpr):
    y_normal, y_score = ranking
    expected = roc_auc_score(y_normal == -1, -y_score, max_fpr=float(max_fpr))
    assert_allclose(partial_auc(y_normal, y_score, max_fpr=float(max_fpr)), expected)


@given(rankings(), MAX_FPRS)
def test_standardised_form_rescales_the_area(ranking, max_fpr):
    p = float(max_fpr)
    chance = p**2 / 2
    expected = (1 + (area_of_trapezia(*ranking, p) - chance) / (p - chance)) / 2
    assert_allclose(partial_auc(*ranking, max_fpr=p), expected, atol=1e-12)


@given(rankings(), MAX_FPRS)
def test_dcase_form_is_the_published_double_sum(ranking, max_fpr):
    assert_allclose(
        partial_auc(*ranking, max_fpr=float(max_fpr), form="dcase"),
        slow_dcase(*ranking, max_fpr),
        atol=1e-12,
    )


@given(rankings(distinct=True), st.integers(1, 20))
def test_dcase_form_is_the_mean_of_the_curve_where_nothing_is_cut(ranking, n_strangest):
    y_normal, _ = ranking
    p = n_strangest / (y_normal == 1).sum()
    assert_allclose(
        partial_auc(*ranking, max_fpr=p, form="dcase"),
        area_of_trapezia(*ranking, p) / p,
        atol=1e-12,
    )


def test_floor_is_not_misled_by_rounding():
    """0.29 * 100 is 28.999...: the 29th strangest normal clip still counts."""
    y_normal = np.repeat([1, -1], [100, 1])
    y_score = np.append(np.arange(100), 27.5)
    assert_allclose(partial_auc(y_normal, y_score, max_fpr=0.29, form="dcase"), 1 / 29)


@given(rankings())
def test_whole_area_is_the_auroc(ranking):
    y_normal, y_score = ranking
    assert_allclose(
        partial_auc(y_normal, y_score, max_fpr=1.0),
        open_set_auroc(y_normal == 1, y_score),
        atol=1e-12,
    )


@pytest.mark.parametrize("form", FORMS)
def test_anomalies_are_the_positives(form):
    """Of the clips at the top, where anomalies are not, nothing is seen."""
    y_normal = np.repeat([1, -1], [20, 4])
    y_score = np.concatenate([np.arange(20.0), [-1, -1, -1, 1.5]])
    mixed_at_the_top = np.concatenate([np.arange(20.0), [-1, -1, -1, 30]])
    assert partial_auc(y_normal, y_score, form=form) < 1
    assert partial_auc(y_normal, mixed_at_the_top, max_fpr=0.05, form=form) == (
        partial_auc(y_normal, y_score, max_fpr=0.05, form=form)
    )


@pytest.mark.parametrize(
    ("form", "best", "worst", "constant"),
    [
        # Nothing found: minus p² / 2 of the p - p² / 2 above chance.
        ("standardised", 1, (1 - 0.005 / 0.095) / 2, 0.5),
        ("dcase", 1, 0, 0),
    ],
)
def test_perfect_reversed_and_constant_scores(form, best, worst, constant):
    y_normal = np.repeat([1, -1], [20, 5])
    assert partial_auc(y_normal, y_normal, form=form) == best
    assert_allclose(partial_auc(y_normal, -y_normal, form=form), worst)
    assert_allclose(partial_auc(y_normal, np.full(25, 0.4), form=form), constant)


def test_chance_in_both_forms():
    rng = np.random.RandomState(0)
    y_normal = np.repeat([1, -1], [20000, 20000])
    y_score = rng.normal(size=40000)
    assert_allclose(partial_auc(y_normal, y_score), 0.5, atol=0.01)
    assert_allclose(partial_auc(y_normal, y_score, form="dcase"), 0.05, atol=0.01)


@pytest.mark.parametrize("form", FORMS)
@given(ranking=rankings(), max_fpr=MAX_FPRS)
def test_stays_between_0_and_1(form, ranking, max_fpr):
    assert 0 <= partial_auc(*ranking, max_fpr=float(max_fpr), form=form) <= 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("transform", [np.arctan, np.exp, lambda s: s**3 - 1e6])
@given(ranking=rankings())
def test_depends_only_on_the_order_of_the_scores(form, transform, ranking):
    y_normal, y_score = ranking
    assert partial_auc(y_normal, transform(y_score), form=form) == (
        partial_auc(y_normal, y_score, form=form)
    )


@pytest.mark.parametrize("form", FORMS)
@given(ranking=rankings(scores=EXTREMES))
def test_extreme_scores_rank_like_any_other(form, ranking):
    y_normal, y_score = ranking
    order = np.searchsorted(EXTREMES, y_score)
    assert partial_auc(y_normal, y_score, form=form) == (
        partial_auc(y_normal, order, form=form)
    )


@pytest.mark.parametrize("form", FORMS)
def test_takes_booleans_signs_lists_and_series(form):
    pd = pytest.importorskip("pandas")
    y_normal = np.repeat([1, -1], [12, 4])
    y_score = np.append(np.arange(12.0), [-1.0, 0.5, 3.5, 9.5])
    expected = partial_auc(y_normal, y_score, form=form)
    assert 0 < expected < 1
    for labels in (
        y_normal == 1,
        y_normal.astype(float),
        (y_normal == 1).tolist(),
        pd.Series(y_normal, index=range(16, 0, -1)),
        pd.Series(y_normal == 1, dtype="boolean"),
    ):
        assert partial_auc(labels, y_score.tolist(), form=form) == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("label", "missing"), [(1, "anomalous"), (-1, "normal")])
def test_one_kind_alone_gives_nan_and_a_warning(form, label, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"without {missing} clips"):
        assert np.isnan(partial_auc([label] * 20, np.arange(20), form=form))


def test_too_few_normal_clips_for_the_dcase_form():
    y_normal = np.repeat([1, -1], [9, 3])
    with pytest.warns(UndefinedMetricWarning, match=r"max_fpr=0.1 with 9 normal"):
        assert np.isnan(partial_auc(y_normal, y_normal, form="dcase"))
    assert partial_auc(y_normal, y_normal, max_fpr=1 / 9, form="dcase") == 1
    assert partial_auc(y_normal, y_normal) == 1


def test_warning_points_at_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        partial_auc([1, 1], [0.1, 0.2])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("y_normal", "y_score", "message"),
    [
        ([1, -1], [0.5, np.nan], "NaN for 1 of 2 clips, the first at index 1"),
        ([1, -1], [0.1, 0.2, 0.3], "lengths: y_normal 2, y_score 3"),
        ([1, -1], [[0.1, 0.9], [0.8, 0.2]], r"y_score must be 1-D.*\(2, 2\)"),
        ([[1], [-1]], [0.1, 0.2], r"y_normal must be 1-D.*\(2, 1\)"),
        ([0, 1], [0.1, 0.2], r"got \[0, 1\]. Where 1 marks anomalies, pass y == 0"),
        ([1, 0, -1], [0.1, 0.2, 0.3], "y_normal must be boolean"),
        (["normal", "anomaly"], [0.1, 0.2], "y_normal must be boolean"),
        ([1, np.nan], [0.1, 0.2], "y_normal must be boolean"),
        ([], [], "y_normal is empty"),
    ],
)
def test_bad_input_is_named(y_normal, y_score, message):
    with pytest.raises(ValueError, match=message):
        partial_auc(y_normal, y_score)


@pytest.mark.parametrize(
    "parameters", [{"max_fpr": 0}, {"max_fpr": 1.01}, {"form": "mcclish"}]
)
def test_bad_parameters_are_named(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        partial_auc([1, -1], [0.1, 0.2], **parameters)
