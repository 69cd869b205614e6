import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_audio.model_selection import (
    MultilabelStratifiedKFold,
    SemiSupervisedSplit,
)

# Three classes; the first five clips of each ten have a label.
Y = np.where(np.arange(60) % 10 < 5, np.arange(60) % 3, -1)
LABELLED = np.flatnonzero(Y >= 0)
# Every recording holds labelled and unlabelled clips.
RECORDINGS = np.arange(60) // 10 * 2 + np.arange(60) % 2


def splits_of(cv, y, groups=None):
    return list(cv.split(np.zeros(len(y)), y, groups))


def partial_labels(n_clips=60):
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=(n_clips, 3))
    y[rng.uniform(size=y.shape) < 0.6] = -1
    return y


@st.composite
def tasks(draw):
    n_splits = draw(st.integers(2, 4))
    n_classes = draw(st.integers(2, 4))
    n_clips = st.integers(n_splits, 8)
    sizes = draw(st.lists(n_clips, min_size=n_classes, max_size=n_classes))
    y = np.repeat(np.arange(-1, n_classes), [draw(st.integers(0, 15)), *sizes])
    return y[draw(st.permutations(range(len(y))))], n_splits


@given(tasks())
def test_labelled_clips_are_tested_once_and_all_others_always_trained_on(task):
    y, n_splits = task
    cv = SemiSupervisedSplit(n_splits)
    splits = splits_of(cv, y)
    assert len(splits) == cv.get_n_splits() == n_splits
    for train, test in splits:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
        assert set(np.flatnonzero(y == -1)) <= set(train)
        assert set(y[test]) == set(y) - {-1}
    tested = np.sort(np.concatenate([test for _, test in splits]))
    assert_array_equal(tested, np.flatnonzero(y != -1))


