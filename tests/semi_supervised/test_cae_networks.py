"""Encoders with switches, and the ways back."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_audio.semi_supervised._cae_networks import (
    AutoencoderNetwork,
    ClipScaler,
    PoolingEncoder,
    PretrainedNetwork,
    UnpoolingDecoder,
    pooled_shapes,
    transposed_convolution,
)

PAPER = {"input_shape": (28, 36), "width": 64, "batch_norm": False}
DECODERS = ["unpooling", "upsampling", "transposed"]


def n_parameters(module):
    return sum(weights.numel() for weights in module.parameters())


def unpool_slowly(values, indices, size):
    out = np.zeros((*values.shape[:2], *size), dtype=values.dtype)
    for b, c, f, t in np.ndindex(values.shape):
        row, column = divmod(int(indices[b, c, f, t]), size[1])
        out[b, c, row, column] = values[b, c, f, t]
    return out


def pool_slowly(x):
    n_clips, n_channels, height, width = x.shape
    out = np.empty((n_clips, n_channels, height // 2, width // 2), dtype=x.dtype)
    for b, c, f, t in np.ndindex(out.shape):
        out[b, c, f, t] = x[b, c, 2 * f : 2 * f + 2, 2 * t : 2 * t + 2].max()
    return out


def test_code_and_parameters_are_those_of_the_paper():
    encoder = PoolingEncoder(**PAPER)
    assert pooled_shapes((28, 36)) == [(28, 36), (14, 18), (7, 9), (3, 4)]
    assert encoder(torch.zeros(2, 28, 36)).shape == (2, 64, 3, 4)
    # (64)5c, (64)3c, (64)3c with their biases
    layer = 64 * 64 * 9 + 64
    assert n_parameters(encoder) == 64 * 25 + 64 + 2 * layer
    decoder = AutoencoderNetwork(**PAPER, decoder="unpooling").decoder
    assert n_parameters(decoder) == 2 * layer + 64 * 25 + 1
    classifier = PretrainedNetwork(
        **PAPER, pooling="flatten", n_hidden=128, n_outputs=50, freeze_encoder=False
    )
    assert n_parameters(classifier.head) == (768 * 128 + 128) + (128 * 50 + 50)


def test_the_encoder_pools_as_a_slow_loop_does():
    torch.manual_seed(0)
    encoder = PoolingEncoder((11, 9), 2, batch_norm=False)
    x = torch.randn(2, 11, 9)
    expected = x[:, None].numpy()
    for convolution in encoder.convolutions:
        activation = F.relu(convolution(torch.from_numpy(expected)))
        expected = pool_slowly(activation.detach().numpy())
    code, switches = encoder.with_switches(x)
    np.testing.assert_allclose(encoder(x).detach().numpy(), expected, rtol=1e-6)
    torch.testing.assert_close(code, encoder(x), rtol=0, atol=0)
    assert [s.size for s in switches] == [(11, 9), (5, 4), (2, 2)]


@pytest.mark.parametrize("shape", [(28, 36), (11, 9), (7, 13)])
def test_unpooling_puts_values_back_where_they_were(shape):
    torch.manual_seed(0)
    encoder = PoolingEncoder(shape, 3, batch_norm=True).eval()
    decoder = UnpoolingDecoder(encoder.sizes, 3, True, method="unpooling").eval()
    code, switches = encoder.with_switches(torch.randn(2, *shape))
    x, expected = code, code.detach().numpy()
    for i, (indices, size) in enumerate(reversed(switches)):
        x = F.max_unpool2d(x, indices, 2, output_size=size)
        expected = unpool_slowly(expected, indices, size)
        np.testing.assert_array_equal(x.detach().numpy(), expected)
        x = decoder.norms[i](decoder.convolutions[i](x))
        x = F.relu(x) if i < 2 else x
        expected = x.detach().numpy()
    torch.testing.assert_close(decoder(code, switches), x, rtol=0, atol=0)


def test_upsampling_repeats_values():
    encoder = PoolingEncoder((16, 24), 1, batch_norm=False)
    decoder = UnpoolingDecoder(encoder.sizes, 1, False, method="upsampling")
    for layer in decoder.convolutions:  # hand on what comes in
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        with torch.no_grad():
            layer.weight[:, :, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
    code, switches = encoder.with_switches(torch.randn(2, 16, 24))
    expected = code.detach().numpy().repeat(8, axis=2).repeat(8, axis=3)
    np.testing.assert_array_equal(decoder(code, switches).detach().numpy(), expected)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "input_shape", [(1,), (2,), (7,), (40,), (1, 1), (1, 9), (9, 1), (5, 3), (13, 31)]
)
def test_every_size_comes_back_exactly(decoder, input_shape):
    network = AutoencoderNetwork(input_shape, 2, batch_norm=True, decoder=decoder)
    x = torch.randn(3, *input_shape)
    assert network(x).shape == x.shape
    assert (
        np.prod(network.encoder.output_shape) == network.encoder(x).flatten(1).shape[1]
    )


@pytest.mark.parametrize("decoder", DECODERS)
def test_gradients_are_those_of_finite_differences(decoder):
    torch.manual_seed(0)
    network = AutoencoderNetwork((5, 6), 2, batch_norm=False, decoder=decoder).double()
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,))


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (11, 7)])
def test_a_transposed_convolution_doubles_sides(size):
    layer = transposed_convolution(1, 1, 5, (2, 2), size, bias=False)
    halved = torch.zeros(1, 1, size[0] // 2, size[1] // 2)
    assert layer(halved).shape[2:] == size


def test_the_scaler_learns_bands_and_features():
    rng = np.random.default_rng(0)
    for shape, axes in [((4, 6), (0, 2)), ((4,), (0,))]:
        clips = rng.normal(-40, 5, size=(50, *shape)).astype(np.float32)
        scaler = ClipScaler(shape)
        scaler.learn(clips.mean(axis=axes), clips.std(axis=axes))
        scaled = scaler(torch.from_numpy(clips))
        np.testing.assert_allclose(scaled.mean(dim=axes), np.zeros(4), atol=1e-5)
        np.testing.assert_allclose(
            scaled.std(dim=axes, correction=0), np.ones(4), rtol=1e-5
        )
        np.testing.assert_allclose(scaler.inverse(scaled), clips, rtol=1e-5)


def test_statistics_over_time_do_not_know_when():
    torch.manual_seed(0)
    network = PretrainedNetwork(
        (16, 64), 2, False, "statistics", 4, n_outputs=3, freeze_encoder=False
    )
    click = torch.zeros(2, 16, 64)
    click[0, :, 16], click[1, :, 40] = 1, 1  # shifted by a multiple of the poolings
    embeddings = network.embed(click)
    assert embeddings.shape == (2, 2 * 2 * 2)
    torch.testing.assert_close(embeddings[0], embeddings[1])


def test_a_frozen_encoder_keeps_its_statistics():
    network = PretrainedNetwork(
        (8, 8), 2, True, "flatten", 4, n_outputs=3, freeze_encoder=True
    )
    before = {k: v.clone() for k, v in network.encoder.state_dict().items()}
    network.train()
    loss = network(torch.randn(5, 8, 8)).sum()
    loss.backward()
    assert all(weights.grad is None for weights in network.encoder.parameters())
    for key, value in network.encoder.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
