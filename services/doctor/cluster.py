"""Kafka as the doctor asks it: metadata, offsets and newest messages, by consumers that join no group."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from services.clients.dead_letters import REASON, consumed_headers
from services.clients.kafka import consumer_configuration, make_consumer
from services.doctor.check import one_line
from services.settings import KafkaSettings

_TIMEOUT: Final = 5.0
_NO_GROUP: Final = "doctor"  # librdkafka wants a name; nothing is ever committed under it
_CONNECTS_REASON: Final = "__connect.errors.exception.message"
_MILLISECOND: Final = 1000


class BrokersAway(Exception):
    """No broker answers; the message is one line."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Broker ids: who holds a replica, and whose are in sync."""

    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The cluster at a moment: brokers that are up, and partitions by topic and number."""

    brokers: frozenset[int]
    topics: Mapping[str, Mapping[int, Partition]]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: how many seconds old it is, and why it is one."""

    age: float
    reason: str


class Cluster(Protocol):
    """Every method raises BrokersAway."""

    def metadata(self) -> Metadata:
        """What the brokers say of themselves."""

    def ranges(self, topic: str) -> dict[int, tuple[int, int]]:
        """Of each partition the first offset that is kept and the next that will be written."""

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset the group will read of each partition; partitions it never read are left out."""

    def newest_letter(self, topic: str) -> Letter | None:
        """The newest message of a dead letter topic, None when there is none."""


class KafkaCluster:
    """The brokers of the settings. A consumer a question: questions come rarely, and from several threads."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def metadata(self) -> Metadata:
        """As Cluster says."""
        with self._asking() as consumer:
            told = consumer.list_topics(timeout=_TIMEOUT)
        topics = {
            name: {
                number: Partition(tuple(partition.replicas), tuple(partition.isrs))
                for number, partition in topic.partitions.items()
            }
            for name, topic in told.topics.items()
        }
        return Metadata(frozenset(told.brokers), topics)

    def ranges(self, topic: str) -> dict[int, tuple[int, int]]:
        """As Cluster says."""
        with self._asking() as consumer:
            return _ranges(consumer, topic)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """As Cluster says."""
        with self._asking(group) as consumer:
            asked = [TopicPartition(topic, number) for number in _partitions(consumer, topic)]
            told = consumer.committed(asked, timeout=_TIMEOUT)
        return {one.partition: one.offset for one in told if one.offset >= 0}

    def newest_letter(self, topic: str) -> Letter | None:
        """As Cluster says."""
        with self._asking() as consumer:
            kept = {number: end for number, (begin, end) in _ranges(consumer, topic).items() if end > begin}
            consumer.assign([TopicPartition(topic, number, end - 1) for number, end in kept.items()])
            last: dict[int, Message] = {}
            deadline = time.monotonic() + _TIMEOUT
            while len(last) < len(kept) and time.monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is not None and message.error() is None:
                    last[message.partition() or 0] = message
        if not last:
            return None
        newest = max(last.values(), key=_written)
        return Letter(max(0.0, time.time() - _written(newest) / _MILLISECOND), _reason(newest))

    @contextmanager
    def _asking(self, group: str = _NO_GROUP) -> Iterator[Consumer]:
        configuration = consumer_configuration(self._settings, "doctor", group)
        consumer = make_consumer({**configuration, "socket.timeout.ms": int(_TIMEOUT * _MILLISECOND)})
        try:
            yield consumer
        except KafkaException as error:
            why = one_line(error.args[0].str())
            raise BrokersAway(f"no broker answers at {self._settings.kafka_brokers} ({why})") from None
        finally:
            consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    return sorted(consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic].partitions)


def _ranges(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    return {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), _TIMEOUT)
        for number in _partitions(consumer, topic)
    }


def _written(message: Message) -> int:
    return message.timestamp()[1]


def _reason(message: Message) -> str:
    headers = dict(consumed_headers(message))
    told = headers.get(REASON) or headers.get(_CONNECTS_REASON)
    return one_line(told.decode(errors="replace")) if told else "no reason given"
