"""Networks by name: their weights come from a file, the cache or the publisher."""

import hashlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from sklearn_audio.pretrained import (
    NETWORKS,
    EfficientATNetwork,
    PublishedNetwork,
    VGGishNetwork,
    _registry,
    load_network,
)
from sklearn_audio.pretrained._state import checksum_of, read_tensors

NAME = "efficientat_mn04"


@pytest.fixture(scope="module")
def small_network(make_efficient_at):
    return make_efficient_at()


@pytest.fixture
def published(small_network, server, tmp_path, monkeypatch):
    """Publish the small network on a loopback server, with an empty data folder."""
    file = tmp_path / "published.pt"
    torch.save(small_network.state_dict(), file)
    server.content = file.read_bytes()
    checksum = f"tensors:{checksum_of(read_tensors(file))}"
    (part,) = NETWORKS[NAME].files
    part = replace(part, url=server.url, checksum=checksum)
    entry = replace(NETWORKS[NAME], files=(part,))
    monkeypatch.setattr(_registry, "NETWORKS", {NAME: entry})
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(tmp_path / "home"))
    return entry


@pytest.fixture
def home(published, tmp_path):
    return tmp_path / "home"


def assert_same(network, expected):
    waveforms = torch.linspace(-1, 1, 4000)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            network(waveforms), expected(waveforms), rtol=0, atol=0
        )


def test_weights_are_fetched_once_and_verified(home, server, small_network, tree):
    for _ in range(2):
        network = load_network(NAME)
        assert not network.training
        assert_same(network, small_network)
    assert server.n_requests == 1
    assert tree(home) == ["weights/efficientat_mn04/mn04_as_mAP_432.pt"]


def test_a_copy_in_either_format_needs_no_network(home, server, small_network):
    server.close()
    state = small_network.state_dict()
    for name, save in (
        ("mn04_as_mAP_432.pt", torch.save),
        ("mn04_as.safetensors", safetensors.torch.save_file),
    ):
        file = home / "weights" / NAME / name
        file.parent.mkdir(parents=True, exist_ok=True)
        save(state, file)
        assert_same(load_network(NAME), small_network)
        file.unlink()


def test_without_a_server_the_error_says_what_to_do(home, server):
    server.close()
    with pytest.raises(ConnectionError) as caught:
        load_network(NAME)
    message = str(caught.value)
    assert "weights of efficientat_mn04" in message
    assert str(home / "weights" / NAME / "mn04_as_mAP_432.pt") in message
    assert "weights=" in message


@pytest.mark.parametrize("content", [b"<html>Log in first</html>", b""])
def test_what_is_not_the_published_network_is_not_kept(home, server, tree, content):
    server.content = content
    with pytest.raises(ValueError, match=r"not the file of weights.*as published"):
        load_network(NAME)
    assert tree(home) == []


def test_other_weights_than_the_published_ones_are_not_kept(
    home, server, tree, tmp_path
):
    torch.save(EfficientATNetwork(width=0.1).state_dict(), tmp_path / "other.pt")
    server.content = (tmp_path / "other.pt").read_bytes()
    with pytest.raises(ValueError, match=r"checksum is not"):
        load_network(NAME)
    assert tree(home) == []


@pytest.mark.parametrize("damage", ["cut", "other weights"])
def test_a_damaged_copy_is_an_error_with_the_remedy(home, server, damage):
    load_network(NAME)
    file = home / "weights" / NAME / "mn04_as_mAP_432.pt"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        torch.save(EfficientATNetwork(width=0.1).state_dict(), file)
    with pytest.raises(ValueError, match="Delete it and call again") as caught:
        load_network(NAME)
    assert str(file) in str(caught.value)
    file.unlink()
    load_network(NAME)
    assert server.n_requests == 2


def test_a_file_of_ones_own_may_hold_any_width(tmp_path, small_network):
    file = tmp_path / "own.safetensors"
    safetensors.torch.save_file(small_network.state_dict(), file)
    assert_same(load_network(NAME, weights=file), small_network)
    assert_same(load_network(NAME, weights=str(file)), small_network)


def test_a_file_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lost\.pt"):
        load_network(NAME, weights=tmp_path / "lost.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt.*no checkpoint of EfficientAT"):
        load_network(NAME, weights=tmp_path / "other.pt")


def test_unknown_networks_are_refused():
    with pytest.raises(ValueError, match=r"no network 'resnet'.*efficientat_mn04"):
        load_network("resnet")


