"""The scripts that say whether a container is healthy, against servers that are and are not."""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.components.container import Health
from tests.support.broker import EmbeddedBroker
from tests.support.http_server import Answer, Request
from tests.support.http_server import answering as serving
from tests.support.process import PROJECT

HEALTH = PROJECT / "infra" / "health"


def healthy(script: str, *words: str) -> bool:
    """Whether a script exits with 0; it ends by itself."""
    return subprocess.run(["bash", str(HEALTH / script), *words], timeout=60, check=False).returncode == 0


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port where everybody is sent the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


class Page(http.server.BaseHTTPRequestHandler):
    """200 for /ok, 503 for all else."""

    def do_GET(self) -> None:
        """Answers."""
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    """The port of an HTTP server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


def test_a_page_that_answers_200_is_healthy(page: str) -> None:
    assert healthy("http.sh", page, "/ok")


def test_a_page_that_answers_anything_else_is_not(page: str) -> None:
    assert not healthy("http.sh", page, "/else")


@pytest.mark.parametrize(("sent", "well"), [("right", True), ("wrong", False), (None, False)])
def test_a_page_that_wants_a_header_gets_it_out_of_a_file(tmp_path: Path, sent: str | None, well: bool) -> None:
    def answer(request: Request) -> Answer:
        return (200 if request.headers.get("Authorization") == "Basic right" else 401), {}

    file = tmp_path / "header"
    file.write_text(f"Authorization: Basic {sent}")
    with serving(answer) as url:
        port = url.rpartition(":")[2]
        assert healthy("http.sh", port, "/connectors", *([str(file)] if sent else [])) is well


def test_no_page(closed_port: int) -> None:
    assert not healthy("http.sh", str(closed_port), "/ok")


def test_something_that_is_not_http() -> None:
    with answering(b"SSH-2.0-OpenSSH_9.9 200\r\n") as port:
        assert not healthy("http.sh", str(port), "/ok")


def test_a_broker_is_healthy_and_a_dead_one_is_not() -> None:
    broker = EmbeddedBroker({"t": 1})
    host, port = broker.bootstrap.split(",")[0].split(":")
    try:
        assert healthy("kafka.sh", host, port)
        broker.kill()
        assert not healthy("kafka.sh", host, port)
    finally:
        broker.release()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\6\0\0\0\x2b\0\0", b"\0\0\0\6\0\0\0\x2a\0\x23"]
)
def test_something_that_is_no_broker(answer: bytes) -> None:
    """Nothing, another protocol, another request's answer, and UNSUPPORTED_VERSION."""
    with answering(answer) as port:
        assert not healthy("kafka.sh", "127.0.0.1", str(port))


def test_an_answer_to_the_request_is_healthy() -> None:
    with answering(b"\0\0\0\6\0\0\0\x2a\0\0") as port:
        assert healthy("kafka.sh", "127.0.0.1", str(port))


def test_no_broker(closed_port: int) -> None:
    assert not healthy("kafka.sh", "127.0.0.1", str(closed_port))


def look(command: str, patience: int) -> int:
    """The exit code of a look at a container's health, as the engine has it run."""
    kind, script = Health(command=command, patience=patience).test
    assert kind == "CMD-SHELL"
    return subprocess.run(["/bin/sh", "-c", script], timeout=60, check=False).returncode


def test_a_look_waits_for_what_is_not_ready_yet(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    later = threading.Timer(0.5, ready.touch)
    later.start()
    assert look(f"test -e {ready}", patience=30) == 0
    later.join()


def test_a_look_ends_by_itself_when_nothing_gets_ready() -> None:
    assert look("false", patience=1) == 1
    assert look("true", patience=0) == 0
