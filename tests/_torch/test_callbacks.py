"""What happens between the epochs."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from skorch.callbacks import Callback

from sklearn_audio._torch._callbacks import CosineSchedule
from sklearn_audio.open_set import AugGANClassifier


class Net:
    """As much of a net as a schedule sees: a history and two optimisers."""

    def __init__(self, *rates):
        groups = [{"params": [torch.zeros(1)], "lr": rate} for rate in rates]
        self.history = []
        self.optimizer_ = torch.optim.SGD(groups)
        self.generator_optimizer_ = torch.optim.Adam([torch.zeros(1)], lr=0.7)

    def train(self, schedule, n_epochs):
        """Return the learning rates of every epoch."""
        rates = []
        schedule.on_train_begin(self)
        for _ in range(n_epochs):
            self.history.append({})
            schedule.on_epoch_begin(self)
            rates.append([group["lr"] for group in self.optimizer_.param_groups])
        return np.array(rates)


def half_a_cosine(rate, n_epochs):
    return [rate * math.cos(math.pi / 2 * i / n_epochs) ** 2 for i in range(n_epochs)]


@pytest.mark.parametrize("n_epochs", [1, 2, 10])
def test_rates_fall_along_half_a_cosine(n_epochs):
    rates = Net(0.3, 0.01).train(CosineSchedule(n_epochs), n_epochs)
    np.testing.assert_allclose(rates[:, 0], half_a_cosine(0.3, n_epochs))
    np.testing.assert_allclose(rates[:, 1], half_a_cosine(0.01, n_epochs))
    assert (np.diff(rates, axis=0) < 0).all()


def test_a_resumed_training_starts_anew():
    net = Net(0.3)
    first = net.train(CosineSchedule(4), 4)
    second = net.train(CosineSchedule(8), 8)
    np.testing.assert_allclose(first[:, 0], half_a_cosine(0.3, 4))
    np.testing.assert_allclose(second[:, 0], half_a_cosine(0.3, 8))


def test_a_training_that_was_stopped_resumes_at_the_full_rate():
    net = Net(0.3)
    net.train(CosineSchedule(10), 7)
    np.testing.assert_allclose(net.train(CosineSchedule(10), 1), [[0.3]])


def test_other_optimisers_keep_their_rate():
    net = Net(0.3)
    net.train(CosineSchedule(5), 5)
    assert [group["lr"] for group in net.generator_optimizer_.param_groups] == [0.7]


class RecordRates(Callback):
    def on_epoch_begin(self, net, **_):
        for name, optimizer in net.optimizers.items():
            net.history.record(name, optimizer.param_groups[0]["lr"])


def test_a_game_lowers_the_classifiers_rate_alone():
    X, y = make_blobs(24, centers=2, random_state=0)
    classifier = AugGANClassifier(
        first_stage="convolution", width=2, gan_width=2, max_epochs=3, lr=4e-3
    ).set_params(warm_start=True, callbacks=[RecordRates()], random_state=0)
    once = classifier.fit(X, y).history_["optimizer"]
    np.testing.assert_allclose(once, half_a_cosine(4e-3, 3))
    history = classifier.fit(X, y).history_
    np.testing.assert_allclose(history["optimizer"], 2 * half_a_cosine(4e-3, 3))
    assert set(history["generator_optimizer"]) == {classifier.lr_generator}
