"""What the tests of several packages share."""

import copy
import multiprocessing
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib
import pytest
import torch
from skorch.callbacks import Callback
from torch.nn.modules.batchnorm import _BatchNorm

from sklearn_audio import _download

CALL = """
import warnings
warnings.simplefilter("error")
import joblib
model, X = joblib.load(f"{folder}/dump")
joblib.dump([getattr(model, method)(X) for method in methods], f"{folder}/answers")
"""


@pytest.fixture(scope="session")
def forkserver():
    """Start processes that have imported what the package needs, and nothing of it.

    Importing torch anew takes longer than most of what these processes are asked for.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["joblib", "sklearn.pipeline", "torch"])
    return context


@pytest.fixture
def in_a_new_process(forkserver, tmp_path):
    """Dump a model, and call methods of it where nothing but the dump is known."""

    def call(model, X, *methods):
        joblib.dump((model, X), tmp_path / "dump")
        names = {"folder": str(tmp_path), "methods": methods}
        process = forkserver.Process(target=exec, args=(CALL, names))
        process.start()
        process.join()
        assert process.exitcode == 0
        process.close()
        return joblib.load(tmp_path / "answers")

    return call


class FileServer:
    """Serves one file; `answers` says how the next requests are answered."""

    def __init__(self):
        self.content = b""
        # "whole", "broken" (half of the file, then the line is cut) or "missing".
        self.answers = []
        self.n_requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.n_requests += 1
                answer = server.answers.pop(0) if server.answers else "whole"
                if answer == "missing":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                whole = len(server.content)
                n_sent = whole if answer == "whole" else whole // 2
                self.wfile.write(server.content[:n_sent])
                self.close_connection = True

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/file"

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(_download, "_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = FileServer()
    yield served
    served.close()


@pytest.fixture
def tree():
    """List the files below a folder, with slashes, sorted."""

    def list_files(folder):
        return sorted(
            path.relative_to(folder).as_posix()
            for path in Path(folder).rglob("*")
            if path.is_file()
        )

    return list_files


@pytest.fixture(scope="session")
def make_efficient_at():
    """Make small networks whose random layers pass on what they hear.

    As torch initialises them, normalisations let next to nothing through.
    """

    def make(width=0.1, n_tags=5):
        import torch

        from sklearn_audio.pretrained import EfficientATNetwork

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            network = EfficientATNetwork(width=width, n_tags=n_tags)
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 1.0
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.uniform_(-0.5, 0.5)
            loudness = torch.logspace(-3, 0, 8)[:, None]
            network.train()(loudness * torch.randn(8, 16000))
        return network.eval()

    return make


class Step:
    """What a fit does with one batch: its networks before and after, and gradients.

    Every call of an optimiser is counted, from 0: ``gradients[i]`` holds what it goes
    by, a vector for each network.
    """

    def __init__(self, net, batch):
        self.batch = [tensor.clone() for tensor in batch]
        self.before = copy.deepcopy(net.modules)
        self.generator = net.generator.clone_state()
        self.gradients = []
        self.after = {}

    def normal(self, *shape):
        """Draw what the training draws next from the normal distribution."""
        return torch.randn(*shape, generator=self.generator)

    def assert_gradient(self, index, loss, *names, networks=None):
        """Check that an optimiser went down a loss of copies of the networks."""
        networks = networks or self.before
        for name in names:
            weights = trained(networks[name])
            gradient = torch.autograd.grad(loss, weights, retain_graph=True)
            assert_close(self.gradients[index][name], flat(gradient))


class Recorder(Callback):
    """Writes down every step of a fit. Estimators copy callbacks, but not this one."""

    def __init__(self):
        self.steps = []

    def __deepcopy__(self, memo):
        return self

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.steps.append(Step(net, batch))

    def on_grad_computed(self, net, **kwargs):
        self.steps[-1].gradients.append(
            {
                name: flat(
                    torch.zeros_like(w) if w.grad is None else w.grad
                    for w in trained(module)
                )
                for name, module in net.modules.items()
            }
        )

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.steps[-1].after = copy.deepcopy(net.modules)


def trained(module):
    return [weight for weight in module.parameters() if weight.requires_grad]


def flat(tensors):
    """Return all numbers in one vector, a copy."""
    return torch.cat([torch.zeros(0), *(t.detach().flatten() for t in tensors)])


def assert_close(actual, expected, tolerance=1e-3):
    """Compare vectors by lengths: in Adam's steps, tiny gradients are rounding."""
    distance = (actual.double() - expected.double()).norm()
    assert distance <= tolerance * expected.double().norm(), (actual, expected)
    assert expected.norm() > 0


@pytest.fixture
def record_steps():
    """Fit an estimator, and return its steps."""

    def fit(estimator, *data, **metadata):
        recorder = Recorder()
        estimator.set_params(callbacks=[recorder]).fit(*data, **metadata)
        return recorder.steps

    return fit


@pytest.fixture
def assert_adam():
    """Check that a network moved as Adam says, and by nothing else.

    ``index`` is the number of the optimiser's call in each step, ``lr`` its learning
    rate or those of the steps, and ``decay`` AdamW's.
    """

    def check(steps, name, index, lr, betas=(0.9, 0.999), decay=0.0):
        rates = lr if isinstance(lr, list) else [lr] * len(steps)
        mean = square = 0.0
        for t, (step, rate) in enumerate(zip(steps, rates, strict=True), start=1):
            gradient = step.gradients[index][name].double()
            mean = betas[0] * mean + (1 - betas[0]) * gradient
            square = betas[1] * square + (1 - betas[1]) * gradient**2
            scale = (square / (1 - betas[1] ** t)).sqrt() + 1e-8
            before = flat(trained(step.before[name])).double()
            move = -rate * (mean / (1 - betas[0] ** t) / scale + decay * before)
            after = flat(trained(step.after[name])).double()
            assert_close(after - before, move, tolerance=1e-2)

    return check


@pytest.fixture
def assert_settled():
    """Check that batch statistics are those of the inputs, under the final weights."""

    def check(network, inputs):
        network = copy.deepcopy(network)
        layers = [m for m in network.modules() if isinstance(m, _BatchNorm)]
        assert layers
        expected = [(la.running_mean.clone(), la.running_var.clone()) for la in layers]
        seen = {}
        for layer in layers:
            layer.train().register_forward_pre_hook(
                lambda layer, args: seen.update({layer: args[0].transpose(0, 1)})
            )
        with torch.no_grad():
            network(inputs)
        for layer, (mean, variance) in zip(layers, expected, strict=True):
            values = seen[layer].flatten(1)  # (C, BFT)
            spread = values.std(dim=1)
            assert ((mean - values.mean(dim=1)).abs() <= 1e-3 * spread).all()
            assert_close(variance, spread**2)

    return check
