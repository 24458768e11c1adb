"""The configuration keys, each with its default and meaning: the one source of them.

`python -m tools.configuration` writes the same into Pulumi.yaml, which declares them for the CLI, and docs/stack.md; a
test compares. A name has no dot: the CLI takes a dot for a path and would hand the program an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Images = Literal["upstream", "local"]
Sink = Literal["connect", "python"]
Relay = Literal["outbox", "debezium"]
Default = str | int | bool


@dataclass(frozen=True)
class Key:
    """A key without its namespace. `choices`: all it can be. `least` and `most` bound a number."""

    name: str
    default: Default
    description: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 0


def port_key(part: str) -> str:
    """The key of a published port: portKafkaUi for kafkaUi."""
    return _joined("port", part)


def memory_key(part: str) -> str:
    """The key of a memory limit: memoryKafkaUi for kafkaUi."""
    return _joined("memory", part)


def _joined(group: str, part: str) -> str:
    return f"{group}{part[:1].upper()}{part[1:]}"


def _port(part: str, default: int, description: str) -> Key:
    return Key(port_key(part), default, description, least=1, most=65_535)


def _memory(part: str, default: int, least: int, description: str) -> Key:
    return Key(memory_key(part), default, description, least=least, most=1_048_576)


PORTS: Final[Mapping[str, Key]] = {
    part: _port(part, default, description)
    for part, default, description in (
        ("api", 3000, "HTTP API and dashboard"),
        ("relayMetrics", 9101, "metrics of the relay"),
        ("transformerMetrics", 9102, "metrics of the transformer"),
        ("sinkMetrics", 9103, "metrics of the sink"),
        ("aggregatorMetrics", 9104, "metrics of the aggregator"),
        ("reconcilerMetrics", 9105, "metrics of the reconciler"),
        ("mysql", 3306, "MySQL"),
        ("kafka", 19092, "first Kafka node; the others follow"),
        ("connect", 8083, "Kafka Connect's REST interface"),
        ("clickhouse", 8123, "ClickHouse over HTTP"),
        ("clickhouseNative", 9000, "ClickHouse's native protocol, with `images: upstream`"),
        ("kafkaUi", 8080, "Kafka UI, with `images: upstream`"),
        ("grafana", 3001, "Grafana, with `images: upstream`"),
        ("prometheus", 9090, "Prometheus"),
    )
}
"""Part to the key of its port on this machine."""

MEMORY: Final[Mapping[str, Key]] = {
    part: _memory(part, default, least, description)
    for part, default, least, description in (
        ("kafka", 512, 448, "MiB for each Kafka node"),
        ("connect", 896, 704, "MiB for Kafka Connect"),
        ("mysql", 768, 512, "MiB for MySQL"),
        ("clickhouse", 1536, 768, "MiB for ClickHouse"),
        ("prometheus", 256, 128, "MiB for Prometheus"),
        ("grafana", 512, 192, "MiB for Grafana"),
        ("kafkaUi", 768, 384, "MiB for Kafka UI"),
        ("api", 384, 160, "MiB for the api"),
        ("relay", 256, 128, "MiB for the relay"),
        ("transformer", 256, 128, "MiB for the transformer"),
        ("sink", 256, 128, "MiB for the sink"),
        ("aggregator", 256, 128, "MiB for the aggregator"),
        ("reconciler", 384, 160, "MiB for the reconciler"),
        ("jobs", 384, 160, "MiB for each job"),
    )
}
"""Part to the key of its memory limit; `least` is what it starts with."""

SETTINGS: Final = "settings"
"""The one key that holds a map: settings of the services, by their environment variables' names."""

KEYS: Final[Mapping[str, Key]] = {
    key.name: key
    for key in (
        Key(
            "images",
            "upstream",
            "`upstream`: published images, and those built from images/ on top of them; `local`: the set that "
            "`make images` builds from packages; fixed once there is data",
            choices=("upstream", "local"),
        ),
        Key(
            "sink",
            "connect",
            "what loads ClickHouse; `connect`: the official connector in Kafka Connect, which the container sink "
            "watches; `python`: the project's own",
            choices=("connect", "python"),
        ),
        Key(
            "relay",
            "outbox",
            "what takes events to Kafka; `outbox`: the relay; `debezium`: the connector that reads the binary log",
            choices=("outbox", "debezium"),
        ),
        Key("kafkaNodes", 3, "1 or 3; fixed once there is data", least=1, most=1000),
        Key(
            "kafkaPartitions",
            6,
            "partitions of a topic; raising it takes steps by hand (docs/stack.md), it is never lowered",
            least=1,
            most=1000,
        ),
        Key("kafkaRetentionHours", 168, "how long topics keep what was sent", least=1, most=87_600),
        Key("connectPlugins", "", "with `images: local`: folder of plugin archives that go into the Connect image"),
        Key("prefix", "", "before the name of every container, volume and network; for a second stack on one engine"),
        Key("bind", "127.0.0.1", "address of this machine that ports are published on"),
        Key("timezone", "UTC", "IANA zone whose midnight starts the shop's day; fixed once there is data"),
        Key(
            "apiTrustedProxies",
            "",
            "addresses and networks of proxies that say who the api's client is; the api then limits each client's "
            "writes",
        ),
        Key(
            "alertmanagerUrl",
            "",
            "Alertmanager that Prometheus sends its alerts to, like http://alertmanager.example:9093; none by default",
        ),
        Key(
            "bootstrapAdminToken",
            True,
            "make an admin token for the api; false: none but those of `millrace admin create`",
        ),
        Key("seedCatalogue", True, "add the demo's users and products"),
        Key("preflight", True, "look at the engine, ports and images before anything is created"),
        *PORTS.values(),
        *MEMORY.values(),
    )
}
"""Every key but `settings`, by name."""

_GROUPS_BEFORE: Final = {"kafka": "kafka", "connect": "connect", "api": "api", "ports": "port", "memory": "memory"}


def today(former: str) -> str | None:
    """The key that a dotted name of an earlier version has become (`ports.api`: portApi); None if it never was one."""
    group, dot, part = former.partition(".")
    name = _joined(_GROUPS_BEFORE[group], part) if dot and group in _GROUPS_BEFORE else ""
    return name if name in KEYS else None


def was_group(name: str) -> bool:
    """Whether dotted names of an earlier version began so: the CLI makes an object of that name of them."""
    return name in _GROUPS_BEFORE
