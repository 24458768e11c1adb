"""How many brokers are up, and which partitions lack a replica or a leader, as the brokers themselves tell."""

from collections.abc import Callable
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from services.clients.kafka import admin_configuration
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.process import StopSignal
from services.settings import KafkaSettings

_EVERY_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
_NO_LEADER: Final = -1


class Cluster(Protocol):
    """What an admin client of Kafka can be asked."""

    def list_topics(self, *, timeout: float) -> Any:
        """Brokers that are up, and every partition. Raises KafkaException."""


def admin(settings: KafkaSettings, process: str) -> Cluster:
    """A client of its own: a broker that does not answer must not keep the process's work waiting."""
    client: Cluster = AdminClient(admin_configuration(settings, f"{process}-brokers"))
    return client


def keep_looking(connect: Callable[[], Cluster], stop: StopSignal) -> None:
    """Looks every 10 s until told to stop."""
    cluster = connect()
    while not stop.stopped:
        beat("brokers", rest=_EVERY_SECONDS)
        look(cluster)
        stop.wait(_EVERY_SECONDS)


def look(cluster: Cluster) -> None:
    """Sets the metrics. Without an answer no broker is up; of partitions then nothing is known that is new."""
    try:
        told = cluster.list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException:
        metrics.KAFKA_BROKERS.set(0)
        return
    partitions = [partition for topic in told.topics.values() for partition in topic.partitions.values()]
    metrics.KAFKA_BROKERS.set(len(told.brokers))
    metrics.KAFKA_UNDER_REPLICATED.set(sum(len(one.isrs) < len(one.replicas) for one in partitions))
    metrics.KAFKA_WITHOUT_LEADER.set(sum(one.leader == _NO_LEADER for one in partitions))
