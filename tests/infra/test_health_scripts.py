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
from tests.support.process import PROJECT, wait_until

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


@pytest.fixture
def shm(tmp_path: Path) -> Path:
    """What /dev/shm is in a container."""
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


class Looks:
    """Looks at a container's health, as the engine has them run; each try of the command leaves a line."""

    def __init__(self, shm: Path, tmp_path: Path) -> None:
        self.well, self.tried, self._shm = tmp_path / "well", tmp_path / "tried", shm
        self.well.touch()
        self.tried.touch()
        self.checks = f"sh -c 'echo >>{self.tried}; test -e {self.well}'"

    def tries(self) -> int:
        """How often the command was tried."""
        return len(self.tried.read_text().splitlines())

    def begin(self, watch: int = 3, patience: int = 1) -> subprocess.Popen[bytes]:
        """Starts a look; the caller waits for it."""
        kind, script = Health(command=self.checks, interval=60, every=1, watch=watch, patience=patience).test
        assert kind == "CMD-SHELL"
        assert "/dev/shm/" in script  # noqa: S108 - in the container
        return subprocess.Popen(["/bin/sh", "-c", script.replace("/dev/shm", str(self._shm))])  # noqa: S108 - the same

    def look(self, watch: int = 3, patience: int = 1) -> int:
        """The exit code of a whole look."""
        with self.begin(watch, patience) as process:
            return process.wait(60)


@pytest.fixture
def looks(shm: Path, tmp_path: Path) -> Looks:
    """A container that is well and has not been looked at."""
    return Looks(shm, tmp_path)


def test_a_look_waits_for_what_is_not_ready_yet(looks: Looks) -> None:
    looks.well.unlink()
    later = threading.Timer(0.5, looks.well.touch)
    later.start()
    assert looks.look(patience=30) == 0
    later.join()


def test_a_look_ends_by_itself_when_nothing_gets_ready(looks: Looks) -> None:
    looks.well.unlink()
    assert looks.look() == 1


def test_a_command_that_hangs_is_ended(shm: Path) -> None:
    _, script = Health(command="sh -c 'trap : TERM; sleep 1000; sleep 1000'", patience=0).test
    assert subprocess.run(["/bin/sh", "-c", script.replace("/dev/shm", str(shm))], timeout=60, check=False).returncode  # noqa: S108


def test_the_command_has_its_variables(shm: Path) -> None:
    health = Health(command="""sh -c 'test "$SECRET" = "a b"'""", environment={"SECRET": "$GIVEN"}, patience=0)
    script = health.test[1].replace("/dev/shm", str(shm))  # noqa: S108 - in the container
    assert "$GIVEN" in script, "the shell knows it; the arguments of a process show it to everybody"
    assert subprocess.run(["/bin/sh", "-c", script], env={"GIVEN": "a b"}, timeout=60, check=False).returncode == 0


def test_the_first_look_ends_with_the_first_success_and_the_next_goes_on(looks: Looks) -> None:
    assert looks.look() == 0
    assert looks.tries() == 1
    assert looks.look() == 0
    assert looks.tries() >= 3


def test_a_long_look_fails_as_soon_as_the_command_has_failed_for_long_enough(looks: Looks) -> None:
    assert looks.look() == 0
    with looks.begin(watch=3600) as process:
        wait_until(lambda: looks.tries() >= 2, "the second look to begin", 30)
        looks.well.unlink()
        assert process.wait(60) == 1


def test_a_failure_that_passes_does_not_end_a_long_look(looks: Looks) -> None:
    assert looks.look() == 0
    with looks.begin(watch=3, patience=30) as process:
        wait_until(lambda: looks.tries() >= 2, "the second look to begin", 30)
        looks.well.unlink()
        failing = looks.tries()
        wait_until(lambda: looks.tries() >= failing + 3, "it to fail", 30)
        looks.well.touch()
        assert process.wait(60) == 0


def test_what_comes_back_after_a_failure_is_seen_at_once(looks: Looks) -> None:
    assert looks.look() == 0
    looks.well.unlink()
    assert looks.look() == 1
    looks.well.touch()
    tried = looks.tries()
    assert looks.look(watch=3600) == 0
    assert looks.tries() == tried + 1


def test_a_look_that_was_cut_off_is_followed_by_a_short_one(looks: Looks) -> None:
    """So it is when the container was paused: the engine ends the look, calls it unhealthy, and starts anew."""
    assert looks.look() == 0
    with looks.begin(watch=3600) as process:
        wait_until(lambda: looks.tries() >= 2, "the second look to begin", 30)
        process.kill()
    tried = looks.tries()
    assert looks.look(watch=3600) == 0
    assert looks.tries() == tried + 1


def test_a_success_of_long_ago_is_followed_by_a_short_look(looks: Looks, shm: Path) -> None:
    assert looks.look() == 0
    (seen,) = shm.iterdir()
    seen.write_text(str(int(seen.read_text()) - 3600))
    assert looks.look(watch=3600) == 0
    assert looks.tries() == 2


def test_a_hang_is_noticed_before_two_looks_of_ten_seconds_five_apart_would_have() -> None:
    """What the engine was told before looks became long: at least 25 s, at most 31 s."""
    health = Health(command="true")
    tries = 2 * 5
    assert health.retries == 1
    assert health.every + health.patience + tries <= 30
    assert health.interval <= 1, "what starts is first looked at so long after"
    assert health.timeout > health.watch + health.every + health.patience + tries, "a look always ends by itself"
