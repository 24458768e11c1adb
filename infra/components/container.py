"""What every container of the stack is given, whoever asks for one."""

import math
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
_TRY_SECONDS: Final = 5
_STARTED_LATE_SECONDS: Final = 1

# POSIX sh, for images without bash. /dev/shm can be written in every container, also with a read-only root, and is
# empty after a restart. The file says that the last look ended well, and when; it is gone as soon as the next begins.
# So one that was cut off is followed by a short one, and so is a pause: the engine calls what was paused unhealthy.
# KILL, because mysqladmin does not end at SIGTERM.
_LOOK: Final = """\
seen=/dev/shm/millrace-healthy; began=$(date +%s); last=$(cat $seen 2>/dev/null || echo 0); rm -f $seen
answers() {{
  {attempt} && return; end=$(($(date +%s) + {patience}))
  until {attempt}; do [ $(date +%s) -lt $end ] || exit 1; sleep 0.3; done
}}
answers
if [ $((began - last)) -le {gap} ]; then
  while [ $(date +%s) -lt $((began + {watch})) ]; do sleep {every}; answers; done
fi
date +%s >$seen"""


@dataclass(frozen=True, kw_only=True)
class Health:
    """A command that exits with 0 while the container is healthy, and is ended after 5 s. Times are seconds.

    `environment`: variables of the command, as words of the shell that starts it. The engine hears of a look when it
    ends, and starts the next one `interval` later; each start costs 70 ms of a core, which every 5 s in 13 containers
    was a quarter of all that an idle stack used. So the first look, and the one after a failure, ends as soon as the
    command succeeds. One that follows a success goes on for `watch`, with the command every `every`, and fails once
    that has failed for `patience`. What starts is seen within a second or two, what hangs within every + patience + the
    5 s of its first and of its last try: 30 s at most. Where the look's own processes hang too, it is after `timeout`.
    During `start_period` failures do not count.
    """

    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    interval: float = 1
    every: int = 5
    patience: int = 15
    watch: int = 30
    retries: int = 1
    start_period: float = 60

    @property
    def test(self) -> list[str]:
        """As Docker takes it. It ends by itself: not every engine ends a look that takes too long."""
        gap = math.ceil(self.interval) + _STARTED_LATE_SECONDS
        variables = [f'{name}="{value}"' for name, value in self.environment.items()]
        attempt = " ".join([*variables, "timeout -s KILL", str(_TRY_SECONDS), self.command])
        look = _LOOK.format(attempt=attempt, patience=self.patience, gap=gap, watch=self.watch, every=self.every)
        return ["CMD-SHELL", look]

    @property
    def timeout(self) -> float:
        """When the engine counts a look as failed."""
        return self.watch + self.every + self.patience + 3 * _TRY_SECONDS


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What differs between containers.

    `environment` values may be secret Outputs. `ports`: port inside to port on this machine. `volumes`: path inside
    to volume. `uploads`: path inside to a file's text, which everybody may read and nobody execute; impossible with
    `read_only`. `writable`: paths in memory, with their mount options. `capabilities`: what is left of all Linux
    capabilities, in the form CAP_NAME. `memory` is MiB, and no swap on top; `grace` and `wait_timeout` are seconds.
    """

    image: pulumi.Input[str]
    memory: int
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
        "networks_advanced": [docker.ContainerNetworksAdvancedArgs(name=site.network.name, aliases=[role])],
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
