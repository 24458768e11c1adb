"""Kafka Connect: one worker, its state in Kafka, its secrets in its environment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import Template
from typing import Final, Literal

import pulumi
import pulumi_docker as docker

from infra.components import clickhouse, mysql
from infra.components.container import Health, Spec, server
from infra.components.files import read
from infra.components.kafka import FRESH_ADDRESSES, Kafka
from infra.components.site import Site

ROLE: Final = "kafka-connect"
PORT: Final = 8083
_PROPERTIES: Final = "/opt/kafka/config/millrace-connect.properties"
_LOGGING: Final = "/opt/kafka/config/millrace-log4j2.yaml"
_HEALTH: Final = "/opt/millrace/http-healthy.sh"
_JVM: Final = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k -XX:MaxMetaspaceSize=192m -XX:ReservedCodeCacheSize=64m"
)


@dataclass(frozen=True, kw_only=True)
class ConnectArgs:
    """`port`: on this machine. `heap` and `memory` are MiB.

    `discovery`, how the worker finds plugins: service_load starts some seconds sooner and passes over every plugin
    without a manifest, the ClickHouse sink among them (KIP-898).
    """

    image: pulumi.Input[str]
    kafka: Kafka
    clickhouse_password: pulumi.Input[str]
    debezium_password: pulumi.Input[str]
    port: int = PORT
    discovery: Literal["hybrid_warn", "service_load"] = "hybrid_warn"
    heap: int = 384
    memory: int = 896
    depends_on: Sequence[pulumi.Input[pulumi.Resource]] = ()


class Connect(pulumi.ComponentResource):
    """The worker. Connectors are registered by a job."""

    def __init__(self, site: Site, args: ConnectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the worker."""
        super().__init__("millrace:stack:Connect", ROLE, None, opts)
        known = connector_environment(args)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            command=["/opt/kafka/bin/connect-distributed.sh", _PROPERTIES],
            environment={
                **known,
                "KAFKA_HEAP_OPTS": f"-Xms{args.heap}m -Xmx{args.heap}m",
                "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={_LOGGING}",
                "KAFKA_JVM_PERFORMANCE_OPTS": f"{_JVM} {FRESH_ADDRESSES}",
            },
            ports={PORT: args.port},
            uploads={
                _PROPERTIES: worker_properties(args, known),
                _LOGGING: read("templates/log4j2-console.yaml"),
                _HEALTH: read("health/http.sh"),
            },
            grace=30,
            depends_on=[*args.kafka.brokers, *args.depends_on],
        )
        health = Health(command=f"bash {_HEALTH} {PORT} /connectors")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})


def connector_environment(args: ConnectArgs) -> dict[str, pulumi.Input[str]]:
    """What a connector's configuration may name as `${env:NAME}`."""
    return {
        "CLICKHOUSE_CONNECT_PASSWORD": args.clickhouse_password,
        "CLICKHOUSE_CONNECT_USER": "connect",
        "CLICKHOUSE_DATABASE": clickhouse.DATABASE,
        "CLICKHOUSE_HOSTNAME": clickhouse.ROLE,
        "CLICKHOUSE_HTTP_PORT": str(clickhouse.HTTP_PORT),
        "KAFKA_BOOTSTRAP": args.kafka.bootstrap,
        "MYSQL_DATABASE": mysql.DATABASE,
        "MYSQL_DEBEZIUM_PASSWORD": args.debezium_password,
        "MYSQL_DEBEZIUM_USER": "debezium",
        "MYSQL_HOSTNAME": mysql.ROLE,
        "MYSQL_TCP_PORT": str(mysql.PORT),
    }


def worker_properties(args: ConnectArgs, allowed: Iterable[str]) -> str:
    """The worker's configuration; connectors may name the variables in `allowed` and no other."""
    return Template(read("templates/connect.properties")).substitute(
        bootstrap=args.kafka.bootstrap,
        port=PORT,
        replicas=args.kafka.replicas,
        discovery=args.discovery,
        allowed="|".join(sorted(allowed)),
    )
