"""The unread bytes of a partition stay under the limit, whatever the readers do."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from services.clients.messages import Fate, Outcome, Outgoing
from services.clients.unread import UnreadLimit

TOPIC = "order.events"
LIMIT = 10_000


class FakeOffsets:
    """Ends and commits as the test sets them."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.end = dict(ends)
        self.read: dict[int, int] = {}
        self.asked = 0

    def ends(self, topic: str) -> dict[int, int]:
        return dict(self.end)

    def committed(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        self.asked += 1
        return {partition: self.read.get(partition, 0) for partition in partitions}

    def close(self) -> None:
        """Nothing to end."""


def out(size: int, topic: str = TOPIC) -> Outgoing:
    message = Outgoing(topic, b"key", b"", [])
    return message._replace(value=b"x" * (size - message.size))


def acknowledged(partition: int, offset: int) -> Outcome:
    return Outcome(Fate.ACKNOWLEDGED, "", partition, offset)


def test_without_a_limit_everything_is_admitted_and_nobody_is_asked() -> None:
    limit = UnreadLimit(0, {})
    assert limit.admit([out(10**6)] * 10) == [True] * 10


def test_a_topic_that_nobody_reads_is_not_limited() -> None:
    assert UnreadLimit(LIMIT, {}).admit([out(LIMIT, "inventory.events")] * 3) == [True] * 3


def test_once_a_message_must_wait_the_later_ones_of_its_topic_do_too() -> None:
    limit = UnreadLimit(LIMIT, {TOPIC: FakeOffsets({0: 0})})
    assert limit.admit([out(6_000), out(6_000), out(100), out(100, "inventory.events")]) == [True, False, False, True]


def test_room_comes_back_when_the_group_has_committed() -> None:
    offsets = FakeOffsets({0: 0, 1: 0})
    limit = UnreadLimit(LIMIT, {TOPIC: offsets})
    messages = [out(4_000), out(4_000)]
    assert limit.admit(messages) == [True, True]
    limit.sent(messages, [acknowledged(0, 0), acknowledged(0, 1)])
    assert limit.admit([out(4_000)]) == [False]
    offsets.read[0] = 1
    assert limit.admit([out(4_000)]) == [True]


def test_what_was_there_before_counts_as_full_until_it_is_read() -> None:
    offsets = FakeOffsets({0: 5, 1: 0})
    limit = UnreadLimit(LIMIT, {TOPIC: offsets})
    assert limit.admit([out(200)]) == [False]
    offsets.read[0] = 4
    assert limit.admit([out(200)]) == [False]
    offsets.read[0] = 5
    assert limit.admit([out(200)]) == [True]


def test_a_message_above_the_limit_goes_alone() -> None:
    limit = UnreadLimit(LIMIT, {TOPIC: FakeOffsets({0: 0})})
    assert limit.admit([out(LIMIT + 1), out(100)]) == [True, False]


def test_a_message_without_an_answer_may_be_in_the_log() -> None:
    offsets = FakeOffsets({0: 0})
    limit = UnreadLimit(LIMIT, {TOPIC: offsets})
    messages = [out(200)]
    assert limit.admit(messages) == [True]
    offsets.end[0] = 1  # it arrived after all
    limit.sent(messages, [Outcome(Fate.UNKNOWN, "no answer")])
    assert limit.admit(messages) == [False]


@given(
    st.lists(
        st.tuples(st.lists(st.tuples(st.integers(100, 6_000), st.integers(0, 2)), max_size=8), st.integers(0, 6)),
        max_size=25,
    )
)
def test_no_partition_ever_holds_more_than_the_limit(rounds: list[tuple[list[tuple[int, int]], int]]) -> None:
    """Rounds of messages (size, the partition it lands in) and of messages read."""
    offsets = FakeOffsets({0: 0, 1: 0, 2: 0})
    limit = UnreadLimit(LIMIT, {TOPIC: offsets})
    logs: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for wanted, reads in rounds:
        messages = [out(size) for size, _ in wanted]
        admitted = limit.admit(messages)
        sent, outcomes = [], []
        for message, (size, partition), fits in zip(messages, wanted, admitted, strict=True):
            if fits:
                sent.append(message)
                outcomes.append(acknowledged(partition, len(logs[partition])))
                logs[partition].append(size)
        limit.sent(sent, outcomes)
        for partition, log in logs.items():
            assert sum(log[offsets.read.get(partition, 0) :]) <= LIMIT
            offsets.read[partition] = min(offsets.read.get(partition, 0) + reads, len(log))
