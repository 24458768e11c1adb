"""Offsets: committed after the work, repeated when refused, never past what was lost, never of others' partitions."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from services.clients.consumer import MessagesLost, Rebalanced
from tests.unit.clients.stage import Stage, at, error


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


def test_a_longer_linger_than_the_configured_one_is_kept(stage: Stage) -> None:
    stage.fake.script = [lambda: [at(0)], lambda: [at(1)]]
    stage.consumer.read(0.3)
    assert stage.fake.waited[-1] == 0.3
