"""Every account of the stack's servers, each with a password of its own.

What each may do: services/provision/rights.py for MySQL, infra/templates/clickhouse-users.xml for ClickHouse.
"""

from typing import Final

MYSQL_SERVICES: Final = ("api", "relay", "aggregator", "reconciler", "debezium")
"""Made by the database job."""
MYSQL: Final = ("root", "admin", *MYSQL_SERVICES)

CLICKHOUSE_SERVICES: Final = ("sink", "connect", "aggregator", "reconciler", "api", "reader", "grafana")
"""Declared in the users file, and looked at by the ClickHouse job. `reader` is people, who look."""
CLICKHOUSE: Final = ("admin", *CLICKHOUSE_SERVICES)

SECRETS: Final = (
    *(f"mysql-{account}" for account in MYSQL),
    *(f"clickhouse-{user}" for user in CLICKHOUSE),
    "connect",
    "grafana-admin",
    "admin-token",
)
"""All that is generated, by the names of the resources."""

FORMERLY: Final = {"clickhouse-sink": "clickhouse-writer"}
"""Earlier names of resources: what is protected is renamed, for it cannot be removed."""