@pytest.mark.parametrize("name", NETWORKS)
def test_entries_are_complete(name):
    published = NETWORKS[name]
    assert isinstance(published, PublishedNetwork)
    assert published.name == name
    assert published.page.startswith("https://doi.org/")
    for part in published.files:
        assert part.url.startswith("https://")
        assert all(file.startswith("weights/") for file in part.file_names)
        if part.checksum is None:
            assert part.file_names == ()
            continue
        kind, checksum = part.checksum.split(":")
        assert kind in {"sha256", "tensors"}
        assert len(bytes.fromhex(checksum)) == 32
    if published.tag_file is None:
        with pytest.raises(ValueError, match=f"{name} has no tags"):
            published.read_tag_names()
        return
    function, checksum = published.tag_file.checksum.split(":")
    assert function == "sha256"
    assert len(bytes.fromhex(checksum)) == 32
    assert published.tag_file.file_name.startswith("weights/")


def test_known_networks():
    assert {name: entry.embedding_size for name, entry in NETWORKS.items()} == {
        "efficientat_mn04": 384,
        "vggish": 128,
        "vggish_pca": 128,
        "ast": 768,
        "openl3": 512,
        "openl3_6144": 6144,
    }
    rates = [NETWORKS[name].sample_rate for name in ("vggish", "ast", "openl3")]
    assert rates == [16000, 16000, 48000]


def test_names_of_files_begin_with_their_checksums():
    # torch.hub verifies these digits; whole checksums have to agree.
    (part,) = NETWORKS["vggish"].files
    assert "vggish-10086976.pth" in part.url
    assert part.checksum.startswith("sha256:10086976")


def test_the_registry_says_what_the_published_network_is(real_data, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(real_data))
    published = NETWORKS[NAME]
    network = load_network(NAME)
    assert network.sample_rate == published.sample_rate == 32000
    assert network.window == published.window == 10.0
    assert network.embedding_size == published.embedding_size == 384
    with torch.no_grad():
        tags = network.tag(network(torch.zeros(1, 32000)))
    assert tags.shape == (1, 527)
    (part,) = published.files
    for name, megabytes in (
        (part.file_names[0], part.megabytes),
        (published.tag_file.file_name, published.tag_file.megabytes),
    ):
        n_bytes = (real_data / name).stat().st_size
        assert n_bytes == pytest.approx(megabytes * 1e6, rel=0.05)


# -- Several files, told by their own checksums ----------------------------------------


@pytest.fixture
def vggish(tmp_path, monkeypatch):
    """Put small files of VGGish into the data folder, as if they were published."""
    weights, components = tmp_path / "weights.pth", tmp_path / "components.npz"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(VGGishNetwork(1 / 16).state_dict(), weights)
    rng = np.random.default_rng(0)
    np.savez(
        components,
        pca_eigen_vectors=rng.normal(size=(128, 128)).astype(np.float32),
        pca_means=rng.normal(size=(128, 1)).astype(np.float32),
    )
    entry, parts = NETWORKS["vggish_pca"], []
    for part, file in zip(entry.files, (weights, components), strict=True):
        copy = tmp_path / "home" / part.file_names[0]
        copy.parent.mkdir(parents=True, exist_ok=True)
        file.rename(copy)
        digest = hashlib.sha256(copy.read_bytes()).hexdigest()
        parts.append(replace(part, checksum=f"sha256:{digest}"))
    entries = {
        "vggish": replace(NETWORKS["vggish"], files=tuple(parts[:1])),
        "vggish_pca": replace(entry, files=tuple(parts)),
    }
    monkeypatch.setattr(_registry, "NETWORKS", entries)
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(tmp_path / "home"))
    return tmp_path / "home/weights/vggish"


def test_a_network_comes_from_all_of_its_files(vggish):
    raw, whitened = load_network("vggish"), load_network("vggish_pca")
    components = np.load(vggish / "vggish_pca_params.npz")
    for name, array in components.items():
        np.testing.assert_array_equal(whitened.state_dict()[f"pproc.{name}"], array)
    waveforms = torch.linspace(-1, 1, 15600).sin()[None]
    with torch.no_grad():
        torch.testing.assert_close(
            whitened(waveforms), whitened.pproc(raw(waveforms)), rtol=0, atol=0
        )


