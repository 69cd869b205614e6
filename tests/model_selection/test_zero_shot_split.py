from itertools import permutations

import numpy as np
import pytest
import sklearn
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_audio.model_selection import ZeroShotSplit

# Three categories of four classes; ten clips of each class, cut from five recordings.
CATEGORIES = {f"{kind}{k}": kind for kind in ("animal", "home", "city") for k in "1234"}
Y = np.repeat(list(CATEGORIES), 10)
RECORDINGS = np.arange(120) // 2
STRATEGIES = ["classes", "within_category", "category_pairs", "leave_category_out"]
BY_CATEGORY = STRATEGIES[1:]


def splits_of(cv, y=Y, groups=None):
    return list(cv.split(np.zeros(len(y)), y, groups))


def categories_of(labels):
    return {CATEGORIES[label] for label in labels}


@st.composite
def tasks(draw, with_groups=False):
    """Up to four categories of two to five classes of three to eight clips each."""
    n_splits = draw(st.integers(2, 3))
    sizes = draw(st.lists(st.integers(n_splits, 5), min_size=2, max_size=4))
    labels = [f"class{k}" for k in range(sum(sizes))]
    names = draw(st.permutations(range(len(sizes))))
    categories = dict(zip(labels, np.repeat(names, sizes).tolist(), strict=True))
    n_shots = draw(st.integers(0, 2))
    n_shot_folds = draw(st.integers(1, 2)) if n_shots else 1
    n_clips = st.integers(max(3, n_shots * n_shot_folds), 8)
    clips = [draw(n_clips) for _ in labels]
    y = np.repeat(labels, clips)
    cv = ZeroShotSplit(
        n_splits,
        strategy=draw(st.sampled_from(STRATEGIES)),
        n_shots=n_shots,
        n_shot_folds=n_shot_folds,
        categories=categories,
        random_state=draw(st.integers(0, 99)),
    )
    # Most recordings hold one class, some hold clips of two.
    groups = np.cumsum(draw(st.lists(st.booleans(), min_size=len(y), max_size=len(y))))
    order = draw(st.permutations(range(len(y))))
    return (y[order], cv, groups[order]) if with_groups else (y[order], cv)


@given(tasks())
def test_test_classes_are_trained_on_by_their_shots_alone(task):
    y, cv = task
    splits = splits_of(cv, y)
    assert len(splits) == cv.get_n_splits(y=y) > 1
    for train, test in splits:
        assert not set(train) & set(test)
        assert len(set(train)) == len(train) > 0
        shots = train[np.isin(y[train], y[test])]
        for label in set(y[test]):
            assert np.sum(y[shots] == label) == cv.n_shots
            # What is not a shot is tested.
            assert np.sum(y[test] == label) == np.sum(y == label) - cv.n_shots
        for label in set(y[train]) - set(y[test]):
            assert np.sum(y[train] == label) == np.sum(y == label)


@given(tasks(with_groups=True))
def test_no_group_is_on_both_sides(task):
    y, cv, groups = task
    try:
        splits = splits_of(cv, y, groups)
    except ValueError as error:
        assert "too few for n_shot" in str(error) or "no clip left" in str(error)  # noqa: PT017
        assume(False)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        trained_alone = set(y[train]) - set(y[test])
        assert trained_alone or cv.n_shots
        for label in set(y[test]):
            assert np.sum(y[train] == label) == cv.n_shots
        # Nothing is left out without a reason.
        shots = train[np.isin(y[train], y[test])]
        for clip in np.setdiff1d(np.arange(len(y)), np.concatenate([train, test])):
            if y[clip] in trained_alone:
                assert groups[clip] in groups[test]
            elif y[clip] in y[test]:
                assert groups[clip] in groups[shots]


@given(tasks(), st.booleans())
def test_clips_of_one_class_as_groups_change_nothing_but_the_shots(task, alone):
    """Groups within classes leave all clips where they are, if nothing is drawn."""
    y, cv = task
    cv.n_shots, cv.n_shot_folds = 0, 1
    groups = np.arange(len(y)) if alone else np.unique(y, return_inverse=True)[1]
    for split, same in zip(splits_of(cv, y), splits_of(cv, y, groups), strict=True):
        assert_array_equal(split[0], same[0])
        assert_array_equal(split[1], same[1])


