import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn

from sklearn_audio._torch import _arithmetic
from sklearn_audio._torch._arithmetic import (
    flushed_denormals,
    single_threaded,
    suitable_threads,
)


def test_single_threaded_puts_the_thread_count_back():
    torch.set_num_threads(2)
    try:
        with single_threaded():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_overlapping_threads_put_the_thread_count_back():
    second_is_inside, first_has_left = threading.Event(), threading.Event()

    def second() -> None:
        with single_threaded():
            second_is_inside.set()
            first_has_left.wait()

    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor() as pool:
            with single_threaded():
                running = pool.submit(second)
                second_is_inside.wait()
            first_has_left.set()
            running.result()
        with ThreadPoolExecutor() as pool:  # a new thread sees what was left behind
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(1)


def test_small_networks_alone_run_on_one_thread(monkeypatch):
    monkeypatch.setattr(_arithmetic, "SMALL_NETWORK", 20)
    torch.set_num_threads(2)
    try:
        with suitable_threads([nn.Linear(3, 4)]):  # 16 parameters
            assert torch.get_num_threads() == 1
        with suitable_threads([nn.Linear(3, 4), nn.Linear(3, 4)]):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_denormals_are_flushed_inside_the_block_alone():
    smallest = torch.tensor([np.finfo(np.float32).tiny])
    with flushed_denormals():
        assert (smallest * 0.5).item() == 0.0
        with flushed_denormals():
            pass
        assert (smallest * 0.5).item() == 0.0
    assert (smallest * 0.5).item() > 0.0
