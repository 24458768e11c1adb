"""Removes what a test process made when it ends without doing so itself, SIGKILL included.

testcontainers' own reaper does this where its image can be had. Elsewhere it is this process: it waits for the end of
its standard input, which only its parent holds open, and then removes everything of the parent's session.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from functools import cache

import docker
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import Reaper
from testcontainers.core.labels import SESSION_ID

from tests.support.process import PROJECT
from tests.support.stack.engine import connect, remove_session


@cache
def watch_over_this_process() -> subprocess.Popen[bytes] | None:
    """Starts a reaper for this session, once; None when testcontainers' own does it."""
    if not testcontainers_config.ryuk_disabled:
        if _can_have_testcontainers_reaper(connect()):
            Reaper.get_instance()
            return None
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, SESSION_ID],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not meant for it
    )
    atexit.register(process.communicate)
    return process


def _can_have_testcontainers_reaper(client: docker.DockerClient) -> bool:
    """Whether its image is on the engine: pulling it takes a registry, and minutes to find that there is none."""
    return bool(client.images.list(testcontainers_config.ryuk_image))


def main(session: str) -> None:
    """Waits for the parent's end, then cleans up after it."""
    sys.stdin.buffer.read()
    remove_session(connect(), session)


if __name__ == "__main__":
    main(sys.argv[1])
