"""The configuration of one stack, read once and checked as a whole before anything is registered."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from zoneinfo import ZoneInfo

import pulumi
from pulumi.runtime.config import CONFIG

from images.errors import PluginsError
from images.recipes import check_plugins
from infra import keys, service_settings
from infra.components.files import PROJECT
from infra.components.kafka import broker
from infra.components.prometheus import Alertmanager
from infra.components.site import DEFAULT_STACK
from infra.faults import NAMESPACE, key, refuse, structure
from infra.service_settings import ServiceSettings

_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_EVERYWHERE: Final = frozenset({"0.0.0.0", "127.0.0.1"})  # noqa: S104 - compared with, never listened on


@dataclass(frozen=True, kw_only=True)
class Config:
    """What `infra/keys.py` names, typed. `ports` and `memory` (MiB) are by name; `plugins` is a folder that exists."""

    images: keys.Images
    sink: keys.Sink
    relay: keys.Relay
    nodes: int
    partitions: int
    retention_hours: int
    plugins: Path | None
    prefix: str
    bind: str
    timezone: str
    trusted_proxies: str
    alertmanager: Alertmanager | None
    ports: Mapping[str, int]
    memory: Mapping[str, int]
    bootstrap_admin_token: bool
    seed_catalogue: bool
    preflight: bool
    settings: ServiceSettings

    @property
    def stack(self) -> str:
        """The value of the label that everything of this stack carries."""
        return self.prefix or DEFAULT_STACK

    @property
    def connect(self) -> bool:
        """Whether anything runs in Kafka Connect, and so whether there is one."""
        return self.sink == "connect" or self.relay == "debezium"

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the containers, without the prefix."""
        brokers = tuple(broker(node + 1) for node in range(self.nodes))
        servers = ("mysql", "clickhouse", "prometheus", *(["kafka-connect"] if self.connect else []))
        pages = ("grafana", "kafka-ui") if self.images == "upstream" else ()
        processes = ("api", "relay", "transformer", "sink", "aggregator", "reconciler")
        jobs = ("topics-job", "database-job", "clickhouse-job", *(["connectors-job"] if self.connect else []))
        return brokers + servers + pages + processes + jobs

    @property
    def memory_limits(self) -> int:
        """MiB that all containers may use together, one job at a time."""
        absent = {"grafana", "kafkaUi"} if self.images == "local" else set()
        absent |= set() if self.connect else {"connect"}
        parts = sum(mib for name, mib in self.memory.items() if name not in absent)
        return parts + (self.nodes - 1) * self.memory["kafka"]

    @property
    def published_ports(self) -> dict[str, int]:
        """Configuration key to port on this machine, of those this stack publishes."""
        absent = {"clickhouseNative", "kafkaUi", "grafana"} if self.images == "local" else set()
        absent |= set() if self.connect else {"connect"}
        used = {keys.port_key(name): port for name, port in self.ports.items() if name not in absent | {"kafka"}}
        for node in range(self.nodes):
            used[keys.port_key("kafka") + (f" (node {node + 1})" if node else "")] = self.ports["kafka"] + node
        return used

    @property
    def host(self) -> str:
        """How this machine reaches what is published."""
        return "localhost" if self.bind in _EVERYWHERE else self.bind


def load() -> Config:
    """The configuration of the stack that is running. Raises Refusal with one line for the first thing wrong."""
    given = pulumi.Config(NAMESPACE)
    _refuse_unknown()
    config = Config(
        images=cast(keys.Images, _choice(given, "images")),
        sink=cast(keys.Sink, _choice(given, "sink")),
        relay=cast(keys.Relay, _choice(given, "relay")),
        nodes=_nodes(given),
        partitions=_number(given, "kafkaPartitions"),
        retention_hours=_number(given, "kafkaRetentionHours"),
        plugins=_folder(_text(given, "connectPlugins")),
        prefix=_prefix(_text(given, "prefix")),
        bind=_address(_text(given, "bind")),
        timezone=_zone(_text(given, "timezone")),
        trusted_proxies=_networks("apiTrustedProxies", _text(given, "apiTrustedProxies")),
        alertmanager=_alertmanager("alertmanagerUrl", _text(given, "alertmanagerUrl")),
        ports={part: _number(given, known.name) for part, known in keys.PORTS.items()},
        memory={part: _number(given, known.name) for part, known in keys.MEMORY.items()},
        bootstrap_admin_token=_switch(given, "bootstrapAdminToken"),
        seed_catalogue=_switch(given, "seedCatalogue"),
        preflight=_switch(given, "preflight"),
        settings=service_settings.given(),
    )
    _refuse_combinations(config)
    _refuse_shared_ports(config)
    return config


def _refuse_unknown() -> None:
    for full in sorted(CONFIG.get()):
        namespace, _, name = full.partition(":")
        if namespace == NAMESPACE and name != keys.SETTINGS:
            check_name(name, CONFIG.get()[full])
            _refuse_structure(name, CONFIG.get()[full])


def check_name(name: str, value: str) -> None:
    """Raises Refusal for a key, with the value that was given to it, that there is not."""
    if name in keys.KEYS:
        return
    _refuse_former(name, value)
    close = difflib.get_close_matches(name, keys.KEYS, n=1, cutoff=0.5)
    hint = f"did you mean {key(close[0])}?" if close else "Pulumi.yaml lists them all"
    raise refuse(name, "is not a configuration key", hint)


