"""What the tests of several packages share."""

import subprocess
import sys

import joblib
import numpy as np
import pytest

CALL = """
import sys, joblib, numpy as np
folder, *methods = sys.argv[1:]
model, X = joblib.load(f"{folder}/model.joblib"), np.load(f"{folder}/X.npy")
for method in methods:
    np.save(f"{folder}/{method}.npy", getattr(model, method)(X))
"""


@pytest.fixture
def in_a_new_process(tmp_path):
    """Dump a model, and call methods of it where nothing but the dump is known."""

    def call(model, X, *methods):
        joblib.dump(model, tmp_path / "model.joblib")
        np.save(tmp_path / "X.npy", X)
        subprocess.run(
            [sys.executable, "-c", CALL, str(tmp_path), *methods],
            check=True,
            env={"PYTHONWARNINGS": "error"},
        )
        return [np.load(tmp_path / f"{method}.npy") for method in methods]

    return call
