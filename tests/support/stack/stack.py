"""A stack on a real engine: the program of infra/, created as it registers and taken down whatever happens."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import docker
import docker.errors
import httpx
from clickhouse_connect.driver.client import Client as ClickHouse
from confluent_kafka.admin import AdminClient
from docker.models.containers import Container
from sqlalchemy.engine import Engine

from services.clients import clickhouse, database
from services.settings import DatabaseSettings
from tests.support.process import wait_until
from tests.support.stack import engine
from tests.support.stack.capture import CONTAINER, NETWORK
from tests.support.stack.deployment import Changes, Deployment
from tests.support.stack.project import as_config, free_ports, run_infra
from tests.support.stack.provider import Provider
from tests.support.stack.reaper import watch_over_this_process
from tests.support.stack.run import run_program

MILLRACE = Path(sys.executable).with_name("millrace")
HEALTHY_SECONDS = 60.0
_TAIL = 15


class Stack:
    """One stack with a prefix and ports of its own. `config` is the program's, with or without its namespace.

    Used in a with block, it is gone afterwards with all its data.
    """

    def __init__(
        self, config: Mapping[str, object], program: Callable[[], None] = run_infra, prefix: str | None = None
    ) -> None:
        """Nothing is created before `up`."""
        self.prefix = prefix or f"{engine.TEST_PREFIX}{secrets.token_hex(2)}-"
        self.client = engine.connect()
        watch_over_this_process()
        self._program = program
        self._config = {"prefix": self.prefix, **free_ports(), **config}
        self._provider = Provider(self.client)
        self._deployment = Deployment(self._provider)
        self.outputs: dict[str, Any] = {}

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    # what `pulumi` does

    def up(self, refresh: bool = True) -> Changes:
        """Makes the engine agree with the program, like `make up`. Raises what the program or a resource fails with."""
        return self.update({}, refresh)

    def update(self, config: Mapping[str, object], refresh: bool = True) -> Changes:
        """Sets configuration and makes it so; what is set stays set."""
        self._config = {**self._config, **config}
        self._deployment.begin(refresh)
        self.outputs = run_program(
            self._program, as_config(self._config), self._deployment, self._provider.cancelled.set
        )
        self._forget_environment()
        return self._deployment.finish()

    def destroy(self) -> None:
        """What `make down` does: everything but the data."""
        self._deployment.destroy()

    def remove(self) -> None:
        """Everything with its data, fast: no grace."""
        self._provider.cancelled.set()
        mine = [one for one in engine.everything(self.client) if one[2].get(engine.STACK_LABEL) == self.prefix]
        for kinds in (("container",), ("network", "volume")):
            with ThreadPoolExecutor(8) as workers:
                list(workers.map(_removed, [remove for kind, _, _, remove in mine if kind in kinds]))
        self.client.close()

    def left(self) -> list[str]:
        """What the engine still has of this stack, with the unlabelled volumes its containers had."""
        mine = [
            f"{kind} {name}" for kind, name, labels, _ in engine.everything(self.client) if self._owns(name, labels)
        ]
        return sorted(mine)

    def _owns(self, name: str, labels: Mapping[str, str]) -> bool:
        return labels.get(engine.STACK_LABEL) == self.prefix or name in self._provider.containers.anonymous_volumes

    # its parts

    def container(self, role: str) -> Container:
        """The container of a role ("relay", "kafka-local1"), as it is now."""
        return self.client.containers.get(self.prefix + role)

    def roles(self) -> list[str]:
        """Every container of the stack, jobs included."""
        return sorted(one.asked.inputs["name"].removeprefix(self.prefix) for one in self._deployment.every(CONTAINER))

    def inputs(self, role: str) -> Mapping[str, Any]:
        """What the program asked for."""
        return self._deployment.find(CONTAINER, role).asked.inputs

    def health(self, role: str) -> str:
        """healthy, starting, unhealthy; for a container that does not run or has no check, its status."""
        state = self.container(role).attrs["State"]
        return (
            str(state.get("Health", {}).get("Status")) if state["Running"] and state.get("Health") else state["Status"]
        )

    def wait_healthy(self, *roles: str, seconds: float = HEALTHY_SECONDS) -> None:
        """Waits until these containers (without any: all that are servers) are healthy."""
        for role in roles or self.servers():
            wait_until(partial(self._is_healthy, role), f"{role} to be healthy", seconds)

    def _is_healthy(self, role: str) -> bool:
        return self.health(role) == "healthy"

    def servers(self) -> list[str]:
        """The containers that are to run all the time."""
        return [role for role in self.roles() if self.inputs(role).get("mustRun", True)]

    def logs(self, role: str, tail: int | Literal["all"] = "all") -> str:
        """What a container said, as text."""
        return self.container(role).logs(tail=tail).decode(errors="replace")

    # faults

    def kill(self, role: str) -> None:
        """SIGKILL to every process in the container but its init: a crash, after which the restart policy applies.

        `docker kill` would count as somebody's wish that it be away (see `stop`). The signal comes from inside, as
        the user the processes run as: that needs no capability in the container and no rights on the engine's host.
        """
        container = self.container(role)
        listing = container.top(ps_args="-eo pid,uid")["Processes"]
        for user in {uid for _, uid in listing[1:]}:
            container.exec_run(["sh", "-c", "kill -9 -1"], user=user)
        before = container.attrs["State"]["StartedAt"]
        wait_until(
            lambda: self.container(role).attrs["State"]["StartedAt"] != before, f"{role} to be started again", 30.0
        )

    def stop(self, role: str) -> None:
        """SIGKILL, and it stays away until `start`."""
        self.container(role).kill()

    def start(self, role: str) -> None:
        """Starts a container that was stopped."""
        self.container(role).start()

    def restart(self, role: str) -> None:
        """A clean stop and start."""
        self.container(role).restart(timeout=30)

    def pause(self, role: str) -> None:
        """Freezes every process in it; the network keeps its connections open."""
        self.container(role).pause()

    def unpause(self, role: str) -> None:
        """Ends `pause`."""
        self.container(role).unpause()

    def disconnect(self, role: str) -> None:
        """Takes it off the stack's network; its process runs on."""
        self._network().disconnect(self.container(role))

    def connect(self, role: str) -> None:
        """Puts it back, under its name."""
        self._network().connect(self.container(role), aliases=[role])

    def _network(self) -> Any:
        return self.client.networks.get(self._deployment.every(NETWORK)[0].id)

    # from the host

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which `millrace` on the host works against this stack."""
        return {name: str(value) for name, value in self.outputs["environment"].items()}

    def millrace(self, *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs `millrace ARGUMENTS` on the host against this stack."""
        return subprocess.run(
            [str(MILLRACE), *arguments],
            cwd=Path(sys.prefix),  # a folder without .env
            env={**os.environ, **self.environment, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @property
    def url(self) -> str:
        """The API."""
        return f"http://127.0.0.1:{self.environment['PORT']}"

    @cached_property
    def api(self) -> httpx.Client:
        """A client of the API."""
        return httpx.Client(base_url=self.url, timeout=30)

    @cached_property
    def _mysql(self) -> Engine:
        known = {name.lower(): value for name, value in self.environment.items()}
        return database.connect(DatabaseSettings.model_validate(known))

    def mysql(self) -> Engine:
        """The relational database, as user admin."""
        return self._mysql

    def clickhouse(self) -> ClickHouse:
        """A new connection to ClickHouse as the writing user; the caller closes it."""
        known = self.environment
        return clickhouse.connect(
            known["CLICKHOUSE_HOST"],
            user=known["CLICKHOUSE_USER"],
            password=known["CLICKHOUSE_PASSWORD"],
            database=known["CLICKHOUSE_DATABASE"],
        )

    def admin_client(self) -> AdminClient:
        """Kafka's admin client."""
        return AdminClient({"bootstrap.servers": self.environment["KAFKA_BROKERS"]})

    def _forget_environment(self) -> None:
        for name in ("api", "_mysql"):
            known = self.__dict__.pop(name, None)
            if known is not None:
                known.close() if isinstance(known, httpx.Client) else known.dispose()

    def report(self) -> list[tuple[str, str]]:
        """State and last lines of every container, for a failing test."""
        found = []
        for container in self.client.containers.list(
            all=True, filters={"label": f"{engine.STACK_LABEL}={self.prefix}"}, ignore_removed=True
        ):
            state = container.attrs["State"]
            says = f"{state['Status']}, {state.get('Health', {}).get('Status', 'no health check')}"
            restarts = container.attrs["RestartCount"]
            name = str(container.name).removeprefix(self.prefix)
            tail = container.logs(tail=_TAIL).decode(errors="replace")
            found.append((f"{name}: {says}, exit code {state['ExitCode']}, {restarts} restarts", tail))
        return sorted(found)


def _removed(remove: Callable[[], None]) -> None:
    try:
        remove()
    except docker.errors.NotFound:
        return
