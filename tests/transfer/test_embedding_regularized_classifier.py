"""A network that a teacher draws along, and the contract of every classifier."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.transfer import EmbeddingRegularizedClassifier
from sklearn_audio.transfer._embedding_penalties import (
    PENALTIES,
    distance_correlation,
)
from sklearn_audio.transfer._embedding_regularized_classifier import AUTO_PENALTY
from sklearn_audio.transfer._teacher_embeddings import combine_embeddings

SMALL = {"width": 2, "max_epochs": 3, "lr": 1e-2, "random_state": 0}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


def small(**parameters):
    return EmbeddingRegularizedClassifier(**{**SMALL, **parameters})


def make_ridges(n_clips, seed):
    """Ridges of any direction in noise: their class, and exactly how steep they are."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, n_clips)
    bands, frames = np.mgrid[:10, :10]
    steps = np.multiply.outer(np.cos(angle), bands)
    steps = steps + np.multiply.outer(np.sin(angle), frames)
    phases = rng.uniform(0, 2 * np.pi, size=(n_clips, 1, 1))
    X = np.sin(0.9 * steps + phases) + rng.normal(scale=0.4, size=(n_clips, 10, 10))
    y = np.where(angle < np.pi / 2, 1, 0)
    return X, y, np.stack([np.cos(2 * angle), np.sin(2 * angle)], axis=1)


@pytest.fixture(scope="module")
def clips():
    """Spectrograms of two classes, and embeddings that tell whose they are."""
    rng = np.random.default_rng(0)
    y = np.array(["low", "high"] * 12)
    X = rng.normal(-40, 5, size=(24, 6, 8))
    X[y == "low", :3] += 15
    return X, y, embeddings_of(X)


def embeddings_of(X):
    return np.asarray(X).reshape(len(X), -1)[:, ::7] + 3.0


class Spy(EmbeddingRegularizedClassifier):
    """Fails where embeddings are not those of the clips beside them."""

    def fit(self, X, y, embeddings=None):
        np.testing.assert_array_equal(embeddings, embeddings_of(X))
        return super().fit(X, y, embeddings)


# What is drawn, and to what


@pytest.fixture(scope="module")
def ridges():
    """A few clips with labels, more without, many to test, and a plain network."""
    X, y, E = make_ridges(64, seed=0)
    y[12:] = -1
    plain = taught(None).fit(X, y)
    return X, y, E, make_ridges(300, seed=100), plain


def taught(penalty):
    return small(penalty=penalty, width=4, augmenter=None, max_epochs=40, weight=0.8)


@every_penalty
def test_a_teacher_helps_where_labels_are_few(penalty, ridges):
    X, y, E, (X_test, y_test, E_test), plain = ridges
    model = taught(penalty).fit(X, y, embeddings=E)
    assert model.classes_.tolist() == plain.classes_.tolist() == [0, 1]
    assert model.score(X_test, y_test) > plain.score(X_test, y_test) + 0.1

    def alikeness(network):
        """Compare distances of the teacher's embeddings and a network's."""
        own = torch.from_numpy(network.embed(X_test))
        return float(distance_correlation(own, torch.tensor(E_test).float()))

    assert alikeness(model) > alikeness(plain) + 0.1


@every_penalty
def test_every_loss_is_in_the_history(penalty, clips):
    X, y, E = clips
    model = small(penalty=penalty, weight=0.3, validation_fraction=0.25)
    history = model.fit(X, y, embeddings=E).history_
    for part in ("train", "valid"):
        losses = [history[f"{part}_{n}"] for n in ("classification", "penalty", "loss")]
        classification, penalties, loss = np.array(losses)
        np.testing.assert_allclose(0.7 * classification + 0.3 * penalties, loss)
        assert len(loss) == 3
    plain = small(penalty=None, validation_fraction=0.25).fit(X, y)
    assert plain.history_.keys() == {"train_loss", "valid_loss"}