@pytest.mark.parametrize("n_splits", [2, 5, 12])
def test_classes_are_dealt_evenly_and_tested_once(n_splits):
    splits = splits_of(ZeroShotSplit(n_splits, random_state=0))
    tested = [set(Y[test]) for _, test in splits]
    assert sorted(label for some in tested for label in some) == sorted(CATEGORIES)
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    for train, _ in splits:
        assert len(set(Y[train])) >= 12 - len(tested[0])


def test_setting_1_stays_within_each_category():
    cv = ZeroShotSplit(4, strategy="within_category", categories=CATEGORIES)
    splits = splits_of(cv)
    assert len(splits) == cv.get_n_splits(y=Y) == 12
    for train, test in splits:
        assert len(set(Y[train])) == 3
        assert len(set(Y[test])) == 1
        assert len(categories_of(Y[train]) | categories_of(Y[test])) == 1
    assert [CATEGORIES[Y[test[0]]] for _, test in splits] == (
        ["animal"] * 4 + ["home"] * 4 + ["city"] * 4
    )


def test_setting_2_has_every_ordered_pair_of_categories():
    cv = ZeroShotSplit(strategy="category_pairs", categories=CATEGORIES)
    pairs = []
    for train, test in splits_of(cv):
        assert len(train) == len(test) == 40
        pairs.append((*categories_of(Y[train]), *categories_of(Y[test])))
    assert pairs == list(permutations(["animal", "home", "city"], 2))
    assert cv.get_n_splits(y=Y) == 6


def test_setting_3_trains_on_all_other_categories():
    cv = ZeroShotSplit(strategy="leave_category_out", categories=CATEGORIES)
    splits = splits_of(cv)
    assert [*map(len, splits[0])] == [80, 40]
    assert [categories_of(Y[test]) for _, test in splits] == [
        {"animal"},
        {"home"},
        {"city"},
    ]
    for train, test in splits:
        assert categories_of(Y[train]) == {*CATEGORIES.values()} - categories_of(
            Y[test]
        )


