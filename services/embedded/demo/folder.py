"""The demo's data folder: databases, logs, secrets made on first use, and the file other commands find it by."""

import contextlib
import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.domain.admin_tokens import new_secret
from services.embedded.lifetime import write_atomically
from services.settings.paths import DEMO_ENV_FILE

# seconds, bytes, rows: enough for any panel, too little to disturb the rest of a laptop
_READER_LIMITS = {"max_execution_time": 20, "max_memory_usage": 2_000_000_000, "max_result_rows": 1_000_000}


class FolderInUse(Exception):
    """Another demo works on the folder."""


@dataclass(frozen=True)
class Secrets:
    """What nobody should have to invent: passwords of the two ClickHouse users and the admin token."""

    writer_password: str
    reader_password: str
    admin_token: str


class DemoFolder:
    """Paths below one folder, and the lock that keeps it to one demo."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.database = self.root / "ecommerce.db"
        self.payment_sandbox = self.root / "payment-sandbox.db"
        self.clickhouse = self.root / "clickhouse"
        self.clickhouse_users = self.root / "clickhouse-users.json"
        self.bootstrap = self.root / "broker.address"
        self.environment_file = self.root / DEMO_ENV_FILE
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Makes the folder and takes it. Raises FolderInUse, OSError when it cannot be written."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        lock = (self.root / "demo.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise FolderInUse(f"another demo runs on {self.root}") from None
        self._lock = lock

    def unlock(self) -> None:
        """Lets the next demo have the folder, and tells other commands that none runs."""
        with contextlib.suppress(FileNotFoundError):
            self.environment_file.unlink()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secrets(self) -> Secrets:
        """The folder's secrets, made on first use, readable by the owner only."""
        file = self.root / "secrets.json"
        if not file.exists():
            made = Secrets(secrets.token_urlsafe(24), secrets.token_urlsafe(24), new_secret())
            self._write_private(file, json.dumps(vars(made)))
        return Secrets(**json.loads(file.read_text()))

    def write_clickhouse_users(self, known: Secrets) -> None:
        """The users file of the embedded ClickHouse."""
        users = {
            "writer": {"password": known.writer_password, "settings": {"max_partitions_per_insert_block": "1000"}},
            "reader": {"password": known.reader_password, "readonly": True, "limits": _READER_LIMITS},
        }
        self._write_private(self.clickhouse_users, json.dumps(users))

    def write_environment(self, environment: dict[str, str]) -> None:
        """What other ``millrace`` commands need to find this demo, as a .env file."""
        lines = [f"{name}='{value}'\n" for name, value in sorted(environment.items())]
        self._write_private(self.environment_file, "".join(lines))

    @staticmethod
    def _write_private(file: Path, text: str) -> None:
        umask = os.umask(0o077)
        try:
            write_atomically(file, text)
        finally:
            os.umask(umask)
