"""A ClickHouse for tests: the embedded one in a process of its own, or the server of MILLRACE_TEST_CLICKHOUSE."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx

from infra.accounts import CLICKHOUSE
from infra.components.clickhouse import DATABASE, users_document
from tests.support import servers
from tests.support.process import Subprocess, wait_until

READER_LIMITS = {"max_execution_time": 10, "max_memory_usage": 1_000_000_000, "max_result_rows": 100_000}


class Front:
    """A running front: a writer and a read-only reader, both with passwords of this instance."""

    host = "127.0.0.1"
    writer = "writer"

    def __init__(self, folder: Path, timezone: str, engine: Path | None = None) -> None:
        """Start it on `folder` (which may hold data of an earlier one) and wait until it answers.

        `engine`: a folder with a chDB to use in place of the environment's.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "clickhouse"
        self.timezone = timezone
        self._folder = folder
        self._address_file = folder / "address"
        self._users = self._declare_users()
        self._address_file.unlink(missing_ok=True)
        self.process = Subprocess(
            self.command(), folder / "clickhouse.log", {"PYTHONPATH": str(engine)} if engine else None
        )
        self.port = self.process.wait_ready(self._ready, "the ClickHouse front")

    def _declare_users(self) -> Path:
        """A credentials file, as the demo has one."""
        self.writer_password, self.reader_password = secrets.token_hex(8), secrets.token_hex(8)
        users: dict[str, dict[str, Any]] = {
            "writer": {"password": self.writer_password, "settings": {"max_partitions_per_insert_block": 1000}},
            "reader": {"password": self.reader_password, "readonly": True, "limits": READER_LIMITS},
        }
        path = self._folder / "users.json"
        path.write_text(json.dumps(users))
        return path

    def account(self, user: str) -> tuple[str, str]:
        """Name and password for the program of this name: here they are all the writer."""
        return self.writer, self.writer_password

    def command(self) -> list[str]:
        """The module and arguments that start it."""
        return [
            "services.embedded.clickhouse",
            *("--data", str(self.data), "--users", str(self._users), "--port", "0"),
            *("--timezone", self.timezone, "--address-file", str(self._address_file)),
            *("--parent-pid", str(os.getpid())),
        ]

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}:{self.port}"

    def _ready(self) -> int:
        if not self._address_file.exists():
            return 0
        port = int(self._address_file.read_text().rpartition(":")[2])
        try:
            answer = httpx.get(f"http://{self.host}:{port}/ping")
        except httpx.TransportError:
            return 0
        return port if answer.text == "Ok.\n" else 0

    def stop(self) -> int:
        """End it by SIGTERM and return the exit code; the data stays."""
        return self.process.stop()

    def kill(self) -> None:
        """End it by SIGKILL; the data stays."""
        self.process.kill()

    def release(self) -> None:
        """The test is done with it, in whatever state it is."""
        self.kill()

    def freeze(self) -> None:
        """SIGSTOP: alive, but doing nothing."""
        self.process.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Ends `freeze`."""
        self.process.process.send_signal(signal.SIGCONT)


class StackFront(Front):
    """A front with the stack's own users and their grants, in the given databases: the file that the stack uploads.

    `writer` is `admin`, who may everything, for what tests do to the data by hand.
    """

    writer = "admin"

    def __init__(self, folder: Path, timezone: str, databases: Sequence[str] = (DATABASE,)) -> None:
        """As Front."""
        self._databases = databases
        super().__init__(folder, timezone)

    def _declare_users(self) -> Path:
        self._passwords = {user: secrets.token_hex(8) for user in CLICKHOUSE}
        self.writer_password, self.reader_password = self._passwords["admin"], self._passwords["reader"]
        path = self._folder / "users.d"
        path.mkdir(exist_ok=True)
        (path / "millrace.xml").write_text(self.users_document())
        return path

    def users_document(self) -> str:
        """The file, with the grants of every database."""
        rendered = [
            ElementTree.fromstring(users_document(self._passwords, self.timezone, database))  # noqa: S314 - our own
            for database in self._databases
        ]
        for other in rendered[1:]:
            for grants in other.iterfind("users/*/grants/.."):
                held = rendered[0].find(f"users/{grants.tag}/grants")
                assert held is not None
                held.extend(grants.iterfind("grants/query"))
        return ElementTree.tostring(rendered[0], encoding="unicode")

    def account(self, user: str) -> tuple[str, str]:
        """Name and password of the user that this program has in the stack."""
        return user, self._passwords[user]


class Server(Front):
    """The server of the run: it outlives the test, which has databases of its own there."""

    def __init__(self, url: str) -> None:
        """Has it back where an earlier test left it frozen or killed."""
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 8123
        self.writer, self.writer_password = parts.username or "", parts.password or ""
        self.timezone = "UTC"
        self._machine = servers.Machine(self.port)
        self._machine.start()
        wait_until(self._answers, "ClickHouse's answer", 60)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping").text == "Ok.\n"
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Nothing: the next test takes it as it is."""
        return 0

    def kill(self) -> None:
        """SIGKILL to its container; whoever starts one next has it back with its data."""
        self._machine.kill()

    def freeze(self) -> None:
        """Pauses its container."""
        self._machine.freeze()

    def thaw(self) -> None:
        """Ends the pause."""
        self._machine.thaw()

    def release(self) -> None:
        """Has it running for the next test."""
        self._machine.start()


def start_front(tmp_path: Path, timezone: str = "UTC", engine: Path | None = None) -> Front:
    """Start a front on a free port with its data under `tmp_path`, on this engine; the caller stops it."""
    return Front(tmp_path, timezone, engine)


def start_clickhouse(tmp_path: Path, timezone: str, databases: Sequence[str] = (DATABASE,)) -> Front:
    """The server of the run, where there is one and this is its time zone; else a front with the stack's users.

    The front's users have their rights in `databases`; on the server every program is its one user.
    """
    if servers.CLICKHOUSE and timezone == "UTC":
        return Server(servers.CLICKHOUSE)
    return StackFront(tmp_path, timezone, databases)
