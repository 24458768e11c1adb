"""Stand-ins for librdkafka's clients, for logic that a broker would only reach by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

MessageHeaders = list[tuple[str, str | bytes | None]]
Report = Callable[[KafkaError | None, Message], None]


def message(
    value: bytes | None,
    *,
    topic: str = "order.events",
    partition: int = 0,
    offset: int = 0,
    key: bytes | None = b"k",
    headers: MessageHeaders | None = None,
) -> Message:
    """A consumed message."""
    return Message(topic=topic, partition=partition, offset=offset, key=key, value=value, headers=headers or [])


@dataclass
class FakeProducer:
    """A producer whose answers the test decides.

    `answer(topic, key, value)` returns None to acknowledge, an error code to fail, or raises what `produce` raises;
    a code of `silent` leaves the message without a report.
    """

    answer: Callable[[str, bytes | None, bytes | None], int | None]
    silent: int = 10_000
    log: list[tuple[str, bytes | None, bytes | None]] = field(default_factory=list)
    topics: Iterable[str] = ()
    purged: bool = False
    _reports: list[Callable[[], None]] = field(default_factory=list)

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: MessageHeaders,
        on_delivery: Report,
    ) -> None:
        """As confluent_kafka's."""
        code = self.answer(topic, key, value)
        if code is None:
            self.log.append((topic, key, value))
            done = Message(topic=topic, partition=0, offset=len(self.log) - 1, key=key, value=value, headers=headers)
            self._reports.append(lambda: on_delivery(None, done))
        elif code != self.silent:
            failed = Message(topic=topic, partition=0, key=key, value=value)
            self._reports.append(lambda: on_delivery(KafkaError(code), failed))

    def poll(self, _seconds: float = 0) -> int:
        """Delivers the reports."""
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return len(reports)

    def flush(self, _seconds: float = 0) -> int:
        """Delivers the reports."""
        self.poll()
        return 0

    def purge(self, **_: bool) -> None:
        """Remembers that it was asked to."""
        self.purged = True

    def list_topics(self, timeout: float = 0) -> Any:
        """The cluster's topics."""

        class Cluster:
            topics = dict.fromkeys(self.topics)

        return Cluster()


def raising(code: int) -> KafkaException:
    """What `produce` raises for this code."""
    return KafkaException(KafkaError(code))
