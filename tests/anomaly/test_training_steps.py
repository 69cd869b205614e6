"""One step of each training, against the losses that the paper prints."""

import math

import numpy as np
import pytest
import torch

from sklearn_audio.anomaly import ConvAutoencoderDetector, GMGANDetector

ONE_BATCH = {
    "contamination": None,
    "width": 2,
    "latent_dim": 3,
    "batch_size": 20,
    "max_epochs": 3,
    "random_state": 0,
}
MAKERS = ("encoder", "generator", "auxiliary_encoder", "estimation")
BETAS = (0.5, 0.999)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    hums = rng.normal(0, 10, size=(20, 16, 1))
    return (rng.normal(-40, 4, size=(20, 16, 9)) + hums).astype(np.float32)


def scaled(X, raw):
    """Return clips without the median of each band, between the outermost thousandths.

    ``raw`` are all training clips; of an odd number of frames, one is the median.
    """
    centred = raw - np.median(raw, axis=2, keepdims=True)
    low, high = np.quantile(centred, [0.001, 0.999])
    x = X - X.median(dim=2, keepdim=True).values
    return (x - float(low + high) / 2) / (float(high - low) / 2)


def log_sigmoid(logits):
    return -torch.log1p(torch.exp(-logits))


# ConvAutoencoderDetector


def test_a_step_lowers_the_absolute_error_of_copies(
    clips, record_steps, assert_adam, assert_settled
):
    model = ConvAutoencoderDetector(lr=2e-3, **ONE_BATCH)
    steps = record_steps(model, clips)
    for step in steps:
        x = scaled(step.batch[0], clips)
        copy = step.before["generator"](step.before["encoder"](x))
        step.assert_gradient(0, (x - copy).abs().mean(), "encoder", "generator")
    for name in ("encoder", "generator"):
        assert_adam(steps, name, 0, lr=2e-3)
    x = scaled(torch.from_numpy(clips), clips)
    assert_settled(model.modules_["encoder"], x)
    assert_settled(model.modules_["generator"], model.modules_["encoder"](x))


# GMGANDetector


def player(**settings):
    """Weights by which every loss counts."""
    return GMGANDetector(
        **{
            **ONE_BATCH,
            "n_components": 2,
            "reconstruction_weight": 3.0,
            "adversarial_weight": 2.0,
            "latent_weight": 0.5,
            "energy_weight": 1.5,
            "density_weight": 0.2,
            "covariance_penalty": 1e-4,
            "lr": 2e-3,
            "lr_discriminator": 1e-3,
            **settings,
        }
    )


def memberships_of(step, z):
    """Return the estimation network's answers, half of its hidden units dropped out."""
    network = step.before["estimation"]
    hidden = torch.tanh(z @ network.hidden.weight.T + network.hidden.bias)
    kept = torch.rand(hidden.shape, generator=step.generator) < 0.5
    logits = torch.where(kept, 2 * hidden, 0.0) @ network.output.weight.T
    return (logits + network.output.bias).softmax(dim=1)


def estimation_loss(z, memberships):
    """Return Eq. 7 with the mean of the energies, of Eqs. 5 and 6."""
    z, memberships = z.double(), memberships.double()
    densities, penalty = 0.0, 0.0
    for k in range(2):
        share = memberships[:, k : k + 1]
        gaps = z - (share * z).sum(dim=0) / share.sum()
        covariance = (share * gaps).T @ gaps / share.sum()
        covariance = covariance + 1e-6 * (1 + covariance.trace() / 3) * torch.eye(3)
        exponents = -0.5 * (gaps @ torch.linalg.inv(covariance) * gaps).sum(dim=1)
        volume = torch.sqrt(torch.linalg.det(2 * math.pi * covariance))
        densities = densities + share.mean() * exponents.exp() / volume
        penalty = penalty + (1 / covariance.diagonal()).sum()
    return 0.2 * -torch.log(densities).mean() + 1e-4 * penalty


@pytest.mark.parametrize(
    ("adversarial", "reconstruction"),
    [("minimax", "norm"), ("minimax", "mean"), ("feature", "mean")],
)
def test_a_step_goes_down_the_losses_of_the_paper(
    clips, record_steps, adversarial, reconstruction
):
    model = player(adversarial=adversarial, reconstruction=reconstruction)
    n_values = 16 * 9 if reconstruction == "norm" else 1
    for step in record_steps(model, clips):
        x = scaled(step.batch[0], clips)
        nets = step.before
        z = nets["encoder"](x)
        copy = nets["generator"](z)
        real, fake = nets["discriminator"](x), nets["discriminator"](copy)
        loss = -log_sigmoid(real).mean() - log_sigmoid(-fake).mean()
        step.assert_gradient(0, loss, "discriminator")  # Eq. 2, maximised

        nets = {**step.before, "discriminator": step.after["discriminator"]}
        gap = z - nets["auxiliary_encoder"](copy)
        game = -log_sigmoid(nets["discriminator"](copy)).mean()
        if adversarial == "feature":
            features = nets["discriminator"].features
            game = (features(x) - features(copy)).square().mean()
        loss = (  # Eq. 1
            3.0 * n_values * (x - copy).abs().mean()  # Eq. 3
            + 2.0 * game  # Eq. 2, minimised
            + 0.5 * gap.square().sum(dim=1).sqrt().mean()  # Eq. 4
            + 1.5 * estimation_loss(z, memberships_of(step, z)).float()  # Eq. 7
        )
        step.assert_gradient(1, loss, *MAKERS, networks=nets)


def test_networks_move_by_their_own_optimisers(
    clips, record_steps, assert_adam, assert_settled
):
    model = player()
    steps = record_steps(model, clips)
    assert [len(step.gradients) for step in steps] == [2, 2, 2]
    assert_adam(steps, "discriminator", 0, lr=1e-3, betas=BETAS)
    for name in MAKERS:
        assert_adam(steps, name, 1, lr=2e-3, betas=BETAS)
    x = scaled(torch.from_numpy(clips), clips)
    nets = model.modules_
    assert_settled(nets["encoder"], x)
    assert_settled(nets["generator"], nets["encoder"](x))
    copies = nets["generator"](nets["encoder"](x))
    assert_settled(nets["auxiliary_encoder"], copies)


# Settings of papers


def test_the_autoencoder_of_papers():
    assert ConvAutoencoderDetector.from_paper(width=8).width == 8
    assert ConvAutoencoderDetector.from_paper().get_params() == {
        # The paper's encoder and decoder are GANomaly's
        "latent_dim": 100,
        "width": 64,
        "batch_size": 64,
        "lr": 2e-4,
        # "image reconstruction error" of clips as they are, Section 1
        "familiarity": "reconstruction",
        "with_centering": False,
        # Not printed
        "max_epochs": 50,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Not of the method
        "contamination": 0.05,
        "novelty": True,
        "cv": None,
        "n_jobs": None,
        "warm_start": False,
        "device": "auto",
        "random_state": None,
        "verbose": 0,
        "callbacks": None,
    }


def test_the_autoencoder_of_papers_runs_on_a_small_scale(clips):
    model = ConvAutoencoderDetector.from_paper(**ONE_BATCH).fit(clips)
    low, high = np.quantile(clips, [0.001, 0.999])
    x = torch.from_numpy((2 * clips - low - high) / (high - low)).float()
    with torch.no_grad():
        copies = model.modules_["generator"](model.modules_["encoder"](x))
    errors = (x - copies).abs().mean(dim=(1, 2))
    np.testing.assert_allclose(model.score_samples(clips), -errors, rtol=1e-4)
