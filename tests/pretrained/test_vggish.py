"""VGGishNetwork: the published description in NumPy, and the published layout."""

import math
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from sklearn_audio.feature_extraction import PretrainedEmbedding
from sklearn_audio.pretrained import VGGishNetwork, load_network
from sklearn_audio.pretrained._vggish import VGGishLogMel

PATCH = 15600  # samples of 96 frames of 25 ms, every 10 ms
WIDTH = 1 / 16

# The variables of the original checkpoint: kernels (height, width, inputs, outputs) of
# the convolutions, matrices (inputs, outputs) of what follows.
KERNELS = [
    (3, 3, 1, 64),
    (3, 3, 64, 128),
    (3, 3, 128, 256),
    (3, 3, 256, 256),
    (3, 3, 256, 512),
    (3, 3, 512, 512),
]
MATRICES = [(12288, 4096), (4096, 4096), (4096, 128)]
# Where the layers stand in the port: activations and maxima have numbers, too.
CONVOLUTIONS = [f"features.{i}" for i in (0, 3, 6, 8, 11, 13)]
LAYERS = [f"embeddings.{i}" for i in (0, 2, 4)]
ENDS_A_ROW = [True, True, False, True, False, True]


@pytest.fixture(scope="module")
def tensors():
    """Return a small checkpoint whose layers pass on what they hear."""
    generator = torch.Generator().manual_seed(0)
    state = VGGishNetwork(WIDTH).state_dict()
    for name, tensor in state.items():
        fan_in = math.prod(tensor.shape[1:]) if tensor.dim() > 1 else 100
        tensor.normal_(std=math.sqrt(2 / fan_in), generator=generator)
        assert name.startswith(("features.", "embeddings."))
    return state


@pytest.fixture(scope="module")
def components():
    """Return principal components as they are published, in npz."""
    rng = np.random.default_rng(1)
    return {
        "pca_eigen_vectors": rng.normal(size=(128, 128)).astype(np.float32),
        "pca_means": rng.normal(size=(128, 1)).astype(np.float32),
    }


def noise(n_samples, n_clips=2, seed=0):
    rng = np.random.default_rng(seed)
    loudness = 10.0 ** -np.arange(n_clips)[:, None]
    samples = loudness * rng.uniform(-1, 1, size=(n_clips, n_samples))
    return samples.astype(np.float32)


# -- The description, step by step -----------------------------------------------------


def mel(hertz):
    return 1127 * math.log(1 + hertz / 700)


def slow_filters():
    """Return 64 triangles from 125 to 7500 Hz, straight over mel, bin by bin."""
    step = (mel(7500) - mel(125)) / 65
    filters = np.zeros((257, 64))
    for index in range(1, 257):  # the mean of the signal belongs to no band
        for band in range(64):
            position = (mel(index * 16000 / 512) - mel(125)) / step - band
            filters[index, band] = max(0.0, min(position, 2 - position))
    return filters


