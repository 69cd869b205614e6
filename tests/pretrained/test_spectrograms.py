"""make_spectrograms: what the networks make of waveforms themselves."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.preprocessing import FunctionTransformer

from sklearn_audio.pretrained import (
    NETWORKS,
    ASTNetwork,
    EfficientATNetwork,
    make_spectrograms,
)


def noise(n_clips, n_samples):
    rng = np.random.default_rng(0)
    loudness = 10.0 ** -np.arange(n_clips)[:, None] / 2
    return (loudness * rng.uniform(-1, 1, (n_clips, n_samples))).astype(np.float32)


@pytest.fixture(scope="module")
def small_ast():
    pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ASTNetwork(n_layers=1, n_heads=1, n_tags=3).eval()


def test_efficient_at_embeds_them_as_it_embeds_waveforms(make_efficient_at):
    network = make_efficient_at()
    waveforms = noise(3, 9000)
    spectrograms = make_spectrograms(waveforms, "efficientat_mn04")
    assert spectrograms.shape == (3, 128, 29)
    assert spectrograms.dtype == np.float32
    with torch.no_grad():
        torch.testing.assert_close(
            network.embed(torch.from_numpy(spectrograms)),
            network(torch.from_numpy(waveforms)),
        )


def test_ast_embeds_them_as_it_embeds_waveforms(small_ast):
    waveforms = noise(2, 16000)
    spectrograms = make_spectrograms(waveforms, "ast")
    assert spectrograms.shape == (2, 128, 1024)
    with torch.no_grad():
        torch.testing.assert_close(
            small_ast.embed(torch.from_numpy(spectrograms)),
            small_ast(torch.from_numpy(waveforms)),
        )


def test_they_come_band_by_band_as_all_spectrograms_do():
    time = np.arange(32000) / 32000
    low, high = (np.sin(2 * np.pi * f * time) for f in (300, 6000))
    for network, rate in (("efficientat_mn04", 1), ("ast", 2)):
        spectrograms = make_spectrograms([low[::rate], high[::rate]], network)
        first, second = spectrograms[:, :, 10:90].mean(axis=2).argmax(axis=1)
        assert first < second - 30


def test_gradients_reach_what_stands_in_front(make_efficient_at, small_ast):
    for network, n_frames in ((make_efficient_at(), 20), (small_ast, 1024)):
        spectrograms = torch.from_numpy(noise(128, n_frames))[None].requires_grad_()
        network.embed(spectrograms)[:, ::2].sum().backward()
        assert (spectrograms.grad.abs() > 0).float().mean() > 0.5


def test_a_clip_does_not_depend_on_the_others():
    waveforms = noise(40, 4000)
    together = make_spectrograms(waveforms)
    np.testing.assert_array_equal(make_spectrograms(waveforms[37:38]), together[37:38])


def test_a_step_of_a_pipeline_can_be_dumped():
    step = FunctionTransformer(make_spectrograms, kw_args={"network": "ast"})
    copied = pickle.loads(pickle.dumps(step))  # noqa: S301
    assert copied.fit_transform(noise(2, 1000)).shape == (2, 128, 1024)


def test_the_shortest_clip_is_that_of_the_network():
    for name, network in (
        ("efficientat_mn04", EfficientATNetwork),
        ("ast", ASTNetwork),
    ):
        front_end = NETWORKS[name].make_front_end()
        assert front_end.min_samples == network.min_samples
        assert len(make_spectrograms(noise(1, network.min_samples), name)) == 1
        with pytest.raises(ValueError, match=r"at least, but got \d+\. Pad"):
            make_spectrograms(noise(1, network.min_samples - 1), name)


def test_other_spectrograms_are_refused(make_efficient_at, small_ast):
    with pytest.raises(ValueError, match=r"128, n_frames\), but got \(2, 64, 9\)"):
        make_efficient_at().embed(torch.zeros(2, 64, 9))
    with pytest.raises(ValueError, match=r"128, 1024\), but got \(2, 1024, 128\)"):
        small_ast.embed(torch.zeros(2, 1024, 128))


def test_bad_input():
    with pytest.raises(ValueError, match="no network 'mn4'"):
        make_spectrograms(noise(1, 4000), "mn4")
    with pytest.raises(ValueError, match="only for: efficientat_mn04, ast"):
        make_spectrograms(noise(1, 16000), "vggish")
    with pytest.raises(ValueError, match="NaN"):
        make_spectrograms(np.full((1, 4000), np.nan))
    with pytest.raises(ValueError, match="AST takes 164239 samples at most"):
        make_spectrograms(noise(1, 164240), "ast")
    with pytest.raises(ValueError, match="Expected 2D array"):
        make_spectrograms(noise(1, 4000)[0])
