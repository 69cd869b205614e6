"""One step of the game, against the losses that the paper prints."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_audio.open_set import OpenSetGANClassifier
from sklearn_audio.open_set import _open_set_gan as game_module

BETAS = (0.5, 0.999)
KINDS = ("spliced", "reversed")


@pytest.fixture(scope="module")
def clips():
    """Three classes of unequal size, in dB."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [4, 5, 7])
    X = rng.normal(-40, 4, size=(16, 12, 14)) + 6 * y[:, None, None]
    return X.astype(np.float32), y


def clipped(X, generator=None):
    """Augment clips without chance, in a way that no normalisation takes out."""
    return X.clamp(min=-42.0)


def player(**settings):
    """One network, one batch an epoch, and weights by which every loss counts."""
    return OpenSetGANClassifier(
        **{
            "outliers": "generated",
            "ensemble": False,
            "rejection_rate": None,
            "width": 2,
            "gan_width": 4,
            "latent_dim": 3,
            "augmenter": clipped,
            "label_smoothing": 0.1,
            "class_weight": "balanced",
            "noise_scale": 2.0,
            "confidence_weight": 3.0,
            "warmup": 0.0,
            "reconstruction_weight": 5.0,
            "feature_weight": 40.0,
            "kl_weight": 2.0,
            "batch_size": 16,
            "max_epochs": 2,
            "lr": 1e-3,
            "lr_generator": 2e-3,
            "lr_detector": 3e-3,
            "lr_schedule": None,
            "weight_decay": 0.1,
            "random_state": 0,
            **settings,
        }
    )


def as_seen(X, raw):
    """Scale clips to [-1, 1] by the range of the training clips."""
    return 2 * (X - raw.min()) / (raw.max() - raw.min()) - 1


def as_given(x, raw):
    return (x + 1) / 2 * (raw.max() - raw.min()) + raw.min()


def log_sigmoid(logits):
    return -torch.log1p(torch.exp(-logits))


def distance_to_uniform(logits):
    """Return half the squared distance of a clip's probabilities from 1 / K, Eq. 2."""
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return ((p - 1 / 3) ** 2).sum(dim=1).mean() / 2


def cross_entropy(logits, y, smoothing, weights):
    targets = (1 - smoothing) * F.one_hot(y, logits.shape[1]) + (
        smoothing / logits.shape[1]
    )
    losses = -(weights * targets * logits.log_softmax(dim=1)).sum(dim=1)
    return losses.sum() / weights[y].sum()


def draw_latents(step, posterior, sampling, noise_scale):
    mean, log_variance = posterior
    noise = step.normal(*mean.shape)
    if sampling == "prior":
        return noise_scale * noise
    return mean + noise_scale * torch.sqrt(torch.exp(log_variance)) * noise


@pytest.mark.parametrize("sampling", ["posterior", "prior"])
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_step_goes_down_the_losses_of_the_paper(clips, record_steps, sampling, epoch):
    step = record_steps(player(sampling=sampling), *clips)[epoch]
    raw, y = torch.from_numpy(clips[0]), step.batch[1]
    x = as_seen(clipped(step.batch[0]), raw)
    nets = step.before

    posterior = nets["encoder"](x)
    fake = nets["generator"](draw_latents(step, posterior, sampling, 2.0))
    real_logits, fake_logits = nets["detector"](x), nets["detector"](fake)
    loss = -log_sigmoid(real_logits).mean() - log_sigmoid(-fake_logits).mean()
    step.assert_gradient(0, loss, "detector")  # Eq. 7

    nets = {**step.before, "detector": step.after["detector"]}
    x_tilde = nets["generator"](draw_latents(step, posterior, "posterior", 1.0))
    gaps = nets["detector"].features(x_tilde) - nets["detector"].features(x)
    squares = 5.0 * ((x - x_tilde) ** 2).mean() + 40.0 * (gaps**2).mean()
    mean, log_variance = posterior
    kl = (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1).mean() / 2
    loss = (
        squares / 2  # Eq. 8
        + 2.0 * kl  # Eq. 6
        - log_sigmoid(nets["detector"](fake)).mean()  # Eq. 5
        + 3.0 * distance_to_uniform(nets["module"](as_given(fake, raw)))  # Eq. 2
    )
    step.assert_gradient(1, loss, "encoder", "generator", networks=nets)

    nets = {**step.after, "module": step.before["module"]}
    latents = draw_latents(step, nets["encoder"](x), sampling, 2.0)
    fresh = as_given(nets["generator"](latents), raw).detach()
    logits = nets["module"](clipped(step.batch[0]))
    weights = 16 / (3 * torch.bincount(y))
    loss = cross_entropy(logits, y, 0.1, weights)  # Eq. 1
    loss = loss + 3.0 * distance_to_uniform(nets["module"](fresh))
    step.assert_gradient(2, loss, "module", networks=nets)