@pytest.mark.parametrize(
    ("cv", "groups"),
    [
        (StratifiedKFold(3), None),
        (KFold(4, shuffle=True, random_state=0), None),
        (StratifiedShuffleSplit(3, random_state=0), None),
        (RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0), None),
        (LeaveOneOut(), None),
        (PredefinedSplit(np.arange(len(LABELLED)) % 3), None),
        (GroupKFold(3), RECORDINGS),
        (StratifiedGroupKFold(3), RECORDINGS),
        (LeaveOneGroupOut(), RECORDINGS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrapped_splitter_deals_the_labelled_clips_as_it_would_alone(cv, groups):
    wrapped = SemiSupervisedSplit(cv)
    given = None if groups is None else groups[LABELLED]
    expected = list(cv.split(LABELLED, Y[LABELLED], given))
    assert wrapped.get_n_splits(None, Y, groups) == len(expected)
    for (train, test), (own_train, own_test) in zip(
        splits_of(wrapped, Y, groups), expected, strict=True
    ):
        assert_array_equal(test, LABELLED[own_test])
        is_labelled = Y[train] != -1
        assert_array_equal(train[is_labelled], np.sort(LABELLED[own_train]))
        others = np.flatnonzero(Y == -1)
        if groups is not None:
            others = others[~np.isin(groups[others], groups[test])]
        assert_array_equal(train[~is_labelled], others)


@pytest.mark.parametrize(
    ("y", "groups", "expected"),
    [
        (Y, None, StratifiedKFold(3)),
        (Y, RECORDINGS, StratifiedGroupKFold(3)),
        (partial_labels(), None, MultilabelStratifiedKFold(3)),
        (partial_labels(), RECORDINGS, MultilabelStratifiedKFold(3)),
    ],
    ids=["classes", "classes in groups", "labels", "labels in groups"],
)
def test_number_of_folds_chooses_the_splitter(y, groups, expected):
    for (train, test), (same_train, same_test) in zip(
        splits_of(SemiSupervisedSplit(3), y, groups),
        splits_of(SemiSupervisedSplit(expected), y, groups),
        strict=True,
    ):
        assert_array_equal(train, same_train)
        assert_array_equal(test, same_test)


@pytest.mark.parametrize("y", [Y, partial_labels()], ids=["classes", "labels"])
@pytest.mark.parametrize("cv", [3, LeaveOneGroupOut()])
def test_no_recording_is_on_both_sides(cv, y):
    splits = splits_of(SemiSupervisedSplit(cv), y, RECORDINGS)
    for train, test in splits:
        assert not set(RECORDINGS[train]) & set(RECORDINGS[test])
        # What is of no tested recording stays, with a label or without.
        elsewhere = np.flatnonzero(~np.isin(RECORDINGS, RECORDINGS[test]))
        assert_array_equal(train, elsewhere)


def test_clips_from_nowhere_known_stay_with_groups_of_their_own():
    groups = np.where(Y == -1, 100 + np.arange(60), RECORDINGS)
    for train, _ in splits_of(SemiSupervisedSplit(3), Y, groups):
        assert set(np.flatnonzero(Y == -1)) <= set(train)


@pytest.mark.parametrize("splitter", [KFold(4), StratifiedKFold(3)])
def test_splitter_that_parts_a_recording_is_refused(splitter):
    cv = SemiSupervisedSplit(splitter)
    with pytest.raises(ValueError, match=r"group .* on both sides.*StratifiedGroupKF"):
        next(cv.split(Y, Y, RECORDINGS))


def test_splitter_that_happens_to_respect_the_groups_is_taken_without_a_warning():
    blocks = np.arange(60) // 20
    for train, test in splits_of(SemiSupervisedSplit(KFold(3)), Y, blocks):
        assert set(blocks[test]).isdisjoint(blocks[train])


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y,
        lambda y: np.where(y == -1, np.nan, y),
        lambda y: np.where(y == -1, pd.NA, y),
        lambda y: np.ma.masked_array(np.abs(y), y == -1),
    ],
    ids=["-1", "NaN", "NA", "mask"],
)
def test_clip_with_one_known_label_is_tested_and_one_with_none_is_not(convert):
    y = convert(partial_labels())
    is_blank = np.all(partial_labels() == -1, axis=1)
    assert 5 < is_blank.sum() < 30
    splits = splits_of(SemiSupervisedSplit(4), y)
    tested = np.sort(np.concatenate([test for _, test in splits]))
    assert_array_equal(tested, np.flatnonzero(~is_blank))
    for train, _ in splits:
        assert set(np.flatnonzero(is_blank)) <= set(train)


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([-1, 1], 6),  # -1 beside one other class is a class
        np.repeat(["-1", "no", "yes"], 4),
        np.repeat([0, 1, 2], 4),
    ],
)
def test_without_unlabelled_clips_the_splits_are_ordinary(y):
    for (train, test), expected in zip(
        splits_of(SemiSupervisedSplit(2), y),
        StratifiedKFold(2).split(y, y),
        strict=True,
    ):
        assert_array_equal(train, expected[0])
        assert_array_equal(test, expected[1])


@pytest.mark.parametrize(
    "y",
    [Y.astype(float), Y.tolist(), Y.astype(np.int8)],
    ids=["float", "list", "int8"],
)
def test_labels_of_every_kind(y):
    for (train, test), expected in zip(
        splits_of(SemiSupervisedSplit(3), y),
        splits_of(SemiSupervisedSplit(3), Y),
        strict=True,
    ):
        assert_array_equal(train, expected[0])
        assert_array_equal(test, expected[1])


def test_pandas_labels_and_groups():
    pd = pytest.importorskip("pandas")
    index = np.arange(60)[::-1]
    y, groups = pd.Series(Y, index=index), pd.Series(RECORDINGS, index=index)
    frame = pd.DataFrame({"path": [f"{i}.wav" for i in range(60)]}, index=index)
    for (train, test), expected in zip(
        SemiSupervisedSplit(3).split(frame, y, groups),
        splits_of(SemiSupervisedSplit(3), Y, RECORDINGS),
        strict=True,
    ):
        assert_array_equal(train, expected[0])
        assert_array_equal(test, expected[1])


def test_repeated_training_clips_stay_repeated():
    """As in a splitter that draws with replacement."""

    class Bootstrap:
        def get_n_splits(self, X=None, y=None, groups=None):
            return 1

        def split(self, X, y=None, groups=None):
            yield np.array([3, 0, 3]), np.array([1])

    y = np.array([-1, 0, 0, 1, 1, 2])
    [(train, test)] = splits_of(SemiSupervisedSplit(Bootstrap()), y)
    assert_array_equal(train, [0, 1, 4, 4])
    assert_array_equal(test, [2])


