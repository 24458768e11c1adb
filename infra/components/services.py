"""The project's own processes: one image, a command each, nothing on their disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components.container import Health, Spec, server
from infra.components.site import Site

API: Final = "api"
API_PORT: Final = 3000
METRICS_PORTS: Final = {"relay": 9101, "transformer": 9102, "sink": 9103, "aggregator": 9104, "reconciler": 9105}
"""Ports inside the containers; also the defaults on this machine."""

SERVICES: Final = (API, *METRICS_PORTS)
"""Every process, the sink among them."""

# The image's user cannot write anywhere else: its root is read-only.
WRITABLE: Final = {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}  # noqa: S108 - in the container
USER: Final = "10001:10001"


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """One process. `port`: on this machine; `settings` are its environment variables; `memory` is MiB."""

    image: pulumi.Input[str]
    port: int
    settings: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    depends_on: Sequence[pulumi.Input[pulumi.Resource]] = ()
    memory: int = 256


class Service(pulumi.ComponentResource):
    """`millrace NAME` in a container: name is api or one of METRICS_PORTS."""

    def __init__(self, site: Site, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the process."""
        super().__init__("millrace:stack:Service", name, None, opts)
        inside, path = (API_PORT, "/healthz") if name == API else (METRICS_PORTS[name], "/metrics")
        spec = own_spec(
            args.image,
            [name],
            {"API_HOST": "0.0.0.0", "METRICS_HOST": "0.0.0.0", "LOG_FORMAT": "json", **args.settings},  # noqa: S104
            args.memory,
            args.depends_on,
            ports={inside: args.port},
        )
        health = Health(command=f"/usr/local/bin/http-healthy {inside} {path}")
        self.container: docker.Container = server(site, name, spec, health, self)
        self.register_outputs({"port": args.port})


def own_spec(
    image: pulumi.Input[str],
    command: Sequence[str],
    settings: Mapping[str, pulumi.Input[str]],
    memory: int,
    depends_on: Sequence[pulumi.Input[pulumi.Resource]],
    ports: Mapping[int, int] | None = None,
) -> Spec:
    """A container of the project's image: read-only, without capabilities, as a user that owns nothing."""
    return Spec(
        image=image,
        command=command,
        environment=settings,
        memory=memory,
        ports=ports or {},
        read_only=True,
        writable=WRITABLE,
        user=USER,
        depends_on=depends_on,
    )