def test_networks_move_by_their_own_optimisers(clips, record_steps, assert_adam):
    steps = record_steps(player(max_epochs=3), *clips)
    assert [len(step.gradients) for step in steps] == [3, 3, 3]
    assert_adam(steps, "detector", 0, lr=3e-3, betas=BETAS)
    assert_adam(steps, "encoder", 1, lr=2e-3, betas=BETAS)
    assert_adam(steps, "generator", 1, lr=2e-3, betas=BETAS)
    assert_adam(steps, "module", 2, lr=1e-3, decay=0.1)


def test_the_schedule_is_that_of_the_classifier(clips, record_steps, assert_adam):
    steps = record_steps(player(max_epochs=2, lr_schedule="cosine"), *clips)
    assert_adam(steps, "module", 2, lr=[1e-3, 0.5e-3], decay=0.1)
    assert_adam(steps, "generator", 1, lr=2e-3, betas=BETAS)


def test_printed_norms_are_sums(clips, record_steps):
    step = record_steps(
        player(reduction="sum", kl_weight=0, confidence_weight=0), *clips
    )[0]
    x = as_seen(clipped(step.batch[0]), torch.from_numpy(clips[0]))
    nets = {**step.before, "detector": step.after["detector"]}
    posterior = nets["encoder"](x)
    fake = nets["generator"](draw_latents(step, posterior, "posterior", 2.0))
    x_tilde = nets["generator"](draw_latents(step, posterior, "posterior", 1.0))
    gaps = nets["detector"].features(x_tilde) - nets["detector"].features(x)
    norms = 5.0 * ((x - x_tilde) ** 2).sum() + 40.0 * (gaps**2).sum()
    loss = norms / (2 * len(x)) - log_sigmoid(nets["detector"](fake)).mean()
    step.assert_gradient(1, loss, "encoder", "generator", networks=nets)


def test_the_confidence_loss_waits_for_the_end_of_the_warm_up(clips, record_steps):
    steps = record_steps(player(max_epochs=5, warmup=0.2), *clips)
    raw = torch.from_numpy(clips[0])
    for step, weight in zip(steps[:4], [0.0, 0.0, 3.0, 3.0], strict=True):
        y, weights = step.batch[1], 16 / (3 * torch.bincount(step.batch[1]))
        x = as_seen(clipped(step.batch[0]), raw)
        nets = {**step.after, "module": step.before["module"]}
        for _ in range(2):  # drawn for detector and generator
            step.normal(16, 3)
        latents = draw_latents(step, nets["encoder"](x), "posterior", 2.0)
        fresh = as_given(nets["generator"](latents), raw).detach()
        loss = cross_entropy(nets["module"](clipped(step.batch[0])), y, 0.1, weights)
        loss = loss + weight * distance_to_uniform(nets["module"](fresh))
        step.assert_gradient(2, loss, "module", networks=nets)


def test_outliers_of_clips_are_classes_of_their_own(clips, record_steps, monkeypatch):
    def first_two(X, y, generator):
        return X[:2].flip(-1), y[:2]

    monkeypatch.setattr(game_module, "OUTLIER_MAKERS", dict.fromkeys(KINDS, first_two))
    step = record_steps(player(outliers=KINDS), *clips)[0]
    X, y = step.batch
    made = clipped(X[:2].flip(-1))  # augmented, as clips are
    logits = step.before["module"](torch.cat([clipped(X), made, made]))
    assert logits.shape[1] == 9
    targets = torch.cat([y, y[:2] + 3, y[:2] + 6])
    weights = torch.cat([16 / (3 * torch.bincount(y)), torch.ones(6)])
    loss = cross_entropy(logits, targets, 0.1, weights)
    step.assert_gradient(0, loss, "module")


@pytest.mark.filterwarnings("ignore:The generator of .* has collapsed")
def test_batch_statistics_are_those_of_the_final_weights(
    clips, record_steps, assert_settled
):
    # Without noise, every pass over the clips makes the same outliers of them.
    model = player(noise_scale=0.0, max_epochs=3)
    record_steps(model, *clips)
    raw, x = torch.from_numpy(clips[0]), clipped(torch.from_numpy(clips[0]))
    assert_settled(model.modules_["module"], x)
    latents, _ = model.modules_["encoder"](as_seen(raw, raw))
    assert_settled(model.modules_["generator"], latents)


def test_draws_from_the_prior_may_be_as_wide_as_they_like(clips, record_steps):
    narrow, wide = (
        record_steps(player(sampling="prior", noise_scale=scale), *clips)[0]
        for scale in (1.0, 3.0)
    )
    for first, second in zip(narrow.gradients, wide.gradients, strict=True):
        for name in first:
            torch.testing.assert_close(first[name], second[name], rtol=1e-2, atol=1e-3)
