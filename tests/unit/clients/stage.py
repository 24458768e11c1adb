"""A consumer whose broker does what the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from services.clients.consumer import BatchConsumer
from tests.support.kafka_fakes import message

TOPIC = "order.events"
Step = Callable[[], list[Message]]


class FakeConsumer:
    """A consumer that does, call by call, what the test has put into `script`."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.script: list[Step] = []
        self.stored: dict[int, int] = {}
        self.marks: dict[int, tuple[int, int]] = {}
        self.positions: dict[int, int] = {}
        self.commits: list[dict[int, int]] = []
        self.sought: list[tuple[int, int]] = []
        self.paused: set[int] = set()
        self.subscriptions = 0
        self.refuse: int | None = None
        self.answer_commits = True
        self.callbacks: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}

    # what confluent_kafka's has

    def subscribe(self, _topics: list[str], on_assign: Any, on_revoke: Any) -> None:
        self.subscriptions += 1
        self.callbacks = {"assign": on_assign, "revoke": on_revoke}

    def unsubscribe(self) -> None:
        self.positions.clear()

    def consume(self, _number: int, seconds: float) -> list[Message]:
        self.waited.append(seconds)
        return self.script.pop(0)() if self.script else []

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, p.partition, self.stored.get(p.partition, -1001)) for p in partitions]

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int] | None:
        return self.marks.get(place.partition, (0, 1000))

    def assign(self, starts: list[TopicPartition]) -> None:
        self.positions = {start.partition: start.offset for start in starts}

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, partition) for partition in self.positions]

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Nothing is fetched here anyway; as in librdkafka, a pause outlives the assignment."""
        self.paused |= {partition.partition for partition in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {partition.partition for partition in partitions}

    def seek(self, place: TopicPartition) -> None:
        self.sought.append((place.partition, place.offset))

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.commits.append({offset.partition: offset.offset for offset in offsets})
        if self.answer_commits:
            self.answer()

    def close(self) -> None:
        """Nothing to end."""

    # what the broker does

    def answer(self) -> None:
        error = KafkaError(self.refuse) if self.refuse is not None else None
        self.configuration["on_commit"](error, [])

    def assigns(self, *partitions: int) -> None:
        self.callbacks["assign"](self, [TopicPartition(TOPIC, partition) for partition in partitions])

    def revokes(self, *partitions: int) -> None:
        self.callbacks["revoke"](self, [TopicPartition(TOPIC, partition) for partition in partitions])
        self.positions = {place: offset for place, offset in self.positions.items() if place not in partitions}


class Stage:
    def __init__(self) -> None:
        self.fake = FakeConsumer()
        self.consumer = BatchConsumer({"group.id": "g"}, [TOPIC], 10, 0.0, make=self._make)

    def _make(self, configuration: dict[str, Any]) -> Consumer:
        self.fake.configuration = configuration
        return cast(Consumer, self.fake)

    def reads(self, *messages: Message) -> list[Message]:
        self.fake.script = [lambda: list(messages[:1]), lambda: list(messages[1:])]
        return self.consumer.read()


def at(offset: int, partition: int = 0) -> Message:
    return message(b"{}", topic=TOPIC, partition=partition, offset=offset)


def error(code: int, partition: int = 0) -> Message:
    return Message(topic=TOPIC, partition=partition, error=KafkaError(code))
