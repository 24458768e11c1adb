"""The Kafka cluster as the topics job sees it: what is there, and three ways to change it."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not listed for type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from services.clients.kafka import admin_configuration
from services.settings import KafkaSettings

_REQUEST_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists. ``replication_factor`` is that of the partition with the fewest replicas."""

    partitions: int
    replication_factor: int
    led: bool
    """Whether every partition has a leader."""


@dataclass(frozen=True, slots=True)
class View:
    """The cluster at one moment."""

    brokers: int
    topics: Mapping[str, Topic]


class Cluster:
    """Everything raises KafkaException, when nothing answers and when a request is refused."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Nothing is connected before the first question."""
        self.address = settings.kafka_brokers
        self._admin = AdminClient(admin_configuration(settings, "provision"))

    def look(self) -> View:
        """The brokers that are up and the topics that exist."""
        seen = self._admin.list_topics(timeout=_REQUEST_SECONDS)
        return View(len(seen.brokers), {name: _topic(found) for name, found in seen.topics.items()})

    def configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """Every setting in force of each topic, defaults included."""
        asked = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in topics], request_timeout=_REQUEST_SECONDS
        )
        return {
            resource.name: {name: entry.value for name, entry in future.result().items()}
            for resource, future in asked.items()
        }

    def create(self, topics: Mapping[str, tuple[int, Mapping[str, str]]], replicas: int) -> None:
        """Makes topics, each with its partitions and settings; raises for one that exists."""
        wanted = [
            NewTopic(name, partitions, replicas, config=dict(config)) for name, (partitions, config) in topics.items()
        ]
        _all_done(
            self._admin.create_topics(wanted, operation_timeout=_REQUEST_SECONDS, request_timeout=2 * _REQUEST_SECONDS)
        )

    def alter(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """Gives these settings these values and leaves the others alone."""
        wanted = [
            ConfigResource(
                ResourceType.TOPIC,
                topic,
                incremental_configs=[
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in settings.items()
                ],
            )
            for topic, settings in changes.items()
        ]
        _all_done(self._admin.incremental_alter_configs(wanted, request_timeout=_REQUEST_SECONDS))


def _topic(found: Any) -> Topic:
    partitions = list(found.partitions.values())
    return Topic(
        partitions=len(partitions),
        replication_factor=min((len(partition.replicas) for partition in partitions), default=0),
        led=bool(partitions) and all(partition.leader >= 0 for partition in partitions),
    )


def _all_done(futures: Mapping[Any, "Future[Any]"]) -> None:
    for future in futures.values():
        future.result()
