"""A ClickHouse for tests: the embedded one in a process of its own, or the server of MILLRACE_TEST_CLICKHOUSE."""

from __future__ import annotations

import json
import os
import secrets
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

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
        self._users_file = folder / "users.json"
        self._address_file = folder / "address"
        self.writer_password, self.reader_password = secrets.token_hex(8), secrets.token_hex(8)
        users: dict[str, dict[str, Any]] = {
            "writer": {"password": self.writer_password, "settings": {"max_partitions_per_insert_block": 1000}},
            "reader": {"password": self.reader_password, "readonly": True, "limits": READER_LIMITS},
        }
        self._users_file.write_text(json.dumps(users))
        self._address_file.unlink(missing_ok=True)
        self.process = Subprocess(
            self.command(), folder / "clickhouse.log", {"PYTHONPATH": str(engine)} if engine else None
        )
        self.port = self.process.wait_ready(self._ready, "the ClickHouse front")

    def command(self) -> list[str]:
        """The module and arguments that start it."""
        return [
            "services.embedded.clickhouse",
            *("--data", str(self.data), "--users", str(self._users_file), "--port", "0"),
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


def start_clickhouse(tmp_path: Path, timezone: str) -> Front:
    """The server of the run, where there is one and this is its time zone; else an embedded one as `start_front`."""
    if servers.CLICKHOUSE and timezone == "UTC":
        return Server(servers.CLICKHOUSE)
    return start_front(tmp_path, timezone)
