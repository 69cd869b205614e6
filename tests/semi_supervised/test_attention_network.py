"""The network of partial labels against loops, and its randomness against seeds."""

import numpy as np
import pytest
import torch

from sklearn_audio.semi_supervised._attention_network import (
    AttentionNetwork,
    add_noise,
    attend,
    drop_channels,
)


def make_network(n_features=5, n_outputs=3, width=4, dropout=0.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = AttentionNetwork(n_features, n_outputs, width, dropout)
    return network.eval()


def clips(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape)).float()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def attend_loop(logits, attention):
    """Return log odds of the mean probability: twice (B, L, T) -> (B, L)."""
    odds = np.empty(logits.shape[:2])
    for entry in np.ndindex(odds.shape):
        total = sum(np.exp(a) for a in attention[entry])
        present = 0.0
        for z, a in zip(logits[entry], attention[entry], strict=True):
            present += np.exp(a) / total * sigmoid(z)
        odds[entry] = np.log(present / (1 - present))
    return odds


# What is attended to


def test_attention_averages_probabilities():
    rng = np.random.default_rng(0)
    logits, attention = rng.normal(scale=2, size=(2, 4, 3, 6))
    found = attend(torch.tensor(logits), torch.tensor(attention))
    np.testing.assert_allclose(found, attend_loop(logits, attention), rtol=1e-9)


def test_attention_may_choose_one_frame():
    logits = clips(2, 3, 4)
    attention = torch.zeros(2, 3, 4)
    attention[:, :, 1] = 200.0
    found = attend(logits, attention)
    torch.testing.assert_close(found, logits[:, :, 1], rtol=1e-4, atol=1e-5)


def test_the_whole_network_is_what_its_formula_says():
    network = make_network()
    X = clips(6, 5, 7)
    with torch.no_grad():
        network.start_at(torch.tensor([-1.0, 0.5, 2.0]))
        network.scaling.running_mean += clips(5, seed=1)
        network.scaling.running_var *= 2.0
        found = network(X).numpy()
    state = {k: v.numpy().astype(float) for k, v in network.state_dict().items()}

    def frame_loop(frame):
        """Return logits and attention of one frame: (d,) -> twice (L,)."""
        scale = np.sqrt(state["scaling.running_var"] + 1e-5)
        scaled = (frame - state["scaling.running_mean"]) / scale
        hidden = scaled
        for i in range(3):
            norm = f"layers.{i}.1."
            hidden = state[f"layers.{i}.0.weight"][:, :, 0] @ hidden
            hidden = hidden - state[norm + "running_mean"]
            hidden = hidden / np.sqrt(state[norm + "running_var"] + 1e-5)
            hidden = hidden * state[norm + "weight"] + state[norm + "bias"]
            hidden = np.maximum(hidden, 0)
        hidden = hidden + state["shortcut.weight"][:, :, 0] @ scaled
        logits = state["classifier.weight"][:, :, 0] @ hidden + state["bias"][:, 0]
        weights = state["attention.weight"][:, :, 0] @ hidden
        return logits, weights + state["attention.bias"]

    frames = [[frame_loop(clip[:, t]) for t in range(7)] for clip in X.numpy()]
    logits, attention = np.moveaxis(np.array(frames), (2, 3), (0, 2))  # (B, L, T)
    np.testing.assert_allclose(found, attend_loop(logits, attention), rtol=1e-3)


def test_rows_are_clips_of_one_frame():
    network = make_network()
    X = clips(6, 5)
    torch.testing.assert_close(network(X), network(X[:, :, None]), rtol=0, atol=0)
    assert network(X).shape == (6, 3)
    # Nor does it matter how often the frame is repeated.
    repeated = X[:, :, None].repeat(1, 1, 9)
    torch.testing.assert_close(network(repeated), network(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 5])
