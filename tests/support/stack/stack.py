"""A stack on a real engine: the program of infra/, created as it registers and taken down whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import docker.errors

from infra.engine import remove_failed_jobs
from tests.support.stack import engine
from tests.support.stack.configuration import hand_over
from tests.support.stack.deployment import Changes, Deployment
from tests.support.stack.host import Host
from tests.support.stack.parts import Parts
from tests.support.stack.project import as_config, free_ports, run_infra
from tests.support.stack.provider import Provider
from tests.support.stack.reaper import watch_over_this_process
from tests.support.stack.run import run_program

_TOGETHER = 8


class Stack(Parts, Host):
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def up(self, refresh: bool = True) -> Changes:
        """Makes the engine agree with the program, like `make up`. Raises what the program or a resource fails with."""
        return self.update({}, refresh)

    def update(self, config: Mapping[str, object], refresh: bool = True) -> Changes:
        """Sets configuration and makes it so; what is set stays set."""
        self._config = {**self._config, **config}
        if refresh:
            remove_failed_jobs(self.client, self.prefix)
        self._deployment.begin(refresh)
        self.outputs = run_program(
            self._program, hand_over(as_config(self._config)), self._deployment, self._provider.cancelled.set
        )
        self._close_clients()
        return self._deployment.finish()

    def destroy(self) -> None:
        """What `make down` does: everything but the data."""
        self._deployment.destroy()

    def remove(self) -> None:
        """Everything with its data, fast: no grace."""
        self._provider.cancelled.set()
        self._close_clients()
        mine = [one for one in engine.everything(self.client) if one[2].get(engine.STACK_LABEL) == self.prefix]
        for kinds in (("container",), ("network", "volume")):
            with ThreadPoolExecutor(_TOGETHER) as workers:
                list(workers.map(_removed, [remove for kind, _, _, remove in mine if kind in kinds]))
        self.client.close()

    def left(self) -> list[str]:
        """What the engine has of this stack."""
        return sorted(
            f"{kind} {name}"
            for kind, name, labels, _ in engine.everything(self.client)
            if labels.get(engine.STACK_LABEL) == self.prefix
        )


def _removed(remove: Callable[[], None]) -> None:
    try:
        remove()
    except docker.errors.NotFound:
        return