def slow_patches(waveform):
    """Return the patches: (n,) -> (P, 96, 64)."""
    n = np.arange(400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    filters = slow_filters()
    rows = []
    for start in range(0, waveform.size - 400 + 1, 160):
        magnitudes = np.abs(np.fft.rfft(waveform[start : start + 400] * window, 512))
        rows.append(np.log(magnitudes @ filters + 0.01))
    starts = range(0, len(rows) - 96 + 1, 96)
    return np.array([rows[start : start + 96] for start in starts])


def slow_network(tensors, patch):
    """Run the layers as the original has them, channels last: (96, 64) -> (128,)."""
    x = patch[:, :, None]  # (T, F, C)
    for name, ends_a_row in zip(CONVOLUTIONS, ENDS_A_ROW, strict=True):
        kernel = tensors[f"{name}.weight"].numpy().transpose(2, 3, 1, 0)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        total = np.zeros((*x.shape[:2], kernel.shape[-1]))
        for i in range(3):
            for j in range(3):
                shifted = padded[i : i + x.shape[0], j : j + x.shape[1]]
                total += shifted @ kernel[i, j]
        x = np.maximum(total + tensors[f"{name}.bias"].numpy(), 0)
        if ends_a_row:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
    x = x.ravel()
    for name in LAYERS:
        matrix, bias = (
            tensors[f"{name}.{part}"].numpy() for part in ("weight", "bias")
        )
        x = np.maximum(matrix @ x + bias, 0)
    return x


@pytest.mark.parametrize("n_samples", [PATCH, PATCH + 15360 - 1, PATCH + 15360, 50000])
def test_patches_equal_a_slow_loop(n_samples):
    waveforms = noise(n_samples)
    patches = VGGishLogMel()(torch.from_numpy(waveforms))
    assert patches.shape == (2, 1 + (n_samples - PATCH) // 15360, 96, 64)
    for waveform, found in zip(waveforms, patches, strict=True):
        np.testing.assert_allclose(found, slow_patches(waveform), atol=1e-4)


def test_silence_is_the_floor():
    patches = VGGishLogMel()(torch.zeros(1, PATCH))
    np.testing.assert_allclose(patches, math.log(0.01), rtol=1e-6)


def test_a_tone_is_loudest_in_its_own_band():
    time = torch.arange(PATCH) / 16000
    for hertz in (200.0, 1000.0, 6000.0):
        (patches,) = VGGishLogMel()(torch.sin(2 * math.pi * hertz * time)[None])
        band = 65 * (mel(hertz) - mel(125)) / (mel(7500) - mel(125)) - 1
        assert abs(patches[0, 40].argmax() - band) < 1


def test_embeddings_equal_the_layers_written_out(tensors):
    waveforms = noise(PATCH)
    network = VGGishNetwork.from_tensors(tensors)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(waveforms)).numpy()
    expected = [slow_network(tensors, slow_patches(row)[0]) for row in waveforms]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(embeddings, expected, atol=1e-4 * scale)
    assert np.std(expected, axis=0).max() > 0.01 * scale  # it depends on the sound


def test_long_waveforms_are_the_mean_of_their_patches(tensors):
    network = VGGishNetwork.from_tensors(tensors)
    waveforms = torch.from_numpy(noise(40000))
    starts = [0, 15360]
    with torch.no_grad():
        rows = [network(waveforms[:, i : i + PATCH]) for i in starts]
        torch.testing.assert_close(
            network(waveforms), torch.stack(rows).mean(dim=0), rtol=1e-4, atol=1e-5
        )


def test_short_waveforms_are_followed_by_silence(tensors):
    network = VGGishNetwork.from_tensors(tensors)
    short = noise(700)
    padded = np.pad(short, ((0, 0), (0, PATCH - 700)))
    with torch.no_grad():
        embeddings = network(torch.from_numpy(short))
        expected = network(torch.from_numpy(padded))
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=0)


# -- Raw or postprocessed --------------------------------------------------------------


def slow_postprocess(embedding, components):
    """Whiten, clip to two deviations and round to 8 bits, number by number."""
    out = []
    for direction in components["pca_eigen_vectors"].astype(float):
        white = 0.0
        for weight, value, mean in zip(
            direction, embedding, components["pca_means"][:, 0], strict=True
        ):
            white += weight * (float(value) - float(mean))
        clipped = min(max(white, -2.0), 2.0)
        out.append(round((clipped + 2.0) * 255.0 / 4.0))
    return out


def test_postprocessed_embeddings_equal_a_slow_loop(tensors, components):
    waveforms = torch.from_numpy(noise(PATCH))
    parts = {name: torch.from_numpy(array) for name, array in components.items()}
    # Small enough that not all values are clipped.
    parts["pca_eigen_vectors"] = components["pca_eigen_vectors"] * np.float32(0.1)
    components = components | {"pca_eigen_vectors": parts["pca_eigen_vectors"]}
    parts["pca_eigen_vectors"] = torch.from_numpy(parts["pca_eigen_vectors"])
    raw = VGGishNetwork.from_tensors(tensors | parts)
    whitened = VGGishNetwork.from_tensors(tensors | parts, postprocess=True)
    with torch.no_grad():
        found, embeddings = whitened(waveforms).numpy(), raw(waveforms).numpy()
    expected = np.array([slow_postprocess(row, components) for row in embeddings])
    # A value halfway between two steps may go either way.
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.97
    assert len(np.unique(found)) > 20
    assert found.min() >= 0
    assert found.max() <= 255


def test_raw_embeddings_ignore_the_components(tensors, components):
    waveforms = torch.from_numpy(noise(PATCH))
    parts = {f"pproc.{k}": torch.from_numpy(v) for k, v in components.items()}
    with torch.no_grad():
        embeddings = VGGishNetwork.from_tensors(tensors | parts)(waveforms)
        expected = VGGishNetwork.from_tensors(tensors)(waveforms)
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=0)
    assert embeddings.min() == 0  # the rectifier


# -- The published layout --------------------------------------------------------------


def test_layout_is_the_published_one():
    with torch.device("meta"):
        state = VGGishNetwork().state_dict()
    expected = {}
    for name, (height, width, n_inputs, n_outputs) in zip(
        CONVOLUTIONS, KERNELS, strict=True
    ):
        expected[f"{name}.weight"] = (n_outputs, n_inputs, height, width)
        expected[f"{name}.bias"] = (n_outputs,)
    for name, (n_inputs, n_outputs) in zip(LAYERS, MATRICES, strict=True):
        expected[f"{name}.weight"] = (n_outputs, n_inputs)
        expected[f"{name}.bias"] = (n_outputs,)
    assert {name: tuple(v.shape) for name, v in state.items()} == expected
    assert sum(v.numel() for v in state.values()) == 72_141_184


