import threading

import numpy as np
import torch
from torch import nn

from sklearn_audio._torch._random import draw_seed, seeded_initialisation


def build(seed):
    with seeded_initialisation(seed):
        return nn.Linear(30, 30).weight.detach().clone()


def test_the_global_generator_is_left_as_it_was():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    build(5)
    assert torch.equal(torch.rand(3), expected)


def test_threads_that_build_at_once_get_their_own_weights():
    expected = {seed: build(seed) for seed in range(8)}
    results = {}

    def work(seed):
        results[seed] = build(seed)

    for _ in range(5):
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for seed, weights in expected.items():
            assert torch.equal(results[seed], weights)


def test_seeds_come_from_random_state():
    assert draw_seed(3) == draw_seed(3)
    assert draw_seed(3) != draw_seed(4)
    state = np.random.RandomState(3)
    assert draw_seed(state) == draw_seed(3)
    assert draw_seed(state) != draw_seed(3)  # an instance moves on
