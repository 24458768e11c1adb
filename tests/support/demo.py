"""A demo for tests: `millrace demo` as a person starts it, on a folder and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from dotenv import dotenv_values

from tests.support.process import PROJECT, wait_until
from tests.support.traffic import not_begun

MILLRACE = Path(sys.executable).with_name("millrace")
READY_SECONDS = 90.0
PATIENT = {"API_QUEUE_SECONDS": "30"}
"""On a busy machine nobody is to be sent away for the queue's sake."""
LAST_LINE = "millrace admin actions"
"""Ends what the demo says once it is ready."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """A running demo; `millrace` runs other commands against it."""

    def __init__(
        self, data: Path, port: int | None = None, timezone: str = "UTC", settings: Mapping[str, str] = PATIENT
    ) -> None:
        """Start it on `data` (which may hold an earlier demo's) and wait until it says it is ready."""
        self.data, self.port = data, port or free_port()
        self.clickhouse_port = free_port()
        self.log = data.with_name(f"{data.name}.demo.log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    str(MILLRACE),
                    "demo",
                    *("--data", str(data), "--port", str(self.port), "--clickhouse-port", str(self.clickhouse_port)),
                    *("--timezone", timezone, "--no-metrics"),
                ],
                cwd=PROJECT,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._is_ready, "the demo's ready line", READY_SECONDS)
        except BaseException:
            self.kill()
            print(self.everything(), file=sys.stderr)
            raise

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the demo ended with {self.process.returncode}")
        return LAST_LINE in self.output()

    @property
    def url(self) -> str:
        """The API."""
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """What the demo printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def everything(self) -> str:
        """What the demo and its processes printed, for a failure message."""
        logs = sorted((self.data / "logs").glob("*.log")) if self.data.exists() else []
        tails = [f"--- {log.stem}\n{log.read_text(errors='replace')[-3000:]}" for log in logs]
        return "\n".join([self.output(), *tails])

    def environment(self) -> dict[str, str]:
        """The settings of this demo, as other commands would find them."""
        known = dotenv_values(self.data / "millrace.env")
        return {name: value for name, value in known.items() if value is not None}

    def millrace(self, *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run `millrace ARGUMENTS` against this demo."""
        return subprocess.run(
            [str(MILLRACE), *arguments],
            cwd=PROJECT,
            env={**os.environ, "MILLRACE_DEMO_DATA": str(self.data), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON answer of a GET; AssertionError for anything but success."""

        def asked() -> httpx.Response | None:
            """The API's first look at a ClickHouse that has just started may come too late: 503, and again."""
            answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=30)
            return None if not_begun(answer) else answer

        answer = wait_until(asked, f"an answer of {path}", 60.0)
        assert answer is not None
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def pids(self) -> dict[str, int]:
        """Process ids of the demo's processes by name, read from the kernel."""
        listing = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout
        found = {}
        for line in listing.splitlines():
            pid, _, command = line.strip().partition(" ")
            if " -m services." in command:
                name = command.split(" -m services.", 1)[1].split()[0].removeprefix("embedded.")
                found[name] = int(pid)
        return found

    def kill_process(self, name: str) -> int:
        """SIGKILL one of the demo's processes, once it runs; returns its pid."""
        pid = wait_until(lambda: self.pids().get(name, 0), f"{name} to run", 30.0)
        os.kill(pid, signal.SIGKILL)
        return pid

    def verified(self) -> dict[str, Any] | None:
        """The verify report when it says that everything is the same and nothing is under way, else None."""
        done = self.millrace("verify", "--json")
        if done.returncode != 0:
            return None
        report: dict[str, Any] = json.loads(done.stdout)
        under_way = report["in_flight"]["orders"] + report["in_flight"]["cells"]
        return None if under_way else report

    def stop(self, seconds: float = 30.0) -> int:
        """Ctrl-C, and the exit code; AssertionError when it takes longer than `seconds`."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the demo did not stop within {seconds:g} s of Ctrl-C") from None

    def kill(self) -> None:
        """SIGKILL to the supervisor alone: its processes have to end by themselves."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
