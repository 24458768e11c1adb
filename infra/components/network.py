"""The stack's networks: parts that share one reach one another by plain names, and nobody else reaches them.

Each server has one, for those who use it. Kafka Connect is a server and uses servers: on their networks it would be
reached by everybody who uses Kafka, MySQL or ClickHouse, so it shares another one with each of them alone.
"""

from typing import Final

KAFKA: Final = "kafka"
MYSQL: Final = "mysql"
CLICKHOUSE: Final = "clickhouse"
CONNECT: Final = "connect"
METRICS: Final = "metrics"
"""Prometheus, the processes whose figures it reads, and Grafana, which asks it for them."""

WITH_CONNECT: Final = {server: f"{CONNECT}-{server}" for server in (KAFKA, MYSQL, CLICKHOUSE)}
"""Server to the network that it has with Kafka Connect alone. The server is on it also while nothing wants Kafka
Connect: another network makes another container, and it is to go on undisturbed when something does."""

ALL: Final = (KAFKA, MYSQL, CLICKHOUSE, CONNECT, METRICS, *WITH_CONNECT.values())


def serving(server: str) -> tuple[str, str]:
    """The networks of Kafka, MySQL or ClickHouse themselves."""
    return server, WITH_CONNECT[server]
