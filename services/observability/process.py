"""The life of a process: set up, work until told to stop, and say in one line why it could not start."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from services.observability.disk import export_disk
from services.observability.heartbeat import beat
from services.observability.logging import configure_logging, get_logger
from services.settings import ObservabilitySettings, SettingsError, load

EXIT_OK, EXIT_FAILED, EXIT_UNUSABLE = 0, 1, 2
_PARENT_POLL_SECONDS = 0.5
_METRICS_SETTING = {"reconciler": "VERIFY_METRICS_PORT"}
"""Where it is not named after the process."""


class CannotStart(Exception):
    """The process cannot work as it is set up; the message is one line that says what to do. Exit code 2."""


class StopSignal:
    """Set by SIGTERM, SIGINT or the end of the parent; what loops looks at it, what waits waits on it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the process is to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits so long or until the process is to stop, and says whether it is."""
        return self._event.wait(seconds)

    def set(self) -> None:
        """Asks the process to stop."""
        self._event.set()


def run(process: str, body: Callable[[StopSignal], None], metrics_port: Callable[[], int] | int | None = None) -> int:
    """Runs ``body`` as a process of its own and returns its exit code.

    A ``metrics_port`` that has to be read from the settings comes as a function: what is wrong with them is said here.

    0: stopped as asked; 1: it failed (the log has the traceback); 2: it cannot start, said in one line.
    """
    stop = StopSignal()
    stop_on_signals(stop)
    try:
        settings = load(ObservabilitySettings)
        configure_logging(process, settings)
        if settings.parent_pid is not None:
            _stop_without_parent(stop, settings.parent_pid)
        port = metrics_port() if callable(metrics_port) else metrics_port
        if port:
            _serve_metrics(process, settings.metrics_host, port)
        export_disk()
        beat()
        body(stop)
    except (SettingsError, CannotStart) as unusable:
        print(f"millrace {process}: {unusable}", file=sys.stderr)
        return EXIT_UNUSABLE
    except Exception:
        get_logger().exception("failed")
        return EXIT_FAILED
    return EXIT_OK


def leave_what_hangs(stop: StopSignal, seconds: float = 4) -> None:
    """Ends the process so long after it was told to stop, whatever it waits for: a server that hangs, a lock.

    For processes whose work may be cut off anywhere and is taken up again; it is not for others.
    """

    def watch() -> None:
        while not stop.wait(3600):
            pass
        time.sleep(seconds)
        os._exit(EXIT_OK)

    threading.Thread(target=watch, name="leave", daemon=True).start()


def stop_on_signals(stop: StopSignal) -> None:
    """SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal is gone) set ``stop``."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGHUP, handler)


def _stop_without_parent(stop: StopSignal, parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            if stop.wait(_PARENT_POLL_SECONDS):
                return
        stop.set()
        time.sleep(5)  # a body that does not look at the signal must not outlive its parent either
        os._exit(EXIT_FAILED)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _serve_metrics(process: str, host: str, port: int) -> None:
    from prometheus_client import start_http_server

    from services.observability.metrics import UP

    try:
        start_http_server(port, addr=host)
    except OSError as taken:
        raise CannotStart(
            f"port {port} for metrics is taken ({taken.strerror}): stop what listens there or set "
            f"{_METRICS_SETTING.get(process, f'{process.upper()}_METRICS_PORT')}"
        ) from None
    UP.labels(process).set(1)
