"""Where parts stand: the names, labels, networks and address they share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_docker as docker

STACK_LABEL: Final = "dev.millrace.stack"
ROLE_LABEL: Final = "dev.millrace.role"
DEFAULT_STACK: Final = "millrace"
IMAGES_LABEL: Final = "dev.millrace.images"
ZONE_LABEL: Final = "dev.millrace.timezone"
"""On MySQL's volume: with what the data was made, which cannot change under it."""


@dataclass(frozen=True)
class Site:
    """One stack on one engine.

    `prefix` goes before the name of everything the engine knows; inside the network parts keep their plain names.
    `bind` is the address of this machine that ports are published on, `host` how clients on it name it.
    """

    prefix: str
    bind: str
    host: str
    _networks: dict[str, docker.Network] = field(default_factory=dict, init=False, repr=False, compare=False)

    def name(self, role: str) -> str:
        """What the engine calls the container of this role."""
        return self.prefix + role

    def labels(self, role: str) -> dict[str, str]:
        """Labels of a container, by which its stack and its part in it are found again."""
        return {**stack_labels(self.prefix), ROLE_LABEL: role}

    def network(self, name: str) -> docker.Network:
        """The network `{prefix}millrace-{name}`, made when the first part is put on it."""
        if name not in self._networks:
            labels = stack_labels(self.prefix)
            self._networks[name] = docker.Network(
                f"{name}-network",
                name=network_name(self.prefix, name),
                driver="bridge",
                labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in labels.items()],
            )
        return self._networks[name]

    def volume(self, role: str, extra: Mapping[str, str] | None = None) -> docker.Volume:
        """Durable storage. `pulumi destroy` leaves it: what removes data is asked for by name (`make clean`)."""
        name = f"{self.prefix}{DEFAULT_STACK}-{role}"
        labels = {**stack_labels(self.prefix), ROLE_LABEL: role, **(extra or {})}
        return docker.Volume(
            f"{role}-data",
            name=name,
            labels=[docker.VolumeLabelArgs(label=label, value=value) for label, value in sorted(labels.items())],
            opts=pulumi.ResourceOptions(retain_on_delete=True, aliases=[pulumi.Alias(parent=_former_parent())]),
        )


def network_name(prefix: str, name: str) -> str:
    """What the engine calls a network of the stack with this prefix."""
    return f"{prefix}{DEFAULT_STACK}-{name}"


def _former_parent() -> str:
    """The one network that stacks had before; their volumes are known to Pulumi as its children."""
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::docker:index/network:Network::network"


def stack_labels(prefix: str) -> dict[str, str]:
    """The label everything of one stack carries."""
    return {STACK_LABEL: prefix or DEFAULT_STACK}
