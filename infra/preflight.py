"""What would make the `up` fail halfway, told in one line before anything is created."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Final

import pulumi

from infra.components.images import local_references
from infra.components.kafka import NODES_LABEL
from infra.components.site import DEFAULT_STACK, IMAGES_LABEL, STACK_LABEL, ZONE_LABEL
from infra.config import Config
from infra.engine import Facts, connected, look
from infra.faults import Refusal, key, refuse

_GIB: Final = 2**30
_MIB: Final = 2**20
LEAST_DISK: Final = {"upstream": 10 * _GIB, "local": 4 * _GIB}
"""Images, a week of topics and some room, where the engine keeps its data. Published images are fetched packed and kept
unpacked, and three are built with images of build tools."""
BUILDS_SINCE: Final = (27, 5, 0)
"""moby pull request 49178; before it an image store of containerd's did not find a build's context (issue 47717)."""
LOOPBACK_SINCE: Final = (28, 0, 0)
"""moby issue 45610, mended in 28.0.0."""
USED_OF_LIMITS: Final = 0.4
"""Measured: parts use less than this share of their memory limits together; a limit is for one that goes wrong."""


def check(config: Config) -> None:
    """Raises Refusal for the first thing that is not as the stack needs it; creates and changes nothing.

    What only ought to be otherwise is logged as a warning, a line each.
    """
    with connected() as client:
        facts = look(client)
    for fault in faults(config, facts, lambda port: bindable(config.bind, port)):
        raise fault
    for warning in warnings(config, facts):
        pulumi.log.warn(warning)


def warnings(config: Config, facts: Facts) -> Iterator[str]:
    """What a person should know of this engine, and what to do about it."""
    loopback = ipaddress.ip_address(config.bind).is_loopback
    if loopback and not facts.desktop and facts.version and facts.version < LOOPBACK_SINCE:
        yield (
            f"Docker Engine {_dotted(facts.version)} lets other machines of the same local network reach what is "
            f"published on {config.bind} (moby issue 45610): upgrade it to 28 or later, or have the firewall drop such "
            "packets, for example sudo iptables -t raw -I PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP"
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def faults(config: Config, facts: Facts, free: Callable[[int], str | None]) -> Iterator[Refusal]:
    """Everything wrong, the first to be mended first. `free` says why a port cannot be had, None when it can."""
    yield from _engine(config, facts)
    yield from _memory(config, facts)
    yield from _disk(config, facts)
    yield from _images(config, facts)
    yield from _names(config, facts)
    yield from _made_with(config, facts)
    yield from _ports(config, facts, free)


def _engine(config: Config, facts: Facts) -> Iterator[Refusal]:
    if config.images == "upstream" and facts.image_store and facts.version and facts.version < BUILDS_SINCE:
        yield Refusal(
            f"Docker Engine {_dotted(facts.version)} with containerd's image store cannot build the stack's images "
            "(status 403, moby issue 47717): upgrade it to 27.5 or later, or turn that store off "
            "(Docker Desktop: Settings, General)"
        )


def _memory(config: Config, facts: Facts) -> Iterator[Refusal]:
    needed = int(config.memory_limits * USED_OF_LIMITS) * _MIB
    if facts.memory < needed:
        yield Refusal(
            f"the container engine has {_gib(facts.memory)} of memory and this stack needs {_gib(needed)}: "
            f"give the engine more, or set {key('kafkaNodes')} to 1"
        )


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _disk(config: Config, facts: Facts) -> Iterator[Refusal]:
    least = LEAST_DISK[config.images]
    if facts.free_disk is not None and facts.free_disk < least:
        yield Refusal(
            f"{facts.data_folder}, where the container engine keeps its data, has {_gib(facts.free_disk)} left "
            f"and this stack needs {_gib(least)}: free some, for example with `docker image prune`"
        )


def _images(config: Config, facts: Facts) -> Iterator[Refusal]:
    if config.images != "local":
        return
    for name, wanted in local_references(config.plugins).items():
        if wanted not in facts.images:
            yield refuse(
                "images",
                f"is local, but the image {name} is missing or older than its sources ({wanted})",
                "run `make images`",
            )


def _names(config: Config, facts: Facts) -> Iterator[Refusal]:
    """Docker would refuse a container's name, and take a volume or network of somebody else for ours."""
    here = [(found.name, found.labels) for found in facts.containers]
    wanted = {config.prefix + role for role in config.roles}
    for kind, known in (("container", here), ("volume", facts.volumes.items()), ("network", facts.networks.items())):
        ours = wanted if kind == "container" else _stored(config) if kind == "volume" else {_network(config)}
        for name, labels in sorted(known):
            if name in ours and labels.get(STACK_LABEL) != config.stack:
                yield refuse(
                    "prefix",
                    f"makes a {kind} {name}, but the engine has one that is not of this stack",
                    f"remove that one (docker {kind} rm {name}), or choose another prefix",
                )


def _network(config: Config) -> str:
    return f"{config.prefix}{DEFAULT_STACK}"


def _stored(config: Config) -> set[str]:
    parts = ("mysql", "clickhouse", "prometheus", "grafana", *(f"kafka{node + 1}" for node in range(config.nodes)))
    return {f"{config.prefix}{DEFAULT_STACK}-{part}" for part in parts}


def _made_with(config: Config, facts: Facts) -> Iterator[Refusal]:
    """What cannot change under the data.

    A node that is started with other voters than its data knows can lose what was acknowledged; the image sets have
    other versions of the servers, and none takes a newer one's data; every order's day was computed in its zone.
    """
    fixed = (
        ("kafkaNodes", "kafka1", NODES_LABEL, str(config.nodes)),
        ("images", "mysql", IMAGES_LABEL, config.images),
        ("timezone", "mysql", ZONE_LABEL, config.timezone),
    )
    for name, volume, label, value in fixed:
        made_with = facts.volumes.get(f"{config.prefix}{DEFAULT_STACK}-{volume}", {}).get(label)
        if made_with is not None and made_with != value:
            yield refuse(
                name,
                f"is {value}, but the data of this stack was made with {made_with}",
                f"set it back to {made_with}, or remove the data with `make clean`",
            )


def _ports(config: Config, facts: Facts, free: Callable[[int], str | None]) -> Iterator[Refusal]:
    own = {port for found in facts.containers if found.labels.get(STACK_LABEL) == config.stack for port in found.ports}
    others = {port: found.name for found in facts.containers for port in found.ports if port not in own}
    for name, port in config.published_ports.items():
        if port in own:
            continue
        holder = f"the container {others[port]} has it" if port in others else facts.here and free(port)
        if holder:
            yield refuse(
                name, f"is port {port}, which is taken ({holder})", "stop what listens there, or set a free one"
            )


def bindable(address: str, port: int) -> str | None:
    """Why nothing can listen there; None when something can, or when this user may not but the engine may."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as refused:
            if refused.errno == errno.EADDRNOTAVAIL:
                raise refuse("bind", f"is {address}", "give an address that this machine has") from None
            return None if refused.errno == errno.EACCES else (refused.strerror or "in use").lower()
    return None