@pytest.mark.parametrize("size", [50.0, 1e4, 1e8])
def test_extreme_logits_stay_finite(size, n_frames):
    signs = torch.tensor([1.0, -1.0])[None, :, None]
    logits = (size * signs.repeat(2, 1, n_frames)).requires_grad_()
    attention = (size * clips(2, 2, n_frames)).requires_grad_()
    found = attend(logits, attention)
    found.sum().backward()
    torch.testing.assert_close(found, (size * signs[:, :, 0]).repeat(2, 1))
    assert logits.grad.isfinite().all()
    if n_frames > 1:
        assert attention.grad.isfinite().all()


def test_certain_frames_of_both_kinds_keep_their_precision():
    logits = torch.tensor([[[40.0, 40.0, -40.0, 40.0]]])
    assert float(attend(logits, torch.zeros(1, 1, 4))) == pytest.approx(np.log(3))


def test_the_outputs_start_at_the_priors():
    network = make_network()
    priors = torch.tensor([-4.0, 0.0, 1.5])
    network.start_at(priors)
    with torch.no_grad():
        network.classifier.weight.zero_()
    for X in (clips(2, 5), clips(2, 5, 6)):
        expected = priors.repeat(2, 1)
        torch.testing.assert_close(network(X), expected, rtol=1e-5, atol=1e-5)


# What is drawn


def test_without_a_generator_nothing_is_random():
    network = make_network().train()
    X = clips(8, 5, 6)
    torch.testing.assert_close(network(X), network(X), rtol=0, atol=0)
    with torch.no_grad():
        noisy = network(X, None, noise=1.0, masked_share=0.5)
    torch.testing.assert_close(noisy, network(X), rtol=0, atol=0)


@pytest.mark.parametrize(
    "settings",
    [{"noise": 0.5}, {"masked_share": 0.5}, {}],
    ids=["noise", "masks", "dropout"],
)
def test_each_kind_of_chance_has_the_seed_alone(settings):
    network = make_network().train()
    X = clips(8, 5, 6)
    before = torch.random.get_rng_state()
    first, second, other = (network(X, seeded(s), **settings) for s in (0, 0, 1))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_drops_out_of_what_is_not_trained():
    network = make_network()
    X = clips(8, 5)
    torch.testing.assert_close(network(X, seeded()), network(X), rtol=0, atol=0)
    network.train()
    assert not torch.equal(network(X, seeded()), network(X))


def test_whole_channels_drop_out_and_the_mean_is_kept():
    frames = 1 + clips(200, 30, 4).abs()
    dropped = drop_channels(frames, 0.3, seeded())
    is_zero = dropped == 0
    assert torch.equal(is_zero.any(dim=2), is_zero.all(dim=2))
    share = float(is_zero[:, :, 0].float().mean())
    assert share == pytest.approx(0.3, abs=0.03)  # 5 standard deviations
    torch.testing.assert_close(dropped[~is_zero], frames[~is_zero] / 0.7)
    assert float(dropped.mean()) == pytest.approx(float(frames.mean()), rel=0.05)
    # Clips lose channels of their own.
    assert not torch.equal(is_zero[0], is_zero[1])
    assert drop_channels(frames, 0, seeded()) is frames


def test_noise_has_the_spread_that_was_asked_for():
    frames = clips(50, 20, 10)
    noise = add_noise(frames, 0.3, seeded()) - frames
    assert float(noise.std()) == pytest.approx(0.3, rel=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert not torch.allclose(noise[:, :, 0], noise[:, :, 1])
    assert add_noise(frames, 0, seeded()) is frames


def test_the_scale_of_a_feature_does_not_matter_in_training():
    network = make_network().train()
    X = clips(32, 5, 6)
    scale = torch.tensor([1e-1, 1.0, 10.0, 1e2, 1e3])[None, :, None]
    settings = {"noise": 0.3, "masked_share": 0.3}
    torch.testing.assert_close(
        network(scale * X + 7, seeded(), **settings),
        network(X, seeded(), **settings),
        rtol=1e-2,
        atol=1e-2,
    )