def _refuse_former(name: str, value: str) -> None:
    """A dotted name of an earlier version, or the object that the CLI made of some."""
    now = keys.today(name)
    if now:
        raise refuse(name, f"is called {key(now)} now", f"{_unset(name)}; pulumi config set {key(now)} {value}")
    if keys.was_group(name):
        parts = structure(value)
        found = (keys.today(f"{name}.{part}") for part in (parts if isinstance(parts, dict) else ()))
        names = ", ".join(key(one) for one in found if one) or "what Pulumi.yaml lists"
        raise refuse(name, "is not a key, and keys have no dots", f"{_unset(name)}; set {names} instead")


def _refuse_structure(name: str, value: str) -> None:
    found = structure(value)
    if found is not None:
        kind = "an object" if isinstance(found, dict) else "an array"
        raise refuse(
            name, f"is {kind}, not one value", f"{_unset(name)}; pulumi config set {key(name)} VALUE, without --path"
        )


def _unset(name: str) -> str:
    return f"pulumi config rm {key(name)}"


def _choice(given: pulumi.Config, name: str) -> str:
    known = keys.KEYS[name]
    value = given.get(name)
    if value is None:
        return str(known.default)
    if value not in known.choices:
        raise refuse(name, f"is {value!r}", f"choose {' or '.join(known.choices)}")
    return value


def _text(given: pulumi.Config, name: str) -> str:
    value = given.get(name)
    return str(keys.KEYS[name].default) if value is None else value.strip()


def _switch(given: pulumi.Config, name: str) -> bool:
    try:
        value = given.get_bool(name)
    except pulumi.ConfigTypeError:
        raise refuse(name, f"is {given.get(name)!r}", "choose true or false") from None
    return bool(keys.KEYS[name].default) if value is None else value


def _number(given: pulumi.Config, name: str) -> int:
    known = keys.KEYS[name]
    text = given.get(name)
    if text is None:
        return int(known.default)
    if not re.fullmatch(r"-?\d{1,9}", text.strip()) or not known.least <= int(text) <= known.most:
        raise refuse(name, f"is {text!r}", f"give a whole number from {known.least} to {known.most}")
    return int(text)


def _nodes(given: pulumi.Config) -> int:
    nodes = _number(given, "kafkaNodes")
    if nodes not in (1, 3):
        raise refuse("kafkaNodes", f"is {nodes}", "a quorum needs an odd number; choose 1 or 3")
    return nodes


def _prefix(value: str) -> str:
    if value and not _PREFIX.fullmatch(value):
        raise refuse(
            "prefix", f"is {value!r}", "use at most 32 of a-z, 0-9, - and _, beginning with a letter or digit (demo-)"
        )
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise refuse(
            "bind", f"is {value!r}", "give an IPv4 address of this machine: 127.0.0.1 for itself alone"
        ) from None


def _networks(name: str, value: str) -> str:
    """Addresses and networks, with commas."""
    for part in filter(None, (part.strip() for part in value.split(","))):
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise refuse(
                name, f"has {part!r}", "give addresses or networks with commas between, like 172.18.0.1,10.0.0.0/8"
            ) from None
    return value


def _alertmanager(name: str, value: str) -> Alertmanager | None:
    if not value:
        return None
    try:
        return Alertmanager.at(value)
    except ValueError as wrong:
        # the value stays unsaid: it may hold a password
        raise refuse(name, str(wrong), "give an address like http://alertmanager.example:9093, or none") from None


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError):
        raise refuse("timezone", f"is {value!r}", "give an IANA time zone, like Europe/Berlin") from None


def _folder(value: str) -> Path | None:
    """The plugin folder; a relative path is taken from the project's root."""
    if not value:
        return None
    folder = (PROJECT / Path(value).expanduser()).resolve()
    if not folder.is_dir():
        raise refuse("connectPlugins", f"names {folder}, which is not a folder", "correct the path, or remove the key")
    try:
        check_plugins(folder)
    except PluginsError as unusable:
        raise refuse("connectPlugins", "cannot be used", str(unusable)) from None
    return folder


def _refuse_combinations(config: Config) -> None:
    if config.images == "local" and config.sink == "connect" and config.plugins is None:
        raise refuse(
            "sink",
            "is connect, but the local Connect image has no ClickHouse sink",
            f"set {key('connectPlugins')} to a folder with its release archive, or {key('sink')} to python",
        )
    if config.images == "upstream" and config.plugins is not None:
        raise refuse(
            "connectPlugins",
            f"is set, but with {key('images')} upstream the Connect image has the pinned release",
            f"remove it, or set {key('images')} to local",
        )


def _refuse_shared_ports(config: Config) -> None:
    owner: dict[int, str] = {}
    for name, port in config.published_ports.items():
        if port > 65_535:
            raise refuse(name, f"would be port {port}", f"set {key('portKafka')} lower, the nodes' ports follow it")
        if port in owner:
            raise refuse(name, f"is port {port}, as is {key(owner[port])}", "give one of them another port")
        owner[port] = name
