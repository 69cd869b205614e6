"""The engine, on estimators small enough to know what must come out."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_blobs
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch import nn
from torch.nn import functional as F

import sklearn_audio.base
from sklearn_audio._torch import _device
from sklearn_audio._torch._incremental_classifier import IncrementalClassifier
from sklearn_audio.exceptions import InconsistentVersionWarning


class Perceptron(nn.Module):
    def __init__(self, n_features, n_hidden, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, n_hidden, bias=False),
            nn.BatchNorm1d(n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_outputs),
        )

    def forward(self, x):
        return self.layers(x)


class PerceptronClassifier(IncrementalClassifier):
    _parameter_constraints = {
        **IncrementalClassifier._parameter_constraints,
        "width": [int],
    }
    _module_classes = {"module": Perceptron}

    def __init__(
        self,
        width=8,
        max_epochs=15,
        batch_size=16,
        lr=0.02,
        class_weight=None,
        validation_fraction=None,
        n_iter_no_change=None,
        warm_start=False,
        device="auto",
        random_state=0,
        verbose=0,
        callbacks=None,
    ):
        self.width = width
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def _module_arguments(self):
        return {
            "module": {
                "n_features": self.input_shape_[0],
                "n_hidden": self.width,
                "n_outputs": len(self.classes_),
            }
        }


class GameClassifier(PerceptronClassifier):
    """Two networks with an optimiser each; the second one learns the mean of X."""

    _module_classes = {"module": Perceptron, "critic": nn.Linear}

    def _module_arguments(self):
        critic = {"in_features": 1, "out_features": self.input_shape_[0]}
        return {**super()._module_arguments(), "critic": critic}

    def _make_optimizers(self, net):
        return {
            "optimizer": torch.optim.Adam(net.modules["module"].parameters(), self.lr),
            "critic_optimizer": torch.optim.SGD(
                net.modules["critic"].parameters(), 0.1
            ),
        }

    def _critic_loss(self, net, X):
        return F.mse_loss(net.modules["critic"](torch.zeros(len(X), 1)), X)

    def _losses(self, net, batch):
        losses = super()._losses(net, batch)
        return {**losses, "critic_loss": self._critic_loss(net, batch[0]).detach()}

    def _train_batch(self, net, batch):
        losses = super()._train_batch(net, batch)
        critic_loss = self._critic_loss(net, batch[0])
        net.optimizers["critic_optimizer"].zero_grad()
        critic_loss.backward()
        net.optimizers["critic_optimizer"].step()
        return losses


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(90, n_features=4, centers=3, random_state=0)


def state_of(estimator):
    return {
        f"{name}.{key}": value.clone()
        for name, module in estimator.modules_.items()
        for key, value in module.state_dict().items()
    }


def parameters_of(estimator):
    return {
        f"{name}.{key}": value.detach().clone()
        for name, module in estimator.modules_.items()
        for key, value in module.named_parameters()
    }


def assert_same_state(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


def test_learns(blobs):
    assert PerceptronClassifier().fit(*blobs).score(*blobs) > 0.9


def test_same_seed_same_model_bit_for_bit(blobs):
    first, second, other = (
        state_of(PerceptronClassifier(random_state=seed).fit(*blobs))
        for seed in (1, 1, 2)
    )
    assert_same_state(first, second)
    key = "module.layers.0.weight"
    assert not torch.equal(first[key], other[key])


def test_fits_in_parallel_threads_are_those_in_sequence(blobs):
    def fit(seed):
        return state_of(PerceptronClassifier(random_state=seed).fit(*blobs))

    expected = [fit(seed) for seed in range(6)]
    states = Parallel(n_jobs=6, backend="threading")(
        delayed(fit)(seed) for seed in range(6)
    )
    for state, wanted in zip(states, expected, strict=True):
        assert_same_state(state, wanted)


def test_global_state_is_left_untouched(blobs):
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    PerceptronClassifier(random_state=0).fit(*blobs).predict(blobs[0])
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_history_holds_every_loss_of_every_epoch(blobs):
    estimator = GameClassifier(max_epochs=4, validation_fraction=0.2).fit(*blobs)
    names = {"train_loss", "train_critic_loss", "valid_loss", "valid_critic_loss"}
    assert set(estimator.history_) == names
    assert {len(values) for values in estimator.history_.values()} == {4}
    assert estimator.n_iter_ == 4


class MeasuringClassifier(PerceptronClassifier):
    def _losses(self, net, batch):
        return {**super()._losses(net, batch), "first_feature": batch[0][:, 0].mean()}


def test_recorded_losses_are_means_over_clips_not_over_batches():
    X, y = make_blobs(50, n_features=4, centers=2, random_state=1)
    estimator = MeasuringClassifier(max_epochs=2, batch_size=7).fit(X, y)
    np.testing.assert_allclose(
        estimator.history_["train_first_feature"], X[:, 0].mean(), rtol=1e-5
    )


def test_every_module_is_trained(blobs):
    estimator = GameClassifier(max_epochs=40).fit(*blobs)
    mean = estimator.modules_["critic"](torch.zeros(1, 1)).detach().numpy()[0]
    np.testing.assert_allclose(mean, blobs[0].mean(axis=0), atol=1.0)
    variance = blobs[0].var(axis=0).mean()
    losses = estimator.history_["train_critic_loss"]
    assert losses[0] > 1.2 * variance
    np.testing.assert_allclose(losses[-1], variance, rtol=0.1)


class ScriptedLoss(GameClassifier):
    """Its validation loss falls until epoch 3 and rises from then on."""

    def _validate_batch(self, net, batch):
        return {"loss": torch.tensor(float(abs(len(net.history) - 3)))}


class KeepStates(Callback):
    """Keep a copy of all parameters after each epoch, outside the estimator."""

    states: list = []

    def on_epoch_end(self, net, **_):
        self.states.append(
            {
                f"{name}.{key}": value.detach().clone()
                for name, module in net.modules.items()
                for key, value in module.named_parameters()
            }
        )


def test_early_stopping_restores_the_best_epoch_of_all_modules(blobs):
    KeepStates.states.clear()
    estimator = ScriptedLoss(
        max_epochs=50,
        validation_fraction=0.2,
        n_iter_no_change=2,
        callbacks=[KeepStates()],
    ).fit(*blobs)
    assert estimator.n_iter_ == 5
    assert estimator.history_["valid_loss"] == [2.0, 1.0, 0.0, 1.0, 2.0]
    assert_same_state(parameters_of(estimator), KeepStates.states[2])
    last = KeepStates.states[-1]
    assert not torch.equal(last["critic.bias"], KeepStates.states[2]["critic.bias"])


def test_early_stopping_watches_the_training_loss_where_nothing_is_set_aside(blobs):
    estimator = PerceptronClassifier(max_epochs=500, n_iter_no_change=3).fit(*blobs)
    losses = estimator.history_["train_loss"]
    assert estimator.n_iter_ < 500
    assert min(losses) < min(losses[-3:])


def test_warm_start_continues(blobs):
    estimator = PerceptronClassifier(max_epochs=3, warm_start=True).fit(*blobs)
    first = estimator.history_["train_loss"]
    estimator.fit(*blobs)
    assert estimator.history_["train_loss"][:3] == first
    assert estimator.n_iter_ == 6
    assert estimator.history_["train_loss"][3] < first[0]


def test_without_warm_start_each_fit_starts_anew(blobs):
    estimator = PerceptronClassifier(max_epochs=3).fit(*blobs)
    first = state_of(estimator)
    assert_same_state(state_of(estimator.fit(*blobs)), first)
    assert estimator.n_iter_ == 3


def test_warm_start_refuses_another_architecture_and_other_classes(blobs):
    X, y = blobs
    estimator = PerceptronClassifier(warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="classes of the first fit"):
        estimator.fit(X, y + 1)
    with pytest.raises(ValueError, match=r"'n_hidden': 9.*warm_start=False"):
        estimator.set_params(width=9).fit(X, y)


def test_partial_fit_trains_an_epoch_a_call(blobs):
    X, y = blobs
    estimator = PerceptronClassifier()
    for _ in range(30):
        estimator.partial_fit(X[:45], y[:45], classes=[0, 1, 2])
        estimator.partial_fit(X[45:], y[45:])
    assert estimator.n_iter_ == 60
    assert estimator.score(X, y) > 0.9


def test_partial_fit_keeps_the_optimiser_between_calls(blobs):
    """Batches of all clips in any order: two calls equal one fit of two epochs."""
    X, y = blobs
    pieces = PerceptronClassifier(batch_size=90, max_epochs=1)
    for _ in range(2):
        pieces.partial_fit(X, y, classes=[0, 1, 2])
    whole = PerceptronClassifier(batch_size=90, max_epochs=2).fit(X, y)
    for key, value in parameters_of(whole).items():
        torch.testing.assert_close(parameters_of(pieces)[key], value, atol=1e-4, rtol=0)


def test_partial_fit_wants_the_classes_first(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match="classes must be passed"):
        PerceptronClassifier().partial_fit(X, y)
    estimator = PerceptronClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"\[7\], which are not among"):
        estimator.partial_fit(X, np.full_like(y, 7))
    with pytest.raises(ValueError, match="differs from"):
        estimator.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="Give the weights as a dict"):
        PerceptronClassifier(class_weight="balanced").partial_fit(X, y, [0, 1, 2])


def test_class_weights_weigh(blobs):
    X, y = make_blobs([200, 20], n_features=4, cluster_std=6.0, random_state=0)
    plain = PerceptronClassifier().fit(X, y)
    balanced = PerceptronClassifier(class_weight="balanced").fit(X, y)
    assert (balanced.predict(X) == 1).sum() > (plain.predict(X) == 1).sum()
    ignoring = PerceptronClassifier(class_weight={0: 1.0, 1: 0.0}).fit(X, y)
    assert (ignoring.predict(X) == 0).all()


def test_a_fraction_that_cannot_be_set_aside(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"validation_fraction=0\.01 of 90 clips"):
        PerceptronClassifier(validation_fraction=0.01).fit(X, y)


def test_divergence_is_reported(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"diverged: train_loss is .* epoch 1"):
        PerceptronClassifier(lr=1e30, max_epochs=3, batch_size=8).fit(X * 1e12, y)


def test_a_missing_device_is_refused_before_training(blobs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        PerceptronClassifier(device="cuda").fit(*blobs)


class CountSteps(Callback):
    n_steps = 0

    def on_grad_computed(self, net, named_parameters, **_):
        assert all(p.grad is not None for _, p in named_parameters)
        self.n_steps += 1

    def on_train_end(self, net, **_):
        net.history.record("n_steps", float(self.n_steps))


def test_skorch_callbacks_are_called_and_left_untouched(blobs):
    callbacks = [
        CountSteps(),
        GradientNormClipping(1.0),
        LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1),
    ]
    estimator = PerceptronClassifier(max_epochs=3, batch_size=30, callbacks=callbacks)
    estimator.fit(*blobs)
    assert estimator.history_["n_steps"][-1] == 9
    assert callbacks[0].n_steps == 0
    assert estimator._net.optimizer_.param_groups[0]["lr"] < 0.001
    assert clone(estimator).fit(*blobs).n_iter_ == 3


class StopAtTwo(Callback):
    """Ask for the end as skorch's callbacks do."""

    def on_epoch_end(self, net, **_):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_a_callback_may_end_the_training_early(blobs):
    assert PerceptronClassifier(callbacks=[StopAtTwo()]).fit(*blobs).n_iter_ == 2


