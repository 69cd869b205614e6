from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import UndefinedMetricWarning

from sklearn_audio.metrics import ccr_at_fpr, open_set_auroc, oscr_curve, oscr_score

KNOWN = ["down", "up"]


@st.composite
def answers(draw, always_right=False):
    """Clips of two known and two unknown classes, with few distinct scores."""
    y_true = draw(st.permutations([*KNOWN, "cat", "dog"]))
    y_true += draw(st.lists(st.sampled_from([*KNOWN, "cat", "dog"]), max_size=16))
    size = len(y_true)
    labels = st.lists(st.sampled_from(KNOWN), min_size=size, max_size=size)
    y_pred = draw(labels)
    if always_right:
        pairs = zip(y_true, y_pred, strict=True)
        y_pred = [true if true in KNOWN else pred for true, pred in pairs]
    y_score = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    return np.array(y_true), np.array(y_pred), np.array(y_score, dtype=float)


def slow_curve(y_true, y_pred, y_score):
    """The definition, threshold by threshold and clip by clip."""
    is_known = np.isin(y_true, KNOWN)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(y_score), reverse=True):
        right = false = 0
        for true, pred, score in zip(y_true, y_pred, y_score, strict=True):
            if score >= threshold:
                right += true == pred
                false += true not in KNOWN
        points.append((false / sum(~is_known), right / sum(is_known)))
    return points


@given(answers())
def test_curve_follows_the_definition(clips):
    fpr, ccr, thresholds = oscr_curve(*clips, known_labels=KNOWN)
    assert_allclose(np.column_stack([fpr, ccr]), slow_curve(*clips))
    assert_array_equal(thresholds, [np.inf, *sorted(set(clips[2]), reverse=True)])


@given(answers())
def test_score_is_the_area_of_trapezoids(clips):
    points = slow_curve(*clips)
    area = sum(
        (next_fpr - fpr) * (next_ccr + ccr) / 2
        for (fpr, ccr), (next_fpr, next_ccr) in pairwise(points)
    )
    assert_allclose(oscr_score(*clips, known_labels=KNOWN), area, atol=1e-12)


@given(answers())
def test_score_is_the_chance_of_naming_and_ranking_a_known_clip_rightly(clips):
    y_true, y_pred, y_score = clips
    is_known = np.isin(y_true, KNOWN)
    pairs = [
        right * ((known > unknown) + 0.5 * (known == unknown))
        for right, known in zip((y_true == y_pred)[is_known], y_score[is_known],
                                strict=True)
        for unknown in y_score[~is_known]
    ]  # fmt: skip
    assert_allclose(oscr_score(*clips, known_labels=KNOWN), np.mean(pairs), atol=1e-12)


@given(answers())
def test_score_is_bounded_by_auroc_and_closed_set_accuracy(clips):
    y_true, y_pred, y_score = clips
    is_known = np.isin(y_true, KNOWN)
    score = oscr_score(*clips, known_labels=KNOWN)
    assert 0 <= score <= open_set_auroc(is_known, y_score) + 1e-12
    assert score <= np.mean((y_true == y_pred)[is_known])


@given(answers(always_right=True))
def test_score_equals_auroc_when_every_known_clip_is_named_rightly(clips):
    y_true, _, y_score = clips
    assert_allclose(
        oscr_score(*clips, known_labels=KNOWN),
        open_set_auroc(np.isin(y_true, KNOWN), y_score),
        atol=1e-12,
    )


def test_perfect_classifier_scores_exactly_1():
    y_true = np.array(["up"] * 7 + ["dog"] * 49)
    y_pred, y_score = np.full(56, "up"), np.arange(56)[::-1]
    assert oscr_score(y_true, y_pred, y_score, known_labels=["up"]) == 1
    assert ccr_at_fpr(y_true, y_pred, y_score, known_labels=["up"], fpr=0) == 1


@given(answers(), st.sampled_from([0, 0.05, 0.1, 0.25, 0.5, 0.9, 1]))
def test_ccr_at_fpr_is_the_best_of_the_thresholds_allowed(clips, fpr):
    allowed = [right for false, right in slow_curve(*clips) if false <= fpr]
    assert ccr_at_fpr(*clips, known_labels=KNOWN, fpr=fpr) == max(allowed)


def test_ccr_at_fpr_is_0_when_the_most_familiar_clips_are_unknown():
    y_true, y_pred = ["dog", "up", "down", "cat"], ["up"] * 4
    y_score = [0.9, 0.8, 0.7, 0.1]
    assert ccr_at_fpr(y_true, y_pred, y_score, known_labels=KNOWN) == 0
    assert ccr_at_fpr(y_true, y_pred, y_score, known_labels=KNOWN, fpr=0.5) == 0.5


