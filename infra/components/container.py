"""What every container of the stack is given, whoever asks for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_docker as docker

from infra.components.durations import go_duration
from infra.components.site import Site

# Docker reports a change of these as done and changes nothing, so a change replaces the container.
REPLACED_FOR: Final = ["healthcheck", "init", "tmpfs"]
_LOG_ROTATION: Final = {"max-size": "10m", "max-file": "3"}
# An engine that may not raise its own limit refuses to start a container with a higher one (20,000 was met).
_OPEN_FILES: Final = 16_384
_LOOK_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Health:
    """A shell command that exits within 5 s, with 0 while the container is healthy. Times are seconds.

    The engine looks `interval` after the start and after each look; during `start_period` failures do not count. Each
    look is a process in the container: every 2 s in 13 containers took half a core of an idle machine. So it looks
    seldom, and a look waits `patience` for success: what starts is seen to be ready as soon as it is.
    """

    command: str
    interval: float = 5
    patience: int = 10
    retries: int = 2
    start_period: float = 60

    @property
    def test(self) -> list[str]:
        """As Docker takes it. It ends by itself: not every engine ends a look that takes too long."""
        until = f"until {self.command}; do [ $(date +%s) -lt $end ] || exit 1; sleep 0.3; done"
        return ["CMD-SHELL", f"end=$(($(date +%s) + {self.patience})); {until}"]

    @property
    def timeout(self) -> float:
        """When the engine counts a look as failed."""
        return self.patience + _LOOK_SECONDS


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What differs between containers.

    `networks`: names out of network.py, of those it shares with what it uses and with what uses it.
    `environment` values may be secret Outputs. `ports`: port inside to port on this machine. `volumes`: path inside
    to volume. `uploads`: path inside to a file's text, which everybody may read and nobody execute; impossible with
    `read_only`. `writable`: paths in memory, with their mount options. `capabilities`: what is left of all Linux
    capabilities, in the form CAP_NAME. `memory` is MiB, and no swap on top; `grace` and `wait_timeout` are seconds.
    """

    image: pulumi.Input[str]
    memory: int
    networks: Sequence[str]
    command: Sequence[str] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    volumes: Mapping[str, docker.Volume] = field(default_factory=dict)
    uploads: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    writable: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    user: str | None = None
    capabilities: Sequence[str] = ()
    grace: int = 20
    wait_timeout: int = 180
    depends_on: Sequence[pulumi.Input[pulumi.Resource]] = ()


def server(site: Site, role: str, spec: Spec, health: Health, parent: pulumi.Resource) -> docker.Container:
    """A container that runs until it is stopped; it exists once its health check has passed."""
    return docker.Container(
        role,
        **_common(site, role, spec),
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=health.test,
            interval=go_duration(health.interval),
            timeout=go_duration(health.timeout),
            retries=health.retries,
            start_period=go_duration(health.start_period),
        ),
        wait=True,
        wait_timeout=spec.wait_timeout,
        restart="unless-stopped",
        opts=_options(spec, parent),
    )


def one_shot(site: Site, role: str, spec: Spec, parent: pulumi.Resource) -> docker.Container:
    """A container that runs to its end once; it exists once it has ended, however it did (see job.py)."""
    return docker.Container(
        role,
        **_common(site, role, spec),
        must_run=False,
        attach=True,
        logs=True,
        restart="no",
        opts=_options(spec, parent, secret_outputs=["container_logs"]),
    )


def _options(
    spec: Spec, parent: pulumi.Resource, secret_outputs: Sequence[str] | None = None
) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(spec.depends_on),
        replace_on_changes=list(REPLACED_FOR),
        delete_before_replace=True,
        additional_secret_outputs=list(secret_outputs) if secret_outputs else None,
    )


def _common(site: Site, role: str, spec: Spec) -> dict[str, Any]:
    """Inputs of both kinds, in an order that never changes: another order is a change to the provider."""
    if spec.read_only and spec.uploads:
        raise ValueError(f"{role}: nothing can be uploaded into a read-only root")
    return {
        "name": site.name(role),
        "hostname": role,
        "image": spec.image,
        "command": list(spec.command) or None,
        "envs": [_assignment(name, value) for name, value in sorted(spec.environment.items())],
        "networks_advanced": [
            docker.ContainerNetworksAdvancedArgs(name=site.network(name).name, aliases=[role])
            for name in sorted(spec.networks)
        ],
        "ports": [
            docker.ContainerPortArgs(internal=internal, external=external, ip=site.bind, protocol="tcp")
            for internal, external in sorted(spec.ports.items())
        ],
        "volumes": [
            docker.ContainerVolumeArgs(volume_name=volume.name, container_path=path)
            for path, volume in sorted(spec.volumes.items())
        ],
        "uploads": [
            docker.ContainerUploadArgs(file=path, content=content) for path, content in sorted(spec.uploads.items())
        ],
        "tmpfs": dict(sorted(spec.writable.items())) or None,
        "read_only": spec.read_only,
        "user": spec.user,
        "init": True,
        "memory": spec.memory,
        "memory_swap": spec.memory,
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=sorted(spec.capabilities) or None),
        "security_opts": ["no-new-privileges"],
        "ulimits": [docker.ContainerUlimitArgs(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES)],
        "destroy_grace_seconds": spec.grace,
        "log_driver": "json-file",
        "log_opts": dict(_LOG_ROTATION),
        "labels": [
            docker.ContainerLabelArgs(label=label, value=value) for label, value in sorted(site.labels(role).items())
        ],
    }


def _assignment(name: str, value: pulumi.Input[str]) -> pulumi.Input[str]:
    return f"{name}={value}" if isinstance(value, str) else pulumi.Output.concat(name, "=", value)
