"""Kafka Connect: one worker, its state in Kafka, its secrets in its environment, a password on its REST interface."""

import base64
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
from infra.components.network import CLICKHOUSE, CONNECT, KAFKA, MYSQL, WITH_CONNECT
from infra.components.site import Site

ROLE: Final = "kafka-connect"
PORT: Final = 8083
USER: Final = "connect"
"""Of the REST interface."""

_PROPERTIES: Final = "/opt/kafka/config/millrace-connect.properties"
_LOGGING: Final = "/opt/kafka/config/millrace-log4j2.yaml"
_JAAS: Final = "/opt/kafka/config/millrace-jaas.conf"
_ACCOUNTS: Final = "/opt/kafka/config/millrace-accounts.properties"
_HEALTH: Final = "/opt/millrace/http-healthy.sh"
_HEALTH_HEADER: Final = "/opt/millrace/http-header"
_JVM: Final = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k -XX:MaxMetaspaceSize=192m -XX:ReservedCodeCacheSize=64m"
)


@dataclass(frozen=True, kw_only=True)
class ConnectArgs:
    """`port`: on this machine. `heap` and `memory` are MiB. `rest_password`: of USER.

    `clickhouse_password`, `debezium_password`: of ClickHouse's and of MySQL's account. None: no connector uses that
    server, so the worker neither knows a password for it nor reaches it.

    `discovery`, how the worker finds plugins: service_load starts some seconds sooner and passes over every plugin
    without a manifest, the ClickHouse sink among them (KIP-898).
    """

    image: pulumi.Input[str]
    kafka: Kafka
    rest_password: pulumi.Input[str]
    clickhouse_password: pulumi.Input[str] | None
    debezium_password: pulumi.Input[str] | None
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
            networks=_networks(args),
            command=["/opt/kafka/bin/connect-distributed.sh", _PROPERTIES],
            environment={
                **known,
                "KAFKA_HEAP_OPTS": f"-Xms{args.heap}m -Xmx{args.heap}m",
                "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={_LOGGING}",
                "KAFKA_JVM_PERFORMANCE_OPTS": f"{_JVM} {FRESH_ADDRESSES}",
                "KAFKA_OPTS": f"-Djava.security.auth.login.config={_JAAS}",
            },
            ports={PORT: args.port},
            uploads={
                _PROPERTIES: worker_properties(args, known),
                _LOGGING: read("templates/log4j2-console.yaml"),
                _JAAS: Template(read("templates/connect-jaas.conf")).substitute(accounts=_ACCOUNTS),
                _ACCOUNTS: pulumi.Output.concat(USER, "=", args.rest_password, "\n"),
                _HEALTH: read("health/http.sh"),
                _HEALTH_HEADER: pulumi.Output.from_input(args.rest_password).apply(_authorization),
            },
            grace=30,
            depends_on=[*args.kafka.brokers, *args.depends_on],
        )
        health = Health(command=f"bash {_HEALTH} {PORT} /connectors {_HEALTH_HEADER}")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})


def connector_environment(args: ConnectArgs) -> dict[str, pulumi.Input[str]]:
    """What a connector's configuration may name as `${env:NAME}`."""
    known: dict[str, pulumi.Input[str]] = {"KAFKA_BOOTSTRAP": args.kafka.bootstrap}
    if args.clickhouse_password is not None:
        known |= {
            "CLICKHOUSE_CONNECT_PASSWORD": args.clickhouse_password,
            "CLICKHOUSE_CONNECT_USER": "connect",
            "CLICKHOUSE_DATABASE": clickhouse.DATABASE,
            "CLICKHOUSE_HOSTNAME": clickhouse.ROLE,
            "CLICKHOUSE_HTTP_PORT": str(clickhouse.HTTP_PORT),
        }
    if args.debezium_password is not None:
        known |= {
            "MYSQL_DATABASE": mysql.DATABASE,
            "MYSQL_DEBEZIUM_PASSWORD": args.debezium_password,
            "MYSQL_DEBEZIUM_USER": "debezium",
            "MYSQL_HOSTNAME": mysql.ROLE,
            "MYSQL_TCP_PORT": str(mysql.PORT),
        }
    return known


def _networks(args: ConnectArgs) -> list[str]:
    """Those who use it, and each server that a connector uses."""
    used = {KAFKA: True, CLICKHOUSE: args.clickhouse_password is not None, MYSQL: args.debezium_password is not None}
    return [CONNECT, *(WITH_CONNECT[server] for server, is_used in used.items() if is_used)]


def _configs_topic(args: ConnectArgs) -> str:
    """Where the worker keeps its connectors: another topic for each set of servers that they use.

    A connector registered while the stack wanted it would otherwise start with the next worker that is wanted for
    something else, without its password, and with `errors.tolerance=all` give to the dead letters what it cannot write.
    How far a connector has come is kept by its name, in topics that stay the same.
    """
    if args.debezium_password is None:
        return "connect-configs"
    return "connect-configs-debezium" if args.clickhouse_password is None else "connect-configs-sink-debezium"


def _authorization(password: str) -> str:
    """The header by which the health check is let in (RFC 7617)."""
    return f"Authorization: Basic {base64.b64encode(f'{USER}:{password}'.encode()).decode()}"


def worker_properties(args: ConnectArgs, allowed: Iterable[str]) -> str:
    """The worker's configuration; connectors may name the variables in `allowed` and no other."""
    return Template(read("templates/connect.properties")).substitute(
        bootstrap=args.kafka.bootstrap,
        port=PORT,
        replicas=args.kafka.replicas,
        discovery=args.discovery,
        configs=_configs_topic(args),
        allowed="|".join(sorted(allowed)),
    )
