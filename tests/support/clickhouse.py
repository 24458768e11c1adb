"""A ClickHouse for tests: the embedded one, in a process of its own."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import httpx

from tests.support.process import Subprocess

READER_LIMITS = {"max_execution_time": 10, "max_memory_usage": 1_000_000_000, "max_result_rows": 100_000}


class Front:
    """A running front: a writer and a read-only reader, both with passwords of this instance."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, timezone: str) -> None:
        """Start it on `folder` (which may hold data of an earlier one) and wait until it answers."""
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
        self.process = Subprocess(self.command(), folder / "clickhouse.log")
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


def start_front(tmp_path: Path, timezone: str = "UTC") -> Front:
    """Start a front on a free port with its data under `tmp_path`; the caller stops it."""
    return Front(tmp_path, timezone)
