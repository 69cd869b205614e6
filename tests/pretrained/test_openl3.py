"""OpenL3Network: the published description in NumPy, and the published layout."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_audio.feature_extraction import PretrainedEmbedding
from sklearn_audio.pretrained import NETWORKS, OpenL3Network, load_network
from sklearn_audio.pretrained._openl3 import OpenL3LogMel

SECOND = 48000
WIDTH = 1 / 16
# Inputs and outputs of the eight convolutions.
CHANNELS = [
    (1, 64),
    (64, 64),
    (64, 128),
    (128, 128),
    (128, 256),
    (256, 256),
    (256, 512),
    (512, 512),
]


def make_tensors(n_mels=128):
    """Return a small checkpoint, with all that the published ones hold."""
    generator = torch.Generator().manual_seed(0)
    state = OpenL3Network(n_mels, width=WIDTH).state_dict()
    for name, tensor in state.items():
        if name.startswith("batch_normalization"):
            if tensor.dtype == torch.float32:
                tensor.uniform_(0.5, 1.5, generator=generator)
        elif not name.startswith("speclayer"):
            fan_in = math.prod(tensor.shape[1:]) if tensor.dim() > 1 else 100
            tensor.normal_(std=math.sqrt(2 / fan_in), generator=generator)
    # Decibels are around -40.
    state["batch_normalization_1.running_mean"].fill_(-40)
    state["batch_normalization_1.running_var"].fill_(400)
    # The port multiplies by matrices where others take the FFT.
    for part in ("real", "imag"):
        state[f"speclayer.dft_{part}_kernels"] = torch.zeros(1025, 1, 2048)
    return state


@pytest.fixture(scope="module")
def tensors():
    return make_tensors()


def noise(n_samples=SECOND, n_clips=2, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / SECOND
    hum = np.sin(2 * np.pi * 440 * np.arange(1, n_clips + 1)[:, None] * time)
    return (0.3 * hum + 0.01 * rng.normal(size=hum.shape)).astype(np.float32)


# -- The description, step by step -----------------------------------------------------


def slow_picture(waveform, filters):
    """Return mel magnitudes in decibels below the loudest: (48000,) -> (M, 199)."""
    missing = 2048 - 48000 % 242
    padded = np.pad(waveform.astype(float), (missing // 2, missing - missing // 2))
    n = np.arange(2048)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 2048)
    columns = []
    for start in range(0, padded.size - 2048 + 1, 242):
        power = np.abs(np.fft.rfft(padded[start : start + 2048] * window)) ** 2
        columns.append(np.sqrt(filters @ power))
    decibels = 10 * np.log10(np.maximum(np.transpose(columns), 1e-10))
    return np.maximum(decibels - decibels.max(), -80)


def slow_network(tensors, pictures):
    """Run the eight convolutions one after the other: (B, M, T) -> (B, C, M/8, 24)."""

    def normalise(x, number):
        scale, shift, mean, var = (
            tensors[f"batch_normalization_{number}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / torch.sqrt(var + 0.001) * scale + shift

    x = normalise(pictures[:, None], 1)
    names = [*(f"conv2d_{i}" for i in range(1, 8)), "audio_embedding_layer"]
    for number, name in enumerate(names, start=1):
        kernel, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, bias)
        if name != "audio_embedding_layer":
            x = torch.relu(normalise(x, number + 1))
        if number in (2, 4, 6):
            x = F.max_pool2d(x, 2)
    return x


def slow_maxima(channels, n_rows, n_columns):
    """Return maxima part by part, channels last: (C, F, T) -> (rows columns C,)."""
    out = []
    height, width = channels.shape[1] // n_rows, channels.shape[2] // n_columns
    for i in range(n_rows):
        for j in range(n_columns):
            rows = slice(i * height, (i + 1) * height)
            columns = slice(j * width, (j + 1) * width)
            out += [channel[rows, columns].max() for channel in channels]
    return np.array(out)


@pytest.mark.parametrize("n_mels", [128, 256])
def test_pictures_equal_a_slow_loop(n_mels):
    front_end = OpenL3LogMel(n_mels)
    waveforms = noise()
    pictures = front_end(torch.from_numpy(waveforms))
    assert pictures.shape == (2, n_mels, 199)
    for waveform, picture in zip(waveforms, pictures, strict=True):
        expected = slow_picture(waveform, front_end.mel_basis.numpy())
        np.testing.assert_allclose(picture, expected, atol=1e-2)
        assert picture.max() == 0


def test_silence_has_no_loudest_part():
    pictures = OpenL3LogMel(128)(torch.zeros(1, SECOND))
    assert torch.equal(pictures, torch.zeros(1, 128, 199))


@pytest.mark.parametrize(
    ("n_mels", "embedding_size", "parts"),
    [(128, 512, (1, 1)), (256, 512, (1, 1)), (128, 6144, (4, 3)), (256, 6144, (4, 3))],
)
def test_embeddings_equal_the_layers_written_out(n_mels, embedding_size, parts):
    tensors = make_tensors(n_mels)
    network = OpenL3Network.from_tensors(tensors, embedding_size)
    waveforms = torch.from_numpy(noise())
    with torch.no_grad():
        embeddings = network(waveforms).numpy()
        channels = slow_network(tensors, network.speclayer(waveforms)).numpy()
    assert channels.shape == (2, 32, n_mels // 8, 24)
    expected = np.array([slow_maxima(each, *parts) for each in channels])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(embeddings, expected, atol=1e-4 * scale)
    assert np.std(expected, axis=0).max() > 0.01 * scale  # it depends on the sound
    assert network.embedding_size == embeddings.shape[1] == embedding_size // 16


def test_shorter_waveforms_are_followed_by_silence(tensors):
    network = OpenL3Network.from_tensors(tensors)
    short = noise(7000)
    padded = np.pad(short, ((0, 0), (0, SECOND - 7000)))
    with torch.no_grad():
        embeddings = network(torch.from_numpy(short))
        expected = network(torch.from_numpy(padded))
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=0)


def test_longer_waveforms_are_refused(tensors):
    network = OpenL3Network.from_tensors(tensors)
    with pytest.raises(ValueError, match=r"48000 samples, 1 s, but got 48001"):
        network(torch.zeros(1, SECOND + 1))


# -- The published layout --------------------------------------------------------------


@pytest.mark.parametrize("n_mels", [128, 256])
def test_layout_is_the_published_one(n_mels):
    expected = {"speclayer.mel_basis": (n_mels, 1025)}
    names = [*(f"conv2d_{i}" for i in range(1, 8)), "audio_embedding_layer"]
    for name, (n_inputs, n_outputs) in zip(names, CHANNELS, strict=True):
        expected[f"{name}.weight"] = (n_outputs, n_inputs, 3, 3)
        expected[f"{name}.bias"] = (n_outputs,)
    for number, (n_inputs, _) in enumerate(CHANNELS, start=1):
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"batch_normalization_{number}.{part}"] = (n_inputs,)
        expected[f"batch_normalization_{number}.num_batches_tracked"] = ()
    state = OpenL3Network(n_mels).state_dict()
    assert {name: tuple(v.shape) for name, v in state.items()} == expected


def test_a_file_of_the_port_is_loaded(tensors, tmp_path):
    path = tmp_path / "small.pth.tar"
    torch.save(tensors, path)
    waveforms = torch.from_numpy(noise())
    filters = torch.rand(tensors["speclayer.mel_basis"].shape)
    torch.save(tensors | {"speclayer.mel_basis": filters}, tmp_path / "other.pth.tar")
    with torch.no_grad():
        embeddings = load_network("openl3", path)(waveforms)
        expected = OpenL3Network.from_tensors(tensors)(waveforms)
        others = load_network("openl3", tmp_path / "other.pth.tar")(waveforms)
        parts = load_network("openl3_6144", path)(waveforms)
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=0)
    assert not torch.allclose(others, expected)  # the file's filters count
    torch.testing.assert_close(parts.unflatten(1, (12, 32)).amax(dim=1), embeddings)


def test_other_checkpoints_are_refused(tensors):
    with pytest.raises(ValueError, match=r"no checkpoint of OpenL3 on mel.*mel_basis"):
        OpenL3Network.from_tensors({"conv.weight": torch.zeros(3)})
    missing = {k: v for k, v in tensors.items() if k != "conv2d_7.bias"}
    with pytest.raises(ValueError, match=r"1 tensors.*conv2d_7\.bias.*missing"):
        OpenL3Network.from_tensors(missing)


def test_building_one_leaves_the_global_generator_alone(tensors):
    before = torch.random.get_rng_state()
    OpenL3Network.from_tensors(tensors)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_cannot_be_verified_is_not_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(tmp_path))
    for name in ("openl3", "openl3_6144"):
        (file,) = NETWORKS[name].files
        assert file.checksum is None
        with pytest.raises(ValueError, match=r"without a checksum.*weights=") as caught:
            load_network(name)
        assert file.url in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# -- In a pipeline ---------------------------------------------------------------------


def test_windows_are_seconds(tensors, tmp_path):
    path = tmp_path / "small.pth.tar"
    torch.save(tensors, path)
    (clip,) = noise(2 * SECOND + 9000, n_clips=1)
    embedding = PretrainedEmbedding(
        "openl3", weights=path, sample_rate=SECOND, pooling=None, device="cpu"
    )
    windows = embedding.fit_transform([clip])[0].T
    network = OpenL3Network.from_tensors(tensors)
    starts = [0, SECOND, SECOND + 9000]
    with torch.no_grad():
        expected = [
            network(torch.from_numpy(clip[None, i : i + SECOND])) for i in starts
        ]
    np.testing.assert_array_equal(windows, torch.cat(expected))
    assert not hasattr(embedding, "tag")
    with pytest.raises(ValueError, match="OpenL3 takes 48000 samples"):
        embedding.set_params(window=2.0).transform([clip])
