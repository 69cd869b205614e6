import numpy as np
import pytest
import sklearn
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_audio.model_selection import OpenSetSplit

WORDS = np.repeat(["down", "left", "right", "up", "cat", "dog"], 10)
SPEAKERS = np.tile(np.arange(10), 6)


def splits_of(cv, y, groups=None):
    return list(cv.split(np.zeros(len(y)), y, groups))


@st.composite
def tasks(draw):
    """Labels with 2-5 known and 1-4 unknown classes, some of these very small."""
    n_splits = draw(st.integers(2, 5))
    n_clips = st.integers(n_splits, 15)
    known = draw(st.lists(n_clips, min_size=2, max_size=5))
    unknown = draw(st.lists(st.integers(1, 15), min_size=1, max_size=4))
    assume(sum(unknown) >= n_splits)
    labels = [f"known{k}" for k in range(len(known))]
    labels += [f"unknown{k}" for k in range(len(unknown))]
    y = np.repeat(labels, known + unknown)
    cv = OpenSetSplit(
        n_splits,
        unknown_classes=labels[len(known) :],
        shuffle=draw(st.booleans()),
        random_state=draw(st.integers(0, 99)),
    )
    return y[draw(st.permutations(range(len(y))))], cv


@st.composite
def grouped_tasks(draw):
    """Every speaker says every word at least once; some words are said twice."""
    n_splits = draw(st.integers(2, 4))
    n_speakers = draw(st.integers(n_splits, 12))
    n_words = draw(st.integers(3, 6))
    y, groups = np.divmod(np.arange(n_words * n_speakers), n_speakers)
    again = draw(st.lists(st.integers(0, len(y) - 1), max_size=20))
    y, groups = np.append(y, y[again]), np.append(groups, groups[again])
    cv = OpenSetSplit(
        n_splits,
        unknown_classes=list(range(draw(st.integers(1, n_words - 2)))),
        shuffle=draw(st.booleans()),
        random_state=draw(st.integers(0, 99)),
    )
    return y, groups, cv


def assert_open_set_protocol(y, cv, splits):
    unknown = np.isin(y, list(cv.unknown_classes))
    assert len(splits) == cv.get_n_splits() == cv.n_splits
    for train, test in splits:
        assert not unknown[train].any()
        assert unknown[test].any()
        assert not unknown[test].all()
        assert set(y[train]) == set(y[~unknown])
        # What is neither trained on nor tested is exactly the unknown clips elsewhere.
        left_out = np.setdiff1d(np.arange(len(y)), np.concatenate([train, test]))
        assert_array_equal(left_out, np.setdiff1d(np.flatnonzero(unknown), test))
    tested = np.sort(np.concatenate([test for _, test in splits]))
    assert_array_equal(tested, np.arange(len(y)))


@given(tasks())
def test_protocol_without_groups(task):
    y, cv = task
    assert_open_set_protocol(y, cv, splits_of(cv, y))


@given(tasks())
def test_each_known_class_and_the_unknown_clips_are_dealt_evenly(task):
    y, cv = task
    splits = splits_of(cv, y)
    for label in [*set(y) - set(cv.unknown_classes)]:
        counts = [np.sum(y[test] == label) for _, test in splits]
        assert max(counts) - min(counts) <= 1
    unknown = [np.isin(y[test], cv.unknown_classes).sum() for _, test in splits]
    # Each unknown class is even to within one clip, as in StratifiedKFold.
    assert max(unknown) - min(unknown) <= len(cv.unknown_classes)


def test_unknown_clips_of_one_class_differ_by_at_most_one():
    y = np.repeat(["yes", "no", "dog"], [20, 20, 13])
    splits = splits_of(OpenSetSplit(unknown_classes=["dog"], random_state=0), y)
    counts = [np.sum(y[test] == "dog") for _, test in splits]
    assert sorted(counts) == [2, 2, 3, 3, 3]


