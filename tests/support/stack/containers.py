"""What the docker provider does with a container: create, read, change in place, delete."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import docker
import docker.errors

from tests.support.stack.container_body import ContainerPlan, container_plan, limits
from tests.support.stack.engine import labelled, unlabelled_volumes
from tests.support.stack.fields import Fields

# Of all inputs only these change without a new container (the provider's resourceDockerContainerUpdate); those of
# the second line are the provider's own and change nothing on the engine.
IN_PLACE = {"restart", "maxRetryCount", "cpuShares", "memory", "cpuSet", "memorySwap"}
BOOKKEEPING = {"wait", "waitTimeout", "mustRun", "attach", "logs", "destroyGraceSeconds", "removeVolumes", "start"}
# Reported as updated, and nothing happens on the engine: the program has to ask for a replacement itself.
SILENT = {"healthcheck", "init", "tmpfs"}
_LAST_LINES = 12
_LOOK_SECONDS = 0.1
_ENDS_AT_ONCE = 2.0
_ANONYMOUS = 64
"""Characters of the name of a volume that nobody named."""


class CreationFailed(Exception):
    """The engine or the provider refused a resource; names it and says why."""


class Cancelled(Exception):
    """Another resource failed or the run was interrupted: no more is created."""


class Containers:
    """Containers on one engine. `cancelled` ends every wait."""

    def __init__(self, client: docker.DockerClient, cancelled: threading.Event) -> None:
        self._client, self._cancelled = client, cancelled

    def create(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Id and outputs of a container that is as far as its inputs ask: started, healthy, or ended."""
        plan = container_plan(inputs)
        try:
            container_id = self._make(plan)
            if plan.lifecycle.start:
                self._client.api.start(container_id)
            self._remember_volumes(container_id)
            if plan.lifecycle.wait:
                self._await_health(plan, container_id)
            logs = self._await_end(plan, container_id) if plan.lifecycle.attach else None
            return container_id, self._outputs(plan, container_id, logs)
        except docker.errors.ImageNotFound:
            raise CreationFailed(f"container {plan.name}: there is no image {plan.image}") from None
        except docker.errors.APIError as refused:
            raise CreationFailed(f"container {plan.name}: {refused.explanation or refused}") from None

    def _make(self, plan: ContainerPlan) -> str:
        api = self._client.api
        body = {**plan.body, "Labels": labelled(plan.image, plan.body["Labels"])}
        container_id = str(api.create_container_from_config(body, plan.name)["Id"])  # type: ignore[no-untyped-call]  # as the stubs say
        if plan.networks:
            # the provider's own order: off the default network, onto the others, then the files
            api.disconnect_container_from_network(container_id, "bridge")
            for joined in plan.networks:
                api.connect_container_to_network(container_id, joined.network, aliases=joined.aliases)
        if plan.files:
            api.put_archive(container_id, "/", plan.files)
        return container_id

    def _remember_volumes(self, container_id: str) -> None:
        mounts = self._client.api.inspect_container(container_id)["Mounts"]
        unlabelled_volumes.update(mount["Name"] for mount in mounts if len(mount.get("Name", "")) == _ANONYMOUS)

    def _await_health(self, plan: ContainerPlan, container_id: str) -> None:
        deadline = time.monotonic() + plan.lifecycle.wait_seconds
        while True:
            state = self._client.api.inspect_container(container_id)["State"]
            health = state.get("Health", {}).get("Status")
            if health == "healthy":
                return
            ended = state["Status"] in ("exited", "dead") and plan.body["HostConfig"]["RestartPolicy"]["Name"] == "no"
            if ended or time.monotonic() > deadline:
                why = (
                    f"is {state['Status']}, {health or 'without a health check'}, after {plan.lifecycle.wait_seconds} s"
                )
                raise CreationFailed(f"container {plan.name} {why}; its last lines:\n{self._last_lines(container_id)}")
            self._pause(plan.name)

    def _await_end(self, plan: ContainerPlan, container_id: str) -> str | None:
        while self._client.api.inspect_container(container_id)["State"]["Running"]:
            self._pause(plan.name)
        return self._client.api.logs(container_id).decode(errors="replace") if plan.lifecycle.logs else None

    def _pause(self, name: str) -> None:
        if self._cancelled.wait(_LOOK_SECONDS):
            raise Cancelled(name)

    def _last_lines(self, container_id: str) -> str:
        with contextlib.suppress(docker.errors.APIError):
            return str(self._client.api.logs(container_id, tail=_LAST_LINES).decode(errors="replace"))
        return ""

    def _settled(self, plan: ContainerPlan, container_id: str) -> dict[str, Any]:
        """How it is; where nothing was waited for, a moment after its start: it may end at once."""
        looks_until = time.monotonic() + (0 if plan.lifecycle.wait or not plan.lifecycle.must_run else _ENDS_AT_ONCE)
        while True:
            found: dict[str, Any] = self._client.api.inspect_container(container_id)
            if not found["State"]["Running"] or time.monotonic() >= looks_until:
                return found
            self._pause(plan.name)

    def _outputs(self, plan: ContainerPlan, container_id: str, logs: str | None) -> dict[str, Any]:
        found = self._settled(plan, container_id)
        state = found["State"]
        if not state["Running"] and plan.lifecycle.must_run:
            last = self._last_lines(container_id)
            self._client.api.remove_container(container_id, force=True, v=True)
            raise CreationFailed(f"container {plan.name} exited immediately with {state['ExitCode']}:\n{last}")
        networks = found["NetworkSettings"]["Networks"]
        outputs: dict[str, Any] = {
            "networkDatas": [{"networkName": name, "ipAddress": at["IPAddress"]} for name, at in networks.items()],
            "hostname": found["Config"]["Hostname"],
        }
        if not state["Running"]:
            outputs["exitCode"] = state["ExitCode"]
        if logs is not None:
            outputs["containerLogs"] = logs
        return outputs

    def is_gone(self, container_id: str, inputs: Mapping[str, Any]) -> bool:
        """What a refresh finds: it was removed, or does not run although it must (then the provider removes it)."""
        try:
            state = self._client.api.inspect_container(container_id)["State"]
        except docker.errors.NotFound:
            return True
        if state["Running"] or not inputs.get("mustRun", True):
            return False
        self.delete(container_id, inputs)
        return True

    def change(self, container_id: str, inputs: Mapping[str, Any]) -> None:
        """Applies what changes in place."""
        given = {key: value for key, value in inputs.items() if key in IN_PLACE}
        with Fields(given, f"container {inputs.get('name')}") as fields:
            body = limits(fields)
        self._client.api.update_container(
            container_id,
            mem_limit=body.get("Memory"),
            memswap_limit=body.get("MemorySwap"),
            cpu_shares=body.get("CpuShares"),
            cpuset_cpus=body.get("CpusetCpus"),
            restart_policy=body["RestartPolicy"],
        )

    def delete(self, container_id: str, inputs: Mapping[str, Any]) -> None:
        """Stops within its grace, then removes."""
        with contextlib.suppress(docker.errors.NotFound):
            grace = inputs.get("destroyGraceSeconds", 0)
            if grace and not inputs.get("attach", False):
                self._client.api.stop(container_id, timeout=grace)
            self._client.api.remove_container(container_id, force=True, v=inputs.get("removeVolumes", True))
