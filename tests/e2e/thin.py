"""A program of three containers, to try what every test's stack is made with: a server, a job after it, a follower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from images.recipes import reference

SERVE = "while true; do read -r word < /etc/word; sleep 0.2; done"
HEALTHY = "test -s /etc/word"


@dataclass(frozen=True)
class Thin:
    """The program; what differs between tests is given to it."""

    health: str = HEALTHY
    wait_seconds: int = 20
    job: str = "echo from the job: $(cat /data/word 2>/dev/null); exit 0"
    word: str = "hello"
    follower: str | None = "sleep 1000"
    server: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> None:
        """What `__main__.py` does."""
        prefix = pulumi.Config("millrace").require("prefix")
        labels = {"dev.millrace.stack": prefix}
        network = docker.Network(
            "network",
            name=f"{prefix}net",
            labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in labels.items()],
        )
        volume = docker.Volume(
            "data",
            name=f"{prefix}data",
            labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in labels.items()],
            opts=pulumi.ResourceOptions(retain_on_delete=True),
        )
        secret = random.RandomPassword("secret", length=20, special=False)

        def container(role: str, shell: str, needs: list[pulumi.Input[pulumi.Resource]], **more: Any) -> Any:
            inputs: dict[str, Any] = {
                "name": f"{prefix}{role}",
                "hostname": role,
                "image": reference("base"),
                "entrypoints": ["bash", "-c"],
                "command": [shell],
                "init": True,
                "memory": 64,
                "memory_swap": 64,
                "networks_advanced": [docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[role])],
                "labels": [docker.ContainerLabelArgs(label=key, value=value) for key, value in labels.items()],
                **more,
            }
            options = pulumi.ResourceOptions(depends_on=needs, delete_before_replace=True)
            return docker.Container(role, opts=options, **inputs)

        server = container(
            "server",
            SERVE,
            [],
            envs=[pulumi.Output.concat("SECRET=", secret.result)],
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/data")],
            uploads=[docker.ContainerUploadArgs(file="/etc/word", content=self.word)],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD-SHELL", self.health], interval="500ms", timeout="5s", retries=3, start_period="2s"
            ),
            wait=True,
            wait_timeout=self.wait_seconds,
            restart="unless-stopped",
            destroy_grace_seconds=5,
            **self.server,
        )
        job = container("job", self.job, [server], must_run=False, attach=True, logs=True, restart="no")
        if self.follower is not None:
            container("follower", self.follower, [job])
        environment = pulumi.Output.all(SECRET=secret.result, LOGS=job.container_logs, CODE=job.exit_code)
        pulumi.export("environment", pulumi.Output.secret(environment))
