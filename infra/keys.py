"""The configuration keys and their defaults. `Pulumi.yaml` declares the same for the CLI; a test compares the two."""

from typing import Final, Literal

Images = Literal["upstream", "local"]
Sink = Literal["connect", "python"]
Relay = Literal["outbox", "debezium"]

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "images": ("upstream", "local"),
    "sink": ("connect", "python"),
    "relay": ("outbox", "debezium"),
}
"""The first is the default."""

TEXTS: Final = {"connect.plugins": "", "prefix": "", "bind": "127.0.0.1", "timezone": "UTC", "api.trustedProxies": ""}

NUMBERS: Final = {"kafka.nodes": 3, "kafka.partitions": 6, "kafka.retentionHours": 168}

SWITCHES: Final = {"seedCatalogue": True, "preflight": True}

PORTS: Final = {
    "api": 3000,
    "relayMetrics": 9101,
    "transformerMetrics": 9102,
    "sinkMetrics": 9103,
    "aggregatorMetrics": 9104,
    "reconcilerMetrics": 9105,
    "mysql": 3306,
    "kafka": 19092,
    "connect": 8083,
    "clickhouse": 8123,
    "clickhouseNative": 9000,
    "kafkaUi": 8080,
    "grafana": 3001,
    "prometheus": 9090,
}
"""`ports.NAME`. Kafka's is the first node's, the others follow."""

MEMORY: Final = {
    "kafka": (512, 448),
    "connect": (896, 704),
    "mysql": (768, 512),
    "clickhouse": (1536, 768),
    "prometheus": (256, 128),
    "grafana": (384, 192),
    "kafkaUi": (512, 384),
    "api": (384, 160),
    "relay": (256, 128),
    "transformer": (256, 128),
    "sink": (256, 128),
    "aggregator": (256, 128),
    "reconciler": (384, 160),
    "jobs": (384, 160),
}
"""`memory.NAME` in MiB: default, and the least it starts with. Kafka's is for each node."""


def defaults() -> dict[str, str | int | bool]:
    """Every key without its namespace, with its default."""
    return {
        **{name: choices[0] for name, choices in CHOICES.items()},
        **TEXTS,
        **NUMBERS,
        **SWITCHES,
        **{f"ports.{name}": port for name, port in PORTS.items()},
        **{f"memory.{name}": default for name, (default, _) in MEMORY.items()},
    }
