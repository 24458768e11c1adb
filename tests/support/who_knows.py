"""Which container may know which secret, by hand: what infra/ declares and what the engine shows are held to it.

Secrets by their name in infra/components/passwords.py. A digest of a secret counts as the secret.
"""

from __future__ import annotations

ANALYTICS_USERS = {
    f"clickhouse-{user}"
    for user in ("admin", "sink", "connect", "aggregator", "reconciler", "api", "reader", "grafana")
}  # fmt: skip

SHOWN: dict[str, set[str]] = {
    "mysql": {"mysql-root", "mysql-admin"},
    "grafana": {"grafana-admin", "clickhouse-grafana"},
    "database-job": {"mysql-root", "mysql-api", "mysql-relay", "mysql-aggregator", "mysql-reconciler"},
    "clickhouse-job": ANALYTICS_USERS,
    "connectors-job": {"connect"},
    "api": {"mysql-api", "clickhouse-api", "admin-token"},
    "relay": {"mysql-relay"},
    "sink": {"clickhouse-sink"},
    "aggregator": {"mysql-aggregator", "clickhouse-aggregator"},
    "reconciler": {"mysql-reconciler", "clickhouse-reconciler"},
}
"""What `docker inspect` shows, all of it in the environment. Of a container that is not named: nothing."""

IN_FILES: dict[str, set[str]] = {
    "clickhouse": ANALYTICS_USERS,
    "kafka-connect": {"connect"},
}
"""What is in its files, which `docker inspect` does not show."""

WITH_SINK: dict[str, set[str]] = {"kafka-connect": {"clickhouse-connect"}, "sink": {"connect"}}
"""`sink: connect`: what is shown besides."""
WITH_DEBEZIUM: dict[str, set[str]] = {
    "kafka-connect": {"mysql-debezium"},
    "database-job": {"mysql-debezium"},
    "relay": {"connect"},
}
"""`relay: debezium`: what is shown besides."""


def shown_by(container: str, sink: str, relay: str) -> set[str]:
    """The secrets that `docker inspect` of a container shows."""
    more = [SHOWN, *([WITH_SINK] if sink == "connect" else []), *([WITH_DEBEZIUM] if relay == "debezium" else [])]
    return {secret for table in more for secret in table.get(container, set())}


def known_by(container: str, sink: str, relay: str) -> set[str]:
    """The secrets that a container is given in any way."""
    return shown_by(container, sink, relay) | IN_FILES.get(container, set())
