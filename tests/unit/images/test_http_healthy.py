"""The health check of the project's image: a script that asks a server on its own machine."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.process import PROJECT

STATUS = {"/healthz": 200, "/created": 201, "/moved": 302, "/absent": 404, "/ill": 503}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/silent":
            return
        self.send_response(STATUS[self.path])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def healthy(port: int, path: str) -> bool:
    script = PROJECT / "images" / "millrace" / "http-healthy"
    ended = subprocess.run([script, str(port), path], capture_output=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    return ended.returncode == 0


def test_only_200_is_healthy(port: int) -> None:
    assert {path for path in STATUS if healthy(port, path)} == {"/healthz"}


def test_a_server_that_hangs_up_or_is_not_there_is_not_healthy(port: int) -> None:
    assert not healthy(port, "/silent")
    with HTTPServer(("127.0.0.1", 0), Handler) as closed:
        free = closed.server_address[1]
    assert not healthy(free, "/healthz")
