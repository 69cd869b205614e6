"""BilinearZeroShot: unseen classes, every solver, every form of class vectors."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_audio.zero_shot import BilinearZeroShot, LabelEmbedding
from sklearn_audio.zero_shot._closed_forms import eszsl, ridge, sae
from sklearn_audio.zero_shot._compatibility_model import ALPHAS, SOLVERS

NAMES = [f"class{i:02d}" for i in range(20)]
UNSEEN = NAMES[15:]
N_DIMS, N_FEATURES = 6, 24
BY_DESCENT = [solver for solver in SOLVERS if solver not in ALPHAS]
BATCHED = ["batch", "devise", "sje"]
MODELS = [
    *[{"solver": solver} for solver in SOLVERS],
    {"solver": "batch", "optimizer": "sgd", "lr": 1.0},
    *[{"solver": s, "projection": "factored", "rank": 6} for s in BATCHED],
    {"solver": "batch", "projection": "nonlinear"},
]
every_model = pytest.mark.parametrize(
    "params", MODELS, ids=lambda p: "-".join(map(str, p.values()))
)


def make(*args, **params):
    return BilinearZeroShot(*args, **{"random_state": 0, "max_epochs": 40, **params})


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    return dict(zip(NAMES, rng.normal(size=(len(NAMES), N_DIMS)), strict=True))


@pytest.fixture(scope="module")
def sounds(vectors):
    """Return 20 clips a class, whose means are a linear map of the class vectors."""
    rng = np.random.default_rng(1)
    y = np.repeat(NAMES, 20)
    clips = np.array([vectors[label] for label in y])
    X = clips @ rng.normal(size=(N_DIMS, N_FEATURES)) + 10
    return (X + rng.normal(scale=0.5, size=X.shape)).astype(np.float32), y


@pytest.fixture(scope="module")
def seen(sounds):
    X, y = sounds
    return X[~np.isin(y, UNSEEN)], y[~np.isin(y, UNSEEN)]


@pytest.fixture(scope="module")
def unseen(sounds):
    X, y = sounds
    return X[np.isin(y, UNSEEN)], y[np.isin(y, UNSEEN)]


# -- Zero-shot -------------------------------------------------------------------------


@every_model
def test_unseen_classes_are_recognised_where_chance_is_a_fifth(
    params, vectors, seen, unseen
):
    model = make(vectors, UNSEEN, **params).fit(*seen)
    assert model.score(*unseen) > 0.7
    # Names that are dealt out anew say nothing about sounds.
    dealt = dict(zip(NAMES, np.roll(list(vectors.values()), 7, axis=0), strict=True))
    assert make(dealt, UNSEEN, **params).fit(*seen).score(*unseen) < 0.5


def test_one_hot_classes_make_a_plain_classifier(seen):
    X, y = seen
    model = make().fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.95
    np.testing.assert_array_equal(model.classes_, np.unique(y))


def test_few_clips_of_unseen_classes_help(vectors, sounds):
    """Beside names that say something, and where names say nothing."""
    X, y = sounds
    noisy = X + np.random.default_rng(0).normal(scale=4, size=X.shape)
    is_unseen, is_shot = np.isin(y, UNSEEN), np.arange(len(y)) % 20 < 2
    rest = noisy[is_unseen & ~is_shot], y[is_unseen & ~is_shot]
    dealt = dict(zip(NAMES, np.roll(list(vectors.values()), 7, axis=0), strict=True))

    def score(rows, model):
        return model.fit(noisy[rows], y[rows]).score(*rest)

    plain = score(is_unseen & is_shot, LogisticRegression(max_iter=1000))
    few_shot = score(~is_unseen | is_shot, make(vectors, UNSEEN))
    assert few_shot > plain + 0.1
    misled = score(~is_unseen, make(dealt, UNSEEN))
    assert misled < plain - 0.1
    assert score(~is_unseen | is_shot, make(dealt, UNSEEN)) > plain - 0.05


def test_a_penalty_on_seen_classes_lets_unseen_ones_through(vectors, sounds, seen):
    X, _ = sounds
    model = make(vectors, solver="ridge", alpha=30.0).fit(*seen)
    scores = model.decision_function(X)
    is_seen = np.isin(model.classes_, seen[1])
    shares = []
    for penalty in (-100.0, 0.0, 0.5, 100.0):
        model.set_params(seen_penalty=penalty)
        np.testing.assert_allclose(
            model.decision_function(X), scores - penalty * is_seen
        )
        shares.append(np.isin(model.predict(X), UNSEEN).mean())
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1


# -- What is learnt --------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["ridge", "eszsl", "sae"])
def test_closed_forms_are_solved_on_standardised_unit_vectors(solver, vectors, seen):
    X, y = seen
    model = make(vectors, solver=solver, alpha=0.3, class_weight=None).fit(X, y)
    names, rows = np.unique(y, return_inverse=True)
    clips = (X - X.mean(axis=0)) / X.std(axis=0)
    clips /= np.linalg.norm(clips, axis=1)[:, None]
    clips = np.column_stack([clips, np.ones(len(X))]).astype(np.float64)
    classes = np.array([v / np.linalg.norm(v) for v in (vectors[n] for n in names)])
    classes -= classes.mean(axis=0)
    classes /= np.linalg.norm(classes, axis=1)[:, None]
    W = {
        "ridge": lambda: ridge(clips, classes[rows], np.ones(len(X)), 0.3),
        "eszsl": lambda: eszsl(clips, rows, classes, np.ones(len(X)), 0.3, 1.0),
        "sae": lambda: sae(clips, classes[rows], np.ones(len(X)), 0.3),
    }[solver]()
    np.testing.assert_allclose(model.coef_, W[:-1], atol=1e-4)
    np.testing.assert_allclose(model.intercept_, W[-1], atol=1e-4)
    scores = make(vectors, names, solver=solver, alpha=0.3, class_weight=None)
    np.testing.assert_allclose(
        scores.fit(X, y).decision_function(X), clips @ W @ classes.T, atol=1e-4
    )


def test_exemplars_lie_between_the_names_and_the_clips():
    """One feature, no scaling: posterior means by the formulas of two Gaussians."""
    vectors = {"a": [1.0], "b": [-1.0], "c": [2.0], "d": [0.5]}
    X = np.array([[1.0], [3.0], [-1.5], [-0.5], [4.5], [5.5]])
    y = np.array(list("aabbcc"))
    plain = {"normalize": False, "standardize": False, "alpha": 1.0}
    model = make(vectors, **plain).fit(X, y)
    means, names = np.array([2.0, -1.0, 5.0]), np.array([1.0, -1.0, 2.0])
    slope = means @ names / (names @ names + 1)
    np.testing.assert_allclose(model.coef_, [[slope]], rtol=1e-6)
    within = (1 + 1 + 0.25 + 0.25 + 0.25 + 0.25) / (6 - 3)
    between = np.mean((means - slope * names) ** 2 - within / 2)
    trust = between / (between + within / 2)
    seen = slope * names + trust * (means - slope * names)
    exemplars = np.array([*seen, slope * 0.5])
    scores = X * exemplars - exemplars**2 / 2  # as many clips each: no other prior
    np.testing.assert_allclose(model.decision_function(X), scores, atol=1e-5)


def test_algorithm_1_is_the_default_of_the_paper(vectors, seen):
    """An epoch of one clip a class, in the order that the seed gives."""
    X, y = seen[0][::20], seen[1][::20]
    model = BilinearZeroShot.from_paper(vectors, max_epochs=1, lr=0.2, random_state=3)
    model.fit(X, y)
    assert not model.intercept_.any()
    classes = np.array([vectors[n] / np.linalg.norm(vectors[n]) for n in np.unique(y)])
    clips = X / np.linalg.norm(X, axis=1)[:, None]
    W = model.coef_.astype(np.float64)
    # Every step lies between clips and differences of class vectors.
    coefficients = np.linalg.lstsq(clips.T, W, rcond=None)[0]
    np.testing.assert_allclose(clips.T @ coefficients, W, atol=1e-5)
    losses = 1 + clips @ W @ classes.T - np.sum((clips @ W) * classes, axis=1)[:, None]
    assert losses.mean() < 1  # what it is at zero, but for the true class
    assert model.n_iter_ == 1


def test_from_paper_has_every_setting_of_the_paper(vectors):
    settings = BilinearZeroShot.from_paper(vectors).get_params()
    assert settings == {
        "class_embeddings": vectors,
        "candidate_classes": None,
        # Algorithm 1 and Eq. 1: a matrix between embeddings, and no more
        "solver": "algorithm1",
        "projection": "bilinear",
        "tag_embeddings": None,
        "standardize": False,
        "fit_intercept": False,
        "class_weight": None,
        "weight_decay": 0.0,
        # Eq. 2: the largest compatibility
        "seen_penalty": 0.0,
        # Not printed
        "normalize": True,
        "lr": 1e-2,
        "max_epochs": 50,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Of no effect on Algorithm 1
        "alpha": None,
        "class_alpha": 1.0,
        "rank": 128,
        "optimizer": "adam",
        "batch_size": 256,
        "temperature": "auto",
        # Not of the method
        "warm_start": False,
        "device": "auto",
        "random_state": None,
        "verbose": 0,
        "callbacks": None,
    }


@pytest.mark.parametrize("solver", BY_DESCENT)
def test_descent_lowers_its_loss(solver, vectors, seen):
    model = make(vectors, solver=solver, max_epochs=10).fit(*seen)
    losses = model.history_["train_loss"]
    assert len(losses) == model.n_iter_ == 10
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("solver", BY_DESCENT)
def test_the_engine_stops_early_and_continues(solver, vectors, seen):
    stopped = make(
        vectors,
        solver=solver,
        lr=1e-4 if solver in BATCHED else 1e-6,
        max_epochs=5,
        validation_fraction=0.2,
        n_iter_no_change=2,
    ).fit(*seen)
    assert "valid_loss" in stopped.history_
    longer = make(vectors, solver=solver, max_epochs=3, warm_start=True).fit(*seen)
    first = longer.history_["train_loss"]
    assert longer.fit(*seen).history_["train_loss"][:3] == first
    assert longer.n_iter_ == 6


@pytest.mark.parametrize("solver", ALPHAS)
def test_a_weight_of_three_is_worth_clips_that_come_thrice(solver, vectors, seen):
    X, y = seen[0] - 10, seen[1]
    rare = y == NAMES[0]
    more = np.concatenate([X, X[rare], X[rare]])
    labels = np.concatenate([y, y[rare], y[rare]])
    # Standardisation weighs all clips alike.
    params = {"solver": solver, "standardize": False}
    thrice = make(vectors, alpha=1.0, class_weight=None, **params).fit(more, labels)
    # Weights are scaled to a mean of one, but a penalty stands beside their sum.
    alpha = 1.0 if solver in ("sae", "exemplar") else len(X) / len(more)
    weights = dict.fromkeys(np.unique(y).tolist(), 1.0) | {NAMES[0]: 3.0}
    weighted = make(vectors, alpha=alpha, class_weight=weights, **params).fit(X, y)
    np.testing.assert_allclose(weighted.coef_, thrice.coef_, atol=1e-5)
    balanced = make(vectors, class_weight="balanced", **params)
    inverse = {name: 20 / np.sum(labels == name) for name in weights}
    by_hand = clone(balanced).set_params(class_weight=inverse)
    np.testing.assert_allclose(
        balanced.fit(more, labels).coef_, by_hand.fit(more, labels).coef_, atol=1e-5
    )


@pytest.mark.parametrize("solver", BY_DESCENT)
def test_descent_heeds_the_weights_of_classes(solver, vectors, seen):
    X, y = seen
    noisy = X + np.random.default_rng(0).normal(scale=8, size=X.shape)
    heavy = dict.fromkeys(np.unique(y).tolist(), 0.01) | {NAMES[0]: 100.0}
    own = y == NAMES[0]
    recalls = [
        make(vectors, solver=solver, class_weight=weights, max_epochs=5)
        .fit(noisy, y)
        .score(noisy[own], y[own])
        for weights in (heavy, None)
    ]
    assert recalls[0] == 1
    assert recalls[1] < 1


@pytest.mark.parametrize("solver", ALPHAS)
def test_a_class_may_weigh_nothing(solver, vectors, seen):
    X, y = seen
    weights = dict.fromkeys(np.unique(y).tolist(), 1.0) | {NAMES[0]: 0.0}
    model = make(vectors, NAMES[:15], solver=solver, class_weight=weights).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.score(X[y != NAMES[0]], y[y != NAMES[0]]) > 0.9


def test_frames_are_averaged(vectors, seen):
    X, y = seen
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(*X.shape, 4)).astype(np.float32)
    noise -= noise.mean(axis=2, keepdims=True)
    windows = X[:, :, None] + noise
    of_rows, of_windows = make(vectors).fit(X, y), make(vectors).fit(windows, y)
    np.testing.assert_allclose(
        of_windows.decision_function(windows), of_rows.decision_function(X), atol=1e-4
    )
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        of_windows.predict(X)


def test_the_scale_of_the_features_and_a_constant_one_do_not_matter(vectors, seen):
    X, y = seen
    scaled = np.column_stack(
        [X * np.geomspace(1e-3, 1e3, N_FEATURES), np.full(len(X), 7)]
    )
    expected = make(vectors).fit(X, y).decision_function(X)
    scores = make(vectors).fit(scaled, y).decision_function(scaled)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e20, 1e37])
def test_lengths_neither_overflow_nor_vanish(size, vectors, seen):
    X, y = seen
    X = (X / np.abs(X).max()).astype(np.float32)
    expected = make(vectors, standardize=False).fit(X, y).decision_function(X)
    X = np.float32(size) * X
    model = make(vectors, standardize=False).fit(X, y)
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-4)


def test_scores_that_overflow_are_refused(vectors, seen):
    X, y = seen
    model = make(vectors, standardize=False, normalize=False)
    with pytest.raises(ValueError, match=r"values up to .*e\+20.*normalize=True"):
        model.fit(np.float32(1e20 / np.abs(X).max()) * X, y)


# -- Classes ---------------------------------------------------------------------------


def test_classes_are_all_that_have_a_vector(vectors, seen):
    names = list(vectors)
    frame = pd.DataFrame.from_dict(vectors, orient="index")
    array = np.array(list(vectors.values()))
    shuffled = dict(sorted(vectors.items(), reverse=True))
    expected = make(vectors).fit(*seen).decision_function(seen[0])
    for form in (frame, (array, names), shuffled):
        model = make(form).fit(*seen)
        assert model.classes_.tolist() == NAMES
        assert model.seen_classes_.tolist() == NAMES[:15]
        np.testing.assert_array_equal(model.decision_function(seen[0]), expected)


def test_a_label_embedding_knows_any_class(vectors, seen, unseen):
    embedding = LabelEmbedding(vectors)
    model = make(embedding).fit(*seen)
    assert model.classes_.tolist() == NAMES[:15]
    candidates = make(embedding, UNSEEN).fit(*seen)
    assert candidates.classes_.tolist() == UNSEEN
    expected = make(vectors, UNSEEN).fit(*seen).predict(unseen[0])
    np.testing.assert_array_equal(candidates.predict(unseen[0]), expected)
    np.testing.assert_array_equal(
        model.set_candidates(UNSEEN).predict(unseen[0]), expected
    )


def test_candidates_change_without_a_new_fit(vectors, seen, unseen, tmp_path):
    model = make(vectors).fit(*seen)
    scores = model.decision_function(unseen[0])
    assert model.set_candidates(UNSEEN[::-1]) is model
    assert model.classes_.tolist() == UNSEEN
    np.testing.assert_allclose(
        model.decision_function(unseen[0]), scores[:, 15:], atol=1e-6
    )
    fitted_anew = clone(model).fit(*seen)
    assert fitted_anew.classes_.tolist() == UNSEEN
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict(unseen[0]), model.predict(unseen[0]))
    assert loaded.set_candidates(None).classes_.tolist() == NAMES
    np.testing.assert_array_equal(loaded.decision_function(unseen[0]), scores)


def test_classes_that_are_invented_later(vectors, seen, unseen):
    known = {name: vectors[name] for name in NAMES[:15]}
    model = make(known).fit(*seen)
    with pytest.raises(ValueError, match="no vector for 'class15'"):
        model.set_candidates(UNSEEN)
    assert model.classes_.tolist() == NAMES[:15]
    model.set_params(class_embeddings=vectors).set_candidates(UNSEEN)
    assert model.score(*unseen) > 0.8
    longer = {"other": np.ones(N_DIMS + 1), "one": np.zeros(N_DIMS + 1)}
    with pytest.raises(ValueError, match=f"vectors of {N_DIMS + 1} numbers"):
        model.set_params(class_embeddings=longer).set_candidates(["other", "one"])


def test_labels_may_be_numbers(vectors, seen, unseen):
    numbers = {3 * i - 5: vector for i, vector in enumerate(vectors.values())}
    of = dict(zip(NAMES, numbers, strict=True))
    y = np.array([of[name] for name in seen[1]])
    model = make(numbers, [of[name] for name in UNSEEN]).fit(seen[0], y)
    assert model.classes_.dtype.kind == "i"
    expected = make(vectors, UNSEEN).fit(*seen).predict(unseen[0])
    assert model.predict(unseen[0]).tolist() == [of[name] for name in expected]


@every_model
def test_two_candidates_have_one_decision(params, vectors, seen, unseen):
    model = make(vectors, UNSEEN[:2], **{"max_epochs": 3, **params}).fit(*seen)
    decisions = model.decision_function(unseen[0])
    assert decisions.shape == (len(unseen[0]),)
    labels = np.where(decisions > 0, UNSEEN[1], UNSEEN[0])
    np.testing.assert_array_equal(model.predict(unseen[0]), labels)
    probabilities = model.predict_proba(unseen[0])
    np.testing.assert_allclose(
        probabilities[:, 1], 1 / (1 + np.exp(-decisions / model.temperature_))
    )


def test_the_best_classes_come_in_order(vectors, seen):
    model = make(vectors).fit(*seen)
    best = model.top_k(seen[0], len(NAMES))
    np.testing.assert_array_equal(best[:, 0], model.predict(seen[0]))
    scores = model.decision_function(seen[0])
    places = np.searchsorted(model.classes_, best)
    assert (np.diff(np.take_along_axis(scores, places, axis=1)) <= 0).all()
    np.testing.assert_array_equal(model.top_k(seen[0], 3), best[:, :3])
    for k in (0, len(NAMES) + 1):
        with pytest.raises(ValueError, match=rf"k == {k}, must be"):
            model.top_k(seen[0], k)


def test_probabilities_are_a_softmax_at_the_likeliest_temperature(vectors, seen):
    X, y = seen
    rng = np.random.default_rng(0)
    noisy = X + rng.normal(scale=4, size=X.shape)  # or it could not be sure enough
    model = make(vectors, NAMES[:15]).fit(noisy, y)
    scores = model.decision_function(noisy)

    def loss(temperature):
        return log_loss(y, softmax(scores / temperature, axis=1))

    np.testing.assert_allclose(
        model.predict_proba(noisy), softmax(scores / model.temperature_, axis=1)
    )
    fitted = loss(model.temperature_)
    assert fitted <= loss(1.1 * model.temperature_)
    assert fitted <= loss(0.9 * model.temperature_)
    fixed = make(vectors, NAMES[:15], temperature=0.3).fit(noisy, y)
    assert fixed.temperature_ == 0.3


# -- A citizen of scikit-learn ---------------------------------------------------------


@pytest.mark.parametrize("n_candidates", [3, 5, 10, 20])
@every_model
def test_rows_do_not_depend_on_each_other(params, n_candidates, vectors, seen):
    X = seen[0]
    model = make(vectors, NAMES[:n_candidates], **{"max_epochs": 2, **params})
    model.fit(*seen)
    together = model.decision_function(X)
    for rows in ([3], [40, 3], list(range(len(X)))[::-1]):
        np.testing.assert_array_equal(model.decision_function(X[rows]), together[rows])


@every_model
def test_same_seed_same_dump_same_predictions(params, vectors, seen, tmp_path):
    first, second = (
        make(vectors, **{"max_epochs": 2, **params}).fit(*seen) for _ in range(2)
    )
    assert pickle.dumps(first) == pickle.dumps(second)
    joblib.dump(first, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        loaded.predict_proba(seen[0]), first.predict_proba(seen[0])
    )
    dump = skops.io.dumps(first)
    trusted = ["sklearn_audio.zero_shot._bilinear_zero_shot.BilinearZeroShot"]
    assert skops.io.get_untrusted_types(data=dump) == trusted
    np.testing.assert_array_equal(
        skops.io.loads(dump, trusted=trusted).predict(seen[0]), first.predict(seen[0])
    )


def test_grid_search_over_held_out_classes(vectors, seen, unseen):
    """Vectors that were dealt out anew lose; a vector is found for every class."""
    dealt = dict(zip(NAMES, np.roll(list(vectors.values()), 7, axis=0), strict=True))
    pipeline = make_pipeline(FunctionTransformer(), make())
    grid = {
        "bilinearzeroshot__class_embeddings": [dealt, vectors],
        "bilinearzeroshot__alpha": [0.1, 10.0],
    }
    search = GridSearchCV(
        pipeline, grid, cv=GroupKFold(5), n_jobs=2, error_score="raise"
    ).fit(*seen, groups=seen[1])
    assert search.best_params_["bilinearzeroshot__class_embeddings"] is vectors
    model = search.best_estimator_
    model[-1].set_candidates(UNSEEN)
    assert model.score(*unseen) > 0.8


def test_bad_input(vectors, seen):
    X, y = seen
    nan = {**vectors, "class03": np.full(N_DIMS, np.nan)}
    longer = {**vectors, "class03": np.ones(N_DIMS + 1)}
    lost = {name: vectors[name] for name in NAMES if name != "class03"}
    twice = np.ones((2, N_DIMS)), ["class03", "class03"]
    for class_embeddings, message in [
        (lost, "no vector for 'class03' of y"),
        (nan, "the vector of 'class03' holds NaN"),
        (longer, "differ in length, 6 numbers for 'class00', but 7 for 'class03'"),
        (twice, "'class03' more than once"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(class_embeddings).fit(X, y)
    for candidates, message in [
        (["class00", "moo"], "no vector for 'moo' of candidate_classes"),
        (["class00", "class00"], "'class00' more than once"),
        (["class00"], "at least 2 classes to choose from, but has 1 class"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(vectors, candidates).fit(X, y)
    with pytest.raises(ValueError, match="no vector for 'moo' of candidate_classes"):
        make(None, ["class00", "moo"]).fit(X, y)
    with pytest.raises(ValueError, match="y and candidate_classes together mixes text"):
        make(LabelEmbedding(vectors), [1, 2]).fit(X, y)
    with pytest.raises(TypeError, match="class_embeddings is a int"):
        make(3).fit(X, y)
    with pytest.raises(ValueError, match=r"y holds 1 class: \['class00'\]"):
        make(vectors).fit(X[:5], y[:5])
    with pytest.raises(ValueError, match="300 clips, but y holds 299 labels"):
        make(vectors).fit(X, y[:-1])
    with pytest.raises(ValueError, match="'solver' parameter"):
        make(vectors, solver="magic").fit(X, y)
    assert "coef_" not in dir(make(vectors, solver="batch"))


@pytest.mark.parametrize("projection", ["factored", "nonlinear"])
@pytest.mark.parametrize("solver", [s for s in SOLVERS if s not in BATCHED])
def test_projections_of_other_solvers_are_refused(solver, projection, vectors, seen):
    with pytest.raises(ValueError, match=f"solver='{solver}' has no projection"):
        make(vectors, solver=solver, projection=projection).fit(*seen)


def test_a_nonlinear_projection_has_no_matrix(vectors, seen):
    model = make(vectors, solver="batch", projection="nonlinear", max_epochs=1)
    with pytest.raises(AttributeError, match="has no matrix W"):
        _ = model.fit(*seen).coef_
    factored = make(
        vectors, solver="batch", projection="factored", rank=2, max_epochs=1
    )
    assert np.linalg.matrix_rank(factored.fit(*seen).coef_) == 2
