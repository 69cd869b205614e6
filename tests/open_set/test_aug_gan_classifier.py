"""The closed-set predecessor: it names clips, and its generator learns from them."""

import warnings
from math import prod

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from torch import nn

from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.metrics import open_set_auroc
from sklearn_audio.open_set import AugGANClassifier, RejectingClassifier
from sklearn_audio.open_set import _aug_gan_classifier as game_module
from sklearn_audio.open_set import _gan_classifier as shared_module

SMALL = AugGANClassifier(
    first_stage="convolution", width=4, gan_width=4, latent_dim=5, max_epochs=8
).set_params(batch_size=16, random_state=0)


def make_clips(n_clips, random_state, kinds=("band", "click")):
    """Noise in dB around a loud band or a loud frame; "strange" has neither."""
    rng = np.random.default_rng(random_state)
    X = rng.normal(-40, 3, size=(n_clips, 12, 16)).astype(np.float32)
    y = np.resize(kinds, n_clips)
    for clip, kind in zip(X, y, strict=True):
        if kind == "band":
            clip[rng.integers(3, 9)] += 30
        if kind == "click":
            clip[:, rng.integers(4, 12)] += 30
    return X, y


@pytest.fixture(scope="module")
def clips():
    return make_clips(64, random_state=0)


@pytest.fixture(scope="module")
def fitted(clips):
    return clone(SMALL).fit(*clips)


@pytest.mark.parametrize("first_stage", ["convolution", "scattering"])
def test_names_fresh_clips(clips, first_stage):
    model = clone(SMALL).set_params(first_stage=first_stage, n_angles=4)
    assert model.fit(*clips).score(*make_clips(100, random_state=1)) > 0.9


def test_rows_of_features_are_named_too(clips):
    X, y = clips
    rows = X.mean(axis=1)
    model = clone(SMALL).fit(rows, y)
    assert model.score(rows, y) > 0.9
    assert model.sample(3, random_state=0).shape == (3, 16)


def test_the_fake_class_is_left_out_of_every_answer(clips, fitted):
    X, _ = clips
    logits = fitted._infer(X, fitted.modules_["module"])
    assert logits.shape == (len(X), 3)
    np.testing.assert_array_equal(fitted.classes_, ["band", "click"])
    assert set(fitted.predict(fitted.sample(50, random_state=0))) <= {"band", "click"}
    # Of two classes, scikit-learn's decision is one margin.
    margins = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(fitted.decision_function(X), margins, rtol=1e-5)
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    expected = 1 / (1 + np.exp(-margins))
    np.testing.assert_allclose(probabilities[:, 1], expected, rtol=1e-5)

    three, names = make_clips(48, 0, kinds=("band", "click", "none"))
    model = clone(SMALL).set_params(max_epochs=1).fit(three, names)
    logits = model._infer(three, model.modules_["module"])
    np.testing.assert_array_equal(model.decision_function(three), logits[:, :3])


def test_generated_clips_have_the_shape_and_the_range_of_real_ones(clips, fitted):
    X, _ = clips
    sample = fitted.sample(7, random_state=0)
    assert sample.shape == (7, *X.shape[1:])
    assert sample.dtype == np.float32
    assert X.min() <= sample.min() < sample.max() <= X.max()
    np.testing.assert_array_equal(sample, fitted.sample(7, random_state=0))
    assert not np.array_equal(sample, fitted.sample(7, random_state=1))
    assert fitted.sample().shape == (1, *X.shape[1:])


class LinearNetwork(nn.Module):
    """A classifier whose embeddings are the clips themselves."""

    def __init__(self, input_shape, n_outputs, **_):
        super().__init__()
        self.output = nn.Linear(prod(input_shape), n_outputs)

    def embed(self, x):
        return x.flatten(1)  # (B, FT)

    def forward(self, x):
        return self.output(self.embed(x))  # (B, K + 1)


@pytest.mark.parametrize("random_state", range(3))
def test_where_embeddings_are_clips_their_mean_is_learnt(
    clips, monkeypatch, random_state
):
    X, y = clips
    X = X + np.linspace(-20, 20, X.shape[2], dtype=np.float32)  # louder and louder
    networks = {**AugGANClassifier._module_classes, "module": LinearNetwork}
    monkeypatch.setattr(AugGANClassifier, "_module_classes", networks)
    settings = {"lr": 1e-4, "lr_generator": 5e-3, "batch_size": 64, "augmenter": None}
    model = clone(SMALL).set_params(**settings, max_epochs=100)
    matching = (
        model.set_params(random_state=random_state)
        .fit(X, y)
        .history_["train_feature_matching"]
    )
    assert np.mean(matching[-3:]) < 0.1 * matching[0]
    errors = model.sample(400, random_state=0).mean(axis=0) - X.mean(axis=0)
    assert np.abs(errors).mean() < 2.5
    assert np.abs(X.mean(axis=0) - X.mean()).mean() > 10


