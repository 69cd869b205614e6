import matplotlib.pyplot
import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from sklearn_audio.open_set import RejectingClassifier


@pytest.fixture
def plt():
    return matplotlib.pyplot


@pytest.fixture(scope="session")
def clips():
    """Test clips of two known classes and an unknown one, which overlap."""
    centers = [[0, 0], [3, 0], [1.5, 2]]
    X, y = make_blobs([40, 40, 60], centers=centers, random_state=1)
    return X, np.array(["no", "yes", "dog"])[y]


@pytest.fixture(scope="session")
def classifier():
    X, y = make_blobs(80, centers=[[0, 0], [3, 0]], random_state=0)
    labels = np.array(["no", "yes"])[y]
    return RejectingClassifier(LogisticRegression(), rejection_rate=0.2).fit(X, labels)
