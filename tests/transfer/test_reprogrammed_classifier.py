"""ReprogrammedClassifier: what is trained, what is not, and what a dump holds."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from sklearn_audio.pretrained import ASTNetwork, load_network
from sklearn_audio.transfer import ReprogrammedClassifier


def load(dump):
    return pickle.loads(dump)  # noqa: S301


def small_backbone():
    """Return a network with statistics, of torch's own layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.AdaptiveAvgPool2d((4, 4)),
            nn.Flatten(),
            nn.Linear(16, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
        )


# Without weights: scikit-learn tells by hashes whether parameters have changed, and
# those of torch's tensors differ from copy to copy.
SMALL = ReprogrammedClassifier(
    backbone=nn.Sequential(nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Tanh()),
    output_map="linear",
    max_epochs=8,
    lr=0.05,
    random_state=0,
)
VARIANTS = [
    SMALL,
    clone(SMALL).set_params(input_transform=None),
    clone(SMALL).set_params(input_transform="cnn", backbone=None),
]
every_variant = pytest.mark.parametrize(
    "estimator", VARIANTS, ids=["unet", "no transform", "no backbone"]
)


@pytest.fixture(scope="module")
def sounds():
    """Spectrograms of three classes: tones, clicks and swells."""
    rng = np.random.default_rng(0)
    y = np.repeat(["tone", "click", "swell"], 16)
    X = rng.normal(-1, 0.2, size=(len(y), 12, 16)).astype(np.float32)
    for clip, name in zip(X, y, strict=True):
        if name == "tone":
            clip[rng.integers(3, 9)] += 2
        if name == "click":
            clip[:, rng.integers(2, 14)] += 2
        if name == "swell":
            clip += np.linspace(0, 1, 16)
    order = rng.permutation(len(y))
    return X[order], y[order]


# -- The contract ----------------------------------------------------------------------


# Casting what the checks put into X on purpose, infinity and NaN, to float32.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@every_variant
def test_passes_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 50


@every_variant
def test_parameters_are_stored_and_nothing_else(estimator):
    copied = clone(estimator)
    assert vars(copied).keys() == copied.get_params(deep=False).keys()


@every_variant
def test_spectrograms_and_rows_take_one_code_path(estimator, sounds):
    X, y = sounds
    longer = clone(estimator).set_params(max_epochs=40)
    assert longer.fit(X, y).score(X, y) > 0.9
    assert longer.decision_function(X).shape == (len(y), 3)
    rows = longer.set_params(max_epochs=3).fit(X.reshape(len(X), -1), y)
    assert rows.predict_proba(X.reshape(len(X), -1)).shape == (len(y), 3)
    with pytest.raises(ValueError, match="192 features"):
        rows.predict(X.reshape(len(X), -1)[:, 1:])


@every_variant
def test_outputs_do_not_depend_on_the_other_rows(estimator, sounds):
    X, y = sounds
    fitted = clone(estimator).set_params(max_epochs=2).fit(X, y)
    together = fitted.decision_function(X)
    for rows in ([3], [40, 3], list(range(47, -1, -1))):
        np.testing.assert_array_equal(fitted.decision_function(X[rows]), together[rows])