def test_setting_4_of_the_paper():
    """50 classes of 40 clips in 5 categories: 8 folds of 5 shots each."""
    y = np.repeat(np.arange(50), 40)
    cv = ZeroShotSplit(
        strategy="leave_category_out",
        n_shots=5,
        n_shot_folds=8,
        categories={label: label // 10 for label in range(50)},
        random_state=0,
    )
    splits = splits_of(cv, y)
    assert len(splits) == cv.get_n_splits(y=y) == 40
    for category in range(5):
        shots = []
        for train, test in splits[8 * category : 8 * category + 8]:
            assert set(y[test]) == set(range(10 * category, 10 * category + 10))
            assert len(test) == 350
            assert len(train) == 1650
            shots.extend(train[y[train] // 10 == category])
        # Every clip of the category is a shot in one of the folds.
        assert_array_equal(np.sort(shots), np.flatnonzero(y // 10 == category))


def test_a_class_has_the_same_shots_beside_every_training_category():
    cv = ZeroShotSplit(
        strategy="category_pairs", n_shots=3, categories=CATEGORIES, random_state=0
    )
    shots = {}
    for train, test in splits_of(cv):
        own = tuple(train[np.isin(Y[train], Y[test])])
        shots.setdefault(*categories_of(Y[test]), set()).add(own)
    assert len(shots) == 3
    assert all(len(drawn) == 1 for drawn in shots.values())


def test_whole_recordings_are_shots():
    cv = ZeroShotSplit(n_shots=3, n_shot_folds=2, random_state=0)
    for train, test in splits_of(cv, groups=RECORDINGS):
        shots = train[np.isin(Y[train], Y[test])]
        for label in set(Y[test]):
            own = shots[Y[shots] == label]
            # Three clips come from two recordings of two clips, and one clip is lost.
            assert sorted(np.unique(RECORDINGS[own], return_counts=True)[1]) == [1, 2]
            assert np.sum(Y[test] == label) == 6


def test_recordings_with_trained_and_tested_classes_stay_on_the_test_side():
    y = np.repeat(["a", "b"], 6)
    mixed = np.array([0, 1, 2, 3, 4, 9, 5, 6, 7, 8, 9, 9])  # 9 holds both classes
    for train, test in splits_of(ZeroShotSplit(2, random_state=0), y, mixed):
        assert len(test) == 6
        assert_array_equal(train, np.flatnonzero((y != y[test[0]]) & (mixed != 9)))


@given(seed=st.integers(0, 30), n_shots=st.integers(0, 2))
def test_same_seed_same_splits(seed, n_shots):
    cv = ZeroShotSplit(2, n_shots=n_shots, random_state=seed)
    first, again = splits_of(cv), splits_of(cv)
    for (train, test), (same_train, same_test) in zip(first, again, strict=True):
        assert_array_equal(train, same_train)
        assert_array_equal(test, same_test)
    other = splits_of(ZeroShotSplit(2, n_shots=n_shots, random_state=seed + 1))
    assert any(set(a[1]) != set(b[1]) for a, b in zip(first, other, strict=True))


def test_classes_are_dealt_at_random():
    """Each of three other classes shares the fold of the first as often."""
    y = np.repeat(np.arange(4), 2)
    partners = np.zeros(4)
    for seed in range(600):
        for _, test in splits_of(ZeroShotSplit(2, random_state=seed), y):
            if 0 in y[test]:
                partners[np.unique(y[test])] += 1
    assert partners[0] == 600
    assert np.abs(partners[1:] - 200).max() < 58  # 5 standard deviations


def test_clips_are_drawn_at_random():
    y = np.repeat([0, 1], 5)
    drawn = np.zeros(10)
    for seed in range(500):
        for train, test in splits_of(ZeroShotSplit(2, n_shots=2, random_state=seed), y):
            drawn[train[np.isin(y[train], y[test])]] += 1
    assert drawn.sum() == 2000
    assert np.abs(drawn - 200).max() < 55  # 5 standard deviations


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    splits_of(ZeroShotSplit(n_shots=2, random_state=0))
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("kind", "container"),
    [
        (str, np.array),
        (str, list),
        (str, lambda y: np.array(y, dtype=object)),
        (int, np.array),
        (int, list),
        (float, np.array),
    ],
)
def test_labels_of_every_kind(kind, container):
    numbers = np.repeat(np.arange(6), 3)
    y = container([kind(number) for number in numbers])
    cv = ZeroShotSplit(
        strategy="leave_category_out",
        categories={kind(number): number % 2 for number in range(9)},
    )
    (_, even), (_, odd) = cv.split(np.zeros(18), y)
    assert_array_equal(even, np.flatnonzero(numbers % 2 == 0))
    assert_array_equal(odd, np.flatnonzero(numbers % 2 == 1))


def test_pandas_labels_groups_and_categories():
    pd = pytest.importorskip("pandas")
    index = np.arange(120)[::-1]
    y = pd.Series(Y, index=index, dtype="category")
    groups = pd.Series(RECORDINGS, index=index)
    cv = ZeroShotSplit(
        2, strategy="within_category", n_shots=2, categories=CATEGORIES, random_state=0
    )
    frame = pd.DataFrame({"path": [f"{i}.wav" for i in range(120)]}, index=index)
    for (train, test), (same_train, same_test) in zip(
        cv.split(frame, y, groups), splits_of(cv, groups=RECORDINGS), strict=True
    ):
        assert_array_equal(train, same_train)
        assert_array_equal(test, same_test)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n_shots", [0, 2])
@pytest.mark.parametrize("routing", [True, False])
def test_searches_and_cross_validation_take_it(strategy, n_shots, routing):
    """Without shots, no classifier can name what it has never heard."""
    X = np.unique(Y, return_inverse=True)[1][:, None].astype(float)
    cv = ZeroShotSplit(
        2,
        strategy=strategy,
        n_shots=n_shots,
        n_shot_folds=2 if n_shots else 1,
        categories=CATEGORIES,
        random_state=0,
    )
    with sklearn.config_context(enable_metadata_routing=routing):
        groups = {"groups": RECORDINGS}
        passed = {"params": groups} if routing else groups
        model = KNeighborsClassifier(n_neighbors=1)
        scores = cross_val_score(model, X, Y, cv=cv, **passed)
        search = GridSearchCV(model, {"p": [1, 2]}, cv=cv).fit(X, Y, **groups)
    assert len(scores) == search.n_splits_ == cv.get_n_splits(X, Y)
    assert set(scores) == {float(n_shots > 0)}
    assert set(search.cv_results_["mean_test_score"]) == {float(n_shots > 0)}


def test_repr_and_clone_within_a_search():
    cv = ZeroShotSplit(3, strategy="leave_category_out", categories={"a": 1})
    assert repr(cv).startswith("ZeroShotSplit(categories={'a': 1}, n_shot_folds=1, ")
    search = clone(GridSearchCV(DummyClassifier(), {}, cv=cv))
    assert repr(search.cv) == repr(cv)


def test_classes_without_category_do_not_matter_where_none_is_asked():
    cv = ZeroShotSplit(4, categories={"animal1": "animal"})
    assert cv.get_n_splits() == len(splits_of(cv)) == 4


WITHOUT_HOME3 = {label: kind for label, kind in CATEGORIES.items() if label != "home3"}


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"n_splits": 13}, Y, r"12 class\(es\) in y, too few for n_splits=13"),
        ({}, [0] * 9, r"1 class\(es\) in y, too few"),
        (
            {"strategy": "within_category", "categories": CATEGORIES},
            Y,
            r"4 class\(es\) in category 'animal', too few for n_splits=5",
        ),
        *[
            ({"strategy": strategy, "categories": WITHOUT_HOME3}, Y, "first is 'home3'")
            for strategy in BY_CATEGORY
        ],
        *[
            ({"strategy": strategy}, Y, f"'{strategy}' needs categories, a dict")
            for strategy in BY_CATEGORY
        ],
        *[
            (
                {"strategy": strategy, "categories": CATEGORIES},
                Y[:40],
                f"of one category, 'animal': strategy='{strategy}' needs at least 2",
            )
            for strategy in BY_CATEGORY[1:]
        ],
        ({"n_shots": 11}, Y, r"'animal1' has 10 clip\(s\) in 10 group\(s\), too few"),
        ({"n_shots": 3, "n_shot_folds": 4}, Y, "n_shot_folds=4 times n_shots=3"),
        ({"n_shots": 10}, Y, "has no clip left to test on: its clips are shots"),
        ({"n_shot_folds": 2}, Y, "n_shot_folds=2 would repeat every split"),
        ({}, None, "needs y"),
        ({}, np.linspace(0, 1, 60), "Unknown label type"),
        ({"n_splits": 1}, Y, "'n_splits' parameter"),
        ({"n_splits": 2.5}, Y, "'n_splits' parameter"),
        ({"strategy": "clips"}, Y, "'strategy' parameter"),
        ({"n_shots": -1}, Y, "'n_shots' parameter"),
        ({"n_shot_folds": 0}, Y, "'n_shot_folds' parameter"),
        ({"categories": ["animal"] * 12}, Y, "'categories' parameter"),
        ({"random_state": "seed"}, Y, "'random_state' parameter"),
    ],
)
def test_bad_input_is_named(parameters, y, message):
    cv = ZeroShotSplit(**parameters)
    with pytest.raises(ValueError, match=message):
        next(cv.split(np.zeros(120 if y is None else len(y)), y))


@pytest.mark.parametrize("strategy", BY_CATEGORY)
def test_categories_cannot_be_counted_without_labels(strategy):
    cv = ZeroShotSplit(strategy=strategy, categories=CATEGORIES)
    with pytest.raises(ValueError, match="needs y"):
        cv.get_n_splits()


@pytest.mark.parametrize(
    ("n_shots", "groups", "message"),
    [
        # One recording of each class, which is either a shot or tested.
        (1, np.arange(120) // 10, "has no clip left to test on"),
        (3, np.arange(120) // 10, "has no clip left to test on"),
        # Speakers who say every word.
        (0, np.arange(120) % 10, r"has no clip left to train on.* such as speakers"),
    ],
)
def test_groups_that_allow_no_split(n_shots, groups, message):
    with pytest.raises(ValueError, match=message):
        splits_of(ZeroShotSplit(n_shots=n_shots, random_state=0), groups=groups)


def test_folds_of_shots_need_recordings_of_their_own():
    cv = ZeroShotSplit(n_shots=1, n_shot_folds=6, random_state=0)
    assert len(splits_of(cv)) == 30
    with pytest.raises(ValueError, match=r"10 clip\(s\) in 5 group\(s\), too few"):
        splits_of(cv, groups=RECORDINGS)