def test_without_weight_the_penalty_only_watches(clips):
    X, y, E = clips
    plain = small(penalty=None).fit(X, y)
    for penalty in ("dis", "distance_correlation"):
        watched = small(penalty=penalty, weight=0.0).fit(X, y, embeddings=E)
        np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))
        assert watched.history_["train_penalty"][0] > 0


@pytest.mark.parametrize("validation_fraction", [None, 0.25])
def test_embeddings_go_with_their_clips_into_every_batch(validation_fraction, clips):
    X, y, E = clips
    X = X.astype(np.float32)
    expected = combine_embeddings(E, len(X))
    seen = []

    class Watched(EmbeddingRegularizedClassifier):
        def _losses(self, net, batch):
            seen.append([tensor.numpy() for tensor in batch])
            return super()._losses(net, batch)

    Watched(
        **SMALL, penalty="dis", augmenter=None, validation_fraction=validation_fraction
    ).fit(X, y, embeddings=E)
    rows = [tuple(clip) for batch in seen for clip in zip(*batch, strict=True)]
    for clip, index, teacher in rows:
        row = int(np.flatnonzero((clip == X).all(axis=(1, 2)))[0])
        assert ["high", "low"][index] == y[row]
        np.testing.assert_array_equal(teacher, expected[row])
    assert len(rows) == 3 * len(X)


def test_only_spectrograms_are_augmented_unless_told(clips):
    X, y, E = clips
    calls = []

    def augment(batch, generator):
        calls.append(batch.shape)
        return batch

    def probabilities(X, augmenter):
        model = small(penalty="dis", augmenter=augmenter).fit(X, y, embeddings=E)
        return model.predict_proba(X)

    rows = X.reshape(len(X), -1)
    plain = probabilities(X, None)
    np.testing.assert_array_equal(probabilities(X, augment), plain)
    assert len(calls) == 3 * 2  # batches of 3 epochs
    assert not np.array_equal(probabilities(X, "auto"), plain)
    np.testing.assert_array_equal(
        probabilities(X, "auto"), probabilities(X, SpectrogramAugmenter())
    )
    np.testing.assert_array_equal(
        probabilities(rows, "auto"), probabilities(rows, None)
    )


# With a teacher and without


def test_without_a_teacher_auto_trains_a_plain_network(clips):
    X, y, E = clips
    alone = small().fit(X, y)
    assert alone.penalty_ is None
    np.testing.assert_array_equal(
        alone.predict_proba(X),
        small(penalty=None).fit(X, y, embeddings=E).predict_proba(X),
    )
    assert small().fit(X, y, embeddings=E).penalty_ == AUTO_PENALTY


@every_penalty
def test_a_batch_without_labels_is_no_error(penalty, clips):
    X, _, E = clips
    y = np.full(24, -1)
    y[:3] = 0, 1, 1
    model = small(penalty=penalty, batch_size=2).fit(X, y, embeddings=E)
    assert model.classes_.tolist() == [0, 1]
    assert np.isfinite(model.history_["train_loss"]).all()


def test_without_a_teacher_clips_without_labels_are_left_out(clips):
    X, _, _ = clips
    y = np.full(24, -1)
    y[:6] = [0, 1, 1] * 2
    alone = small().fit(X[:6], y[:6]).predict_proba(X)
    np.testing.assert_array_equal(small().fit(X, y).predict_proba(X), alone)


def test_clips_without_a_label_are_not_scored(clips):
    X, _, E = clips
    few = np.arange(24) % 2
    few[12:] = -1
    model = small(max_epochs=1).fit(X, few, embeddings=E)
    is_right = model.predict(X)[:12] == few[:12]
    assert model.score(X, few) == is_right.mean() > 0


@every_penalty
def test_a_named_penalty_needs_a_teacher(penalty, clips):
    X, y, _ = clips
    with pytest.raises(ValueError, match=f"{penalty}.*there are no embeddings"):
        small(penalty=penalty).fit(X, y)