@every_variant
def test_same_seed_same_model(estimator, sounds):
    before = torch.random.get_rng_state()
    first, second = (
        clone(estimator).set_params(max_epochs=2).fit(*sounds) for _ in range(2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert pickle.dumps(first) == pickle.dumps(second)
    other = clone(estimator).set_params(max_epochs=2, random_state=1).fit(*sounds)
    X, _ = sounds
    assert np.abs(other.predict_proba(X) - first.predict_proba(X)).max() > 1e-3


@every_variant
def test_a_dump_predicts_the_same_in_a_new_process(estimator, sounds, in_a_new_process):
    X, y = sounds
    fitted = clone(estimator).set_params(max_epochs=2).fit(X, y)
    (probabilities,) = in_a_new_process(fitted, X, "predict_proba")
    np.testing.assert_array_equal(probabilities, fitted.predict_proba(X))


def test_grid_search_over_two_processes(sounds):
    X, y = sounds
    search = GridSearchCV(
        clone(SMALL).set_params(max_epochs=2),
        {"input_transform": ["unet", "cnn", None], "output_map": ["linear"]},
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    alone = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


# -- What is trained, and what is not --------------------------------------------------


@pytest.mark.parametrize(
    ("input_transform", "n_expected"),
    [(None, 16_916), ("cnn", 16_936), ("unet", 18_201)],
)
def test_parameters_are_counted_as_on_the_slide(input_transform, n_expected):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 128, 24)).astype(np.float32)
    classifier = ReprogrammedClassifier(
        backbone=nn.Sequential(nn.AdaptiveAvgPool2d((128, 6)), nn.Flatten()),
        input_transform=input_transform,
        max_epochs=1,
    ).fit(X, np.arange(40) % 20)
    assert classifier.n_trainable_parameters_ == n_expected
    trained = classifier.modules_["module"].state_dict()
    assert not any(name.startswith("body") for name in trained)


@pytest.mark.parametrize("input_transform", ["unet", "cnn", None])
def test_the_backbone_is_used_as_it_is(sounds, input_transform):
    X, y = sounds
    backbone = small_backbone().train()  # as its owner left it
    before = copy.deepcopy(backbone.state_dict())
    classifier = clone(SMALL).set_params(input_transform=input_transform, max_epochs=2)
    classifier.set_params(backbone=backbone).fit(X, y)
    assert classifier.backbone is backbone
    used = classifier.modules_["module"].body.network
    for network in (backbone, used):
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name]), name
    assert backbone.training
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in used.modules())


