"""ASTNetwork: the numbers of transformers, from the published layout of weights."""

import json
import math
import pickle
import re
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from sklearn_audio.feature_extraction import PretrainedEmbedding
from sklearn_audio.pretrained import ASTNetwork, load_network
from sklearn_audio.pretrained._ast import KaldiFilterBank

transformers = pytest.importorskip("transformers")

# What the layers are called in the published file, which is older than transformers 5.
FORMER_NAMES = {
    r"\.layers\.(\d+)\.": r".encoder.layer.\1.",
    r"attention\.q_proj": "attention.attention.query",
    r"attention\.k_proj": "attention.attention.key",
    r"attention\.v_proj": "attention.attention.value",
    r"attention\.o_proj": "attention.output.dense",
    r"mlp\.fc1": "intermediate.dense",
    r"mlp\.fc2": "output.dense",
}
# Of the published file: (D, 1, 16, 16) patches, 12 * 101 places and two tokens.
PUBLISHED_SHAPES = {
    "embeddings.cls_token": (1, 1, 768),
    "embeddings.distillation_token": (1, 1, 768),
    "embeddings.position_embeddings": (1, 1214, 768),
    "embeddings.patch_embeddings.projection.weight": (768, 1, 16, 16),
    "embeddings.patch_embeddings.projection.bias": (768,),
    "encoder.layer.11.attention.attention.query.weight": (768, 768),
    "encoder.layer.11.attention.attention.key.weight": (768, 768),
    "encoder.layer.11.attention.attention.value.weight": (768, 768),
    "encoder.layer.11.attention.output.dense.weight": (768, 768),
    "encoder.layer.11.intermediate.dense.weight": (3072, 768),
    "encoder.layer.11.output.dense.weight": (768, 3072),
    "encoder.layer.11.layernorm_before.weight": (768,),
    "encoder.layer.11.layernorm_after.bias": (768,),
    "layernorm.weight": (768,),
}


def former_names(state):
    """Rename tensors to what they are called in the published file."""
    renamed = {}
    for name, tensor in state.items():
        for pattern, former in FORMER_NAMES.items():
            name = re.sub(pattern, former, name)
        renamed[name] = tensor
    return renamed


@pytest.fixture(scope="module")
def model():
    """Return transformers' own model, small, whose random layers tell sounds apart."""
    configuration = transformers.ASTConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        num_labels=7,
    )
    generator = torch.Generator().manual_seed(0)
    model = transformers.ASTForAudioClassification(configuration).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def tensors(model):
    return former_names(model.state_dict())


@pytest.fixture(scope="module")
def extract():
    # The lowest bands are narrower than a bin of the FFT: so it was trained.
    with pytest.warns(UserWarning, match="all zero values"):
        extractor = transformers.ASTFeatureExtractor()

    def extract(waveforms):
        features = extractor(list(waveforms), sampling_rate=16000, return_tensors="pt")
        return features["input_values"]

    return extract


def noise(n_samples, n_clips=2, seed=0):
    rng = np.random.default_rng(seed)
    loudness = 10.0 ** -np.arange(n_clips)[:, None]
    samples = loudness * rng.uniform(-1, 1, size=(n_clips, n_samples))
    return samples.astype(np.float32)


@pytest.mark.parametrize("n_samples", [400, 559, 560, 20000, 163840, 164239])
def test_pictures_are_those_of_transformers(extract, n_samples):
    waveforms = noise(n_samples)
    pictures = KaldiFilterBank()(torch.from_numpy(waveforms))
    assert pictures.shape == (2, 1024, 128)
    torch.testing.assert_close(pictures, extract(waveforms), rtol=0, atol=2e-4)


def test_pictures_of_silence_and_of_a_constant_are_the_floor(extract):
    waveforms = np.stack([np.zeros(16000), np.full(16000, 0.5)]).astype(np.float32)
    pictures = KaldiFilterBank()(torch.from_numpy(waveforms))
    torch.testing.assert_close(pictures, extract(waveforms), rtol=0, atol=2e-4)
    floor = (np.log(2.0**-23) + 4.2677393) / (2 * 4.5689974)
    np.testing.assert_allclose(pictures[:, :98], floor, rtol=1e-5)


