"""Files of weights: two formats, one content, and nothing unpickled but tensors."""

import os
import pickle
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from sklearn_audio.pretrained._state import checksum_of, load_tensors, read_tensors

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([1.5, -2.0])}


@pytest.fixture
def files(tmp_path):
    """Return the same tensors in every format; only one keeps a count of batches."""
    with_count = TENSORS | {"norm.num_batches_tracked": torch.tensor(9)}
    safetensors.torch.save_file(TENSORS, tmp_path / "weights.safetensors")
    torch.save(with_count, tmp_path / "weights.pt")
    # The content counts, not the name.
    torch.save(TENSORS, tmp_path / "weights.bin")
    old = tmp_path / "weights.pth"  # of PyTorch 1.5 and before
    torch.save(with_count, old, _use_new_zipfile_serialization=False)
    np.savez(tmp_path / "weights.npz", **{k: v.numpy() for k, v in TENSORS.items()})
    return sorted(tmp_path.iterdir())


def test_every_format_has_the_same_content_and_checksum(files):
    assert len(files) == 5
    for file in files:
        tensors = read_tensors(file)
        assert tensors.keys() == TENSORS.keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, TENSORS[name], rtol=0, atol=0)
        assert checksum_of(tensors) == checksum_of(TENSORS)


@pytest.mark.parametrize(
    "changed",
    [
        {"a": torch.tensor([1.5, -2.0000002])},
        {"a": TENSORS["a"].double()},
        {"b": TENSORS["b"].reshape(3, 2)},
        {"c": torch.zeros(1)},
    ],
    ids=["value", "dtype", "shape", "name"],
)
def test_checksum_sees_every_change(changed):
    assert checksum_of(TENSORS | changed) != checksum_of(TENSORS)


def test_checksum_does_not_depend_on_order_or_layout():
    transposed = TENSORS["b"].T.contiguous().T
    assert checksum_of({"a": TENSORS["a"], "b": transposed}) == checksum_of(TENSORS)


@pytest.mark.parametrize("n_kept", [0, 5, 40, -3])
def test_a_cut_file_is_refused_by_name(files, n_kept):
    for file in files:
        file.write_bytes(file.read_bytes()[:n_kept])
        with pytest.raises(ValueError, match=rf"{file.name} is damaged"):
            read_tensors(file)


class Evil:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_nothing_but_tensors_is_unpickled(tmp_path):
    evil = {"a": Evil(tmp_path / "was here")}
    torch.save(evil, tmp_path / "evil.pt")
    torch.save(evil, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    np.savez(tmp_path / "evil.npz", a=np.array(evil["a"], dtype=object))
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(evil))
    for name in ("evil.pt", "old.pth", "evil.npz", "evil.pkl"):
        with pytest.raises(ValueError, match=name):
            read_tensors(tmp_path / name)
    assert not (tmp_path / "was here").exists()


def test_what_is_no_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds something else"):
        read_tensors(tmp_path / "list.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lost\.safetensors"):
        read_tensors(tmp_path / "lost.safetensors")


def test_the_missing_extra_is_named(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"sklearn-audio\[pretrained\]"):
        read_tensors(next(file for file in files if file.suffix == ".safetensors"))


def test_tensors_are_put_into_a_network():
    network = torch.nn.Linear(3, 2)
    tensors = {"weight": TENSORS["b"], "bias": TENSORS["a"]}
    load_tensors(network, tensors)
    torch.testing.assert_close(network.weight.data, TENSORS["b"])
    with pytest.raises(ValueError, match=r"2 tensors do not fit Linear.*missing"):
        load_tensors(network, {"weight": TENSORS["b"], "offset": TENSORS["a"]})
