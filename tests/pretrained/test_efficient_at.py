"""EfficientATNetwork: the published layout, number for number."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_audio.datasets import load_esc10
from sklearn_audio.feature_extraction import AudioLoader
from sklearn_audio.pretrained import NETWORKS, EfficientATNetwork, load_network
from sklearn_audio.pretrained._state import read_tensors

# Table 1 of "Searching for MobileNetV3" (large): kernel size, expanded and output
# channels, excitation, hard swish, stride.
TABLE_1 = [
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
]


def weights_of(network):
    state = network.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def by_hand(weights, x):
    """Run the layers of Table 1 one after the other: (B, 1, 128, T) -> (B, D)."""

    def convolve(x, name, **settings):
        kernel = weights[f"{name}.0.weight"]
        x = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2, **settings)
        parts = ("weight", "bias", "running_mean", "running_var")
        scale, shift, mean, var = (
            weights[f"{name}.1.{part}"][:, None, None] for part in parts
        )
        return (x - mean) / torch.sqrt(var + 0.001) * scale + shift

    x = F.hardswish(convolve(x, "features.0", stride=2))
    for number, row in enumerate(TABLE_1, start=1):
        _, _, _, excites, is_hard, stride = row
        activate = F.hardswish if is_hard else F.relu
        names = iter(f"features.{number}.block.{i}" for i in range(4))
        y = x
        expands = weights[f"features.{number}.block.0.0.weight"].shape[-1] == 1
        if expands:
            y = activate(convolve(y, next(names)))
        y = activate(convolve(y, next(names), stride=stride, groups=y.shape[1]))
        if excites:
            name = f"{next(names)}.conc_se_layers.0"
            fc1, bias1, fc2, bias2 = (
                weights[f"{name}.{layer}.{part}"]
                for layer in ("fc1", "fc2")
                for part in ("weight", "bias")
            )
            squeezed = torch.relu(y.mean(dim=(2, 3)) @ fc1.T + bias1)
            y = y * torch.sigmoid(squeezed @ fc2.T + bias2)[:, :, None, None]
        y = convolve(y, next(names))
        x = x + y if x.shape == y.shape else y
    return F.hardswish(convolve(x, "features.16")).mean(dim=(2, 3))


def test_embeddings_and_tags_equal_the_layers_written_out(make_efficient_at):
    network = make_efficient_at()
    waveforms = torch.logspace(-2, 0, 3)[:, None] * torch.linspace(-1, 1, 9000).sin()
    weights = weights_of(network)
    with torch.no_grad():
        embeddings = network(waveforms)
        expected = by_hand(weights, network.front_end(waveforms)[:, None])
        tags = network.tag(embeddings)
    torch.testing.assert_close(embeddings, expected, rtol=1e-4, atol=1e-4)
    hidden = expected @ weights["classifier.2.weight"].T + weights["classifier.2.bias"]
    logits = F.hardswish(hidden) @ weights["classifier.5.weight"].T
    logits += weights["classifier.5.bias"]
    torch.testing.assert_close(tags, torch.sigmoid(logits), rtol=1e-4, atol=1e-5)
    assert embeddings.std(dim=0).median() > 0.01  # something depends on the sound


def test_kernels_are_those_of_table_1():
    weights = weights_of(EfficientATNetwork(width=1.0))
    n_inputs = 16
    for number, (size, n_expanded, n_outputs, excites, _, _) in enumerate(TABLE_1, 1):
        kernels = [
            tuple(v.shape)
            for k, v in weights.items()
            if k.startswith(f"features.{number}.") and v.dim() == 4
        ]
        expand = [(n_expanded, n_inputs, 1, 1)] if number > 1 else []
        depthwise, project = (n_expanded, 1, size, size), (n_outputs, n_expanded, 1, 1)
        assert kernels == [*expand, depthwise, project]
        has_excitation = f"features.{number}.block.2.conc_se_layers.0.fc1.bias"
        assert (has_excitation in weights) == excites
        n_inputs = n_outputs


@pytest.mark.parametrize(
    ("width", "millions", "digits"),
    # From the authors' table of models.
    [(0.4, 0.983, 3), (0.5, 1.43, 2), (1.0, 4.88, 2), (2.0, 17.91, 2)],
)
def test_number_of_parameters_is_the_published_one(width, millions, digits):
    with torch.device("meta"):
        network = EfficientATNetwork(width=width)
    n_parameters = sum(p.numel() for p in network.parameters())
    # The table cuts the last digit off for the smallest, and rounds the others.
    assert n_parameters / 1e6 == pytest.approx(millions, abs=10.0**-digits)


def test_layout_is_the_published_one(real_data):
    file = real_data / "weights/efficientat_mn04/mn04_as.safetensors"
    published = read_tensors(file)
    own = weights_of(EfficientATNetwork(width=0.4))
    assert {k: v.shape for k, v in own.items()} == {
        k: v.shape for k, v in published.items()
    }
    assert len(own) == 266
    # The counts of batches of its 46 normalisations make it 993,485.
    assert sum(v.numel() for v in own.values()) == 993_439
    network = EfficientATNetwork.from_tensors(published)
    for name, value in weights_of(network).items():
        np.testing.assert_array_equal(value, published[name])


@pytest.mark.parametrize("width", [0.1, 0.2, 0.5])
def test_a_checkpoint_says_its_own_width(width, make_efficient_at):
    network = make_efficient_at(width)
    copy = EfficientATNetwork.from_tensors(network.state_dict())
    waveforms = torch.linspace(-1, 1, 4000)[None]
    assert copy.embedding_size == network.embedding_size
    assert not copy.training
    with torch.no_grad():
        torch.testing.assert_close(copy(waveforms), network(waveforms), rtol=0, atol=0)


def test_building_one_leaves_the_global_generator_alone():
    tensors = EfficientATNetwork(width=0.1).state_dict()
    before = torch.random.get_rng_state()
    EfficientATNetwork.from_tensors(tensors)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_shortest_waveform_is_embedded():
    network = EfficientATNetwork(width=0.1).eval()
    with torch.no_grad():
        embeddings = network(torch.zeros(1, network.min_samples))
    assert torch.isfinite(embeddings).all()


def test_other_checkpoints_are_refused():
    with pytest.raises(ValueError, match=r"no checkpoint of EfficientAT.*classifier"):
        EfficientATNetwork.from_tensors({"conv.weight": torch.zeros(3)})
    tensors = EfficientATNetwork(width=0.1).state_dict()
    missing = {k: v for k, v in tensors.items() if k != "features.3.block.0.1.bias"}
    with pytest.raises(ValueError, match=r"1 tensors.*features.3.block.0.1.bias.*miss"):
        EfficientATNetwork.from_tensors(missing)
    tensors["features.0.0.weight"] = torch.zeros(8, 2, 3, 3)
    with pytest.raises(ValueError, match=r"is \(8, 2, 3, 3\) where \(8, 1, 3, 3\)"):
        EfficientATNetwork.from_tensors(tensors)


def test_the_published_network_hears_dogs(real_data, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(real_data))
    esc10 = load_esc10()
    paths = esc10.paths[esc10.target == "dog"]
    waveforms = AudioLoader(32000, duration=None).transform(paths)
    names = NETWORKS["efficientat_mn04"].read_tag_names()
    network = load_network("efficientat_mn04")
    with torch.no_grad():
        tags = [network.tag(network(torch.from_numpy(x)[None]))[0] for x in waveforms]
    ranked = names[torch.stack(tags).argsort(dim=1, descending=True).numpy()]
    (bark,) = (i for i, path in enumerate(paths) if "1-30344-A" in path)
    assert ranked[bark, 0] == "Dog"
    # Dogs are animals, and domestic ones: such tags are often a little more probable.
    assert (ranked[:, :3] == "Dog").any(axis=1).mean() > 0.9