def test_embeddings_and_tags_are_those_of_transformers(model, tensors, extract):
    waveforms = noise(20000)
    network = ASTNetwork.from_tensors(tensors)
    assert not network.training
    with torch.no_grad():
        embeddings = network(torch.from_numpy(waveforms))
        tags = network.tag(embeddings)
        pictures = extract(waveforms)
        pooled = model.audio_spectrogram_transformer(pictures).pooler_output
        logits = model(pictures).logits
    torch.testing.assert_close(embeddings, pooled, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(tags, torch.sigmoid(logits), rtol=1e-3, atol=1e-4)
    assert network.embedding_size == embeddings.shape[1] == 128
    assert (embeddings[0] - embeddings[1]).abs().max() > 0.1  # they tell sounds apart


def test_an_embedding_is_the_mean_of_two_normalised_tokens(model, tensors, extract):
    waveforms = noise(20000)
    body = model.audio_spectrogram_transformer
    with torch.no_grad():
        states = body(extract(waveforms), output_hidden_states=True).last_hidden_state
        embeddings = ASTNetwork.from_tensors(tensors)(torch.from_numpy(waveforms))
    token, distilled = states[:, 0], states[:, 1]
    torch.testing.assert_close(
        embeddings, (token + distilled) / 2, rtol=1e-3, atol=1e-3
    )
    scale, shift = body.layernorm.weight, body.layernorm.bias
    for normalised in (token, distilled):
        plain = (normalised - shift) / scale
        torch.testing.assert_close(plain.mean(dim=1), torch.zeros(2), atol=1e-3, rtol=0)
        torch.testing.assert_close(
            plain.var(dim=1, correction=0), torch.ones(2), atol=1e-3, rtol=0
        )


# -- The published layout --------------------------------------------------------------


def test_layout_is_the_published_one():
    with torch.device("meta"):
        network = ASTNetwork()
        model = transformers.ASTForAudioClassification(
            transformers.ASTConfig(num_labels=527)
        )
    shapes = {k: tuple(v.shape) for k, v in former_names(network.state_dict()).items()}
    prefix = "audio_spectrogram_transformer"
    for name, shape in PUBLISHED_SHAPES.items():
        assert shapes[f"{prefix}.{name}"] == shape
    assert shapes["classifier.layernorm.weight"] == (768,)
    assert shapes["classifier.dense.weight"] == (527, 768)
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters == sum(p.numel() for p in model.parameters())
    assert n_parameters / 1e6 == pytest.approx(86.6, abs=0.05)


def test_the_published_file_has_room_for_these_names_and_shapes():
    with torch.device("meta"):
        tensors = former_names(ASTNetwork().state_dict())
    header, n_bytes = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in sorted(tensors.items()):
        begin, n_bytes = n_bytes, n_bytes + 4 * tensor.numel()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [begin, n_bytes],
        }
    text = json.dumps(header, separators=(",", ":"))
    n_padded = 8 * math.ceil(len(text) / 8)
    assert 8 + n_padded + n_bytes == 346_404_948  # bytes


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_files_of_former_and_present_names_are_loaded(model, tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    state = model.state_dict()
    for rename in (former_names, dict):
        if suffix == "pt":
            torch.save(rename(state), path)
        else:
            safetensors.torch.save_file(rename(state), path)
        loaded = load_network("ast", path).state_dict()
        assert loaded.keys() == state.keys()
        for name, tensor in state.items():
            torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0)


def test_other_checkpoints_are_refused(tensors, capfd):
    with pytest.raises(ValueError, match=r"no checkpoint of AST.*cls_token"):
        ASTNetwork.from_tensors({"conv.weight": torch.zeros(3)})
    last = "audio_spectrogram_transformer.layernorm.bias"
    missing = {name: v for name, v in tensors.items() if name != last}
    with pytest.raises(ValueError, match=rf"1 tensors.*missing is {last}"):
        ASTNetwork.from_tensors(missing)
    with pytest.raises(ValueError, match=r"1 tensors.*unexpected is extra"):
        ASTNetwork.from_tensors(tensors | {"extra": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"1 tensors.*mismatched"):
        ASTNetwork.from_tensors(tensors | {last: torch.zeros(2)})
    assert capfd.readouterr() == ("", "")


def test_loading_leaves_global_settings_alone(tensors, capfd):
    logging = transformers.utils.logging
    before = torch.random.get_rng_state()
    verbosity = logging.get_verbosity()
    shows_progress = logging.is_progress_bar_enabled()
    ASTNetwork.from_tensors(tensors)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert logging.get_verbosity() == verbosity
    assert logging.is_progress_bar_enabled() == shows_progress
    assert capfd.readouterr() == ("", "")


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"AST needs.*sklearn-audio\[pretrained\]"):
        ASTNetwork(1, 1, 5)


# -- Lengths, and a pipeline -----------------------------------------------------------


def test_longer_clips_than_a_picture_are_refused(tensors):
    network = ASTNetwork.from_tensors(tensors)
    with pytest.raises(
        ValueError, match=r"164239 samples at most.*windows of 10\.24 s"
    ):
        network(torch.zeros(1, 164240))


def test_windows_are_as_long_as_a_picture(tensors, tmp_path):
    path = tmp_path / "small.safetensors"
    safetensors.torch.save_file(tensors, path)
    (clip,) = noise(200000, n_clips=1)
    embedding = PretrainedEmbedding("ast", weights=path, pooling=None, device="cpu")
    windows = embedding.fit_transform([clip])[0].T
    network = ASTNetwork.from_tensors(tensors)
    last = 200000 - 163840
    with torch.no_grad():
        expected = [
            network(torch.from_numpy(clip[None, i:][:, :163840])) for i in (0, last)
        ]
        tags = network.tag(torch.cat(expected)).mean(dim=0)
    np.testing.assert_array_equal(windows, torch.cat(expected))
    np.testing.assert_allclose(embedding.tag([clip])[0], tags, rtol=1e-5)
    assert embedding.tag_names_.tolist() == [f"tag{i}" for i in range(7)]


def test_a_dump_embeds_the_same(tensors, tmp_path):
    path = tmp_path / "small.safetensors"
    safetensors.torch.save_file(tensors, path)
    clips = noise(8000)
    embedding = PretrainedEmbedding("ast", weights=path, device="cpu").fit(clips)
    embeddings, tags = embedding.transform(clips), embedding.tag(clips)
    path.unlink()
    loaded = pickle.loads(pickle.dumps(embedding))  # noqa: S301
    np.testing.assert_array_equal(loaded.transform(clips), embeddings)
    np.testing.assert_array_equal(loaded.tag(clips), tags)
