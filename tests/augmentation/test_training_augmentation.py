"""The default augmentation suits spectrograms in any unit."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.augmentation._decibel_unit import find_decibels_per_unit
from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram
from sklearn_audio.open_set import AugGANClassifier, OpenSetGANClassifier
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

SCALINGS = ("db", "unit", "standardize")
SOUNDS = ["bell", "chirp", "clicks", "engine"]
SETTINGS = {"max_epochs": 15, "lr": 1e-2, "random_state": 0}
GAN = {"width": 4, "gan_width": 4, "latent_dim": 4, "first_stage": "convolution"}
CLASSIFIERS = [
    EmbeddingRegularizedClassifier(width=4, **SETTINGS),
    CAEPretrainedClassifier(
        ConvAutoencoder(width=8, max_epochs=3), n_hidden=32, **SETTINGS
    ),
    OpenSetGANClassifier(ensemble=False, rejection_rate=None, **GAN, **SETTINGS),
    AugGANClassifier(**GAN, **SETTINGS),
]
every_classifier = pytest.mark.parametrize(
    "classifier", CLASSIFIERS, ids=lambda classifier: type(classifier).__name__
)


@pytest.fixture(scope="module")
def clips():
    """Training and test clips in each scaling, and their classes."""
    waveforms, y = make_sound_events(64, SOUNDS, random_state=0)
    test_waveforms, y_test = make_sound_events(120, SOUNDS, random_state=1)
    spectrograms = {}
    for scaling in SCALINGS:
        front_end = LogMelSpectrogram(
            n_fft=1024, hop_length=1024, n_mels=16, scaling=scaling
        )
        X = front_end.fit_transform(waveforms)
        spectrograms[scaling] = X, front_end.transform(test_waveforms)
    return spectrograms, y, y_test


@pytest.mark.filterwarnings("ignore:The generator of AugGANClassifier has collapsed")
@every_classifier
def test_no_scaling_costs_accuracy(classifier, clips):
    spectrograms, y, y_test = clips

    def accuracy(scaling, augmenter):
        X, X_test = spectrograms[scaling]
        fitted = clone(classifier).set_params(augmenter=augmenter).fit(X, y)
        return fitted.score(X_test, y_test)

    without = accuracy("db", None)
    assert without > 0.8  # of four classes
    for scaling in SCALINGS:
        assert accuracy(scaling, "auto") > without - 0.15
    assert accuracy("unit", SpectrogramAugmenter(decibels_per_unit=1)) < 0.5


@pytest.fixture(scope="module")
def ramps():
    """Clips nine tenths of whose values lie within 64 dB, as is usual."""
    rng = np.random.default_rng(0)
    X = rng.permuted(np.linspace(-80, 0, 24 * 8 * 10)).reshape(24, 8, 10)
    low, high = np.percentile(X, [5, 95])
    return (X * 64 / (high - low)).astype(np.float32), np.arange(24) % 2


@every_classifier
@pytest.mark.parametrize("augmenter", ["auto", SpectrogramAugmenter(n_masks=0)])
def test_batches_are_changed_in_the_unit_of_the_training_clips(
    classifier, augmenter, ramps
):
    X, y = ramps

    class Net:
        generator = torch.Generator()

    def changed(clips, unit):
        """Return a quiet batch after augmentation, whose own spread misleads."""
        short = clone(classifier).set_params(max_epochs=1, augmenter=augmenter)
        short.fit(clips, y)
        Net.generator.manual_seed(0)
        batch = torch.from_numpy(X[:4] / 8 / unit)
        return short._augmented(Net, batch).numpy() * unit

    decibels = changed(X, 1)
    assert np.abs(decibels - X[:4] / 8).mean() > 1
    for unit in (40.0, 0.1):
        np.testing.assert_allclose(changed(X / unit, unit), decibels, atol=1e-2)


def test_a_warm_start_keeps_the_unit(ramps):
    X, y = ramps
    model = EmbeddingRegularizedClassifier(
        width=2, max_epochs=1, warm_start=True, random_state=0
    )
    unit = model.fit(X / 40, y)._decibels_per_unit
    assert unit == pytest.approx(40, rel=1e-4)
    assert model.fit(X, y)._decibels_per_unit == unit


@pytest.mark.parametrize("unit", [1, 1.7, 0.5, 40, 0.01])
@pytest.mark.parametrize("offset", [0, -80, 1e4])
def test_the_unit_is_found_whatever_the_offset(unit, offset, ramps):
    found = find_decibels_per_unit(ramps[0].astype(float) / unit + offset)
    expected = 1 if 0.5 <= unit <= 2 else unit
    assert found == pytest.approx(expected, rel=1e-4)
    assert found == 1 or expected != 1


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_unit_of_scaled_sounds_is_about_right(scaling):
    waveforms, _ = make_sound_events(60, SOUNDS, random_state=3)
    front_end = LogMelSpectrogram(scaling=scaling)
    found = find_decibels_per_unit(front_end.fit_transform(waveforms))
    if scaling == "db":
        assert found == 1
    elif scaling == "unit":
        assert found == pytest.approx(np.ptp(front_end.db_range_) / 2, rel=0.35)
    else:
        assert found == pytest.approx(front_end.scale_.mean(), rel=0.5)


def test_a_few_extreme_clips_do_not_matter(ramps):
    X = ramps[0] / 40
    with_silence = X.copy()
    with_silence[0] = -1000
    assert find_decibels_per_unit(with_silence) == pytest.approx(40, rel=0.3)


@pytest.mark.parametrize("scale", [1, 1e-25])
def test_clips_without_any_spread_are_taken_for_decibels(scale):
    rng = np.random.default_rng(0)
    nearly_constant = scale * (1 + 1e-8 * rng.normal(size=(3, 4, 5)))
    for X in (np.full((3, 4, 5), -80.0), nearly_constant):
        assert find_decibels_per_unit(X) == 1


def test_an_augmenter_finds_out_the_unit_by_itself(ramps):
    X, _ = ramps
    known = SpectrogramAugmenter(decibels_per_unit=40)
    assert known.in_unit(7) is known
    augmenter = SpectrogramAugmenter()
    expected = known.augment(X / 40, random_state=0)
    found = augmenter.augment(X / 40, random_state=0)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    in_decibels = augmenter.augment(X, random_state=0)
    np.testing.assert_allclose(found * 40, in_decibels, atol=1e-2)
    batch, generator = torch.from_numpy(X / 40), torch.Generator()
    changed = augmenter(batch, generator.manual_seed(0))
    np.testing.assert_allclose(
        changed, known(batch, generator.manual_seed(0)), atol=1e-3
    )
    assert augmenter.decibels_per_unit == "auto"


def test_many_clips_are_measured_by_some(ramps):
    X = np.repeat(ramps[0] / 40, 100, axis=0)
    assert find_decibels_per_unit(X) == pytest.approx(40, rel=0.01)
