import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from sklearn_audio.metrics import harmonic_mean_accuracy, zero_shot_accuracy
from sklearn_audio.metrics._zero_shot import mean_class_accuracy, top_k_accuracy

LABELS = ["cat", "dog", "rain", "wind", "wolf"]
SEEN = ["dog", "rain"]


@st.composite
def scored_clips(draw, min_classes=2):
    """Clips of at least some classes, and distinct scores for all five labels."""
    occurring = draw(st.permutations(LABELS))[: draw(st.integers(min_classes, 5))]
    more = draw(st.lists(st.sampled_from(occurring), max_size=15))
    y_true = draw(st.permutations(occurring + more))
    order = st.permutations(range(len(LABELS)))
    return y_true, np.array([draw(order) for _ in y_true], dtype=float)


@st.composite
def named_clips(draw):
    """Clips of seen and unseen classes, and names of them, right ones among them."""
    more = draw(st.lists(st.sampled_from(LABELS), max_size=20))
    y_true = draw(st.permutations(["rain", "wolf", *more]))
    answers = [st.sampled_from([label, *LABELS]) for label in y_true]
    return y_true, [draw(answer) for answer in answers]


def slow_zero_shot_accuracy(y_true, y_score):
    n_right = 0
    for label, scores in zip(y_true, y_score, strict=True):
        best, best_score = None, -np.inf
        for candidate, score in zip(LABELS, scores, strict=True):
            if candidate in y_true and score > best_score:
                best, best_score = candidate, score
        n_right += best == label
    return n_right / len(y_true)


def slow_mean_class_accuracy(y_true, y_pred, classes):
    accuracies = []
    for label in classes:
        answers = [p for t, p in zip(y_true, y_pred, strict=True) if t == label]
        if answers:
            accuracies.append(answers.count(label) / len(answers))
    return sum(accuracies) / len(accuracies)


@given(scored_clips())
def test_zero_shot_accuracy_from_its_definition(clips):
    y_true, y_score = clips
    assert_allclose(
        zero_shot_accuracy(y_true, y_score, labels=LABELS),
        slow_zero_shot_accuracy(y_true, y_score),
    )


@given(scored_clips(), st.floats(0.1, 9), st.floats(-9, 9))
def test_zero_shot_accuracy_sees_only_the_order_of_the_candidates(clips, slope, shift):
    y_true, y_score = clips
    expected = zero_shot_accuracy(y_true, y_score, labels=LABELS)
    mapped = np.exp(slope * y_score + shift)
    # The classes that do not occur may win by any margin.
    mapped[:, ~np.isin(LABELS, y_true)] += 1e9
    assert zero_shot_accuracy(y_true, mapped, labels=LABELS) == expected
    order = [3, 1, 0, 4, 2]
    labels = np.array(LABELS)[order]
    assert zero_shot_accuracy(y_true, y_score[:, order], labels=labels) == expected


@given(scored_clips(min_classes=5))
def test_zero_shot_accuracy_is_top_1_accuracy_where_every_class_occurs(clips):
    y_true, y_score = clips
    assert zero_shot_accuracy(y_true, y_score, labels=LABELS) == pytest.approx(
        top_k_accuracy_score(y_true, y_score, k=1, labels=LABELS)
    )


@given(scored_clips())
def test_zero_shot_accuracy_is_at_least_that_among_all_candidates(clips):
    y_true, y_score = clips
    among_all = np.mean(np.array(LABELS)[y_score.argmax(axis=1)] == y_true)
    assert zero_shot_accuracy(y_true, y_score, labels=LABELS) >= among_all - 1e-12


def test_the_first_of_equal_scores_wins():
    score = zero_shot_accuracy([1, 0], [[0.5, 0.5], [0.5, 0.5]], labels=[1, 0])
    assert score == 0.5


@pytest.mark.parametrize("y_true", [["dog"], ["dog", "dog", "dog"]])
def test_zero_shot_accuracy_is_undefined_with_one_class(y_true):
    y_score = np.tile(np.arange(5.0), (len(y_true), 1))
    with pytest.warns(UndefinedMetricWarning, match="with a single class"):
        assert np.isnan(zero_shot_accuracy(y_true, y_score, labels=LABELS))


@pytest.mark.parametrize("metric", [zero_shot_accuracy, top_k_accuracy])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": ["dog", "cow"]}, "'cow' at index 1, which is not one of the 5"),
        ({"y_true": [0, 1]}, "y_true holds numbers such as 0, but labels holds text"),
        ({"y_true": ["dog"]}, "lengths: y_true 1, y_score 2"),
        ({"y_true": [], "y_score": np.zeros((0, 5))}, "y_true is empty"),
        ({"y_score": np.zeros((2, 4))}, r"each of the 5 labels.*\(2, 4\)"),
        ({"y_score": np.zeros(2)}, r"each of the 5 labels.*\(2,\)"),
        ({"y_score": [[1] * 5, [1, 2, np.nan, 4, 5]]}, "NaN for the clip at index 1"),
        ({"labels": []}, "^labels is empty"),
    ],
)
def test_bad_scores_are_named(metric, change, message):
    given_input = {"y_true": ["dog", "cat"], "y_score": np.eye(2, 5), "labels": LABELS}
    more = {"k": 2} if metric is top_k_accuracy else {}
    with pytest.raises(ValueError, match=message):
        metric(**(given_input | change), **more)


