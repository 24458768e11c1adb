"""Servers under test: start as a subprocess, wait until ready, end for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90.0
STOP_SECONDS = 20.0

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = READY_SECONDS, pause: float = 0.01) -> T:
    """Poll until `condition` is truthy and return its value; AssertionError naming `what` after `seconds`.

    `pause`: seconds between looks; longer where a look is work for the machine that is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


class Subprocess:
    """A Python module run as a process, its output kept in a file for the failure message."""

    def __init__(self, arguments: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        """Start `python -m ARGUMENTS`; `env` is added to the environment."""
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def output(self) -> str:
        """What the process has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_ready(self, ready: Callable[[], T], what: str, seconds: float = READY_SECONDS) -> T:
        """Wait until `ready` is truthy; the process is killed and its output shown when it ends or takes too long."""

        def check() -> T:
            if self.process.poll() is not None:
                raise AssertionError(f"{what} ended with {self.process.returncode}:\n{self.output()}")
            return ready()

        try:
            return wait_until(check, what, seconds)
        except BaseException:
            self.kill()
            print(self.output(), file=sys.stderr)
            raise

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM and the exit code; AssertionError (and SIGKILL) when it does not end within `seconds`."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"pid {self.pid} did not end within {seconds:g} s of SIGTERM") from None

    def kill(self) -> None:
        """SIGKILL, then reap."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(STOP_SECONDS)


_PARENT = """
import os, subprocess, sys
command = [sys.executable, "-m", *sys.argv[1:], "--parent-pid", str(os.getpid())]
print(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read()
"""


def expect_end_with_parent(arguments: Sequence[str], ready: Callable[[], bool]) -> None:
    """Start `python -m ARGUMENTS --parent-pid PID` from a process that is killed: it must end too."""
    command = [sys.executable, "-c", _PARENT, *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            wait_until(ready, "the child's start")
            parent.kill()
            wait_until(lambda: not is_alive(child), "the child's end", STOP_SECONDS)
        finally:
            parent.kill()
            if is_alive(child):
                os.kill(child, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether the process runs (one that has ended and waits to be reaped does not)."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
