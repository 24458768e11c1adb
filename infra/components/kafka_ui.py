"""Kafka UI: topics, groups, messages and connectors in the browser."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components import connect
from infra.components.container import Health, Spec, server
from infra.components.kafka import Kafka
from infra.components.site import Site

ROLE: Final = "kafka-ui"
PORT: Final = 8080


@dataclass(frozen=True, kw_only=True)
class KafkaUiArgs:
    """`port`: on this machine. `memory` is MiB."""

    image: pulumi.Input[str]
    kafka: Kafka
    port: int = PORT
    memory: int = 768


class KafkaUi(pulumi.ComponentResource):
    """One page on the cluster and on Kafka Connect. It has no accounts, hence only reads."""

    def __init__(self, site: Site, args: KafkaUiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the page."""
        super().__init__("millrace:stack:KafkaUi", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            environment={
                "JAVA_OPTS": f"-Xmx{args.memory // 3}m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
                "DYNAMIC_CONFIG_ENABLED": "false",
                "KAFKA_CLUSTERS_0_NAME": "millrace",
                "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS": args.kafka.bootstrap,
                "KAFKA_CLUSTERS_0_READONLY": "true",
                "KAFKA_CLUSTERS_0_KAFKACONNECT_0_NAME": connect.ROLE,
                "KAFKA_CLUSTERS_0_KAFKACONNECT_0_ADDRESS": f"http://{connect.ROLE}:{connect.PORT}",
            },
            ports={PORT: args.port},
            depends_on=list(args.kafka.brokers),
        )
        health = Health(command=f"wget -q -O /dev/null http://127.0.0.1:{PORT}/actuator/health")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})