@given(grouped_tasks())
def test_protocol_with_groups(task):
    y, groups, cv = task
    try:
        splits = splits_of(cv, y, groups)
    except ValueError as error:
        # The heuristic of StratifiedGroupKFold may leave a fold empty.
        assert "A test part has no" in str(error)  # noqa: PT017
        assume(False)
    assert_open_set_protocol(y, cv, splits)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])


def test_groups_of_speakers():
    cv = OpenSetSplit(unknown_classes=["cat", "dog"], random_state=0)
    splits = splits_of(cv, WORDS, SPEAKERS)
    assert_open_set_protocol(WORDS, cv, splits)
    assert [len(set(SPEAKERS[test])) for _, test in splits] == [2] * 5
    for train, test in splits:
        assert not set(SPEAKERS[train]) & set(SPEAKERS[test])


def test_known_part_is_that_of_stratified_k_fold():
    cv = OpenSetSplit(unknown_classes=["cat", "dog"], shuffle=False)
    reference = StratifiedKFold().split(WORDS, WORDS)
    for (train, test), (_, expected) in zip(
        splits_of(cv, WORDS), reference, strict=True
    ):
        assert_array_equal(test, expected)
        assert len(train) == 32


@given(n_unknown=st.integers(1, 4), seed=st.integers(0, 20), with_groups=st.booleans())
def test_drawn_classes(n_unknown, seed, with_groups):
    cv = OpenSetSplit(n_unknown_classes=n_unknown, random_state=seed)
    splits = splits_of(cv, WORDS, SPEAKERS if with_groups else None)
    for train, test in splits:
        assert len(set(WORDS[train])) == 6 - n_unknown
        assert set(WORDS[test]) == set(WORDS)
    tested = np.sort(np.concatenate([test for _, test in splits]))
    assert_array_equal(tested, np.arange(len(WORDS)))


def test_classes_are_drawn_anew_for_every_split():
    cv = OpenSetSplit(n_unknown_classes=2, random_state=0)
    known = {frozenset(WORDS[train]) for train, _ in splits_of(cv, WORDS)}
    assert len(known) > 1


def test_every_class_is_drawn_about_as_often():
    cv = OpenSetSplit(10, n_unknown_classes=2, random_state=0)
    drawn = np.zeros(6)
    for _ in range(60):
        cv.random_state += 1
        for train, _ in splits_of(cv, WORDS):
            drawn += ~np.isin(np.unique(WORDS), WORDS[train])
    assert drawn.sum() == 1200
    assert np.abs(drawn - 200).max() < 60  # more than 5 standard deviations


@pytest.mark.parametrize(
    ("n_unknown_classes", "n_classes", "expected"),
    [(None, 10, 4), (None, 3, 1), (0.5, 6, 3), (0.01, 5, 1), (0.35, 10, 4), (3, 5, 3)],
)
def test_number_of_unknown_classes(n_unknown_classes, n_classes, expected):
    y = np.repeat(np.arange(n_classes), 4)
    cv = OpenSetSplit(2, n_unknown_classes=n_unknown_classes, random_state=0)
    for train, _ in splits_of(cv, y):
        assert len(set(y[train])) == n_classes - expected


