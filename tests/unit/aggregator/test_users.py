"""Users are recomputed bucket by bucket while few changed, and in contiguous spans when many did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.aggregator import users
from services.aggregator.budget import Budget
from services.aggregator.core import Aggregator
from services.aggregator.keys import BUCKETS
from tests.support.warehouse import Warehouse, order
from tests.unit.aggregator.clock import NOON, ZONE, Clock, Killed

EIGHT_SPANS = Budget(size=BUCKETS // 8, least=BUCKETS // 8, most=BUCKETS // 8)  # of one size, whatever they took


@pytest.fixture
def many(store: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A database of 60 users, where more than 10 dirty buckets are many."""
    monkeypatch.setattr(users, "LISTED_AT_MOST", 10)
    store.insert(*(order(str(n), NOON + timedelta(minutes=n), ZONE, user_id=f"user {n % 60}") for n in range(90)))
    return store


def test_spans_cover_every_dirty_bucket(
    many: Warehouse, aggregator: Aggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "TARGET_SECONDS", float("inf"))
    aggregator.users.span = EIGHT_SPANS
    report = aggregator.tick_users()
    assert (report.dirty, report.recomputed, report.backlog_rows) == (60, 60, 90)
    assert aggregator.tick_users().dirty == 0
    aggregator.tick_days()
    assert many.views() == many.expected()


def test_a_tick_ends_when_its_time_is_up_and_the_next_goes_on_where_it_stopped(
    many: Warehouse, aggregator: Aggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "TARGET_SECONDS", 0.0)  # one span a tick
    aggregator.users.span = EIGHT_SPANS
    done: list[set[int]] = []
    for _ in range(3):
        before = {bucket.key for bucket in aggregator.users.dirty().keys}
        aggregator.tick_users()
        done.append(before - {bucket.key for bucket in aggregator.users.dirty().keys})
    assert all(done), "every tick gets on"
    assert max(done[0]) < min(done[1])
    assert max(done[1]) < min(done[2])


def test_rotation_comes_back_to_what_it_passed(many: Warehouse, aggregator: Aggregator) -> None:
    aggregator.users.span = Budget(size=4096, least=4096, most=4096)
    aggregator.users._next = BUCKETS - 1
    aggregator.tick_until_clean()
    aggregator.tick_days()
    assert many.views() == many.expected()


def test_a_span_marks_no_bucket_that_was_not_dirty(many: Warehouse, clock: Clock) -> None:
    """A row that comes in between look and recompute is in the sums, but not in the mark: its bucket stays dirty."""
    late = order("late", NOON, ZONE, user_id="somebody new")
    arrived: list[str] = []

    def arrive(where: str) -> None:
        if where == "before append_users" and not arrived:
            arrived.append(where)
            many.insert(late)

    aggregator = Aggregator(many.client, ZONE, clock=clock, crash=arrive)
    aggregator.users.span = Budget(size=BUCKETS, least=BUCKETS, most=BUCKETS)
    aggregator.tick_users()
    assert [bucket.missing for bucket in aggregator.users.dirty().keys] == [1]
    aggregator.tick_until_clean()
    assert many.views() == many.expected()


@pytest.mark.parametrize("span", [0, 3])
def test_a_kill_between_spans_loses_nothing(
    many: Warehouse, clock: Clock, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    def kill(where: str) -> None:
        reached.append(where)
        if reached.count("after append_users") > span:
            raise Killed(where)

    monkeypatch.setattr(users, "TARGET_SECONDS", float("inf"))
    dying = Aggregator(many.client, ZONE, clock=clock, crash=kill)
    dying.users.span = EIGHT_SPANS
    with pytest.raises(Killed):
        dying.tick_users()
    Aggregator(many.client, ZONE, clock=clock).tick_until_clean()
    assert many.views() == many.expected()
