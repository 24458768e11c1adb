"""Reading topics in batches, with offsets committed by hand and no message skipped in silence.

read → work → done. When the process dies anywhere between, the batch is read again from the committed offsets: the
work must bear repetition. Work broken off by a rebalance is left for the same reason: whoever has the partitions now
reads the batch again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from services.clients.kafka import Configuration, make_consumer
from services.observability.logging import get_logger
from services.observability.process import CannotStart

_ANSWER_SECONDS: Final = 3.0
_IDLE_SECONDS: Final = 0.5
_COMMIT_AGAIN_SECONDS: Final = 0.2
_FAREWELL_SECONDS: Final = 2.0

log = get_logger()

Place = tuple[str, int]


class MessagesLost(CannotStart):
    """The broker removed messages that the group had not read."""


class Rebalanced(Exception):
    """The partitions changed hands while a batch was worked on."""


def place_of(message: Message) -> Place:
    """Topic and partition of a consumed message."""
    return message.topic() or "", message.partition() or 0


def offset_of(message: Message) -> int:
    """Offset of a consumed message."""
    return message.offset() or 0


class BatchConsumer:
    """A member of a consumer group."""

    def __init__(
        self,
        configuration: Configuration,
        topics: Sequence[str],
        size: int,
        linger: float,
        make: Callable[[Configuration], Consumer] = make_consumer,
    ) -> None:
        """`size`: messages a batch holds at most; `linger`: seconds a begun batch waits for more."""
        self._group, self._topics = str(configuration["group.id"]), list(topics)
        self._size, self._linger = size, linger
        self._assignments = 0
        self._rejoin = self._holding = False
        self._lost: MessagesLost | None = None
        self._next: dict[Place, int] = {}
        self._done: dict[Place, int] = {}
        self._commit_due = self._commit_under_way = False
        self._commit_not_before = 0.0
        self._consumer = make({**configuration, "on_commit": self._committed})
        self._subscribe()

    # ---- reading

    def read(self, linger: float = 0.0) -> list[Message]:
        """The next batch, empty when none came within 0.5 s; ``linger``: seconds it waits for more, where they are
        more than the configured ones. Raises MessagesLost.

        After a rebalance in here it may hold messages of partitions that are somebody else's now, or hold some twice:
        they are worked on all the same, for nothing tells them from those of the new assignment.
        """
        self._commit()
        batch = self._take(1, _IDLE_SECONDS)
        if batch and self._size > 1:
            batch += self._take(self._size - 1, max(self._linger, linger))
        for message in batch:
            if place_of(message) in self._next:
                self._next[place_of(message)] = offset_of(message) + 1
        return batch

    def _take(self, number: int, seconds: float) -> list[Message]:
        messages = []
        for message in self._consumer.consume(number, seconds):
            error = message.error()
            if error is None:
                messages.append(message)
            else:
                self._fault(error, message)
        if self._lost is not None:
            raise self._lost
        if self._rejoin:
            self._rejoin = False
            self._consumer.unsubscribe()
            self._subscribe()
        return messages

    def _fault(self, error: KafkaError, message: Message) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._out_of_range(place_of(message))
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("reading is disturbed", group=self._group, error=error.str())

    def _out_of_range(self, place: Place) -> None:
        """What is to be read next is not there: removed unread, or the topic was made anew and is shorter."""
        low = self._marks(place)[0]
        wanted = self._next.get(place, 0)
        if wanted < low:
            self._lost = self._loss(place, wanted, low)
        else:
            self._rejoin = True

    def _loss(self, place: Place, wanted: int, low: int) -> MessagesLost:
        return MessagesLost(
            f"{place[0]}[{place[1]}]: the broker has removed offsets {wanted} to {low - 1} before group {self._group} "
            "read them: restart the demo, or move the group on with `kafka-consumer-groups --reset-offsets "
            f"--to-earliest --group {self._group} --topic {place[0]} --execute`; then `millrace verify --repair` "
            "brings the orders back from the database"
        )

    # ---- the group

    def _subscribe(self) -> None:
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        try:
            starts = [self._start(entry) for entry in _answered(consumer, partitions)]
        except KafkaException as error:
            log.warning("no answer about offsets, joining again", group=self._group, error=str(error.args[0]))
            starts, self._rejoin = [], True
        consumer.assign(starts)
        # librdkafka remembers a pause across assignments: partitions that were lost while they were held came back
        # paused, and were never read again
        (consumer.pause if self._holding else consumer.resume)(starts)
        log.info("reads", group=self._group, partitions=[f"{s.topic}[{s.partition}]@{s.offset}" for s in starts])

    def _start(self, committed: TopicPartition) -> TopicPartition:
        """The committed offset; the oldest message for a group's first start or a topic that was made anew."""
        place = committed.topic, committed.partition
        low, high = self._marks(place)
        if 0 <= committed.offset < low:
            self._lost = self._loss(place, committed.offset, low)
        if committed.offset > high:
            log.warning("a topic is shorter than what was read of it; reading it from its start", topic=place[0])
        self._next[place] = committed.offset if low <= committed.offset <= high else low
        return TopicPartition(committed.topic, committed.partition, self._next[place])

    def _marks(self, place: Place) -> tuple[int, int]:
        marks = self._consumer.get_watermark_offsets(TopicPartition(*place), _ANSWER_SECONDS)
        if marks is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return marks

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._assignments += 1
        self._next.clear()
        self._done.clear()
        self._commit_due = False

    def wait(self, seconds: float) -> None:
        """Waits without reading, with the group served: a long retry neither loses the partitions nor stops others.

        Raises Rebalanced when the partitions changed hands: the batch in hand is somebody else's now.
        """
        assignments, held = self._assignments, self._consumer.assignment()
        self._holding = True
        self._consumer.pause(held)
        try:
            for message in self._consumer.consume(1, seconds):
                if message.error() is None:
                    self._put_back(message)
        finally:
            self._holding = False
            self._consumer.resume(self._consumer.assignment())
        if self._assignments != assignments:
            raise Rebalanced

    def _put_back(self, message: Message) -> None:
        try:
            self._consumer.seek(TopicPartition(*place_of(message), offset_of(message)))
        except KafkaException:  # its partition has just gone; or it is not known where reading goes on
            self._rejoin = True

    # ---- offsets

    def done(self, batch: Sequence[Message]) -> None:
        """Has the offsets after the batch committed, soon and in the background.

        One commit is under way at a time; a failed one (a rebalance, a coordinator that moves) is repeated with the
        newest offsets, or made void by the rebalance, after which the batch is worked on once more. Offsets of
        partitions that are somebody else's now are not touched.
        """
        for message in batch:
            place = place_of(message)
            if place in self._next:
                self._done[place] = max(self._done.get(place, 0), offset_of(message) + 1)
        self._commit_due = bool(self._done)
        self._commit()

    def _commit(self) -> None:
        if not self._commit_due or self._commit_under_way or time.monotonic() < self._commit_not_before:
            return
        self._commit_due, self._commit_under_way = False, True
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._done.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._committed(error.args[0], [])

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._commit_under_way = False
        failed = error or next((partition.error for partition in partitions if partition.error), None)
        if failed is not None:
            log.warning("offsets not committed yet", group=self._group, error=failed.str())
            self._commit_due = bool(self._done)
            self._commit_not_before = time.monotonic() + _COMMIT_AGAIN_SECONDS

    def close(self) -> None:
        """Waits up to 2 s for the last commit and leaves the group."""
        deadline = time.monotonic() + _FAREWELL_SECONDS
        self._consumer.pause(self._consumer.assignment())
        while (self._commit_due or self._commit_under_way) and time.monotonic() < deadline:
            self._commit()
            self._consumer.consume(1, 0.05)
        self._consumer.close()

    def ends(self) -> dict[Place, int]:
        """The ends of its partitions now; empty while it has none, or the broker does not answer for all."""
        try:
            return {place: self._marks(place)[1] for place in list(self._next)}
        except KafkaException:
            return {}

    def reached(self, ends: dict[Place, int]) -> bool:
        """Whether it has read so far in each of its partitions; others are somebody else's to read."""
        return all(position >= ends.get(place, 0) for place, position in self._next.items())

    def lag(self) -> dict[Place, int]:
        """Messages not yet read, by partition, as the last fetch saw it; partitions without a fetch are left out."""
        found: dict[Place, int] = {}
        for place, position in self._next.items():
            marks: Any = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if marks is not None and marks[1] >= 0:
                found[place] = max(marks[1] - position, 0)
        return found


def _answered(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Committed offsets. Raises KafkaException when one of them is not known, which is not the same as none."""
    entries = consumer.committed(partitions, timeout=_ANSWER_SECONDS)
    for entry in entries:
        if entry.error is not None:
            raise KafkaException(entry.error)
    return entries