@pytest.mark.parametrize("groups", [None, SPEAKERS])
@pytest.mark.parametrize(
    "unknown", [{"unknown_classes": ["cat"]}, {"n_unknown_classes": 2}]
)
def test_same_seed_same_splits(groups, unknown):
    first, again, other = (
        splits_of(OpenSetSplit(**unknown, random_state=seed), WORDS, groups)
        for seed in (3, 3, 4)
    )
    for (train, test), (same_train, same_test) in zip(first, again, strict=True):
        assert_array_equal(train, same_train)
        assert_array_equal(test, same_test)
    assert any(set(a[1]) != set(b[1]) for a, b in zip(first, other, strict=True))


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    splits_of(OpenSetSplit(random_state=0), WORDS, SPEAKERS)
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("y", "unknown_classes"),
    [
        (np.repeat([0, 1, -1], 5), [-1]),
        (np.repeat([0, 1, -1], 5), -1),
        (np.repeat([0.0, 1.0, -1.0], 5), -1),
        (np.repeat(["no", "yes", "unknown"], 5), ["unknown"]),
        (np.repeat(["no", "yes", "unknown"], 5), "unknown"),
        (np.repeat(["no", "yes", "unknown"], 5), {"unknown"}),
        (np.repeat(["no", "yes", "unknown"], 5), np.array(["unknown"])),
        (np.repeat(["no", "yes", "unknown"], 5).astype(object), ("unknown",)),
        (list(np.repeat(["no", "yes", "unknown"], 5)), ["unknown"]),
    ],
)
def test_reserved_outlier_label_and_containers_of_every_kind(y, unknown_classes):
    cv = OpenSetSplit(unknown_classes=unknown_classes, random_state=0)
    for train, test in cv.split(np.zeros(15), y):
        assert len(train) == 8
        assert len(test) == 3
        assert len({y[clip] for clip in train}) == 2


def test_pandas_labels_and_groups():
    pd = pytest.importorskip("pandas")
    index = np.arange(60)[::-1]
    y = pd.Series(WORDS, index=index, dtype="category")
    groups = pd.Series(SPEAKERS, index=index)
    cv = OpenSetSplit(unknown_classes=pd.Series(["cat"]), random_state=0)
    plain = OpenSetSplit(unknown_classes=["cat"], random_state=0)
    frame = pd.DataFrame({"path": [f"{i}.wav" for i in range(60)]}, index=index)
    for (train, test), (same_train, same_test) in zip(
        cv.split(frame, y, groups), splits_of(plain, WORDS, SPEAKERS), strict=True
    ):
        assert_array_equal(train, same_train)
        assert_array_equal(test, same_test)


@pytest.mark.parametrize(
    "X",
    [
        [f"{i}.wav" for i in range(60)],
        [np.zeros(i + 1) for i in range(60)],
        np.zeros((60, 4, 3)),
    ],
    ids=["paths", "ragged", "pictures"],
)
def test_clips_may_be_anything(X):
    splits = list(OpenSetSplit(random_state=0).split(X, WORDS))
    assert sum(len(test) for _, test in splits) == 60


def test_repr_and_clone_within_a_search():
    cv = OpenSetSplit(3, unknown_classes=["dog"], random_state=0)
    assert repr(cv).startswith("OpenSetSplit(n_splits=3, n_unknown_classes=None, ")
    search = clone(GridSearchCV(DummyClassifier(), {}, cv=cv))
    assert repr(search.cv) == repr(cv)


def test_cross_val_predict_takes_it():
    """Its test parts are a partition of the clips."""
    cv = OpenSetSplit(unknown_classes=["cat", "dog"], random_state=0)
    predicted = cross_val_predict(
        DummyClassifier(strategy="uniform", random_state=0),
        np.zeros((60, 1)),
        WORDS,
        cv=cv,
    )
    assert set(predicted) <= {"down", "left", "right", "up"}


class GroupSpy(DummyClassifier):
    """Remembers whom it was trained on; the feature is the speaker."""

    def fit(self, X, y):
        self.speakers_ = set(np.ravel(X))
        return super().fit(X, y)

    def score(self, X, y):
        return float(self.speakers_.isdisjoint(np.ravel(X)))


@pytest.mark.parametrize("with_groups", [True, False])
@pytest.mark.parametrize("routing", [True, False])
def test_groups_reach_the_splitter_with_and_without_metadata_routing(
    routing, with_groups
):
    X = SPEAKERS[:, None]
    cv = OpenSetSplit(unknown_classes=["cat", "dog"], random_state=0)
    groups = {"groups": SPEAKERS} if with_groups else {}
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": groups} if routing else groups
        scores = cross_validate(GroupSpy(), X, WORDS, cv=cv, **passed)["test_score"]
        search = GridSearchCV(GroupSpy(), {}, cv=cv).fit(X, WORDS, **groups)
    assert scores.mean() == float(with_groups)
    assert search.best_score_ == float(with_groups)