def test_several_teachers_count_the_same(clips):
    _, _, E = clips
    other = 1000 * np.random.default_rng(1).normal(size=(len(E), 3)) + 5
    combined = combine_embeddings([E, other], len(E))
    assert combined.dtype == np.float32
    assert combined.shape == (len(E), E.shape[1] + 3)
    np.testing.assert_allclose(combined.mean(axis=0), 0, atol=1e-6)
    for part in np.split(combined, [E.shape[1]], axis=1):
        assert np.square(part).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    for same in ({"a": E, "b": other}, (E.tolist(), other.tolist())):
        np.testing.assert_array_equal(combine_embeddings(same, len(E)), combined)
    alone = combine_embeddings(E, len(E))
    for same in (pd.DataFrame(E), E.tolist(), [E]):
        found = combine_embeddings(same, len(E))
        np.testing.assert_allclose(found, alone, atol=1e-6)


def as_fields(**teachers):
    """Put several teachers into one structured array of a row a clip."""
    fields = [(name, "f8", E.shape[1]) for name, E in teachers.items()]
    table = np.zeros(len(next(iter(teachers.values()))), dtype=fields)
    for name, E in teachers.items():
        table[name] = E
    return table


def as_frame(**teachers):
    frames = {name: pd.DataFrame(E) for name, E in teachers.items()}
    return pd.concat(frames, axis=1)


# Of the sizes and the scales of VGGish and OpenL3.
def two_teachers(n_clips, seed=0):
    rng = np.random.default_rng(seed)
    large = rng.normal(5, 130, size=(n_clips, 20))
    small = rng.normal(1, 0.5, size=(n_clips, 8))
    return {"vggish": large, "openl3": small}


@pytest.mark.parametrize("container", [dict, as_fields, as_frame])
def test_named_teachers_count_the_same_whatever_holds_them(container):
    teachers = two_teachers(30)
    combined = combine_embeddings(container(**teachers), 30)
    assert combined.shape == (30, 28)
    energies = np.square(combined).sum(axis=0)
    assert energies[:20].sum() == pytest.approx(energies.sum() / 2, rel=1e-5)
    side_by_side = combine_embeddings(np.hstack(list(teachers.values())), 30)
    drowned = np.square(side_by_side[:, 20:]).sum() / np.square(side_by_side).sum()
    assert drowned < 1e-4
    alone = {name: combine_embeddings(array, 30) for name, array in teachers.items()}
    for chosen, parts in [
        (None, ["vggish", "openl3"]),
        ("openl3", ["openl3"]),
        (["vggish"], ["vggish"]),
        (("openl3", "vggish"), ["openl3", "vggish"]),
    ]:
        found = combine_embeddings(container(**teachers), 30, chosen)
        expected = np.hstack([alone[name] for name in parts])
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_teachers_of_a_list_are_chosen_by_their_places():
    first, second = two_teachers(30).values()
    for place, array in enumerate([first, second]):
        found = combine_embeddings([first, second], 30, place)
        np.testing.assert_array_equal(found, combine_embeddings(array, 30))


@pytest.mark.parametrize("penalty", ["auto", "dis"])
def test_only_the_chosen_teachers_are_trained_with(penalty, clips):
    X, y, E = clips
    other = np.random.default_rng(1).normal(size=(len(E), 3))
    embeddings = {"good": E, "other": other}
    chosen = small(penalty=penalty, teachers=["good"])
    chosen.fit(X, y, embeddings=embeddings)
    alone = small(penalty=penalty).fit(X, y, embeddings=E)
    np.testing.assert_array_equal(chosen.predict_proba(X), alone.predict_proba(X))
    both = small(penalty=penalty).fit(X, y, embeddings=embeddings)
    assert not np.array_equal(both.predict_proba(X), alone.predict_proba(X))


