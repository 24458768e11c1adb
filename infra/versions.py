"""Every image that is taken as its makers publish it, with the exact version the stack is tested with."""

from typing import Final

UPSTREAM: Final = {
    "kafka": "apache/kafka:4.3.1",
    "mysql": "mysql:8.4.9",
    "clickhouse": "clickhouse/clickhouse-server:26.3.4.2",
    "prometheus": "prom/prometheus:v3.9.1",
    "grafana": "grafana/grafana:12.4.2",
    "kafka-ui": "kafbat/kafka-ui:v1.4.2",
}
"""Name in the stack to reference. Kafka Connect and the project's own image are built from images/ on top of these."""

GRAFANA_CLICKHOUSE_PLUGIN: Final = "grafana-clickhouse-datasource@4.12.0"
"""The official data source, which Grafana fetches when it starts for the first time."""