def test_the_loss_is_the_sum_of_its_parts(fitted):
    history = {name: np.array(values) for name, values in fitted.history_.items()}
    assert history.keys() == {
        "train_loss",
        "train_classification",
        "train_fake",
        "train_feature_matching",
        "train_diversity",
    }
    parts = history["train_classification"] + 0.5 * history["train_fake"]
    np.testing.assert_allclose(history["train_loss"], parts, rtol=1e-5)
    assert fitted.n_iter_ == len(parts) == 8


def test_clips_set_aside_are_judged(clips):
    model = clone(SMALL).set_params(validation_fraction=0.25, n_iter_no_change=2)
    history = model.fit(*clips).history_
    assert len(history["valid_loss"]) == model.n_iter_
    assert history["valid_loss"][-1] < history["valid_loss"][0]


@pytest.mark.parametrize("random_state", range(3))
def test_the_game_is_stable_for_every_seed(clips, random_state):
    X, y = clips
    model = clone(SMALL).set_params(random_state=random_state, max_epochs=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.history_["train_diversity"][-1] > 0.02
    assert model.score(X, y) > 0.9


def test_a_collapsed_generator_is_reported(clips, monkeypatch):
    monkeypatch.setattr(
        game_module.Generator,
        "forward",
        lambda self, z: self.project(z).mean().expand(len(z), *self.input_shape),
    )
    message = "The generator of AugGANClassifier has collapsed"
    with pytest.warns(ConvergenceWarning, match=message):
        clone(SMALL).set_params(max_epochs=1).fit(*clips)


def test_a_loss_that_explodes_ends_the_fit(clips):
    with pytest.raises(ValueError, match="Training diverged: train_"):
        clone(SMALL).set_params(lr=1e15).fit(*clips)


def test_nothing_is_sampled_before_the_fit():
    with pytest.raises(NotFittedError):
        clone(SMALL).sample()


def test_with_a_threshold_around_it_strangers_are_rejected(clips):
    known, y_known = make_clips(60, random_state=3)
    strangers, _ = make_clips(60, random_state=2, kinds=("strange",))
    model = RejectingClassifier(
        clone(SMALL).set_params(max_epochs=6),
        familiarity="energy",
        rejection_rate=0.2,
        cv=2,
    ).fit(*clips)
    scores = model.score_samples(np.concatenate([known, strangers]))
    assert open_set_auroc(np.arange(120) < 60, scores) > 0.75
    answers = model.predict(known)
    assert np.mean(answers == y_known) > 0.75
    share_rejected = np.mean(model.predict(strangers) == "unknown")
    assert share_rejected > np.mean(answers == "unknown") + 0.1


def test_a_dump_generates_and_predicts_the_same(clips, fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    for answer in (
        lambda model: model.sample(3, random_state=0),
        lambda model: model.predict_proba(clips[0]),
    ):
        np.testing.assert_array_equal(answer(loaded), answer(fitted))


def test_a_warm_start_trains_on(clips):
    model = clone(SMALL).set_params(max_epochs=2, warm_start=True).fit(*clips)
    first = model.sample(3, random_state=0)
    model.fit(*clips)
    assert model.n_iter_ == len(model.history_["train_loss"]) == 4
    assert not np.array_equal(model.sample(3, random_state=0), first)


def test_mixtures_and_weights_of_classes_train_too(clips):
    settings = {"mixup_alpha": 0.4, "class_weight": "balanced", "lr_schedule": None}
    model = clone(SMALL).set_params(**settings, max_epochs=2).fit(*clips)
    assert np.isfinite(model.history_["train_loss"]).all()


def clipped(X, generator=None):
    """Augment clips without chance, in a way that no normalisation takes out."""
    return X.clamp(min=-42.0)


def slow_cross_entropy(logits, targets, weights):
    losses = -weights[targets] * logits.log_softmax(dim=1)[range(len(targets)), targets]
    return losses.sum() / weights[targets].sum()


@pytest.fixture
def one_batch_an_epoch(clips):
    """A game on clips of unequal classes, which are changed without chance."""
    X, y = clips[0][:20], np.repeat(["band", "click"], [14, 6])
    model = clone(SMALL).set_params(
        augmenter=clipped,
        batch_size=20,
        class_weight="balanced",
        fake_weight=0.7,
        lr=1e-3,
        lr_generator=2e-3,
        lr_schedule=None,
        max_epochs=3,
        weight_decay=0.1,
    )
    return model, X, y


def test_a_step_matches_features_and_tells_fakes_from_classes(
    one_batch_an_epoch, record_steps
):
    model, X, y = one_batch_an_epoch
    for step in record_steps(model, X, y):
        clips, targets = clipped(step.batch[0]), step.batch[1]
        module, generator = step.before["module"], step.before["generator"]
        fake = (generator(step.normal(20, 5)) + 1) / 2 * (X.max() - X.min()) + X.min()
        gap = module.embed(clips).mean(dim=0) - module.embed(fake).mean(dim=0)
        step.assert_gradient(0, (gap**2).sum() / len(gap), "generator")

        weights = torch.tensor([20 / 28, 20 / 12, 1.0])  # balanced; 1 for fakes
        real = slow_cross_entropy(module(clips), targets, weights)
        fakes = torch.full((20,), 2)
        loss = real + 0.7 * slow_cross_entropy(module(fake), fakes, torch.ones(3))
        step.assert_gradient(1, loss, "module")


def test_networks_move_by_their_own_optimisers(
    one_batch_an_epoch, record_steps, assert_adam
):
    model, X, y = one_batch_an_epoch
    steps = record_steps(model, X, y)
    assert [len(step.gradients) for step in steps] == [2, 2, 2]
    assert_adam(steps, "generator", 0, lr=2e-3, betas=(0.5, 0.999))
    assert_adam(steps, "module", 1, lr=1e-3, decay=0.1)


def test_mixed_clips_have_mixed_and_smoothed_labels(
    one_batch_an_epoch, record_steps, monkeypatch
):
    def blend(values):
        return 0.75 * values + 0.25 * values.roll(1, dims=0)

    def blend_clips(X, targets, alpha, generator):
        assert alpha == 0.4
        return blend(X), blend(targets)

    monkeypatch.setattr(shared_module, "mixup", blend_clips)
    model, X, y = one_batch_an_epoch
    model.set_params(mixup_alpha=0.4, label_smoothing=0.3, fake_weight=0.0)
    step = record_steps(model.set_params(class_weight=None), X, y)[0]
    clips, targets = clipped(step.batch[0]), torch.eye(3)[step.batch[1]]
    mixed = 0.7 * blend(targets) + 0.3 / 3
    logits = step.before["module"](blend(clips))
    loss = -(mixed * logits.log_softmax(dim=1)).sum(dim=1).mean()
    step.assert_gradient(1, loss, "module")


def test_batch_statistics_are_those_of_the_final_weights(
    one_batch_an_epoch, record_steps, assert_settled
):
    model, X, y = one_batch_an_epoch
    record_steps(model, X, y)
    assert_settled(model.modules_["module"], clipped(torch.from_numpy(X)))


def test_from_paper_has_every_setting_of_the_paper():
    settings = AugGANClassifier.from_paper(random_state=3).get_params(deep=False)
    augmenter = settings.pop("augmenter")
    assert isinstance(augmenter, SpectrogramAugmenter)
    assert augmenter.decibels_per_unit == 40  # 80 dB in [-1, 1], Section 3.2
    assert settings == {
        # Section 3.2 of its successor's paper: ResNet-18 behind two scattering layers
        "first_stage": "scattering",
        "width": 64,
        "n_scales": 2,
        "n_angles": 8,
        "gan_width": 128,  # not printed: as the successor's
        "latent_dim": 100,  # not printed: DCGAN's
        # Section 1: a multi-class GAN; its losses are printed without weights
        "fake_weight": 1.0,
        "label_smoothing": 0.0,
        "mixup_alpha": 0.0,
        "class_weight": None,
        # Section 3.2: batches of 100, rate 0.0002, 150 epochs, Adam
        "max_epochs": 150,
        "batch_size": 100,
        "lr": 2e-4,
        "lr_generator": 2e-4,
        "lr_schedule": None,
        "weight_decay": 0.0,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Not of the method
        "warm_start": False,
        "device": "auto",
        "random_state": 3,
        "verbose": 0,
        "callbacks": None,
    }


def test_the_papers_settings_run_on_a_small_scale(clips):
    X, y = clips
    scaled = (X + 40) / 40
    model = AugGANClassifier.from_paper(
        width=4, gan_width=4, max_epochs=2, random_state=0
    ).fit(scaled, y)
    assert np.isfinite(model.predict_proba(scaled)).all()
