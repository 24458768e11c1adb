"""What a person is told when the stack is up, and what `millrace` on this machine needs to work against it."""

from collections.abc import Mapping

import pulumi

from infra.components import clickhouse, mysql
from infra.components.passwords import Passwords
from infra.config import Config

ABSENT = "not in the local image set"


def links(config: Config, kafka: str) -> dict[str, str]:
    """Every address that is published, by the name of its part; `kafka` are the brokers' on this machine."""
    ports, upstream = config.ports, config.images == "upstream"
    host = config.host

    def http(port: str, path: str = "") -> str:
        return f"http://{host}:{ports[port]}{path}"

    return {
        "api": http("api", "/api"),
        "docs": http("api", "/docs"),
        "dashboard": http("api", "/"),
        "kafka": kafka,
        "connect": http("connect", "/connectors"),
        "mysql": f"mysql://{mysql.USER}@{host}:{ports['mysql']}/{mysql.DATABASE}",
        "clickhouse": http("clickhouse"),
        "prometheus": http("prometheus"),
        "grafana": http("grafana") if upstream else ABSENT,
        "kafkaUi": http("kafkaUi") if upstream else ABSENT,
    }


def environment(config: Config, kafka: str, passwords: Passwords) -> pulumi.Output[Mapping[str, str]]:
    """Settings of `millrace` outside the network, as people's own users. Secret as a whole."""
    ports, host, of = config.ports, config.host, passwords.of
    plain = {
        "API_HOST": host,
        "PORT": str(ports["api"]),
        "BUSINESS_TIMEZONE": config.timezone,
        "MYSQL_HOST": "127.0.0.1" if host == "localhost" else host,
        "MYSQL_PORT": str(ports["mysql"]),
        "MYSQL_USER": mysql.USER,
        "MYSQL_DATABASE": mysql.DATABASE,
        "KAFKA_BROKERS": kafka,
        "CLICKHOUSE_HOST": f"http://{host}:{ports['clickhouse']}",
        "CLICKHOUSE_USER": "admin",
        "CLICKHOUSE_DATABASE": clickhouse.DATABASE,
        "CLICKHOUSE_READER_USER": "reader",
        "CONNECT_URL": f"http://{host}:{ports['connect']}",
        "RELAY_MODE": config.relay,
        "RELAY_METRICS_PORT": str(ports["relayMetrics"]),
        "TRANSFORMER_METRICS_PORT": str(ports["transformerMetrics"]),
        "SINK_METRICS_PORT": str(ports["sinkMetrics"]),
        "AGGREGATOR_METRICS_PORT": str(ports["aggregatorMetrics"]),
        "VERIFY_METRICS_PORT": str(ports["reconcilerMetrics"]),
        "MILLRACE_IMAGES": config.images,
        "MILLRACE_KAFKA_NODES": str(config.nodes),
        "MILLRACE_KAFKA_PARTITIONS": str(config.partitions),
        "MILLRACE_SINK": config.sink,
        "MILLRACE_STACK_PREFIX": config.prefix,
        "PROMETHEUS_URL": f"http://{host}:{ports['prometheus']}",
    }
    secret = {
        "MYSQL_PASSWORD": of["mysql-admin"],
        "MYSQL_ROOT_PASSWORD": of["mysql-root"],
        "CLICKHOUSE_PASSWORD": of["clickhouse-admin"],
        "CLICKHOUSE_READER_PASSWORD": of["clickhouse-reader"],
        "GRAFANA_ADMIN_PASSWORD": of["grafana-admin"],
        **({"MILLRACE_ADMIN_TOKEN": of["admin-token"]} if config.bootstrap_admin_token else {}),
    }
    return pulumi.Output.secret(pulumi.Output.all(**config.settings.all, **plain, **secret))
