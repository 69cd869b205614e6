"""Encoders, generator and detector: shapes, ranges, and the papers' sizes."""

import pytest
import torch
from torch import nn

from sklearn_audio._torch._clip_networks import (
    Detector,
    Encoder,
    Generator,
    PosteriorEncoder,
)
from sklearn_audio._torch._estimator import image_shape_of

# The paper's, odd sides, one band or frame alone, tiny ones, and rows of features.
SHAPES = [
    (32, 32),
    (33, 47),
    (40, 9),
    (1, 30),
    (30, 1),
    (1, 1),
    (3, 2),
    (40,),
    (1,),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def in_training_and_at_test_time(network):
    return network.train(), network.eval()


@every_shape
def test_the_encoder_maps_clips_to_vectors(shape):
    for encoder in in_training_and_at_test_time(Encoder(shape, 4, 5)):
        z = encoder(noise(6, *shape))
        assert z.shape == (6, 5)
        assert torch.isfinite(z).all()


def test_ganomalys_encoder_has_its_parameters():
    convolutions = 16 * (1 * 64 + 64 * 128 + 128 * 256) + 64
    norms = 2 * (128 + 256)
    output = 256 * 4 * 4 * 100
    encoder = Encoder((32, 32), 64, 100)
    assert n_parameters(encoder) == convolutions + norms + output


@every_shape
def test_the_posterior_encoder_maps_clips_to_two_vectors(shape):
    for encoder in in_training_and_at_test_time(PosteriorEncoder(shape, 4, 5)):
        mean, log_variance = encoder(noise(6, *shape))
        assert mean.shape == log_variance.shape == (6, 5)
        assert torch.isfinite(mean).all()
        assert torch.isfinite(log_variance).all()


def test_the_posterior_keeps_a_variance_that_can_be_computed():
    encoder = PosteriorEncoder((8, 8), 4, 5)
    _, log_variance = encoder(1e8 * noise(6, 8, 8))
    assert log_variance.abs().max() == 10
    assert torch.isfinite(log_variance.exp()).all()


@every_shape
def test_the_generator_maps_vectors_to_clips_between_minus_one_and_one(shape):
    for generator in in_training_and_at_test_time(Generator(shape, 4, 5)):
        clips = generator(100 * noise(6, 5))
        assert clips.shape == (6, *shape)
        assert clips.abs().max() <= 1


@every_shape
@pytest.mark.parametrize("use_spectral_norm", [False, True])
def test_the_detector_judges_each_clip_by_its_features(shape, use_spectral_norm):
    for detector in in_training_and_at_test_time(Detector(shape, 4, use_spectral_norm)):
        x = noise(6, *shape)
        features = detector.features(x)
        assert features.shape[0] == 6
        assert features.ndim == 2
        assert detector(x).shape == detector.judge(features).shape == (6,)
    torch.testing.assert_close(detector(x), detector.judge(detector.features(x)))


@pytest.mark.parametrize(
    ("input_shape", "expected"), [((7,), (1, 7)), ((3, 5), (3, 5)), ((1, 4), (1, 4))]
)
def test_a_row_of_features_is_one_band(input_shape, expected):
    assert image_shape_of(input_shape) == expected


def test_a_row_of_features_passes_as_one_band_does():
    detector = Detector((30,), 4, use_spectral_norm=False).eval()
    same = Detector((1, 30), 4, use_spectral_norm=False).eval()
    same.load_state_dict(detector.state_dict())
    x = noise(6, 30)
    torch.testing.assert_close(detector(x), same(x[:, None]), rtol=0, atol=0)


def test_the_papers_encoder_has_two_layers_and_its_parameters():
    convolutions = (16 * 1 + 1) * 128 + (16 * 128 + 1) * 256
    posterior = 2 * (256 * 8 * 8 + 1) * 20
    assert n_parameters(PosteriorEncoder((32, 32), 128, 20)) == convolutions + posterior


def test_the_papers_generator_has_its_parameters():
    projection = 20 * 512 * 4 * 4
    convolutions = 16 * (512 * 256 + 256 * 128 + 128 * 1) + 1
    norms = 2 * (512 + 256 + 128)
    expected = projection + convolutions + norms
    assert n_parameters(Generator((32, 32), 128, 20)) == expected


def test_the_papers_detector_has_three_layers_and_its_parameters():
    convolutions = 16 * (1 * 128 + 128 * 256 + 256 * 512) + 128
    norms = 2 * (256 + 512)
    output = 512 * 4 * 4 + 1
    detector = Detector((32, 32), 128, use_spectral_norm=False)
    assert n_parameters(detector) == convolutions + norms + output
    leaks = [m.negative_slope for m in detector.modules() if type(m) is nn.LeakyReLU]
    assert leaks == [0.2, 0.2, 0.2]


def test_spectral_norm_bounds_what_the_detector_tells_apart():
    """No layer stretches the distance between two clips by more than its factor."""
    detector = Detector((16, 16), 4, use_spectral_norm=True).train()
    x, y = noise(64, 16, 16), noise(128, 16, 16)[64:]
    for _ in range(30):  # power iterations
        detector(x)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in detector.modules())
    norm = torch.linalg.matrix_norm(detector.output.weight.detach(), ord=2)
    torch.testing.assert_close(norm.item(), 1.0, rtol=1e-3, atol=0)
    # A kernel of 4 x 4 and stride 2 sees each pixel 4 times: the factor is 2 at most.
    gaps = (detector(x) - detector(y)).abs()
    assert (gaps <= 2**2 * (x - y).flatten(1).norm(dim=1)).all()
    plain = Detector((16, 16), 4, use_spectral_norm=False)
    assert any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())


def test_every_network_can_be_trained():
    networks = PosteriorEncoder((9, 12), 4, 5), Generator((9, 12), 4, 5)
    encoder, generator = (network.train() for network in networks)
    again = Encoder((9, 12), 4, 1).train()
    detector = Detector((9, 12), 4, use_spectral_norm=False).train()
    mean, log_variance = encoder(noise(6, 9, 12))
    clips = generator(mean + log_variance.exp())  # (6, 9, 12)
    (detector(clips).sum() + again(clips).sum()).backward()
    for network in (encoder, generator, detector, again):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
