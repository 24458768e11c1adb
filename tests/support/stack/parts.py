"""The containers of a stack: how they are, what they say, and what can be done to them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import docker
from docker.models.containers import Container

from tests.support.process import wait_until
from tests.support.stack.capture import CONTAINER, NETWORK, PASSWORD
from tests.support.stack.deployment import Deployment
from tests.support.stack.engine import STACK_LABEL

HEALTHY_SECONDS = 180.0
_TAIL, _WIDEST = 15, 400


class Parts:
    """Containers by role: their name without the stack's prefix ("relay", "kafka-local1")."""

    client: docker.DockerClient
    prefix: str
    _deployment: Deployment

    def container(self, role: str) -> Container:
        """The container of a role, as it is now."""
        return self.client.containers.get(self.prefix + role)

    def roles(self) -> list[str]:
        """Every container of the stack, jobs included."""
        return sorted(one.asked.inputs["name"].removeprefix(self.prefix) for one in self._deployment.every(CONTAINER))

    def servers(self) -> list[str]:
        """The containers that are to run all the time."""
        return [role for role in self.roles() if self.inputs(role).get("mustRun", True)]

    def jobs(self) -> list[str]:
        """The containers that run to their end."""
        return [role for role in self.roles() if not self.inputs(role).get("mustRun", True)]

    def inputs(self, role: str) -> Mapping[str, Any]:
        """What the program asked for."""
        return self._deployment.find(CONTAINER, role).asked.inputs

    def health(self, role: str) -> str:
        """healthy, starting, unhealthy; for a container that does not run or has no check, its status."""
        state = self.container(role).attrs["State"]
        health = state.get("Health") if state["Running"] else None
        return str(health["Status"] if health else state["Status"])

    def wait_healthy(self, *roles: str, seconds: float = HEALTHY_SECONDS) -> None:
        """Waits until these containers (without any: all that are servers) are healthy."""
        for role in roles or self.servers():
            wait_until(partial(self._is_healthy, role), f"{role} to be healthy", seconds)

    def _is_healthy(self, role: str) -> bool:
        return self.health(role) == "healthy"

    def logs(self, role: str, tail: int | Literal["all"] = "all") -> str:
        """What a container said, as text."""
        return self.container(role).logs(tail=tail).decode(errors="replace")

    def run_in(self, role: str, *command: str) -> str:
        """Output of a command in a container. AssertionError when it fails."""
        code, output = self.container(role).exec_run(list(command))
        assert isinstance(output, bytes)
        text = output.decode(errors="replace")
        assert code == 0, f"{role}: {command}: {text}"
        return text

    def report(self, since: float = 0.0) -> list[tuple[str, str]]:
        """State and last lines of every container, for a failing test; `since` (Unix seconds): what it said later."""
        found = []
        for container in self.client.containers.list(
            all=True, filters={"label": f"{STACK_LABEL}={self.prefix}"}, ignore_removed=True
        ):
            state = container.attrs["State"]
            says = f"{state['Status']}, {state.get('Health', {}).get('Status', 'no health check')}"
            restarts = container.attrs["RestartCount"]
            name = str(container.name).removeprefix(self.prefix)
            lines = container.logs(since=int(since) or None).decode(errors="replace").splitlines()[-_TAIL:]
            shown = "\n".join(line[:_WIDEST] for line in lines)
            found.append((f"{name}: {says}, exit code {state['ExitCode']}, {restarts} restarts", shown))
        return sorted(found)

    # faults

    def kill(self, role: str) -> None:
        """SIGKILL to every process in the container but its init: a crash, after which the restart policy applies.

        `docker kill` would count as somebody's wish that it be away (see `stop`). The signal comes from inside, as
        the user the processes run as: that needs no capability in the container and no rights on the engine's host.
        """
        container = self.container(role)
        before = container.attrs["State"]["StartedAt"]
        listing = container.top(ps_args="-eo pid,uid")["Processes"]
        for user in {uid for _, uid in listing[1:]}:
            with contextlib.suppress(docker.errors.APIError):  # the engine may forget a command whose container ended
                container.exec_run(["sh", "-c", "kill -9 -1"], user=user)
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
        """Takes it off its networks; its processes run on."""
        for network in self._networks(role):
            network.disconnect(self.container(role))

    def connect(self, role: str) -> None:
        """Puts it back, under its name."""
        for network in self._networks(role):
            network.connect(self.container(role), aliases=[role])

    def _networks(self, role: str) -> list[Any]:
        return [self.client.networks.get(one["name"]) for one in self.inputs(role)["networksAdvanced"]]

    @property
    def generated(self) -> Mapping[str, str]:
        """Every secret of the stack by its logical name."""
        return {one.asked.name: str(one.outputs["result"]) for one in self._deployment.every(PASSWORD)}

    @property
    def networks(self) -> list[str]:
        """The stack's networks, as the engine calls them."""
        return sorted(one.asked.inputs["name"] for one in self._deployment.every(NETWORK))
