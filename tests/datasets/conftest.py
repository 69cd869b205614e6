"""A loopback server, archives to serve, and files that stand for clips."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sklearn_audio.datasets import _download


class ArchiveServer:
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
        self.url = f"http://127.0.0.1:{self._http.server_port}/archive"

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(_download, "_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = ArchiveServer()
    yield served
    served.close()


@pytest.fixture
def make_files(tmp_path):
    """Make empty files, or files with text, below a new folder; return the folder."""

    def make(files, folder="copy"):
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return make


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
