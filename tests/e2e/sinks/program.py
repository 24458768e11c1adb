"""A program out of the stack's parts: a Kafka node, Kafka Connect, ClickHouse, and a proxy before it for its faults."""

from __future__ import annotations

from pathlib import Path

import pulumi

from images.recipes import reference
from infra.accounts import CLICKHOUSE
from infra.components import clickhouse, connect, network
from infra.components.clickhouse import ClickHouse, ClickHouseArgs
from infra.components.connect import Connect, ConnectArgs
from infra.components.container import Health, Spec, server
from infra.components.files import read
from infra.components.kafka import Kafka, KafkaArgs
from infra.components.passwords import Passwords
from infra.components.site import Site
from infra.config import load

FAULTS, FAULTS_PORT = "faults", 8124
_SCRIPT, _HEALTH = "/opt/millrace/fault_server.py", "/opt/millrace/http-healthy.sh"


def sink_servers() -> None:
    """Exports what a sink on this machine needs, behind the proxy; CLICKHOUSE_DIRECT is ClickHouse itself."""
    config = load()
    site = Site(config.prefix, config.bind, config.host)
    secret, ports = Passwords(), config.ports
    kafka = Kafka(site, KafkaArgs(image=reference("kafka"), cluster_id=secret.cluster_id, nodes=1, port=ports["kafka"]))
    behind = ClickHouse(
        site,
        ClickHouseArgs(
            image=reference("clickhouse"),
            passwords={user: secret.of[f"clickhouse-{user}"] for user in CLICKHOUSE},
            port=ports["clickhouse"],
            native_port=None,
        ),
    )
    script = (Path(__file__).parents[2] / "support" / "fault_server.py").read_text(encoding="utf-8")
    server(
        site,
        FAULTS,
        Spec(
            image=reference("python"),
            memory=64,
            networks=[network.CLICKHOUSE, network.WITH_CONNECT[network.CLICKHOUSE]],
            command=["python3", _SCRIPT, str(FAULTS_PORT), clickhouse.ROLE, str(clickhouse.HTTP_PORT)],
            ports={FAULTS_PORT: ports["grafana"]},
            uploads={_SCRIPT: script, _HEALTH: read("health/http.sh")},
        ),
        Health(command=f"bash {_HEALTH} {FAULTS_PORT} /faults"),
        behind,
    )
    Connect(
        site,
        ConnectArgs(
            image=reference("connect", config.plugins),
            kafka=kafka,
            clickhouse_password=secret.of["clickhouse-connect"],
            rest_password=secret.of["connect"],
            debezium_password=None,
            port=ports["connect"],
            discovery="service_load",  # each archive has a manifest, and the worker starts some seconds sooner
        ),
    )
    environment = pulumi.Output.all(
        KAFKA_BROKERS=kafka.published,
        CONNECT_USER=connect.USER,
        CONNECT_PASSWORD=secret.of["connect"],
        CONNECT_URL=f"http://localhost:{ports['connect']}",
        CLICKHOUSE_HOST=f"http://localhost:{ports['grafana']}",
        CLICKHOUSE_DIRECT=f"http://localhost:{ports['clickhouse']}",
        CLICKHOUSE_USER="sink",
        CLICKHOUSE_PASSWORD=secret.of["clickhouse-sink"],
        CLICKHOUSE_ADMIN_PASSWORD=secret.of["clickhouse-admin"],
    )
    pulumi.export("environment", pulumi.Output.secret(environment))
