"""Thread count and denormal numbers, set for a block of code and put back after it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

# A network of fewer parameters runs on one thread.
SMALL_NETWORK = 2_000_000


class _Outside:
    """What torch's thread count is where no thread of Python is in such a block.

    The count is shared by all threads: one that enters while another is inside would
    find that one's count, and leave it behind for good.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_inside = 0
        self.n_threads = 1

    def enter(self) -> None:
        with self.lock:
            if self.n_inside == 0:
                self.n_threads = torch.get_num_threads()
            self.n_inside += 1
            torch.set_num_threads(1)

    def leave(self) -> None:
        with self.lock:
            self.n_inside -= 1
            torch.set_num_threads(self.n_threads)


_outside = _Outside()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run torch on one native thread inside the block.

    Small networks and short transforms lose more to the threads' hand-over than they
    gain: two threads are up to ten times slower under nested parallelism. One thread
    also makes results independent of the machine's number of cores.
    """
    _outside.enter()
    try:
        yield
    finally:
        _outside.leave()


@contextmanager
def suitable_threads(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Run small networks on one native thread inside the block, and large ones on all.

    "All" is what ``torch.get_num_threads`` says outside.
    """
    n_parameters = sum(p.numel() for module in modules for p in module.parameters())
    if n_parameters >= SMALL_NETWORK:
        yield
        return
    with single_threaded():
        yield


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero inside the block.

    Weights that decay towards zero become denormal, and arithmetic on denormals is
    over a hundred times slower on common processors.
    """
    was_flushing = _flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushing)


def _flushes_denormals() -> bool:
    smallest = np.array([np.finfo(np.float64).tiny])
    return bool((smallest * 0.5)[0] == 0.0)
