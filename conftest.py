"""What every test shares: the environment, one native thread, the real data."""

import os

# check_estimator skips its array-API checks unless this precedes the import of SciPy.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# No test needs a screen.
os.environ.setdefault("MPLBACKEND", "agg")

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Shared machines stall; a property that takes a second now and then is not a bug.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def _one_native_thread():
    """Keep torch from oversubscribing the cores that parallel tests already use."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    """Close what a test or an example drew; import nothing where it drew nothing."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real audio that SKLEARN_AUDIO_DATA names, or skip."""
    folder = os.environ.get("SKLEARN_AUDIO_DATA")
    if not folder:
        pytest.skip("SKLEARN_AUDIO_DATA is not set: no real audio to test on")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"SKLEARN_AUDIO_DATA names no folder: {folder}")
    return path
