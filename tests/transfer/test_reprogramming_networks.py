"""What stands before and behind a backbone, against loops and counts of the paper."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sklearn_audio.transfer._reprogramming_networks import (
    ConvolutionTransform,
    ReprogrammedNetwork,
    SegmentMeans,
    UNetTransform,
)


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def seeded(module_class, seed=0):
    """Make a module whose every number matters, statistics included."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = module_class()
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.5, 0.5)
                layer.running_var.uniform_(0.5, 2)
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.3, 0.5)
    return module.eval()


def pictures(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))


# -- The paper's numbers of parameters -------------------------------------------------


def test_the_transforms_have_as_many_parameters_as_the_papers():
    assert n_parameters(UNetTransform()) == 1285
    assert n_parameters(ConvolutionTransform()) == 20


@pytest.mark.parametrize(
    ("input_transform", "n_expected"),
    [(None, 16_916), ("cnn", 16_936), ("unet", 18_201)],
)
def test_behind_ast_and_for_20_classes_too(input_transform, n_expected):
    network = ReprogrammedNetwork(input_transform, "layernorm_linear", 768, 20)
    assert n_parameters(network) == n_expected


def test_a_picture_of_128_bands_has_as_many_means_as_an_embedding_of_ast():
    assert SegmentMeans()(torch.zeros(2, 128, 100)).shape == (2, 768)


# -- Against loops ---------------------------------------------------------------------


def convolved(x, kernels, biases):
    """Convolve (C, F, T) with (C', C, 3, 3), zeros around: (C', F, T)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(kernels), *x.shape[1:]))
    for o, f, t in np.ndindex(out.shape):
        out[o, f, t] = (padded[:, f : f + 3, t : t + 3] * kernels[o]).sum() + biases[o]
    return out


def normalised(x, layer):
    mean, var, scale, shift = (
        v.detach().double().numpy()[:, None, None]
        for v in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + 1e-5) * scale + shift


def halved(x):
    """Take the largest of each 2 x 2 values, fewer at an edge."""
    out = np.zeros((len(x), -(-x.shape[1] // 2), -(-x.shape[2] // 2)))
    for c, f, t in np.ndindex(out.shape):
        out[c, f, t] = x[c, 2 * f : 2 * f + 2, 2 * t : 2 * t + 2].max()
    return out


def enlarged(x, shape):
    """Interpolate so that corners stay corners, along one axis and then the other."""
    for axis, size in zip((1, 2), shape, strict=True):
        places = np.linspace(0, x.shape[axis] - 1, size)
        x = np.apply_along_axis(
            lambda row, places=places: np.interp(places, np.arange(len(row)), row),
            axis,
            x,
        )
    return x


def u_net_by_hand(u_net, x):
    def layer(x, convolution, normalisation):
        kernels = convolution.weight.detach().double().numpy()
        return normalised(convolved(x, kernels, np.zeros(len(kernels))), normalisation)

    def relu(x):
        return np.maximum(x, 0)

    x1 = halved(relu(layer(x, u_net.down1[0], u_net.down1[1])))
    x2 = halved(relu(layer(x1, u_net.down2[0], u_net.down2[1])))
    x3 = halved(relu(layer(x2, u_net.down3[0], u_net.down3[1])))
    x4 = relu(layer(enlarged(x3, x2.shape[1:]) + x2, u_net.up1[0], u_net.up1[1]))
    x5 = relu(layer(enlarged(x4, x1.shape[1:]) + x1, u_net.up2, u_net.detail))
    return layer(enlarged(x5, x.shape[1:]) + x, u_net.last, u_net.level)


@pytest.mark.parametrize("shape", [(8, 16), (9, 11), (1, 7)])
def test_the_u_net_is_what_the_paper_draws(shape):
    u_net = seeded(UNetTransform)
    x = pictures(2, 1, *shape)
    with torch.no_grad():
        out = u_net(x)
    for clip, expected in zip(out, x.double().numpy(), strict=True):
        np.testing.assert_allclose(
            clip, u_net_by_hand(u_net, expected), rtol=1e-4, atol=1e-5
        )


def test_the_cnn_is_two_convolutions():
    cnn = seeded(ConvolutionTransform)
    x = pictures(1, 1, 5, 6)
    expected = x[0].numpy()
    for layer in (cnn.first, cnn.second):
        kernel, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        expected = convolved(expected, kernel, bias)
    with torch.no_grad():
        np.testing.assert_allclose(cnn(x)[0], expected, rtol=1e-4, atol=1e-5)


def test_segments_are_averaged_band_by_band():
    x = pictures(2, 3, 12)
    expected = [
        [clip[f, 2 * s : 2 * s + 2].mean() for f in range(3) for s in range(6)]
        for clip in x
    ]
    torch.testing.assert_close(SegmentMeans()(x), torch.tensor(expected))


@pytest.mark.parametrize("transform", [UNetTransform, ConvolutionTransform])
def test_gradients_are_right(transform):
    module = seeded(transform).double()
    x = pictures(2, 1, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))
    out = module(x).square().sum()
    gradients = torch.autograd.grad(out, list(module.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


# -- What they are like ----------------------------------------------------------------


@pytest.mark.parametrize("transform", [UNetTransform, ConvolutionTransform])
@settings(max_examples=20)
@given(n_bands=st.integers(1, 20), n_frames=st.integers(1, 20))
def test_pictures_of_any_size_keep_it(transform, n_bands, n_frames):
    module = seeded(transform)
    with torch.no_grad():
        out = module(pictures(2, 1, n_bands, n_frames))
    assert out.shape == (2, 1, n_bands, n_frames)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("transform", [UNetTransform, ConvolutionTransform])
def test_a_new_transform_hardly_changes_a_picture(transform):
    x = pictures(32, 1, 16, 20)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        change = transform().train()(x) - x
    assert change.std() < 0.2
    assert abs(float(change.mean())) < 0.2
    assert change.std() > 1e-3  # else there would be no gradient either


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ReprogrammedNetwork("unet", "linear", 4, 3)
        network.body = nn.Sequential(
            nn.Conv1d(8, 4, 3), nn.BatchNorm1d(4), nn.Flatten()
        )
    return network


def test_a_transform_sees_standardised_pictures(network):
    network.mean.fill_(-50.0)
    network.deviation.fill_(20.0)
    X = 20 * pictures(3, 8, 6) - 50
    torch.testing.assert_close(
        network.standardise(X), pictures(3, 8, 6)[:, None], rtol=1e-4, atol=1e-4
    )
    network.eval()
    with torch.no_grad():
        expected = network.input_transform(pictures(3, 8, 6)[:, None])[:, 0] * 20 - 50
        torch.testing.assert_close(network.show(X), expected, rtol=1e-3, atol=1e-3)
        network.input_transform = nn.Identity()
        assert torch.equal(network.show(X), X)


def test_the_body_stays_in_evaluation_mode(network):
    network.train()
    assert network.input_transform.training
    assert not any(module.training for module in network.body.modules())


def test_the_body_is_no_part_of_the_state(network):
    assert not any(name.startswith("body.") for name in network.state_dict())
    assert any(name.startswith("input_transform.") for name in network.state_dict())
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    body = copy.deepcopy(other.body.state_dict())
    other.load_state_dict(network.state_dict())
    for name, value in other.body.state_dict().items():
        assert torch.equal(value, body[name])
    for name, value in other.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_state_that_lacks_something_is_refused(network):
    state = network.state_dict()
    state.pop("output_map.0.weight")
    with pytest.raises(RuntimeError, match=r"Missing key.*output_map\.0\.weight"):
        network.load_state_dict(state)
