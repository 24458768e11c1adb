"""Groups that stand still, and letters that were put aside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.doctor.check import CannotLook
from services.doctor.cluster import Letter
from services.doctor.findings import State
from services.doctor.reading import DeadLetterTopics, Lags, Reader
from tests.unit.doctor.fakes import STACK, FakeCluster, failures, only, partitions

READER = Reader("order-event-transformer", "transformer", ("order.events",))
LETTERS = "order.events.dlq"


def twice(condition: Callable[[], bool], _seconds: float) -> bool:
    return condition() or condition()


def lags(found: FakeCluster) -> Lags:
    return Lags(found, STACK, [READER], twice)


def behind(committed: dict[int, int], progress: int = 0) -> FakeCluster:
    return FakeCluster(
        offsets={"order.events": {0: (0, 100), 1: (40, 50)}},
        groups={READER.group: {"order.events": committed}},
        progress=progress,
    )


def test_a_group_that_has_read_everything() -> None:
    assert only(lags(behind({0: 100, 1: 50})).look()).detail == "transformer has read everything"


def test_a_group_that_is_behind_and_reads_is_well() -> None:
    finding = only(lags(behind({0: 10, 1: 50}, progress=1)).look())
    assert (finding.state, finding.detail) == (State.OK, "transformer is reading; 90 messages wait")


def test_a_group_that_stands_still() -> None:
    finding = only(failures(lags(behind({0: 10, 1: 50}))))
    assert finding.detail == "90 messages wait and transformer has read none for 5 s"
    assert "`make restart SERVICE=transformer`" in finding.remedy


def test_a_group_that_never_read_lacks_what_is_kept() -> None:
    assert "110 messages wait" in only(failures(lags(behind({})))).detail


def test_messages_that_expired_unread_are_not_waited_for() -> None:
    assert failures(lags(behind({0: 100, 1: 50}))) == []
    finding = only(failures(lags(behind({0: 100, 1: 3}))))
    assert "10 messages wait" in finding.detail


def test_brokers_that_are_away_say_nothing_about_groups_or_letters() -> None:
    away = FakeCluster(away=True)
    with pytest.raises(CannotLook, match="no broker answers"):
        list(lags(away).look())
    with pytest.raises(CannotLook, match="no broker answers"):
        list(DeadLetterTopics(away, [LETTERS]).look())


def put_aside(age: float) -> FakeCluster:
    return FakeCluster(
        topics={LETTERS: partitions(1)},
        offsets={LETTERS: {0: (2, 5)}},
        letters={LETTERS: Letter(age, "no such status: LOST")},
    )


def test_no_letters() -> None:
    empty = FakeCluster(topics={LETTERS: partitions(1)}, offsets={LETTERS: {0: (5, 5)}})
    assert only(DeadLetterTopics(empty, [LETTERS, "gone.dlq"]).look()).detail == "none"


def test_fresh_letters_are_a_fault_and_show_the_reason() -> None:
    finding = only(failures(DeadLetterTopics(put_aside(12), [LETTERS])))
    assert finding.detail == "3 kept, the newest 12 s old: no such status: LOST"
    assert "`millrace verify --repair`" in finding.remedy


@pytest.mark.parametrize(("age", "told"), [(700, "12 min"), (7_300, "2 h"), (300_000, "3 days")])
def test_old_letters_are_told_but_no_fault(age: float, told: str) -> None:
    finding = only(DeadLetterTopics(put_aside(age), [LETTERS]).look())
    assert finding.state is State.OK
    assert f"the newest {told} old" in finding.detail