def test_layout_with_components_is_that_of_the_port():
    state = VGGishNetwork(WIDTH, postprocess=True).state_dict()
    own = {name: tuple(v.shape) for name, v in state.items() if "pproc" in name}
    assert own == {
        "pproc.pca_eigen_vectors": (128, 128),
        "pproc.pca_means": (128, 1),
    }


def test_a_file_of_the_port_is_loaded(tensors, tmp_path):
    # PyTorch of 2019 did not write archives yet.
    path = tmp_path / "small.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    network = load_network("vggish", path)
    assert not network.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, tensors[name], rtol=0, atol=0)


def test_components_are_one_file_with_the_weights(tensors, components, tmp_path):
    parts = {name: torch.from_numpy(array) for name, array in components.items()}
    waveforms = torch.from_numpy(noise(PATCH))
    embeddings = []
    for prefix in ("", "pproc."):
        path = tmp_path / f"{prefix}all.safetensors"
        whole = tensors | {f"{prefix}{k}": v for k, v in parts.items()}
        safetensors.torch.save_file(whole, path)
        with torch.no_grad():
            embeddings.append(load_network("vggish_pca", path)(waveforms))
    torch.testing.assert_close(*embeddings, rtol=0, atol=0)


@pytest.mark.parametrize("width", [1 / 64, 1 / 8])
def test_a_checkpoint_says_its_own_width(width):
    network = VGGishNetwork(width)
    copy = VGGishNetwork.from_tensors(network.state_dict())
    shapes = {name: v.shape for name, v in network.state_dict().items()}
    assert {name: v.shape for name, v in copy.state_dict().items()} == shapes


def test_other_checkpoints_are_refused(tensors):
    with pytest.raises(ValueError, match=r"no checkpoint of VGGish.*features\.0\.bias"):
        VGGishNetwork.from_tensors({"conv.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"no principal components.*'vggish'"):
        VGGishNetwork.from_tensors(tensors, postprocess=True)
    other = {"pca_eigen_vectors": torch.eye(100), "pca_means": torch.zeros(128)}
    with pytest.raises(
        ValueError, match=r"1 tensors.*is \(100, 100\) where \(128, 128\)"
    ):
        VGGishNetwork.from_tensors(tensors | other, postprocess=True)
    missing = {k: v for k, v in tensors.items() if k != "embeddings.4.bias"}
    with pytest.raises(ValueError, match=r"1 tensors.*embeddings\.4\.bias.*missing"):
        VGGishNetwork.from_tensors(missing)


def test_building_one_leaves_the_global_generator_alone(tensors):
    before = torch.random.get_rng_state()
    VGGishNetwork.from_tensors(tensors)
    assert torch.equal(torch.random.get_rng_state(), before)


# -- In a pipeline ---------------------------------------------------------------------


def test_windows_are_the_patches_of_a_clip_and_one_at_its_end(tensors, tmp_path):
    path = tmp_path / "small.pt"
    torch.save(tensors, path)
    (clip,) = noise(PATCH + 15360 + 5000, n_clips=1)
    embedding = PretrainedEmbedding("vggish", weights=path, pooling=None, device="cpu")
    windows = embedding.fit_transform([clip])[0].T
    starts = [0, 15360, 15360 + 5000]
    network = VGGishNetwork.from_tensors(tensors)
    with torch.no_grad():
        expected = [
            network(torch.from_numpy(clip[None, i : i + PATCH])) for i in starts
        ]
    np.testing.assert_array_equal(windows, torch.cat(expected))
    touching = embedding.set_params(window=0.975).fit_transform([clip])
    assert touching.shape == (1, 128, 3)
    assert not np.array_equal(touching[0, :, 1], windows[1])  # it begins at 0.975 s


def test_it_has_no_tags(tensors, tmp_path):
    path = tmp_path / "small.pt"
    torch.save(tensors, path)
    embedding = PretrainedEmbedding("vggish", weights=path).fit(noise(PATCH))
    assert not hasattr(embedding, "tag")
    assert not hasattr(embedding, "tag_names_")


def test_a_dump_embeds_the_same(tensors, components, tmp_path):
    parts = {name: torch.from_numpy(array) for name, array in components.items()}
    path = tmp_path / "small.pt"
    torch.save(tensors | parts, path)
    clips = noise(PATCH)
    embedding = PretrainedEmbedding("vggish_pca", weights=path, device="cpu")
    embeddings = embedding.fit_transform(clips)
    path.unlink()
    loaded = pickle.loads(pickle.dumps(embedding))  # noqa: S301
    np.testing.assert_array_equal(loaded.transform(clips), embeddings)