@pytest.mark.parametrize("name", ["vggish-10086976.pth", "vggish_pca_params.npz"])
@pytest.mark.parametrize("damage", ["cut", "other content"])
def test_a_damaged_file_of_several_is_named(vggish, name, damage):
    file = vggish / name
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        torch.save({"a": torch.zeros(2)}, file)
    with pytest.raises(
        ValueError, match=r"checksum is not sha256:.*Delete it"
    ) as error:
        load_network("vggish_pca")
    assert str(file) in str(error.value)


def test_a_file_is_fetched_if_it_has_its_own_checksum(
    vggish, server, monkeypatch, tree
):
    file = vggish / "vggish-10086976.pth"
    server.content = file.read_bytes()
    file.unlink()
    entry = _registry.NETWORKS["vggish"]
    part = replace(entry.files[0], url=server.url)
    entry = replace(entry, files=(part,))
    monkeypatch.setattr(_registry, "NETWORKS", {"vggish": entry})
    load_network("vggish")
    assert file.read_bytes() == server.content
    file.unlink()
    server.content = server.content[:-1] + b"?"
    with pytest.raises(ValueError, match="not the file of weights of vggish"):
        load_network("vggish")
    assert tree(vggish) == ["vggish_pca_params.npz"]


# -- The list of tags ------------------------------------------------------------------

# Quotes where they are needed, as in AudioSet's own; the index counts, not the line.
LIST = """index,mid,display_name
2,/m/c,"A ""loud"" sound, Ξ"
10,/m/k,Field recording
0,/m/a,"Speech"
1,/m/b,Dog
"""
TAGS = ["Speech", "Dog", 'A "loud" sound, Ξ', "Field recording"]


@pytest.fixture
def listed(server, tmp_path, monkeypatch):
    """Publish the list on a loopback server, with an empty data folder."""
    server.content = LIST.encode()
    checksum = f"sha256:{hashlib.sha256(server.content).hexdigest()}"
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(tmp_path / "home"))
    entry = NETWORKS[NAME]
    file = replace(entry.tag_file, url=server.url, checksum=checksum)
    return replace(entry, tag_file=file)


@pytest.fixture
def list_file(listed, tmp_path):
    return tmp_path / "home/weights/audioset_class_labels_indices.csv"


def test_tag_names_are_fetched_once(listed, list_file, server):
    for _ in range(2):
        names = listed.read_tag_names()
        assert names.dtype.kind == "U"
        assert names.tolist() == TAGS
    assert server.n_requests == 1
    assert list_file.read_bytes() == server.content


def test_a_copy_of_the_list_needs_neither_network_nor_pooch(
    listed, list_file, server, monkeypatch
):
    server.close()
    monkeypatch.setitem(sys.modules, "pooch", None)
    list_file.parent.mkdir(parents=True)
    list_file.write_bytes(LIST.encode())
    assert listed.read_tag_names().tolist() == TAGS


def test_without_a_server_the_error_says_where_the_list_goes(listed, list_file, server):
    server.close()
    with pytest.raises(ConnectionError) as caught:
        listed.read_tag_names()
    message = str(caught.value)
    assert "list of the tags of efficientat_mn04" in message
    assert server.url in message
    assert f"put it at {list_file} and call again." in message


def test_another_list_than_the_published_one_is_not_kept(
    listed, server, tree, tmp_path
):
    server.content = LIST.replace("Dog", "Cat").encode()
    with pytest.raises(ValueError, match=r"not the list of the tags.*as published"):
        listed.read_tag_names()
    assert tree(tmp_path / "home") == []


@pytest.mark.parametrize(
    "content",
    [LIST[:-5], LIST.replace("Dog", "Cat"), ""],
    ids=["cut", "changed", "empty"],
)
def test_a_damaged_list_is_an_error_with_the_remedy(listed, list_file, content):
    list_file.parent.mkdir(parents=True)
    list_file.write_bytes(content.encode())
    with pytest.raises(ValueError, match="Delete it and call again") as caught:
        listed.read_tag_names()
    assert str(list_file) in str(caught.value)
    list_file.unlink()
    assert listed.read_tag_names().tolist() == TAGS


def test_the_published_list_names_the_527_classes_of_audioset(real_data, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(real_data))
    names = NETWORKS[NAME].read_tag_names()
    assert len(names) == 527
    assert names[[0, 74, 137, 526]].tolist() == [
        "Speech",
        "Dog",
        "Music",
        "Field recording",
    ]
    expected = np.loadtxt(
        real_data / "weights/audioset_class_labels_indices.csv",
        delimiter=",",
        skiprows=1,
        usecols=2,
        dtype=str,
        quotechar='"',
    )
    np.testing.assert_array_equal(names, expected)
