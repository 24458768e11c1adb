"""Holding producers back while a topic's readers are behind, for a broker that drops what it has no room for.

The embedded broker keeps 5 MiB a partition and drops the oldest beyond that, read or not. A durable broker needs none
of this (KAFKA_MAX_UNREAD_BYTES = 0). The limit is one producer's: several producers on a topic must divide it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.clients.kafka import consumer_configuration, make_consumer
from services.clients.messages import BrokerAway, Fate, Outcome, Outgoing
from services.settings import KafkaSettings

_ANSWER_SECONDS: Final = 2.0


class Offsets(Protocol):
    """What the broker knows of a topic and of the group that reads it."""

    def ends(self, topic: str) -> dict[int, int]:
        """The end offset of each partition. Raises BrokerAway."""

    def committed(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset the group will read of each partition, 0 before its first commit. Raises BrokerAway."""

    def close(self) -> None:
        """Ends the connection."""


class GroupOffsets:
    """Offsets asked with a consumer that never joins its group (0.2 ms a question)."""

    def __init__(self, settings: KafkaSettings, process: str, group: str) -> None:
        self._configuration = consumer_configuration(settings, f"{process}-unread", group)
        self._open: Consumer | None = None

    def ends(self, topic: str) -> dict[int, int]:
        """As Offsets says."""
        consumer = self._consumer()
        try:
            partitions = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic].partitions
            marks = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), _ANSWER_SECONDS) for p in partitions}
        except KafkaException as error:
            raise BrokerAway(str(error.args[0])) from None
        return {partition: mark[1] for partition, mark in marks.items() if mark is not None}

    def committed(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """As Offsets says."""
        asked = [TopicPartition(topic, partition) for partition in partitions]
        try:
            answer = self._consumer().committed(asked, timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            raise BrokerAway(str(error.args[0])) from None
        return {entry.partition: max(entry.offset, 0) for entry in answer}

    def close(self) -> None:
        """As Offsets says."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _consumer(self) -> Consumer:
        if self._open is None:
            self._open = make_consumer(self._configuration)
        return self._open


class _Partition:
    """What this producer put into a partition and nobody has read yet: (offset, bytes), oldest first."""

    def __init__(self) -> None:
        self.messages: deque[tuple[int, int]] = deque()
        self.bytes = 0

    def add(self, offset: int, size: int) -> None:
        self.messages.append((offset, size))
        self.bytes += size

    def read_up_to(self, committed: int) -> None:
        while self.messages and self.messages[0][0] < committed:
            self.bytes -= self.messages.popleft()[1]


class _Topic:
    """The unread bytes of one topic, by partition."""

    def __init__(self, name: str, offsets: Offsets, limit: int) -> None:
        """What was there before counts as a full partition until it is read: its size is not known."""
        self._name, self._offsets = name, offsets
        self._partitions: dict[int, _Partition] = {}
        for partition, end in offsets.ends(name).items():
            if end > 0:
                self.add(partition, end - 1, limit)
        self.ask()

    def ask(self) -> None:
        """Forgets what the group has read since."""
        waiting = [number for number, partition in self._partitions.items() if partition.bytes]
        if waiting:
            for number, offset in self._offsets.committed(self._name, waiting).items():
                self._partitions[number].read_up_to(offset)

    def add(self, partition: int, offset: int, size: int) -> None:
        self._partitions.setdefault(partition, _Partition()).add(offset, size)

    @property
    def fullest(self) -> int:
        """Unread bytes of the fullest partition: a message's partition is not known before it is produced."""
        return max((partition.bytes for partition in self._partitions.values()), default=0)


class UnreadLimit:
    """Admits messages while no partition would hold more than `limit` unread bytes. 0: always."""

    def __init__(self, limit: int, readers: Mapping[str, Offsets]) -> None:
        """`readers`: the reading group's offsets by topic; topics nobody reads are not limited."""
        self._limit, self._readers = limit, readers
        self._topics: dict[str, _Topic] = {}

    def admit(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Which of the messages there is room for; once one of a topic must wait, all later ones of it do.

        A message above the limit is let through alone. Raises BrokerAway.
        """
        if not self._limit:
            return [True] * len(messages)
        room: dict[str, int] = {}
        answer = []
        for message in messages:
            if message.topic not in self._readers:
                answer.append(True)
                continue
            left = room[message.topic] if message.topic in room else self._room(message.topic)
            fits = message.size <= left or left == self._limit
            room[message.topic] = left - message.size if fits else -1
            answer.append(fits)
        return answer

    def _room(self, name: str) -> int:
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic(name, self._readers[name], self._limit)
        elif topic.fullest:
            topic.ask()
        return self._limit - topic.fullest

    def sent(self, messages: Sequence[Outgoing], outcomes: Sequence[Outcome]) -> None:
        """Counts what was acknowledged. What may have arrived unseen makes its topic count as full until it is read."""
        if not self._limit:
            return
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome.fate in (Fate.UNKNOWN, Fate.NO_TOPIC):
                self._topics.pop(message.topic, None)
            elif outcome.fate is Fate.ACKNOWLEDGED and message.topic in self._topics:
                self._topics[message.topic].add(outcome.partition, outcome.offset, message.size)

    def close(self) -> None:
        """Ends the readers' connections."""
        for offsets in {id(reader): reader for reader in self._readers.values()}.values():
            offsets.close()
