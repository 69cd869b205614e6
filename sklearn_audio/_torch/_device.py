"""From the ``device`` parameter to a torch device."""

from __future__ import annotations

import torch

DEVICES = frozenset({"auto", "cpu", "cuda", "mps"})


def resolve_device(device: str) -> torch.device:
    """Return the torch device that ``device`` names; "auto" prefers an accelerator.

    Raises
    ------
    ValueError
        If this machine, or the installed torch, lacks the device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        device = next(name for name, is_there in available.items() if is_there)
    if not available[device]:
        raise ValueError(
            f"device={device!r} is not available here: either this machine has none, "
            "or the installed torch was built without it. Use device='auto'."
        )
    return torch.device(device)


def resolve_device_or_cpu(device: str) -> torch.device:
    """Return the device that ``device`` names, or the CPU where it is missing.

    A model that was trained on an accelerator must load on a machine without one.
    """
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")