class InterruptedClassifier(PerceptronClassifier):
    def _losses(self, net, batch):
        raise KeyboardInterrupt


def test_an_interrupt_from_the_keyboard_ends_the_fit(blobs):
    estimator = InterruptedClassifier(verbose=1)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*blobs)
    assert not estimator.__sklearn_is_fitted__()


def test_progress_bar_shows_the_losses(blobs, capsys):
    PerceptronClassifier(verbose=1, max_epochs=2).fit(*blobs)
    bar = capsys.readouterr().err
    assert "PerceptronClassifier: 100%" in bar
    assert "train_loss=" in bar
    PerceptronClassifier(verbose=0, max_epochs=2).fit(*blobs)
    assert capsys.readouterr().err == ""


# Persistence


def dumped(estimator):
    return pickle.dumps(estimator)


def test_a_dump_predicts_the_same(blobs):
    X, y = blobs
    estimator = GameClassifier(max_epochs=3).fit(X, y)
    loaded = pickle.loads(dumped(estimator))  # noqa: S301
    np.testing.assert_array_equal(
        loaded.decision_function(X), estimator.decision_function(X)
    )
    assert loaded.history_ == estimator.history_
    np.testing.assert_array_equal(
        copy.deepcopy(estimator).predict_proba(X), estimator.predict_proba(X)
    )