def test_teachers_that_are_not_there(clips):
    X, y, E = clips
    for teachers, embeddings, message in [
        ("yamnet", {"a": E, "b": E}, r"'yamnet' must be some of \['a', 'b'\]"),
        (["a", "c"], as_fields(a=E, b=E), r"must be some of \['a', 'b'\]"),
        (2, [E, E], r"2 must be some of \[0, 1\]"),
        ([], {"a": E}, r"\[\] must be some of \['a'\]"),
        ("a", E, "embeddings is one array"),
        ("a", None, r"teachers='a'.*there are no embeddings"),
        (1.5, {"a": E}, "'teachers' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            small(teachers=teachers).fit(X, y, embeddings=embeddings)


class SpyOnTeachers(EmbeddingRegularizedClassifier):
    """Fails where a teacher's embeddings are not those of the clips beside them."""

    def fit(self, X, y, embeddings=None):
        np.testing.assert_array_equal(embeddings["openl3"], embeddings_of(X))
        return super().fit(X, y, embeddings)


@pytest.mark.parametrize("container", [as_fields, as_frame])
@pytest.mark.parametrize("routing", [False, True])
def test_a_search_finds_out_which_teachers_help(container, routing, clips):
    X, y, E = clips
    misleading = np.random.default_rng(1).normal(size=(len(E), 3))
    embeddings = container(vggish=misleading, openl3=E)
    grid = {"teachers": ["vggish", ["openl3"], ["vggish", "openl3"], None]}
    with sklearn.config_context(enable_metadata_routing=routing):
        search = GridSearchCV(SpyOnTeachers(**SMALL), grid, cv=2, error_score="raise")
        search.fit(X, y, embeddings=embeddings)
        alone = clone(search.best_estimator_).fit(X, y, embeddings=embeddings)
    assert [p["teachers"] for p in search.cv_results_["params"]] == grid["teachers"]
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("size", [1e-30, 1e20])
def test_the_size_of_a_teacher_does_not_matter(size, clips):
    _, _, E = clips
    combined = combine_embeddings(size * E, len(E))
    np.testing.assert_allclose(combined, combine_embeddings(E, len(E)), atol=1e-5)


def test_a_teacher_that_says_nothing_is_no_error(clips):
    X, y, E = clips
    for penalty in PENALTIES:
        model = small(penalty=penalty).fit(X, y, embeddings=np.ones_like(E))
        assert np.isfinite(model.history_["train_loss"]).all()


def test_bad_embeddings(clips):
    X, y, E = clips
    for embeddings, message in [
        (E[:-1], "24 clips, but embeddings holds 23 rows"),
        ([E, E[:3]], r"24 clips, but embeddings\[1\] holds 3 rows"),
        ({"a": E[:3]}, r"24 clips, but embeddings\['a'\] holds 3 rows.*pandas.concat"),
        (np.full_like(E, np.nan), "NaN"),
        (E[:, 0], "Expected 2D array"),
        (E[:, :, None], "dim 3"),
        ([], "Expected 2D array"),
    ]:
        with pytest.raises(ValueError, match=message):
            small().fit(X, y, embeddings=embeddings)


def test_nothing_of_the_teacher_is_needed_to_predict(clips, in_a_new_process):
    X, y, E = clips
    model = small(penalty="con").fit(X, y, embeddings=E)
    expected = model.predict_proba(X), model.predict(X), model.embed(X)
    del E, y
    found = in_a_new_process(model, X, "predict_proba", "predict", "embed")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_embeddings_are_what_the_last_layer_sees(clips):
    X, y, E = clips
    model = small(penalty="con").fit(X, y, embeddings=E)
    own = model.embed(X)
    assert own.shape == (24, 16)
    output = model.modules_["module"].output
    logits = output(torch.from_numpy(own)).detach().numpy()
    np.testing.assert_allclose(
        logits[:, 1] - logits[:, 0], model.decision_function(X), rtol=1e-5
    )


# scikit-learn


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
def test_passes_every_check_of_scikit_learn():
    model = EmbeddingRegularizedClassifier(
        width=2, max_epochs=6, lr=3e-2, batch_size=32, random_state=0
    )
    results = check_estimator(model, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


def test_parameters_are_stored_and_nothing_else():
    model = clone(small())
    assert vars(model).keys() == model.get_params(deep=False).keys()


@pytest.mark.parametrize("penalty", [*PENALTIES, None])
def test_spectrograms_and_rows_take_one_code_path(penalty, clips):
    X, y, E = clips
    for shaped in (X, X.reshape(len(X), -1)):
        model = small(penalty=penalty, width=4, max_epochs=30, weight=0.2)
        model.fit(shaped, y, embeddings=E)
        assert model.score(shaped, y) > 0.9
        assert model.predict_proba(shaped).shape == (24, 2)


@every_penalty
def test_same_seed_same_model(penalty, clips):
    X, y, E = clips
    before = torch.random.get_rng_state()
    first, second = (small(penalty=penalty).fit(X, y, embeddings=E) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert pickle.dumps(first) == pickle.dumps(second)
    other = small(penalty=penalty, random_state=1).fit(X, y, embeddings=E)
    assert not np.array_equal(other.predict_proba(X), first.predict_proba(X))


def test_outputs_do_not_depend_on_the_other_rows(clips):
    X, y, E = clips
    model = small().fit(X, y, embeddings=E)
    for method in (model.predict_proba, model.embed):
        together = method(X)
        for rows in ([3], [20, 3], list(range(23, -1, -1))):
            np.testing.assert_array_equal(method(X[rows]), together[rows])


def test_a_default_dump_is_hardly_larger_than_its_weights(clips, tmp_path):
    X, y, E = clips
    model = EmbeddingRegularizedClassifier(max_epochs=1, random_state=0)
    model.fit(X, y, embeddings=E)
    states = [module.state_dict() for module in model.modules_.values()]
    n_bytes = sum(v.numel() * v.element_size() for s in states for v in s.values())
    joblib.dump(model, tmp_path / "model.joblib")
    assert (tmp_path / "model.joblib").stat().st_size <= 1.2 * n_bytes


def test_skops_loads_a_dump_that_names_our_class_alone(clips):
    X, y, E = clips
    model = small(penalty="con").fit(X, y, embeddings=E)
    dump = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert len(untrusted) == 1
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_search_cuts_embeddings_as_it_cuts_clips(clips):
    X, y, E = clips
    grid = {"penalty": ["con", "dis", None]}
    search = GridSearchCV(Spy(**SMALL), grid, cv=2, error_score="raise", n_jobs=2)
    search.fit(X, y, embeddings=E)
    alone = clone(search.best_estimator_).fit(X, y, embeddings=E)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


def test_embeddings_are_routed_through_pipelines_and_folds(clips):
    X, y, E = clips
    pipeline = make_pipeline(FunctionTransformer(lambda X: X), Spy(**SMALL))
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline.fit(X, y, embeddings=E)
        scores = cross_val_score(
            pipeline, X, y, cv=2, params={"embeddings": E}, error_score="raise"
        )
    assert len(scores) == 2


def test_several_teachers_are_not_cut_and_the_error_says_what_to_do(clips):
    X, y, E = clips
    search = GridSearchCV(small(), {"weight": [0.2, 0.5]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match=r"12 clips.*24 rows.*structured array"):
        search.fit(X, y, embeddings=[E, E])


def test_warm_start_goes_on_with_the_same_teacher(clips):
    X, y, E = clips
    model = small(penalty="con", warm_start=True).fit(X, y, embeddings=E)
    first = model.modules_["projection"].weight.detach().clone()
    model.fit(X, y, embeddings=E)
    assert model.n_iter_ == 6
    assert not torch.equal(model.modules_["projection"].weight, first)
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert loaded.fit(X, y, embeddings=E).n_iter_ == 3
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X, y, embeddings=E[:, :2])


def test_bad_input(clips):
    X, y, E = clips
    for parameters, message in [
        ({"penalty": "l2"}, "'penalty' parameter"),
        ({"weight": 1.0}, "'weight' parameter"),
        ({"augmenter": "none"}, "'augmenter' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(X, y, embeddings=E)
    with pytest.raises(ValueError, match="1 class: "):
        small().fit(X, np.full(24, "low"), embeddings=E)
    model = small(max_epochs=1).fit(X, y, embeddings=E)
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        model.embed(X[:, :, 1:])
