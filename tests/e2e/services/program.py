"""A program out of the stack's parts: MySQL, Kafka and ClickHouse as they ship, and nothing that uses them."""

from __future__ import annotations

import pulumi

from infra.accounts import CLICKHOUSE
from infra.components import images
from infra.components.clickhouse import ClickHouse, ClickHouseArgs
from infra.components.kafka import Kafka, KafkaArgs
from infra.components.mysql import MySQL, MySQLArgs
from infra.components.passwords import Passwords
from infra.components.site import Site
from infra.config import load


def servers() -> None:
    """Exports what tests/support/servers.py reads from the environment."""
    config = load()
    site = Site(config.prefix, config.bind, config.host)
    image, secret, ports = images.local(None), Passwords(), config.ports
    kafka = Kafka(site, KafkaArgs(image=image.kafka, cluster_id=secret.cluster_id, nodes=1, port=ports["kafka"]))
    MySQL(
        site,
        MySQLArgs(
            image=image.mysql,
            root_password=secret.of["mysql-root"],
            password=secret.of["mysql-admin"],
            port=ports["mysql"],
        ),
    )
    ClickHouse(
        site,
        ClickHouseArgs(
            image=image.clickhouse,
            passwords={user: secret.of[f"clickhouse-{user}"] for user in CLICKHOUSE},
            port=ports["clickhouse"],
            native_port=None,
        ),
    )
    root, admin = secret.of["mysql-root"], secret.of["clickhouse-admin"]
    environment = pulumi.Output.all(
        MILLRACE_TEST_MYSQL=pulumi.Output.concat("mysql://root:", root, f"@127.0.0.1:{ports['mysql']}"),
        MILLRACE_TEST_KAFKA=kafka.published,
        MILLRACE_TEST_CLICKHOUSE=pulumi.Output.concat("http://admin:", admin, f"@localhost:{ports['clickhouse']}"),
    )
    pulumi.export("environment", pulumi.Output.secret(environment))