def test_dumps_of_identical_fits_are_identical(blobs):
    first, second = (dumped(GameClassifier(max_epochs=3).fit(*blobs)) for _ in range(2))
    assert first == second


def test_a_dump_holds_weights_and_little_else(blobs):
    X, y = blobs
    estimator = PerceptronClassifier(width=2000, max_epochs=1).fit(X, y)
    n_bytes = sum(v.numel() * v.element_size() for v in state_of(estimator).values())
    assert len(dumped(estimator)) < 1.1 * n_bytes
    many = PerceptronClassifier(width=2000, max_epochs=1).fit(
        np.tile(X, (20, 1)), np.tile(y, 20)
    )
    assert abs(len(dumped(many)) - len(dumped(estimator))) < 100


def test_a_dump_needs_no_torch_storage(blobs):
    class NoTorch(pickle.Unpickler):
        def find_class(self, module, name):
            assert not module.startswith("torch"), f"{module}.{name}"
            return super().find_class(module, name)

    estimator = PerceptronClassifier(max_epochs=1).fit(*blobs)
    assert NoTorch(io.BytesIO(dumped(estimator))).load().classes_.tolist() == [0, 1, 2]


def test_a_dump_from_an_accelerator_loads_on_the_cpu(blobs, monkeypatch):
    X, y = blobs
    estimator = PerceptronClassifier(max_epochs=1).fit(X, y)
    expected = estimator.predict_proba(X)
    estimator.set_params(device="cuda")
    dump = dumped(estimator)
    monkeypatch.setattr(_device.torch.cuda, "is_available", lambda: False)
    loaded = pickle.loads(dump)  # noqa: S301
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


def test_parameters_changed_after_the_fit_do_not_break_a_dump(blobs):
    X, y = blobs
    estimator = PerceptronClassifier(max_epochs=1).fit(X, y)
    expected = estimator.predict_proba(X)
    loaded = pickle.loads(dumped(estimator.set_params(width=99)))  # noqa: S301
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


def test_a_loaded_estimator_trains_on(blobs):
    X, y = blobs
    estimator = PerceptronClassifier(max_epochs=2, warm_start=True).fit(X, y)
    loaded = pickle.loads(dumped(estimator))  # noqa: S301
    before = loaded.history_["train_loss"][-1]
    loaded.fit(X, y)
    assert loaded.history_["train_loss"][-1] < before


def test_an_unfitted_estimator_can_be_dumped():
    loaded = pickle.loads(dumped(PerceptronClassifier(width=5)))  # noqa: S301
    assert loaded.width == 5
    assert not loaded.__sklearn_is_fitted__()


def test_another_version_is_reported(blobs, monkeypatch):
    dump = dumped(PerceptronClassifier(max_epochs=1).fit(*blobs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(dump)  # noqa: S301
    monkeypatch.setattr(sklearn_audio.base, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"dumped by .* 99\.0"):
        pickle.loads(dump)  # noqa: S301
