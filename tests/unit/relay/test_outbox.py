"""What the relay reads, in which order, and what its records may change."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from services.clients.lease import Lease, LeaseLost, revoke
from services.relay.outbox import Event, Outbox, Refusal
from services.relay.relay import LEASE
from tests.support.outbox import insert_event, row, rows, seconds_from_now, set_columns

pytestmark = pytest.mark.real_servers


@pytest.fixture
def outbox(engine: Engine, lease: Lease) -> Outbox:
    return Outbox(engine, lease)


def ids(events: list[Event]) -> list[int]:
    return [event.id for event in events]


def test_a_plain_insert_is_an_event_with_topic_and_event_id(engine: Engine, outbox: Outbox) -> None:
    insert_event(engine, "o1", '{"orderId": "o1"}')
    (event,) = outbox.waiting(10)
    assert (event.topic, event.aggregate_id, event.payload) == ("order.events", "o1", '{"orderId": "o1"}')
    assert event.event_id
    assert event.traceparent is None


def test_events_come_in_id_order_and_no_more_than_asked_for(engine: Engine, outbox: Outbox) -> None:
    made = [insert_event(engine, f"o{number % 3}") for number in range(7)]
    assert ids(outbox.waiting(5)) == made[:5]


def test_an_older_row_that_becomes_visible_late_is_not_passed_over(engine: Engine, outbox: Outbox) -> None:
    insert_event(engine, "o1", id=10)
    outbox.record(outbox.waiting(10), [])
    insert_event(engine, "o2", id=9)
    assert ids(outbox.waiting(10)) == [9]


def test_a_held_back_event_holds_back_the_rest_of_its_aggregate_only(engine: Engine, outbox: Outbox) -> None:
    held = insert_event(engine, "a")
    free = [insert_event(engine, "b"), insert_event(engine, "a", aggregate_type="Payment")]
    insert_event(engine, "a")
    set_columns(engine, held, next_attempt_at=seconds_from_now(60))
    assert ids(outbox.waiting(10)) == free


def test_what_comes_before_a_held_back_event_is_relayed(engine: Engine, outbox: Outbox) -> None:
    first, held, last = (insert_event(engine, "a") for _ in range(3))
    set_columns(engine, held, next_attempt_at=seconds_from_now(60))
    assert ids(outbox.waiting(10)) == [first]
    set_columns(engine, held, next_attempt_at=seconds_from_now(-1))
    assert ids(outbox.waiting(10)) == [first, held, last]


def test_many_held_back_events_do_not_hide_the_others(engine: Engine, outbox: Outbox) -> None:
    for _ in range(7):
        insert_event(engine, "a")
    set_columns(engine, rows(engine)[0].id, next_attempt_at=seconds_from_now(60))
    others = [insert_event(engine, "b"), insert_event(engine, "c")]
    assert ids(outbox.waiting(2)) == others


def test_a_dead_row_is_out_of_the_way(engine: Engine, outbox: Outbox) -> None:
    dead, alive = insert_event(engine, "a"), insert_event(engine, "a")
    set_columns(engine, dead, dead_at=seconds_from_now(0), next_attempt_at=seconds_from_now(60))
    assert ids(outbox.waiting(10)) == [alive]


def test_acknowledged_events_are_marked_with_the_time(engine: Engine, outbox: Outbox) -> None:
    first, second = insert_event(engine, "a"), insert_event(engine, "b")
    outbox.record([event for event in outbox.waiting(10) if event.id == first], [])
    assert row(engine, first).processed
    assert row(engine, first).processed_at is not None
    assert not row(engine, second).processed


def test_a_refused_event_counts_an_attempt_says_why_and_waits(engine: Engine, outbox: Outbox) -> None:
    made = insert_event(engine, "a")
    outbox.record([], [Refusal(outbox.waiting(10)[0], "too large" * 1000, 60)])
    found = row(engine, made)
    assert (found.processed, found.retry_count, found.last_error[:9]) == (False, 1, "too large")
    assert seconds_from_now(50) < found.next_attempt_at < seconds_from_now(61)
    assert outbox.waiting(10) == []


def test_a_zombies_records_change_no_row(engine: Engine, outbox: Outbox) -> None:
    insert_event(engine, "a")
    insert_event(engine, "b")
    read = outbox.waiting(10)
    revoke(engine, LEASE)
    before = rows(engine)
    with pytest.raises(LeaseLost):
        outbox.record(read[:1], [Refusal(read[1], "late", 1)])
    assert rows(engine) == before


def test_a_mark_set_by_another_relay_stays_as_it_is(engine: Engine, outbox: Outbox, lease: Lease) -> None:
    made = insert_event(engine, "a")
    read = outbox.waiting(10)
    outbox.record(read, [])
    before = row(engine, made)
    outbox.record(read, [])
    outbox.record([], [Refusal(read[0], "late", 1)])
    assert row(engine, made) == before


def test_only_rows_processed_long_ago_are_purged_a_few_at_a_time(engine: Engine, outbox: Outbox) -> None:
    made = [insert_event(engine, "a") for _ in range(4)]
    outbox.record(outbox.waiting(3), [])
    for outbox_id in made[1:]:
        set_columns(engine, outbox_id, created_at=seconds_from_now(-100))
    for outbox_id in made[:2]:
        set_columns(engine, outbox_id, processed_at=seconds_from_now(-100))
    assert outbox.purge(50) == 1
    assert [found.id for found in rows(engine)] == [made[0], made[2], made[3]]
    assert outbox.purge(50) == 0


def test_a_zombie_purges_nothing(engine: Engine, outbox: Outbox) -> None:
    made = insert_event(engine, "a")
    outbox.record(outbox.waiting(1), [])
    set_columns(engine, made, created_at=seconds_from_now(-100), processed_at=seconds_from_now(-100))
    revoke(engine, LEASE)
    with pytest.raises(LeaseLost):
        outbox.purge(50)
    assert len(rows(engine)) == 1


def test_the_backlog_counts_what_waits_and_how_long(engine: Engine, outbox: Outbox) -> None:
    assert (outbox.backlog().rows, outbox.backlog().oldest_age) == (0, 0)
    made = insert_event(engine, "a")
    insert_event(engine, "b")
    set_columns(engine, made, created_at=seconds_from_now(-100), next_attempt_at=seconds_from_now(60))
    backlog = outbox.backlog()
    assert backlog.rows == 2
    assert 99 < backlog.oldest_age < 130