class Spy(DummyClassifier):
    """Remembers what it was trained on and is tested on; features are clip, group."""

    def fit(self, X, y):
        self.n_unlabelled_ = np.sum(y == -1)
        self.groups_ = set(X[:, 1])
        return self

    def score(self, X, y):
        assert self.n_unlabelled_ > 0
        assert np.all(y != -1)
        return float(self.groups_.isdisjoint(X[:, 1]))


@pytest.mark.parametrize("with_groups", [True, False])
@pytest.mark.parametrize("routing", [True, False])
def test_groups_reach_the_splitter_with_and_without_metadata_routing(
    routing, with_groups
):
    X = np.column_stack([np.arange(60), RECORDINGS])
    cv = SemiSupervisedSplit(3)
    groups = {"groups": RECORDINGS} if with_groups else {}
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": groups} if routing else groups
        scores = cross_validate(Spy(), X, Y, cv=cv, **passed)["test_score"]
        search = GridSearchCV(Spy(), {}, cv=cv).fit(X, Y, **groups)
    assert scores.mean() == float(with_groups)
    assert search.best_score_ == float(with_groups)


def test_unlabelled_clips_no_longer_count_as_errors():
    X, y = load_iris(return_X_y=True)
    y[np.arange(150) % 5 > 0] = -1
    model = SelfTrainingClassifier(LogisticRegression(max_iter=1000))
    assert cross_val_score(model, X, y, cv=3).max() <= 0.2
    assert cross_val_score(model, X, y, cv=SemiSupervisedSplit(3)).min() > 0.9
    search = GridSearchCV(model, {"threshold": [0.7, 0.9]}, cv=SemiSupervisedSplit(3))
    assert search.fit(X, y).best_score_ > 0.9


def test_cross_val_predict_refuses_it():
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(
            DummyClassifier(), np.zeros((60, 1)), Y, cv=SemiSupervisedSplit(3)
        )


def test_repr_and_clone_within_a_search():
    cv = SemiSupervisedSplit(KFold(3))
    assert repr(cv).startswith("SemiSupervisedSplit(cv=KFold(n_splits=3, ")
    search = clone(GridSearchCV(DummyClassifier(), {}, cv=cv))
    assert repr(search.cv) == repr(cv)


@pytest.mark.parametrize(
    ("cv", "y", "message"),
    [
        (5, None, "needs y, which tells"),
        (5, np.full(60, -1), "None of the 60 clips in y has a label"),
        (5, np.full((60, 2), np.nan), "None of the 60 clips in y has a label"),
        (5, np.full((60, 2), 3), r"y holds 3.0 for clip 0 and label 0"),
        (5, np.ma.masked_array(np.abs(Y), Y == -1), "masked array that hides 30 of"),
        (5, np.linspace(0, 1, 60), "Unknown label type"),
        (5, np.zeros((60, 2, 2)), "dim 3"),
        (PredefinedSplit(np.arange(60) % 3), Y, r"names clip 59.*30 labelled clips"),
        (1, Y, "'cv' parameter"),
        ("kfold", Y, "'cv' parameter"),
        ([(LABELLED[:10], LABELLED[10:])], Y, "'cv' parameter"),
    ],
)
def test_bad_input_is_named(cv, y, message):
    with pytest.raises(ValueError, match=message):
        next(SemiSupervisedSplit(cv).split(np.zeros(60), y))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(SemiSupervisedSplit().split(np.zeros(60), Y, RECORDINGS[1:]))


def test_number_of_splits_needs_labels_only_where_they_are_counted():
    assert SemiSupervisedSplit(4).get_n_splits() == 4
    assert SemiSupervisedSplit(KFold(3)).get_n_splits() == 3
    assert SemiSupervisedSplit(LeaveOneOut()).get_n_splits(None, Y) == len(LABELLED)
    with pytest.raises(ValueError, match="should not be None"):
        SemiSupervisedSplit(LeaveOneOut()).get_n_splits()
    with pytest.raises(ValueError, match="'cv' parameter"):
        SemiSupervisedSplit(1).get_n_splits()
