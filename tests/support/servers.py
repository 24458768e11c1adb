"""The servers a run of the service tests was given instead of the embedded ones. `make e2e` starts them and says so.

MILLRACE_TEST_MYSQL       mysql://root:PASSWORD@127.0.0.1:PORT, a user who may create databases
MILLRACE_TEST_KAFKA       localhost:PORT; every topic and group of that cluster is the tests' to remove
MILLRACE_TEST_CLICKHOUSE  http://admin:PASSWORD@localhost:PORT, a user who may create databases
"""

from __future__ import annotations

import os
from functools import cache

import docker
from docker.models.containers import Container

from tests.support.process import wait_until

MYSQL = os.environ.get("MILLRACE_TEST_MYSQL")
KAFKA = os.environ.get("MILLRACE_TEST_KAFKA")
CLICKHOUSE = os.environ.get("MILLRACE_TEST_CLICKHOUSE")


class Machine:
    """The container that publishes a port of this machine: what a test does to a server's process."""

    def __init__(self, port: int) -> None:
        """Raises AssertionError when no container, running or not, publishes the port."""
        self._id = _publishing(port)

    def freeze(self) -> None:
        """Alive, but doing nothing."""
        self._container.pause()

    def thaw(self) -> None:
        """Ends `freeze`."""
        self._container.unpause()

    def kill(self) -> None:
        """SIGKILL; it stays away until `start`."""
        self._container.kill()

    def start(self) -> None:
        """Starts it where it is away or frozen. Whether it answers is for the caller to wait for."""
        if self._container.status == "paused":
            self.thaw()
        elif self._container.status != "running":
            self._container.start()

    def restart(self) -> None:
        """A clean stop and start."""
        self._container.restart(timeout=30)

    @property
    def _container(self) -> Container:
        return _engine().containers.get(self._id)


@cache
def _engine() -> docker.DockerClient:
    return docker.from_env()


def _publishing(port: int) -> str:
    def found() -> str:
        for container in _engine().containers.list(all=True, ignore_removed=True):  # a test may have killed it
            published = (container.attrs["HostConfig"]["PortBindings"] or {}).values()
            if any(str(port) == binding["HostPort"] for bindings in published for binding in bindings or ()):
                return str(container.id)
        return ""

    return wait_until(found, f"a container that publishes port {port}", 5)
