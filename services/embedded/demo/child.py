"""One supervised process: started with its log file, restarted with a growing pause, ended for certain."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.settings import child_environment

_LOG_LIMIT = 20 * 1024 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE, _STEADY_AFTER = 0.2, 10.0, 20.0


class Child:
    """``python -m MODULE`` with its output appended to a log file."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = _FIRST_PAUSE
        self.restarts = 0
        self.due: float | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches the supervisor alone."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".1.log"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=child_environment(environment),
                start_new_session=True,
            )
        self._started, self.due = time.monotonic(), None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> str | None:
        """How the process ended, once; None while it runs or when that was already told."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self._process.returncode
        self._process = None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def schedule_restart(self) -> float:
        """Sets when it may start again and returns the pause: short at first, longer while it keeps dying."""
        if time.monotonic() - self._started > _STEADY_AFTER:
            self._pause = _FIRST_PAUSE
        pause, self._pause = self._pause, min(_LONGEST_PAUSE, self._pause * 2)
        self.restarts += 1
        self.due = time.monotonic() + pause
        return pause

    def terminate(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, then waits until it is gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None
        self.due = None

    def wait(self, deadline: float) -> bool:
        """Waits for its end until ``deadline`` (monotonic seconds); says whether it ended."""
        if self._process is not None:
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
            self._process = None
        return True

    def last_words(self) -> str:
        """The last line it logged."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1][:300] if lines else "it logged nothing"
