"""GMGAN: its scores from the networks' outputs, its mixture, and how games fail."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture._gaussian_mixture import _estimate_gaussian_parameters

from sklearn_audio.anomaly import ConvAutoencoderDetector, GMGANDetector

SMALL = GMGANDetector.from_paper(
    latent_dim=3,
    n_components=2,
    covariance_type="full",
    width=4,
    with_centering=True,
    max_epochs=4,
    lr=2e-3,
    batch_size=16,
    random_state=0,
)
SCORES = ("latent", "energy", "reconstruction", "band_errors")


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    hums = np.where(np.arange(12) == 4, 20, 0)[:, None]
    return (rng.normal(-40, 5, size=(50, 12, 17)) + hums).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(clips):
    return clone(SMALL).fit(clips)


# The paper's, and where it is silent GANomaly's and DAGMM's.
PAPER = {
    "latent_dim": 100,
    "n_components": 4,
    "covariance_type": "diag",
    "width": 64,
    "adversarial": "minimax",
    "familiarity": "latent",
    "reconstruction": "norm",
    "reconstruction_weight": 1.0,
    "adversarial_weight": 5.0,
    "latent_weight": 1.0,
    "energy_weight": 0.05,
    "density_weight": 0.1,
    "covariance_penalty": 0.005,
    "with_centering": False,
    "max_epochs": 50,
    "batch_size": 64,
    "lr": 2e-4,
    "lr_discriminator": 2e-4,
}


def networks_outputs(fitted, X):
    middles = np.sort(X, axis=2)[:, :, [(X.shape[2] - 1) // 2]]
    X = X - middles
    low, high = np.quantile(X, [0.001, 0.999])
    scaled = torch.from_numpy((X - np.float32((low + high) / 2)) / ((high - low) / 2))
    nets = fitted.modules_
    with torch.no_grad():
        z = nets["encoder"](scaled.float())
        copy = nets["generator"](z)
        again = nets["auxiliary_encoder"](copy)
        memberships = nets["estimation"](z)
    return scaled.numpy(), *(t.numpy() for t in (z, copy, again, memberships))


def test_scores_from_the_networks_outputs(clips, fitted):
    x, z, copy, again, _ = networks_outputs(fitted, clips)
    expected = {name: [] for name in SCORES}
    smooth = ((x - copy)[:, :, 1:] + (x - copy)[:, :, :-1]) / 2  # 16 of 17 frames
    windows = [smooth[:, :, start : start + 7] for start in range(10)]
    errors = np.concatenate([np.sqrt(np.mean(w**2, axis=2)) for w in windows])
    errors = (errors - errors.mean(axis=0)) / errors.std(axis=0)
    squares = LedoitWolf().fit(errors).mahalanobis(errors) / errors.shape[1]
    expected["band_errors"] = -np.sqrt(squares).reshape(10, -1).mean(axis=0)
    for i in range(len(clips)):
        expected["latent"].append(-np.sqrt(np.sum((z[i] - again[i]) ** 2)))
        expected["reconstruction"].append(-np.mean(np.abs(x[i] - copy[i])))
        density = 0.0
        for weight, mean, covariance in zip(
            fitted.weights_, fitted.means_, fitted.covariances_, strict=True
        ):
            gap = z[i] - mean
            exponent = -0.5 * gap @ np.linalg.solve(covariance, gap)
            volume = np.sqrt(np.linalg.det(2 * np.pi * covariance))
            density += weight * np.exp(exponent) / volume
        expected["energy"].append(np.log(density))
    total = 0.0
    for name in SCORES:
        scores = fitted.set_params(familiarity=name).score_samples(clips)
        np.testing.assert_allclose(scores, expected[name], rtol=1e-3, atol=1e-4)
        total += (scores - scores.mean()) / scores.std()
    both = fitted.set_params(familiarity="sum").score_samples(clips)
    np.testing.assert_allclose(both, total, rtol=1e-6, atol=1e-6)


def test_the_mixture_is_estimated_from_all_training_clips(clips, fitted):
    _, z, *_, memberships = networks_outputs(fitted, clips)
    counts, means, covariances = _estimate_gaussian_parameters(
        z.astype(float), memberships.astype(float), 0.0, "full"
    )
    np.testing.assert_allclose(fitted.weights_, counts / counts.sum(), rtol=1e-4)
    np.testing.assert_allclose(fitted.means_, means, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fitted.covariances_, covariances, rtol=1e-2, atol=1e-4)


def test_encode_and_reconstruct(clips, fitted):
    x, z, copy, *_ = networks_outputs(fitted, clips)
    np.testing.assert_allclose(fitted.encode(clips), z, atol=1e-4)
    centred = clips - np.median(clips, axis=2, keepdims=True)
    half = np.ptp(np.quantile(centred, [0.001, 0.999])) / 2
    error = np.abs(clips - fitted.reconstruct(clips)).mean(axis=(1, 2)) / half
    np.testing.assert_allclose(error, np.abs(x - copy).mean(axis=(1, 2)), rtol=1e-3)


@pytest.mark.parametrize("model", [SMALL, ConvAutoencoderDetector(width=4)], ids=str)
def test_with_centering_the_level_of_a_band_does_not_matter(clips, model):
    model = clone(model).set_params(max_epochs=2, random_state=0)
    levels = np.random.default_rng(0).normal(0, 20, size=(len(clips), 12, 1))
    moved = clips + levels.astype(np.float32)
    for with_centering in (True, False):
        fitted = clone(model).set_params(with_centering=with_centering).fit(clips)
        same = np.isclose(fitted.score_samples(moved), fitted.score_samples(clips))
        assert same.all() if with_centering else not same.any()
        fitted.fit(clips[:, 0])  # rows have no median of their own
        assert not np.isclose(
            *map(fitted.score_samples, (clips[:, 0], moved[:, 0]))
        ).any()
    np.testing.assert_allclose(
        clone(model).fit(moved).reconstruct(moved) - levels,
        clone(model).fit(clips).reconstruct(clips),
        atol=1e-3,
    )


def test_one_odd_clip_does_not_squeeze_the_others(clips, fitted):
    odd = clips.copy()
    odd[0, :3, :3] = 1e6
    ours = clone(SMALL).fit(odd).reconstruct(odd)
    assert np.abs(ours - clips).max() < 100


def test_the_papers_settings():
    ours = GMGANDetector.from_paper().get_params()
    assert {name: ours[name] for name in PAPER} == PAPER
    others = GMGANDetector().get_params()
    assert {**others, **PAPER} == ours
    changed = GMGANDetector.from_paper(width=8, max_epochs=3).get_params()
    assert changed == {**ours, "width": 8, "max_epochs": 3}


@pytest.mark.parametrize("shape", [(12, 17), (8, 30), (5,)], ids=str)
def test_the_norm_is_a_sum_over_the_values_of_a_clip(shape):
    X = np.random.default_rng(0).normal(size=(20, *shape)).astype(np.float32)
    model = clone(SMALL).set_params(batch_size=20, max_epochs=1)
    norm, mean = (
        clone(model).set_params(reconstruction=name).fit(X).history_
        for name in ("norm", "mean")
    )
    (before,), (summed,) = mean["train_reconstruction"], norm["train_reconstruction"]
    assert summed == pytest.approx(np.prod(shape) * before, rel=1e-5)
    for name in ("latent", "energy", "adversarial", "discriminator"):
        assert norm[f"train_{name}"] == mean[f"train_{name}"]  # before the only step
    weighted = clone(model).set_params(
        reconstruction="mean", reconstruction_weight=float(np.prod(shape))
    )
    np.testing.assert_allclose(
        weighted.fit(X).score_samples(X),
        model.fit(X).score_samples(X),
        rtol=1e-3,
        atol=1e-5,
    )


def test_the_norm_is_validated_too(clips):
    model = clone(SMALL).set_params(validation_fraction=0.3, max_epochs=1)
    norm, mean = (
        clone(model).set_params(reconstruction=name, lr=1e-12).fit(clips).history_
        for name in ("norm", "mean")
    )
    expected = clips[0].size * mean["valid_reconstruction"][0]
    assert norm["valid_reconstruction"][0] == pytest.approx(expected, rel=1e-3)


def test_every_loss_of_every_epoch_is_recorded(clips, fitted):
    names = {"loss", "reconstruction", "latent", "energy", "adversarial"}
    expected = {f"train_{name}" for name in {*names, "discriminator"}}
    assert set(fitted.history_) == expected
    assert all(len(losses) == 4 for losses in fitted.history_.values())
    parts = {name: np.array(fitted.history_[f"train_{name}"]) for name in names}
    weights = {"reconstruction": 1, "latent": 1, "energy": 0.05, "adversarial": 5}
    total = sum(weight * parts[name] for name, weight in weights.items())
    np.testing.assert_allclose(parts["loss"], total, rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "part"),
    [
        ("reconstruction_weight", "reconstruction"),
        ("latent_weight", "latent"),
        ("energy_weight", "energy"),
    ],
)
def test_a_loss_with_a_weight_is_learned(clips, weight, part):
    names = ("latent", "energy", "reconstruction", "adversarial")
    others = {f"{name}_weight": 0.0 for name in names}
    lasts = [
        clone(SMALL)
        .set_params(**{**others, weight: value}, max_epochs=15)
        .fit(clips)
        .history_[f"train_{part}"][-1]
        for value in (1.0, 0.0)
    ]
    assert lasts[0] < lasts[1]


def test_other_options_train_too(clips):
    for settings in (
        {"adversarial": "feature"},
        {"covariance_type": "diag", "n_components": 1},
        {"latent_dim": 60},  # more than clips
        {"batch_size": 2, "latent_dim": 8, "max_epochs": 1},
    ):
        scores = clone(SMALL).set_params(**settings).fit(clips).score_samples(clips)
        assert np.isfinite(scores).all()


def test_a_diagonal_mixture_has_no_covariances_between_dimensions(clips):
    fitted = clone(SMALL).set_params(covariance_type="diag", max_epochs=1).fit(clips)
    for covariance in fitted.covariances_:
        np.testing.assert_array_equal(covariance, np.diag(np.diag(covariance)))


def test_a_collapsed_encoder_is_reported(clips):
    """An energy without a penalty on variances draws all clips to one vector."""
    model = clone(SMALL).set_params(
        energy_weight=1e4,
        density_weight=1.0,
        covariance_penalty=0.0,
        reconstruction="mean",
        lr=0.1,
    )
    with pytest.warns(ConvergenceWarning, match="encoder of GMGANDetector has collaps"):
        model.set_params(max_epochs=60).fit(clips)


def test_a_diverging_game_ends_with_an_error(clips):
    model = clone(SMALL).set_params(lr=1e30, max_epochs=20)
    with pytest.raises(ValueError, match="Training diverged: train_"):
        model.fit(clips)
