"""Offsets: committed after the work, repeated when refused, never past what was lost, never of others' partitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from services.clients.batches import Pause, Stopped, run_batches
from services.clients.consumer import BatchConsumer, MessagesLost, Rebalanced
from services.observability.process import StopSignal
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


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.fake.assigns(0, 1)
    return stage


def at(offset: int, partition: int = 0) -> Message:
    return message(b"{}", topic=TOPIC, partition=partition, offset=offset)


def error(code: int, partition: int = 0) -> Message:
    return Message(topic=TOPIC, partition=partition, error=KafkaError(code))


def test_a_new_group_begins_at_the_oldest_message_and_another_where_it_was() -> None:
    stage = Stage()
    stage.fake.stored = {1: 42}
    stage.fake.marks = {0: (7, 100), 1: (7, 100)}
    stage.fake.assigns(0, 1)
    assert stage.fake.positions == {0: 7, 1: 42}


def test_messages_that_come_with_an_assignment_are_read() -> None:
    """The first answer of a consumer is both: the rebalance and the first messages of it."""
    stage = Stage()

    def join() -> list[Message]:
        stage.fake.assigns(0)
        return [at(0)]

    stage.fake.script = [join, lambda: [at(1), at(2)]]
    assert [found.offset() for found in stage.consumer.read()] == [0, 1, 2]


def test_the_offset_after_a_batch_is_committed_by_partition(stage: Stage) -> None:
    batch = stage.reads(at(0), at(1), at(5, partition=1))
    assert stage.fake.commits == []
    stage.consumer.done(batch)
    assert stage.fake.commits == [{0: 2, 1: 6}]


def test_offsets_of_partitions_that_went_to_another_member_are_not_touched(stage: Stage) -> None:
    batch = stage.reads(at(0), at(5, partition=1))
    stage.fake.revokes(0, 1)
    stage.fake.assigns(0)
    stage.consumer.done(batch)
    assert stage.fake.commits == [{0: 1}]


@pytest.mark.parametrize("code", [KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS])
def test_a_refused_commit_is_repeated_with_the_newest_offsets(
    stage: Stage, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.clients.consumer._COMMIT_AGAIN_SECONDS", 0.0)
    stage.fake.refuse = code
    stage.consumer.done(stage.reads(at(0)))
    stage.fake.refuse = None
    batch = stage.reads(at(1))
    assert stage.fake.commits == [{0: 1}, {0: 1}]
    stage.consumer.done(batch)
    assert stage.fake.commits[2:] == [{0: 2}]
    stage.reads()
    assert len(stage.fake.commits) == 3


def test_one_commit_is_under_way_at_a_time_so_none_overtakes_another(stage: Stage) -> None:
    stage.fake.answer_commits = False
    stage.consumer.done(stage.reads(at(0)))
    stage.consumer.done(stage.reads(at(1)))
    assert stage.fake.commits == [{0: 1}]
    stage.fake.answer()
    stage.reads()
    assert stage.fake.commits == [{0: 1}, {0: 2}]


def test_a_rebalance_makes_an_uncommitted_offset_void(stage: Stage) -> None:
    stage.fake.answer_commits = False
    stage.consumer.done(stage.reads(at(0)))
    stage.consumer.done(stage.reads(at(1)))
    stage.fake.revokes(0, 1)
    stage.fake.answer()
    stage.reads()
    assert stage.fake.commits == [{0: 1}]


def test_committed_offsets_below_the_oldest_message_are_a_loss() -> None:
    stage = Stage()
    stage.fake.stored, stage.fake.marks = {0: 5}, {0: (9, 20)}
    stage.fake.assigns(0)
    with pytest.raises(MessagesLost, match=r"order\.events\[0\]: the broker has removed offsets 5 to 8 before group g"):
        stage.consumer.read()


def test_messages_removed_while_it_reads_are_a_loss(stage: Stage) -> None:
    stage.reads(at(0), at(1))
    stage.fake.marks = {0: (9, 20)}
    with pytest.raises(MessagesLost, match="removed offsets 2 to 8"):
        stage.reads(error(KafkaError._AUTO_OFFSET_RESET))


def test_messages_removed_before_the_first_was_read_are_a_loss(stage: Stage) -> None:
    stage.fake.marks = {0: (9, 20)}
    with pytest.raises(MessagesLost, match="removed offsets 0 to 8"):
        stage.reads(error(KafkaError._AUTO_OFFSET_RESET))


def test_a_topic_made_anew_is_read_from_its_start(stage: Stage) -> None:
    stage.reads(at(70), at(71))
    stage.fake.stored, stage.fake.marks = {0: 72}, {0: (0, 3)}
    stage.reads(error(KafkaError._AUTO_OFFSET_RESET))
    assert stage.fake.subscriptions == 2
    stage.fake.assigns(0)
    assert stage.fake.positions == {0: 0}


def test_when_offsets_cannot_be_asked_it_joins_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> list[TopicPartition]:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(stage.fake, "committed", away)
    stage.fake.assigns(0)
    assert stage.fake.positions == {}
    stage.reads()
    assert stage.fake.subscriptions == 2


def test_a_wait_gives_back_what_it_was_handed(stage: Stage) -> None:
    stage.fake.script = [lambda: [at(3)]]
    stage.consumer.wait(0.0)
    assert stage.fake.sought == [(0, 3)]


def test_a_wait_says_when_the_partitions_changed_hands(stage: Stage) -> None:
    def rebalance() -> list[Message]:
        stage.fake.revokes(0, 1)
        stage.fake.assigns(1)
        return []

    stage.fake.script = [rebalance]
    with pytest.raises(Rebalanced):
        stage.consumer.wait(0.0)


def test_partitions_that_went_during_a_wait_are_read_when_they_come_back(stage: Stage) -> None:
    """After the death of a lone broker: the group is lost within a retry and found again after it."""

    def lost() -> list[Message]:
        stage.fake.revokes(0, 1)
        return []

    stage.fake.script = [lost]
    with pytest.raises(Rebalanced):
        stage.consumer.wait(0.0)
    stage.fake.assigns(0, 1)
    assert stage.fake.paused == set()


def test_partitions_that_come_during_a_wait_wait_too(stage: Stage) -> None:
    paused: list[set[int]] = []

    def rebalance() -> list[Message]:
        stage.fake.revokes(0, 1)
        stage.fake.assigns(0)
        paused.append(set(stage.fake.paused))
        return []

    stage.fake.script = [rebalance]
    with pytest.raises(Rebalanced):
        stage.consumer.wait(0.0)
    assert 0 in paused[0]
    stage.fake.assigns(0, 1)
    assert stage.fake.paused == set()


# ---- the loop


def run_once(stage: Stage, work: Callable[[Pause], None]) -> None:
    """One batch through the loop, then the stop."""
    stop = StopSignal()

    def end() -> list[Message]:
        stop.set()
        return []

    stage.fake.script = [lambda: [at(0)], lambda: [at(1)], end]
    run_batches("test", stage.consumer, lambda _batch, pause: work(pause), stop)


def test_offsets_are_committed_after_the_work_and_not_before(stage: Stage) -> None:
    seen: list[int] = []
    run_once(stage, lambda _pause: seen.append(len(stage.fake.commits)))
    assert seen == [0]
    assert stage.fake.commits == [{0: 2}]


def test_a_batch_waits_for_more_as_long_as_the_work_before_it_took_and_half_a_second_at_most(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, lingers, clock = StopSignal(), list[float](), [0.0]
    works = iter([0.2, 7.0])
    monkeypatch.setattr("services.clients.batches.time.monotonic", lambda: clock[0])

    def read(linger: float) -> list[Message]:
        lingers.append(linger)
        if len(lingers) == 3:
            stop.set()
            return []
        return [at(0)]

    def work(_batch: object, _pause: Pause) -> None:
        clock[0] += next(works)

    monkeypatch.setattr(stage.consumer, "read", read)
    run_batches("test", stage.consumer, work, stop)
    assert lingers == pytest.approx([0, 0.2, 0.5])


def test_a_longer_linger_than_the_configured_one_is_kept(stage: Stage) -> None:
    stage.fake.script = [lambda: [at(0)], lambda: [at(1)]]
    stage.consumer.read(0.3)
    assert stage.fake.waited[-1] == 0.3


@pytest.mark.parametrize("broken_off", [Rebalanced, Stopped])
def test_nothing_is_committed_for_work_that_was_broken_off(stage: Stage, broken_off: type[Exception]) -> None:
    def work(_pause: Pause) -> None:
        raise broken_off

    run_once(stage, work)
    assert stage.fake.commits == []


def test_a_pause_ends_when_the_process_is_to_stop(stage: Stage) -> None:
    stop = StopSignal()
    reached: list[str] = []

    def work(_batch: object, pause: Pause) -> None:
        stop.set()
        reached.append("before")
        pause(3600)
        reached.append("after")

    stage.fake.script = [lambda: [at(0)]]
    run_batches("test", stage.consumer, work, stop)
    assert reached == ["before"]
    assert stage.fake.commits == []