@given(answers())
def test_neither_order_nor_repeats_of_the_known_labels_matter(clips):
    score = oscr_score(*clips, known_labels=KNOWN)
    assert oscr_score(*clips, known_labels=["up", "down", "up"]) == score


def test_numeric_labels_and_containers_of_every_kind():
    pd = pytest.importorskip("pandas")
    y_true, y_pred, y_score = [0, 1, 7, -1], [0, 0, 1, 1], [4, 3, 2, 1]
    expected = 0.5
    for convert in (list, tuple, np.array, pd.Series, lambda y: np.array(y, float)):
        y = convert(y_true)
        assert oscr_score(y, convert(y_pred), y_score, known_labels=[0, 1]) == expected


def test_infinite_scores_are_thresholds_like_any_other():
    y_true, y_pred = ["up", "down", "dog"], ["up", "up", "up"]
    y_score = [np.inf, -np.inf, -np.inf]
    fpr, ccr, thresholds = oscr_curve(y_true, y_pred, y_score, known_labels=KNOWN)
    assert_array_equal(fpr, [0, 0, 1])
    assert_array_equal(ccr, [0, 0.5, 0.5])
    assert_array_equal(thresholds, [np.inf, np.inf, -np.inf])


@pytest.mark.parametrize("metric", [oscr_score, ccr_at_fpr])
@pytest.mark.parametrize("y_true", [["up", "down"], ["cat", "dog"]])
def test_one_side_alone_gives_nan_and_a_warning(metric, y_true):
    missing = "unknown" if y_true[0] in KNOWN else "known"
    with pytest.warns(UndefinedMetricWarning, match=f"clips of {missing} classes"):
        score = metric(y_true, ["up", "up"], [0.1, 0.2], known_labels=KNOWN)
    assert np.isnan(score)


def test_curve_without_unknown_clips_has_no_false_positive_rate():
    with pytest.warns(UndefinedMetricWarning, match="oscr_curve"):
        fpr, ccr, _ = oscr_curve(["up"], ["up"], [0.3], known_labels=KNOWN)
    assert np.isnan(fpr).all()
    assert_array_equal(ccr, [0, 1])


@pytest.mark.parametrize("function", [oscr_curve, oscr_score, ccr_at_fpr])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": ["up", "unknown"]}, "'unknown' at index 1.*closed-set predictions"),
        ({"y_pred": ["up"]}, "lengths: y_true 2, y_pred 1, y_score 2"),
        ({"y_score": [0.1, np.nan]}, "y_score is NaN"),
        ({"y_score": [[0.1, 0.2]] * 2}, "y_score must be 1-D"),
        ({"y_true": np.array([["up"], ["dog"]])}, "y_true must be 1-D"),
        ({"y_true": [["up"], ["dog"]]}, "y_true must be 1-D"),
        ({"y_true": "up"}, "y_true must be 1-D"),
        ({"y_true": 3}, "y_true must be 1-D"),
        ({"y_true": ["up", None]}, "a missing label is not an unknown class"),
        ({"y_true": [0, 1]}, "y_true holds numbers such as 0.*text such as 'down'"),
        ({"known_labels": [0, 1]}, "y_true holds text such as 'up'.*numbers such as 0"),
        ({"known_labels": []}, "known_labels is empty"),
        ({"known_labels": "up"}, "known_labels must be 1-D"),
        ({"y_true": [], "y_pred": [], "y_score": []}, "y_true is empty"),
    ],
)
def test_bad_input_is_named(function, change, message):
    given_input = {
        "y_true": ["up", "dog"],
        "y_pred": ["up", "down"],
        "y_score": [0.9, 0.1],
        "known_labels": KNOWN,
    }
    with pytest.raises(ValueError, match=message):
        function(**(given_input | change))


def test_missing_numeric_label_is_named():
    with pytest.raises(ValueError, match="y_true holds nan at index 1"):
        oscr_score([0.0, np.nan], [0, 0], [0.1, 0.2], known_labels=[0, 1])


@pytest.mark.parametrize("fpr", [-0.1, 1.5])
def test_fpr_must_be_a_share(fpr):
    with pytest.raises(ValueError, match="'fpr' parameter"):
        ccr_at_fpr(["up", "cat"], ["up", "up"], [1, 0], known_labels=KNOWN, fpr=fpr)
