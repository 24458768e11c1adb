"""What the embedded servers share: one-line start errors, ending with the parent, files never half written."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

PARENT_POLL_SECONDS: Final = 0.5
EXIT_USAGE: Final = 2


class StartError(Exception):
    """The server cannot start; the message is one line that says why and what to do."""


def orphaned(parent_pid: int | None) -> bool:
    """Whether the process that started this one is gone (its children are then handed to another process)."""
    return parent_pid is not None and os.getppid() != parent_pid


def watch_parent(parent_pid: int | None, on_orphaned: Callable[[], None]) -> None:
    """Call `on_orphaned` once, from a daemon thread, after the process `parent_pid` has ended; None watches nothing."""
    if parent_pid is None:
        return

    def watch() -> None:
        pause = threading.Event()
        while not orphaned(parent_pid):
            pause.wait(PARENT_POLL_SECONDS)
        on_orphaned()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader of `path` sees the old content or the new one, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def fail(program: str, error: StartError) -> int:
    """Print the one line of a failed start and return the exit code for it."""
    print(f"{program}: {error}", file=sys.stderr, flush=True)
    return EXIT_USAGE