@given(named_clips())
def test_harmonic_mean_from_its_definition(clips):
    y_true, y_pred = clips
    seen = slow_mean_class_accuracy(y_true, y_pred, SEEN)
    unseen = slow_mean_class_accuracy(y_true, y_pred, {*LABELS} - {*SEEN})
    expected = 2 / (1 / seen + 1 / unseen) if seen and unseen else 0
    result = harmonic_mean_accuracy(y_true, y_pred, seen_classes=SEEN)
    assert_allclose(result, expected)
    assert min(seen, unseen) - 1e-12 <= result <= max(seen, unseen) + 1e-12


@given(named_clips(), st.integers(1, 4))
def test_harmonic_mean_weighs_classes_alike(clips, times):
    """More clips of one class, named as before, change nothing."""
    y_true, y_pred = clips
    repeats = np.where(np.array(y_true) == "cat", times, 1)
    rows = np.repeat(np.arange(len(y_true)), repeats)
    assert_allclose(
        harmonic_mean_accuracy(
            [y_true[i] for i in rows], [y_pred[i] for i in rows], seen_classes=SEEN
        ),
        harmonic_mean_accuracy(y_true, y_pred, seen_classes=SEEN),
    )


@given(named_clips())
def test_harmonic_mean_does_not_care_which_side_is_seen(clips):
    y_true, y_pred = clips
    others = [label for label in LABELS if label not in SEEN]
    assert harmonic_mean_accuracy(y_true, y_pred, seen_classes=SEEN) == pytest.approx(
        harmonic_mean_accuracy(y_true, y_pred, seen_classes=others)
    )


@given(named_clips())
def test_it_does_not_matter_how_labels_are_spelt(clips):
    numbers = dict(zip(LABELS, [3, -1, 7, 0, 4], strict=True))
    y_true, y_pred = ([numbers[label] for label in side] for side in clips)
    expected = harmonic_mean_accuracy(*clips, seen_classes=SEEN)
    for convert in (list, np.array, lambda y: np.array(y, dtype=float)):
        result = harmonic_mean_accuracy(
            convert(y_true), convert(y_pred), seen_classes=convert([-1, 7])
        )
        assert result == expected


def test_only_right_names_on_both_sides_count():
    y_true = ["dog", "rain", "wolf", "wolf", "cat"]
    perfect = harmonic_mean_accuracy(y_true, y_true, seen_classes=SEEN)
    assert perfect == 1
    biased = ["dog", "rain", "dog", "dog", "rain"]
    assert harmonic_mean_accuracy(y_true, biased, seen_classes=SEEN) == 0
    # S = 1/2 (dog 0, rain 1), U = 3/4 (wolf 1/2, cat 1).
    mixed = ["wolf", "rain", "wolf", "dog", "cat"]
    result = harmonic_mean_accuracy(y_true, mixed, seen_classes=SEEN)
    assert result == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("y_true", "missing"), [(["dog", "rain"], "unseen"), (["cat", "wolf"], "seen")]
)
def test_harmonic_mean_is_undefined_with_one_side(y_true, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"clips of {missing} classes"):
        assert np.isnan(harmonic_mean_accuracy(y_true, y_true, seen_classes=SEEN))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": ["dog"]}, "lengths: y_true 2, y_pred 1"),
        ({"y_pred": [1, 2]}, "y_pred holds numbers .* y_true holds text"),
        ({"y_true": [1, 2]}, "y_true holds numbers .* seen_classes holds text"),
        ({"y_true": ["dog", None]}, "None at index 1"),
        ({"y_true": [], "y_pred": []}, "y_true is empty"),
        ({"seen_classes": []}, "^seen_classes is empty"),
    ],
)
def test_bad_names_are_named(change, message):
    given_input = {"y_true": ["dog", "cat"], "y_pred": ["dog", "cat"]}
    with pytest.raises(ValueError, match=message):
        harmonic_mean_accuracy(**({**given_input, "seen_classes": SEEN} | change))


@given(named_clips())
def test_mean_class_accuracy_is_balanced_accuracy_without_its_warning(clips):
    y_true, y_pred = clips
    result = mean_class_accuracy(y_true, y_pred)  # warnings are errors
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = balanced_accuracy_score(y_true, y_pred)
    assert_allclose(result, expected)
    assert_allclose(result, slow_mean_class_accuracy(y_true, y_pred, LABELS))


@given(scored_clips(min_classes=1), st.integers(1, 4))
def test_top_k_accuracy_counts_clips_whose_class_is_among_the_best(clips, k):
    y_true, y_score = clips
    best = [np.array(LABELS)[np.argsort(scores)[-k:]] for scores in y_score]
    right = [label in some for label, some in zip(y_true, best, strict=True)]
    result = top_k_accuracy(y_true, y_score, labels=LABELS, k=k)
    assert_allclose(result, np.mean(right))


def test_top_k_accuracy_of_two_labels():
    y_score = [[-1.0, 1.0], [0.5, -0.5], [2.0, -2.0]]
    result = top_k_accuracy(["a", "b", "a"], y_score, labels=["a", "b"], k=1)
    assert result == pytest.approx(1 / 3)
    with pytest.warns(UndefinedMetricWarning, match="will result in a perfect score"):
        assert top_k_accuracy(["a", "b", "a"], y_score, labels=["a", "b"], k=3) == 1
