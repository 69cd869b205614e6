import numpy as np
import pytest
import torch
from torch import nn

from sklearn_audio._torch._inference import CHUNK_SIZE, map_in_chunks


def make_network(kind):
    torch.manual_seed(0)
    return {
        "dense": nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 5)),
        "convolution": nn.Sequential(
            nn.Unflatten(1, (1, 4, 6)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten()
        ),
    }[kind]


@pytest.mark.parametrize("kind", ["dense", "convolution"])
@pytest.mark.parametrize("n", [1, CHUNK_SIZE - 1, CHUNK_SIZE, 3 * CHUNK_SIZE + 5])
def test_a_row_is_the_same_alone_and_in_company(kind, n):
    network = make_network(kind)
    X = np.random.default_rng(0).normal(size=(n, 24)).astype(np.float32)
    together = map_in_chunks(network, X, torch.device("cpu"))
    assert len(together) == n
    for row in {0, n // 2, n - 1}:
        alone = map_in_chunks(network, X[row : row + 1], torch.device("cpu"))
        np.testing.assert_array_equal(alone[0], together[row])


def test_outputs_are_those_of_the_function():
    X = np.arange(100, dtype=np.float32).reshape(50, 2)
    outputs = map_in_chunks(lambda x: 2 * x, X, torch.device("cpu"))
    np.testing.assert_array_equal(outputs, 2 * X)
