"""What the tests of several packages share."""

import multiprocessing
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib
import pytest

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
