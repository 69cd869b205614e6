import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_clips():
    """Return a function that makes clips of which some labels are missing."""

    def make(n_clips, seed, share_missing=0.5):
        """Three labels of two features each."""
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_clips, 8)).astype(np.float32)
        truth = (X[:, :3] + X[:, 3:6] > 0.3).astype(int)
        y = np.where(rng.random(truth.shape) < share_missing, -1, truth)
        return X, y, truth

    return make