def test_groups_can_be_declined_and_are_requested_as_by_group_k_fold():
    with sklearn.config_context(enable_metadata_routing=True):
        cv = OpenSetSplit(unknown_classes=["cat"], random_state=0)
        for splitter in (cv, GroupKFold()):
            requests = get_routing_for_object(splitter).split.requests
            assert requests == {"groups": True}
        cv.set_split_request(groups=False)
        assert len(splits_of(cv, WORDS)) == 5
        with pytest.raises((TypeError, UnsetMetadataPassedError), match="groups"):
            cross_validate(
                GroupSpy(), SPEAKERS[:, None], WORDS, cv=cv, params={"groups": SPEAKERS}
            )


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"unknown_classes": ["cow"]}, WORDS, r"\['cow'\] must name classes of y"),
        ({"unknown_classes": ["cat", 1]}, WORDS, "must name classes of y, which holds"),
        ({"unknown_classes": []}, WORDS, "must name classes of y"),
        ({"unknown_classes": WORDS}, WORDS, "leaves 0 known"),
        ({"unknown_classes": WORDS[10:]}, WORDS, "5 of the 6 .* leaves 1 known"),
        ({"n_unknown_classes": 5}, WORDS, "leaves 1 known: at least 2"),
        ({"n_unknown_classes": 9}, WORDS, "leaves 0 known"),
        ({}, [0] * 9 + [1] * 9, "1 of the 2 classes .* leaves 1 known"),
        (
            {"unknown_classes": ["cat"], "n_unknown_classes": 1},
            WORDS,
            "either unknown_classes or n_unknown_classes",
        ),
        ({"n_splits": 11}, WORDS, "Class '.*' has 10 clip.* n_splits=11"),
        ({"unknown_classes": [2]}, [0] * 9 + [1] * 4 + [2] * 9, "Class 1 has 4 clip"),
        ({"unknown_classes": [2]}, [0] * 9 + [1] * 9 + [2] * 4, "4 unknown clip"),
        ({}, None, "needs y"),
        ({}, np.linspace(0, 1, 60), "Unknown label type"),
        ({}, np.zeros((60, 2)), "1d array|Unknown label type"),
        ({"n_splits": 1}, WORDS, "'n_splits' parameter"),
        ({"n_splits": 2.5}, WORDS, "'n_splits' parameter"),
        ({"n_unknown_classes": 0}, WORDS, "'n_unknown_classes' parameter"),
        ({"n_unknown_classes": 1.5}, WORDS, "'n_unknown_classes' parameter"),
        ({"shuffle": "yes"}, WORDS, "'shuffle' parameter"),
        ({"random_state": "seed"}, WORDS, "'random_state' parameter"),
    ],
)
def test_bad_input_is_named(parameters, y, message):
    cv = OpenSetSplit(**parameters)
    with pytest.raises(ValueError, match=message):
        next(cv.split(np.zeros(60 if y is None else len(y)), y))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(OpenSetSplit().split(np.zeros(60), WORDS, SPEAKERS[1:]))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(60) % 4, r"4 group\(s\), too few for n_splits=5"),
        # One speaker per word: a test part is a whole class.
        (np.arange(60) // 10, "All clips of class '.*' are in one test part"),
    ],
)
def test_groups_that_allow_no_split(groups, message):
    cv = OpenSetSplit(unknown_classes=["cat"], random_state=0)
    with pytest.raises(ValueError, match=message):
        next(cv.split(WORDS, WORDS, groups))


def test_fold_without_unknown_clips_is_an_error():
    """All unknown clips come from one speaker, so four folds of five have none."""
    groups = np.where(WORDS == "dog", 99, SPEAKERS)
    cv = OpenSetSplit(unknown_classes=["dog"], random_state=0)
    with pytest.raises(ValueError, match="A test part has no unknown clip"):
        next(cv.split(WORDS, WORDS, groups))
