"""The autoencoder: what it copies, learns from, and hands on."""

import pickle

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio._torch._batches import RowStack
from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.semi_supervised import ConvAutoencoder
from sklearn_audio.semi_supervised._conv_autoencoder import (
    band_statistics,
    draw_patches,
)

SMALL = {"width": 4, "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def clips():
    """Gratings in dB, of any slope, which few filters can copy."""
    rng = np.random.default_rng(0)
    bands, frames = np.mgrid[:16, :20]
    slopes, phases = rng.uniform(-0.5, 0.5, (2, 60)), rng.uniform(0, 6, 60)
    waves = [
        np.sin(a * bands + b * frames + phase)
        for a, b, phase in zip(*slopes, phases, strict=True)
    ]
    return (-40 + 10 * np.array(waves)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
@pytest.mark.parametrize(
    "settings",
    [{}, {"decoder": "transposed", "objective": "masked"}],
    ids=["default", "transposed"],
)
def test_passes_every_check_of_scikit_learn(settings):
    autoencoder = ConvAutoencoder(**SMALL | {"max_epochs": 1}, **settings)
    results = check_estimator(autoencoder, on_fail=None, on_skip=None)
    assert not [r["check_name"] for r in results if r["status"] != "passed"]
    assert len(results) >= 47


@pytest.mark.parametrize("decoder", ["unpooling", "upsampling", "transposed"])
@pytest.mark.parametrize("objective", ["reconstruction", "denoising", "masked"])
def test_copies_are_closer_than_the_mean_clip(clips, decoder, objective):
    autoencoder = ConvAutoencoder(
        width=8,
        decoder=decoder,
        objective=objective,
        max_epochs=15,
        batch_size=8,
        lr=1e-2,
        random_state=0,
    ).fit(clips)
    losses = autoencoder.history_["train_loss"]
    assert losses[-1] < losses[0]
    copies = autoencoder.reconstruct(clips)
    assert copies.shape == clips.shape
    assert np.square(copies - clips).mean() < 0.7 * clips.var(axis=0).mean()


def test_scores_are_errors_of_standardised_clips(clips):
    autoencoder = ConvAutoencoder(**SMALL).fit(clips)
    mean, scale = clips.mean(axis=(0, 2)), clips.std(axis=(0, 2))
    errors = (autoencoder.reconstruct(clips) - clips) / scale[:, None]
    expected = -np.square(errors).mean(axis=(1, 2))
    np.testing.assert_allclose(autoencoder.score_samples(clips), expected, rtol=1e-4)
    foreign = mean[:, None] + 6 * scale[:, None] * np.random.default_rng(0).normal(
        size=clips.shape
    )
    assert autoencoder.score_samples(foreign).max() < expected.min()


def test_codes_do_not_depend_on_the_unit(clips):
    codes = ConvAutoencoder(**SMALL).fit_transform(clips)
    assert codes.shape == (60, 4 * 2 * 2)
    scaled = ConvAutoencoder(**SMALL).fit_transform(clips / 40 + 1)
    np.testing.assert_allclose(codes, scaled, atol=1e-3)
    as_it_is = ConvAutoencoder(standardize=False, **SMALL).fit(clips)
    assert as_it_is.modules_["module"].encoder.scaler.scale.eq(1).all()


def test_statistics_are_those_of_numpy(clips):
    for X, axes in [(clips, (0, 2)), (clips[:, 0], 0)]:
        mean, scale = band_statistics(X)
        np.testing.assert_allclose(mean, X.mean(axis=axes), rtol=1e-5)
        np.testing.assert_allclose(scale, X.std(axis=axes), rtol=1e-4)
    halves = band_statistics(RowStack([clips[:20], clips[20:]]))
    np.testing.assert_allclose(halves, band_statistics(clips))
    constant = np.full((4, 3), 0.1, dtype=np.float32)
    assert band_statistics(constant)[1].tolist() == [1, 1, 1]


def test_patches_are_whole_and_as_many_as_asked_for():
    generator = torch.Generator().manual_seed(0)
    masks = draw_patches(torch.Size([200, 20, 17]), 0.3, generator)
    assert masks.shape == (200, 20, 17)
    cells = masks[:, :16, :16].reshape(200, 2, 8, 2, 8)
    assert (cells.amax((2, 4)) == cells.amin((2, 4))).all()
    assert 0.25 < cells.mean() < 0.35
    assert draw_patches(torch.Size([3, 9]), 0.5, generator).shape == (3, 9)


def test_mapped_files_are_as_good_as_arrays(clips, tmp_path):
    np.save(tmp_path / "clips.npy", clips)
    mapped = np.load(tmp_path / "clips.npy", mmap_mode="r")
    expected = ConvAutoencoder(**SMALL).fit(clips).transform(clips)
    np.testing.assert_array_equal(
        ConvAutoencoder(**SMALL).fit(mapped).transform(mapped), expected
    )


def test_files_are_learned_from_chunk_by_chunk(tmp_path):
    X, _ = make_sound_events(24, random_state=0)
    paths = [tmp_path / f"{i}.wav" for i in range(24)]
    for path, samples in zip(paths, X, strict=True):
        wavfile.write(path, 16000, samples)
    front_end = make_pipeline(
        AudioLoader(16000), LogMelSpectrogram(16000, n_mels=16, hop_length=512)
    ).fit(paths)
    autoencoder = ConvAutoencoder(lr=1e-2, **SMALL)
    errors = []
    for _ in range(4):
        for start in range(0, 24, 8):
            autoencoder.partial_fit(front_end.transform(paths[start : start + 8]))
        errors.append(-autoencoder.score_samples(front_end.transform(paths)).mean())
    assert autoencoder.n_iter_ == 12
    assert errors[-1] < 0.9 * errors[0]


def test_fits_again_from_where_it_was(clips):
    autoencoder = ConvAutoencoder(warm_start=True, **SMALL).fit(clips)
    first = autoencoder.history_["train_loss"][0]
    assert autoencoder.fit(clips).history_["train_loss"][-1] < first
    assert autoencoder.n_iter_ == 6


def test_rows_do_not_depend_on_each_other(clips):
    autoencoder = ConvAutoencoder(**SMALL).fit(clips)
    for method in ("transform", "reconstruct", "score_samples"):
        together = getattr(autoencoder, method)(clips)
        apart = getattr(autoencoder, method)(clips[[5, 3]])
        np.testing.assert_array_equal(apart, together[[5, 3]])


def test_the_same_seed_makes_the_same_codes(clips):
    state = torch.random.get_rng_state()
    settings = SMALL | {"objective": "denoising"}
    first, second = (ConvAutoencoder(**settings).fit(clips) for _ in range(2))
    np.testing.assert_array_equal(first.transform(clips), second.transform(clips))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_dump_is_small_and_says_the_same_elsewhere(clips, in_a_new_process):
    autoencoder = ConvAutoencoder(**SMALL | {"width": 32}).fit(clips)
    arrays = autoencoder.modules_["module"].state_dict().values()
    n_bytes = sum(array.numel() * array.element_size() for array in arrays)
    assert len(pickle.dumps(autoencoder)) < 1.2 * n_bytes
    (codes,) = in_a_new_process(autoencoder, clips, "transform")
    np.testing.assert_array_equal(codes, autoencoder.transform(clips))


def test_stands_in_a_pipeline_and_in_a_search(clips):
    y = clips[:, 0, 0] > -40
    pipeline = make_pipeline(ConvAutoencoder(**SMALL), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"convautoencoder__width": [2, 4]}, cv=2)
    assert search.fit(clips, y).predict(clips).shape == (60,)
    names = search.best_estimator_[0].get_feature_names_out()
    assert names[0] == "convautoencoder0"
    assert len(names) == search.best_estimator_[0].transform(clips).shape[1]


def test_filters_are_kernels_of_the_first_layer(clips):
    autoencoder = ConvAutoencoder(**SMALL).fit(clips)
    assert autoencoder.filters_.shape == (4, 5, 5)
    assert autoencoder.filters_.std() > 0


def test_from_paper_has_every_setting_of_the_paper():
    paper = ConvAutoencoder.from_paper(random_state=3)
    assert paper.get_params() == {
        # (64)5c-2p-(64)3c-2p-(64)3c-2p with unpooling, Section 4.4 and Fig. 3
        "width": 64,
        "decoder": "unpooling",
        "objective": "reconstruction",  # no noise, Section 2.3
        "corruption": 0.5,  # of no effect on "reconstruction"
        "standardize": False,  # decibels, Section 3.1
        "batch_norm": False,  # Section 4.4: no positive results
        # Table 1: batches of 32; Section 4.4: Adam at 0.001
        "batch_size": 32,
        "lr": 1e-3,
        # Section 4.2: patience of 5; the rest is the code's
        "n_iter_no_change": 5,
        "validation_fraction": 0.1,
        "max_epochs": 50,
        # Not of the method
        "warm_start": False,
        "device": "auto",
        "random_state": 3,
        "verbose": 0,
        "callbacks": None,
    }
    assert clone(paper).set_params(width=32).width == 32


def test_refuses_what_it_cannot_learn_from(clips):
    with pytest.raises(ValueError, match="1 sample"):
        ConvAutoencoder(**SMALL).fit(clips[:1])
    with pytest.raises(ValueError, match="below 1"):
        ConvAutoencoder(objective="masked", corruption=1.0).fit(clips)
    autoencoder = ConvAutoencoder(**SMALL).fit(clips)
    with pytest.raises(ValueError, match="shape"):
        autoencoder.transform(clips[:, :, :8])
