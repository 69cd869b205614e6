import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from sklearn_audio._torch._resnet import ResNet
from sklearn_audio.datasets import load_speech_commands_ar
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.open_set import ScatteringResNetClassifier


def make_texture_clips(n_clips, random_state):
    """Ridges of two directions at random places: no pixel alone tells the class."""
    rng = np.random.default_rng(random_state)
    y = rng.integers(2, size=n_clips)
    bands, frames = np.mgrid[:16, :16]
    slope = np.where(y == 1, 1.0, -1.0)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, size=(n_clips, 1, 1))
    return np.sin(bands + slope * frames + phase) + rng.normal(
        size=(n_clips, 16, 16)
    ), y


@pytest.mark.parametrize(
    ("first_stage", "lr"), [("scattering", 1e-3), ("convolution", 1e-2)]
)
def test_learns_textures_that_a_linear_model_cannot(first_stage, lr):
    X, y = make_texture_clips(80, random_state=0)
    X_test, y_test = make_texture_clips(80, random_state=1)
    network = ScatteringResNetClassifier(
        first_stage=first_stage, lr=lr, width=4, max_epochs=20, random_state=0
    ).fit(X, y)
    assert network.score(X_test, y_test) > 0.9
    linear = LogisticRegression().fit(X.reshape(80, -1), y)
    assert linear.score(X_test.reshape(80, -1), y_test) < 0.7


@pytest.mark.parametrize("input_shape", [(1,), (2,), (7,), (3, 5), (32, 32), (64, 101)])
@pytest.mark.parametrize("first_stage", ["scattering", "convolution"])
def test_any_input_shape(input_shape, first_stage):
    network = ResNet(input_shape, 5, 2, first_stage, n_scales=2, n_angles=4)
    assert network(torch.randn(3, *input_shape)).shape == (3, 5)


def test_resolution_after_each_stage_is_the_papers():
    network = ResNet((32, 32), 10, 64, "scattering", n_scales=2, n_angles=8)
    x = torch.randn(2, 1, 32, 32)
    x = network.first_stage.scattering(x[:, 0])
    assert x.shape == (2, 81, 8, 8)
    x = network.layer3(network.first_stage.conv(x))
    assert x.shape == (2, 256, 8, 8)
    assert network.layer4(x).shape == (2, 512, 4, 4)


def test_plain_stage_is_resnet_18_in_size():
    """ResNet-18 has 11,689,512 parameters, 9,536 + 513,000 of them at its two ends."""
    network = ResNet((32, 32), 10, 64, "convolution", n_scales=2, n_angles=8)
    n_parameters = sum(p.numel() for p in network.parameters())
    stem = 9 * 64 + 2 * 64
    assert n_parameters == 11_689_512 - 9_536 - 513_000 + stem + 513 * 10


def test_the_scale_of_the_spectrogram_does_not_matter():
    X, y = make_texture_clips(40, random_state=0)
    classifier = ScatteringResNetClassifier(width=4, max_epochs=3, random_state=0)
    expected = classifier.fit(X, y).predict_proba(X)
    scaled = classifier.fit(64 * X, y).predict_proba(64 * X)
    np.testing.assert_allclose(scaled, expected, atol=0.05)


def test_from_paper_has_every_setting_of_the_paper():
    assert ScatteringResNetClassifier.from_paper(max_epochs=2).max_epochs == 2
    assert ScatteringResNetClassifier.from_paper().get_params() == {
        # Section 3.2: ResNet-18 behind two scattering layers, J = 2 and L = 8 (Eq. 10)
        "first_stage": "scattering",
        "width": 64,
        "n_scales": 2,
        "n_angles": 8,
        # Eq. 1: plain cross-entropy
        "class_weight": None,
        # Section 3.2: batches of 100, rate 0.0002, 150 epochs, Adam
        "max_epochs": 150,
        "batch_size": 100,
        "lr": 2e-4,
        "weight_decay": 0.0,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Not of the method
        "warm_start": False,
        "device": "auto",
        "random_state": None,
        "verbose": 0,
        "callbacks": None,
    }


def test_real_commands_of_unseen_speakers(real_data):
    """A short training on few clips is far above chance, and knows what it knows."""
    data = load_speech_commands_ar(data_home=real_data)
    rng = np.random.RandomState(0)
    known = data.role == "known"
    train = rng.permutation(np.flatnonzero((data.split == "train") & known))[:150]
    test = rng.permutation(np.flatnonzero(data.split == "validation"))[:300]
    spectrogram = LogMelSpectrogram(n_fft=1024, hop_length=512, n_mels=32)
    X, X_test = (
        spectrogram.fit_transform(AudioLoader().fit_transform(data.paths[rows]))
        for rows in (train, test)
    )
    classifier = ScatteringResNetClassifier(width=8, max_epochs=15, random_state=0)
    classifier.fit(X, data.target[train])
    is_known = known[test]
    assert classifier.score(X_test[is_known], data.target[test][is_known]) > 0.6
    confidence = classifier.predict_proba(X_test).max(axis=1)
    assert roc_auc_score(is_known, confidence) > 0.65
