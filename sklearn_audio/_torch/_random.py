"""Randomness that comes from ``random_state`` alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

# Initialisers draw from torch's process-wide generator; two threads that fit at once
# would otherwise draw from each other's sequence.
_INITIALISATION_LOCK = threading.Lock()


def draw_seed(random_state: Any) -> int:
    """Draw one seed from whatever scikit-learn takes as ``random_state``."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def seeded_initialisation(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block, and put it back after it.

    Keep the block as short as the building of the modules: every other thread that
    builds some waits for it.
    """
    with _INITIALISATION_LOCK, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
