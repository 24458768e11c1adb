"""A Kafka broker for tests: the embedded one, in a process of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.support.process import Subprocess


class Broker:
    """A running broker; everything in it is gone when it ends."""

    def __init__(self, topics: dict[str, int]) -> None:
        """Start it with these topics (name to number of partitions) and wait for its address."""
        self._folder = Path(tempfile.mkdtemp(prefix="millrace-broker-"))
        self._bootstrap_file = self._folder / "bootstrap"
        arguments = ["services.embedded.broker", "--bootstrap-file", str(self._bootstrap_file)]
        arguments += ["--parent-pid", str(os.getpid())]
        for name, partitions in topics.items():
            arguments += ["--topic", f"{name}:{partitions}"]
        self.process = Subprocess(arguments, self._folder / "broker.log")
        self.bootstrap: str = self.process.wait_ready(self._address, "the broker")

    def _address(self) -> str:
        return self._bootstrap_file.read_text().strip() if self._bootstrap_file.exists() else ""

    def stop(self) -> int:
        """End it by SIGTERM and return the exit code."""
        try:
            return self.process.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def start_broker(topics: dict[str, int]) -> Broker:
    """Start a broker with these topics (name to number of partitions); the caller stops it."""
    return Broker(topics)
