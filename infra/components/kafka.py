"""Kafka in KRaft mode: one node, or three that hold every partition three times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components.container import Health, Spec, server
from infra.components.files import read
from infra.components.site import Site

INTERNAL_PORT: Final = 29092
CONTROLLER_PORT: Final = 29093
NODES_LABEL: Final = "dev.millrace.kafka.nodes"
"""On a broker's volume: how many nodes its quorum was made for, which cannot change under the data."""

_DATA: Final = "/var/lib/kafka/data"
_HEALTH: Final = "/opt/millrace/kafka-healthy.sh"
_LOGGING: Final = "/opt/kafka/config/millrace-log4j2.yaml"
_MIB: Final = 1024 * 1024
FRESH_ADDRESSES: Final = "-Dsun.net.inetaddr.ttl=0"
"""For a JVM: looks a name up whenever it connects. Java keeps an address for 30 s; two brokers that come back within
that time can have swapped theirs, and a node that reaches the wrong one is answered, stays connected and never gets on.
"""

# One core and a few hundred messages a second: the serial collector and the first compiler alone halve the memory.
_JVM: Final = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k -XX:MaxMetaspaceSize=160m -XX:ReservedCodeCacheSize=64m"
)

# What a broker does while nothing happens. Every thread that waits for requests wakes three times a second (of 8 and 3
# for each listener); and the active controller writes a record that says nothing, which every node stores and flushes,
# every half second: that is how the age of a follower's metadata can be seen in a metric that nobody here reads.
_SMALL: Final = {
    "KAFKA_NUM_IO_THREADS": "4",
    "KAFKA_NUM_NETWORK_THREADS": "2",
    "KAFKA_METADATA_MAX_IDLE_INTERVAL_MS": "5000",
}


def broker(node: int) -> str:
    """Container name without prefix, and host name, of node 1, 2 or 3."""
    return f"kafka-local{node}"


def external_port(node: int) -> int:
    """The port inside node's container that clients outside the network come in by."""
    return 19091 + node


@dataclass(frozen=True, kw_only=True)
class KafkaArgs:
    """`port`: of the first node on this machine, the others follow. `heap` and `memory` are MiB, a node."""

    image: pulumi.Input[str]
    cluster_id: pulumi.Input[str]
    nodes: int = 3
    port: int = 19092
    heap: int = 256
    memory: int = 512


class Kafka(pulumi.ComponentResource):
    """The brokers. Topics are made by a job, never by a client that mistyped a name."""

    def __init__(self, site: Site, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers a broker and a volume for each node."""
        super().__init__("millrace:stack:Kafka", "kafka", None, opts)
        self._args, self._host = args, site.host
        self.brokers: Sequence[docker.Container] = [self._node(site, node) for node in range(1, args.nodes + 1)]
        self.register_outputs({"bootstrap": self.bootstrap})

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers inside the network."""
        return ",".join(f"{broker(node)}:{INTERNAL_PORT}" for node in self._nodes)

    @property
    def published(self) -> str:
        """Bootstrap servers on this machine."""
        return ",".join(f"{self._host}:{self._args.port + node - 1}" for node in self._nodes)

    @property
    def replicas(self) -> int:
        """How many nodes hold a partition."""
        return min(3, self._args.nodes)

    @property
    def min_in_sync(self) -> int:
        """How many must have a record before it is acknowledged: one node may be away."""
        return min(2, self._args.nodes)

    @property
    def _nodes(self) -> range:
        return range(1, self._args.nodes + 1)

    def _node(self, site: Site, node: int) -> docker.Container:
        role, args = broker(node), self._args
        spec = Spec(
            image=args.image,
            memory=args.memory,
            environment=self._environment(node),
            ports={external_port(node): args.port + node - 1},
            volumes={_DATA: site.volume(f"kafka{node}", {NODES_LABEL: str(args.nodes)})},
            uploads={_HEALTH: read("health/kafka.sh"), _LOGGING: read("templates/log4j2-console.yaml")},
            # the last node of a quorum waits for a controller that is gone, however long it is given
            grace=15,
            # healthy once a second node is up, whose image may be on its way still
            wait_timeout=600,
        )
        return server(site, role, spec, Health(command=f"bash {_HEALTH} 127.0.0.1 {INTERNAL_PORT}"), self)

    def _environment(self, node: int) -> dict[str, pulumi.Input[str]]:
        role, args = broker(node), self._args
        return {
            "CLUSTER_ID": args.cluster_id,
            "KAFKA_HEAP_OPTS": f"-Xms{args.heap}m -Xmx{args.heap}m",
            "KAFKA_JVM_PERFORMANCE_OPTS": f"{_JVM} {FRESH_ADDRESSES}",
            # To the container's log, which is rotated. The image's own configuration also writes files into it
            # that nothing removes; and its start script, where the second one is empty, 1 GB about the collector.
            "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={_LOGGING}",
            "KAFKA_GC_LOG_OPTS": "-Xlog:gc=off",
            "KAFKA_NODE_ID": str(node),
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": ",".join(f"{n}@{broker(n)}:{CONTROLLER_PORT}" for n in self._nodes),
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
            "KAFKA_LISTENERS": (
                f"INTERNAL://:{INTERNAL_PORT},CONTROLLER://:{CONTROLLER_PORT},EXTERNAL://:{external_port(node)}"
            ),
            "KAFKA_ADVERTISED_LISTENERS": (
                f"INTERNAL://{role}:{INTERNAL_PORT},EXTERNAL://{self._host}:{args.port + node - 1}"
            ),
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": ("INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT"),
            "KAFKA_LOG_DIRS": _DATA,
            **_SMALL,
            **self._safety,
        }

    @cached_property
    def _safety(self) -> dict[str, str]:
        """What an acknowledged record's survival rests on, and what a dead broker's absence costs."""
        return {
            "KAFKA_DEFAULT_REPLICATION_FACTOR": str(self.replicas),
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": str(self.replicas),
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": str(self.replicas),
            "KAFKA_MIN_INSYNC_REPLICAS": str(self.min_in_sync),
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": str(self.min_in_sync),
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false",
            # the largest dead letter: a message with its reason and trace in the headers
            "KAFKA_MESSAGE_MAX_BYTES": str(2 * _MIB),
            # A dead broker's partitions have a new leader within 5 s, with the defaults within 9 s (measured).
            "KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            # 50 partitions of a topic that a handful of groups use cost every start and every failover
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "12",
            "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "6",
        }
