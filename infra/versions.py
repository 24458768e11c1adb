"""Every image that is taken as its makers publish it, with its exact version."""

from typing import Final

UPSTREAM: Final = {
    "kafka": "apache/kafka:4.3.1",
    "mysql": "mysql:8.4.10",
    "clickhouse": "clickhouse/clickhouse-server:26.3.17.4",
    "prometheus": "prom/prometheus:v3.13.3",
    "grafana": "grafana/grafana:12.4.2",
    "kafka-ui": "kafbat/kafka-ui:v1.5.0",
}
"""Name in the stack to reference. Kafka Connect, Grafana and the project's own image are built from images/ on top."""

GRAFANA_CLICKHOUSE_PLUGIN: Final = "grafana-clickhouse-datasource@4.12.0"
"""The official data source, which images/grafana puts into the image."""