def test_the_backbone_stays_in_evaluation_mode_during_training(sounds):
    modes = []

    class Listening(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = small_backbone()

        def forward(self, x):
            modes.append(self.training or self.network[3].training)
            return self.network(x)

    clone(SMALL).set_params(backbone=Listening(), max_epochs=2).fit(*sounds)
    assert len(modes) > 6
    assert not any(modes)


def test_without_a_transform_a_clip_is_embedded_once(sounds):
    X, y = sounds
    seen = []

    class Counting(nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x.mean(dim=2)

    classifier = clone(SMALL).set_params(backbone=Counting(), input_transform=None)
    classifier.fit(X, y)
    assert sum(seen) == 1 + 64  # one to try it, then 48 clips in two chunks of 32


def test_a_map_alone_is_a_linear_classifier_of_the_embeddings(sounds):
    X, y = sounds
    with torch.no_grad():
        embeddings = small_backbone().eval()(torch.from_numpy(X)).numpy()
    settings = {"input_transform": None, "output_map": "layernorm_linear"}
    through = clone(SMALL).set_params(backbone=small_backbone(), **settings).fit(X, y)
    on_rows = clone(SMALL).set_params(backbone=nn.Flatten(), **settings)
    on_rows.fit(embeddings, y)
    np.testing.assert_allclose(
        through.decision_function(X), on_rows.decision_function(embeddings), atol=1e-4
    )
    longer = clone(through).set_params(
        output_map="linear", max_epochs=300, weight_decay=0
    )
    reference = LogisticRegression(C=1e4, max_iter=5000).fit(embeddings, y)
    assert longer.fit(X, y).score(X, y) >= reference.score(embeddings, y) - 0.03


class MeanOverTime(nn.Module):
    """A backbone that hears the level of some bands, and nothing of their flicker."""

    def __init__(self, step=1):
        super().__init__()
        self.step = step

    def forward(self, x):
        return x[:, :: self.step].mean(dim=2)


def scores_on(X, y, backbone):
    """Train on half of the clips, judge by the others, with each transform."""
    half = len(y) // 2
    settings = {"output_map": "layernorm_linear", "max_epochs": 15, "lr": 0.02}
    models = {
        transform: clone(SMALL).set_params(
            backbone=backbone, input_transform=transform, **settings
        )
        for transform in ("unet", "cnn", None)
    }
    return {
        transform: model.fit(X[:half], y[:half]).score(X[half:], y[half:])
        for transform, model in models.items()
    }


def test_a_u_net_shows_a_backbone_what_it_cannot_hear():
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    flicker = rng.choice([-1, 1], size=(160, 8, 16)) * y[:, None, None]
    X = (flicker + 0.1 * rng.normal(size=flicker.shape)).astype(np.float32)
    X -= X.mean(axis=2, keepdims=True)  # all levels are the same
    scores = scores_on(X, y, MeanOverTime())
    assert scores[None] < 0.65
    assert scores["unet"] > 0.95


def test_both_transforms_move_sounds_to_where_the_backbone_hears_them():
    rng = np.random.default_rng(0)
    y = np.arange(160) % 4
    X = rng.normal(scale=0.1, size=(160, 8, 16)).astype(np.float32)
    X[np.arange(160), 2 * y + 1] += 1  # a tone in a band that is passed over
    scores = scores_on(X, y, MeanOverTime(step=2))
    assert scores[None] < 0.5
    assert scores["unet"] > 0.9
    assert scores["cnn"] > 0.9


def test_a_clip_is_shown_on_its_own_scale(sounds):
    X, y = sounds
    for scale, level in ((1, 0), (20, -60)):
        clips = (scale * X + level).astype(np.float32)
        fitted = clone(SMALL).set_params(max_epochs=1, lr=1e-4).fit(clips, y)
        changed = fitted.reprogram(clips)
        assert changed.shape == clips.shape
        assert 0 < np.abs(changed - clips).mean() < 0.2 * clips.std()
        rows = clips.reshape(len(clips), -1)
        assert clone(fitted).fit(rows, y).reprogram(rows).shape == rows.shape
    alone = clone(SMALL).set_params(input_transform=None).fit(X, y)
    np.testing.assert_array_equal(alone.reprogram(X), X)


# -- Published networks ----------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(make_efficient_at, tmp_path_factory):
    """A file as EfficientAT's is published, of a network of random weights."""
    file = tmp_path_factory.mktemp("weights") / "wide.pt"
    torch.save(make_efficient_at(width=0.4).state_dict(), file)
    return file


@pytest.fixture(scope="module")
def named(weights):
    """A fitted model whose backbone is known by name, and its clips."""
    rng = np.random.default_rng(0)
    X = rng.normal(-0.8, 0.7, size=(24, 128, 20)).astype(np.float32)
    y = np.repeat(np.arange(12), 2)
    classifier = ReprogrammedClassifier(weights=weights, max_epochs=1, random_state=0)
    return classifier.fit(X, y), X[:2]


def test_a_dump_holds_what_is_trained_and_a_checksum(named, tmp_path):
    fitted, X = named
    joblib.dump(fitted, tmp_path / "model.joblib")
    size = (tmp_path / "model.joblib").stat().st_size
    state = fitted.modules_["module"].state_dict()
    assert size <= 1.2 * sum(v.numel() * v.element_size() for v in state.values())
    loaded = joblib.load(tmp_path / "model.joblib")
    assert loaded.backbone_checksum_ == fitted.backbone_checksum_
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_a_dump_with_a_named_backbone_loads_in_a_new_process(named, in_a_new_process):
    fitted, X = named
    (probabilities,) = in_a_new_process(fitted, X, "predict_proba")
    np.testing.assert_array_equal(probabilities, fitted.predict_proba(X))


def test_skops_loads_a_dump_that_names_our_class_alone(named):
    fitted, X = named
    fitted = copy.copy(fitted).set_params(weights=str(fitted.weights))
    dump = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert len(untrusted) == 1
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_a_dump_without_its_backbone_says_what_is_missing(
    named, tmp_path, make_efficient_at
):
    fitted, X = named
    file = tmp_path / "moved.pt"
    fitted = copy.copy(fitted).set_params(weights=file)
    dump = pickle.dumps(fitted)
    with pytest.raises(FileNotFoundError, match=r"efficientat_mn04.*moved\.pt") as lost:
        load(dump)
    assert "include_backbone=True" in str(lost.value)
    torch.save(make_efficient_at(width=0.1).state_dict(), file)
    with pytest.raises(ValueError, match=r"other weights of its backbone.*checksum"):
        load(dump)
    fitted.set_params(include_backbone=True)
    loaded = load(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_warm_start_refuses_another_backbone(named, make_efficient_at, tmp_path):
    fitted, X = named
    changed = copy.copy(fitted).set_params(warm_start=True)
    with torch.no_grad():
        other = make_efficient_at(width=0.4)
        other.features[0][0].weight.mul_(2)
    torch.save(other.state_dict(), tmp_path / "other.pt")
    y = np.arange(12)
    clips = np.repeat(X, 6, axis=0)
    changed.set_params(weights=tmp_path / "other.pt")
    with pytest.raises(ValueError, match="needs the backbone of the first fit"):
        changed.fit(clips, y)


def test_warm_start_continues_with_what_was_learned(sounds):
    X, y = sounds
    classifier = clone(SMALL).set_params(warm_start=True, max_epochs=10).fit(X, y)
    first = classifier.history_["train_loss"]
    again = load(pickle.dumps(classifier)).fit(X, y).history_["train_loss"]
    assert again[0] < first[0] / 2


def test_the_named_network_and_the_module_are_the_same(named, weights):
    fitted, X = named
    network = load_network("efficientat_mn04", weights)
    with torch.no_grad():
        shown = torch.from_numpy(fitted.reprogram(X))
        logits = fitted.modules_["module"].output_map(network.embed(shown))
    np.testing.assert_allclose(
        logits, fitted.decision_function(X), rtol=1e-4, atol=1e-4
    )


def test_ast_is_reprogrammed_too():
    pytest.importorskip("transformers")
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.5, size=(4, 128, 1024)).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = ASTNetwork(n_layers=1, n_heads=1)
    classifier = ReprogrammedClassifier(
        backbone=backbone, max_epochs=2, lr_schedule=None, random_state=0
    ).fit(X, [0, 1, 0, 1])
    assert classifier.predict_proba(X[:1]).shape == (1, 2)
    fresh = clone(classifier).set_params(max_epochs=1).fit(X, [0, 1, 0, 1])
    weights, before = (
        model.modules_["module"].input_transform.down1[0].weight
        for model in (classifier, fresh)
    )
    assert not torch.equal(weights, before)  # gradients pass through it


def test_the_published_network_is_found_by_its_name(real_data, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(real_data))
    rng = np.random.default_rng(0)
    X = rng.normal(-0.8, 0.7, size=(4, 128, 20)).astype(np.float32)
    classifier = ReprogrammedClassifier(max_epochs=1).fit(X, [0, 1, 0, 1])
    loaded = load(pickle.dumps(classifier))
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


# -- Bad input -------------------------------------------------------------------------


def test_backbones_that_do_not_fit_are_refused(sounds, weights):
    X, y = sounds
    with pytest.raises(ValueError, match=r"'backbone' parameter.*efficientat_mn04"):
        clone(SMALL).set_params(backbone="vggish").fit(X, y)
    with pytest.raises(ValueError, match="own module its weights"):
        clone(SMALL).set_params(weights=weights).fit(X, y)
    with pytest.raises(ValueError, match=r"Identity returns.*\(1, 12, 16\).*one clip"):
        clone(SMALL).set_params(backbone=nn.Identity()).fit(X, y)
    with pytest.raises(ValueError, match=r"\(n_clips, 128, n_frames\).*make_spectro"):
        ReprogrammedClassifier(weights=weights).fit(X, y)


def test_bad_clips_and_labels(sounds):
    X, y = sounds
    with pytest.raises(ValueError, match="NaN"):
        clone(SMALL).fit(np.where(X > 0, np.nan, X), y)
    with pytest.raises(ValueError, match="got 4 dimensions"):
        clone(SMALL).fit(X[:, None], y)
    with pytest.raises(ValueError, match="1 class: "):
        clone(SMALL).fit(X, np.full(len(y), "tone"))
    with pytest.raises(ValueError, match="48 clips, but y holds 47 labels"):
        clone(SMALL).fit(X, y[:-1])
