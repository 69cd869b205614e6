import pytest
import torch

from sklearn_audio._torch._device import resolve_device, resolve_device_or_cpu


@pytest.fixture
def accelerators(monkeypatch):
    def set_available(*, cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return set_available


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(False, False, "cpu"), (True, False, "cuda"), (False, True, "mps")],
)
def test_auto_prefers_an_accelerator(accelerators, cuda, mps, expected):
    accelerators(cuda=cuda, mps=mps)
    assert resolve_device("auto").type == expected
    assert resolve_device("cpu").type == "cpu"


def test_a_missing_device_is_an_error_in_training_and_the_cpu_after_loading(
    accelerators,
):
    accelerators(cuda=False, mps=False)
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        resolve_device("cuda")
    assert resolve_device_or_cpu("cuda").type == "cpu"
