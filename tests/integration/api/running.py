"""The API as a process on a database of the test, its analytics away."""

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.support.process import Subprocess
from tests.support.shop import ADMIN_TOKEN

_LINK = re.compile(r"link=(http://127\.0\.0\.1:(\d+)/)")


def settings_of(url: str, **more: str) -> dict[str, str]:
    """The environment of an API on the database of this URL."""
    return {
        "DATABASE_URL": url,
        "CLICKHOUSE_HOST": "http://127.0.0.1:9",
        "CLICKHOUSE_PASSWORD": "not-used",
        "MILLRACE_ADMIN_TOKEN": ADMIN_TOKEN,
        "MILLRACE_PARENT_PID": str(os.getpid()),
        "PORT": "0",
        **more,
    }


class RunningApi:
    """Started on a free port, ready when made; the caller stops ``process``."""

    def __init__(self, url: str, folder: Path, module: Sequence[str] = ("services.api",), **more: str) -> None:
        """On the database of this URL; ``folder`` takes the log; ``more`` are further settings.

        ``module``: with its arguments, where it is not the API as it ships.
        """
        self.process = Subprocess(module, folder / "api.log", settings_of(url, **more))
        self.process.wait_ready(lambda: _LINK.search(self.process.output()), "the API")
        found = _LINK.search(self.process.output())
        assert found is not None
        self.link, self.port = found[1], int(found[2])

    def raw(self, request: bytes, until: bytes | None = None) -> bytes:
        """The answer to bytes sent as they are: all of it, or up to and with ``until``."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            while until is None or until not in answer:
                received = connection.recv(65536)
                if not received:
                    break
                answer += received
        return answer
