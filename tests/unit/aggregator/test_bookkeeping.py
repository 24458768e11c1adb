"""A day or bucket is clean only when everything that came in is in its sums, whenever it came and whatever died."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.aggregator.core import Aggregator
from services.aggregator.store import STATEMENT_SECONDS, NotAllowed
from services.clients.recompute import request_days
from tests.support.warehouse import Warehouse, order
from tests.unit.aggregator.clock import DAY_POINTS, NOON, USER_POINTS, ZONE, Clock, KillAt, Killed
from tests.unit.aggregator.sample import some_orders


@pytest.mark.parametrize("point", DAY_POINTS + USER_POINTS)
def test_a_recompute_killed_at_any_point_is_done_again(store: Warehouse, clock: Clock, point: str) -> None:
    bought = some_orders()
    store.insert(*bought)
    Aggregator(store.client, ZONE, clock=clock).tick_until_clean()
    store.insert(*(each.changed(status="COMPLETED") for each in bought), bought[0].changed(version=3, deleted=True))
    kill = KillAt(point)
    dying = Aggregator(store.client, ZONE, clock=clock, crash=kill)
    with pytest.raises(Killed):
        dying.tick_until_clean()
    Aggregator(store.client, ZONE, clock=clock).tick_until_clean()
    assert store.views() == store.expected()


def test_an_append_that_got_through_for_some_days_only_is_done_again(store: Warehouse, clock: Clock) -> None:
    """An INSERT over several partitions is not atomic: here it ends after the first of two."""
    bought = some_orders()
    store.insert(*bought)

    def cut_short(where: str) -> None:
        if where == "before append_products":
            dying.days._store.crash = lambda _: None
            first = {"keys": f"'{bought[0].order_date.isoformat()}'"}
            dying.days._store.append("append_products", first, began=clock.now)
            raise Killed(where)

    dying = Aggregator(store.client, ZONE, clock=clock, crash=cut_short)
    with pytest.raises(Killed):
        dying.tick_days()
    assert store.ask("SELECT uniq(order_date) FROM cube_product") == [(1,)]
    Aggregator(store.client, ZONE, clock=clock).tick_until_clean()
    assert store.views() == store.expected()


@pytest.mark.parametrize("point", [DAY_POINTS[1], DAY_POINTS[3], USER_POINTS[1]])
def test_two_aggregators_at_once_only_cost_work(store: Warehouse, clock: Clock, point: str) -> None:
    bought = some_orders()
    store.insert(*bought)
    other = Aggregator(store.client, ZONE, clock=clock)

    def in_between(where: str) -> None:
        if where == point:
            store.insert(*(each.changed(status="CANCELLED") for each in bought[::2]))
            other.tick_days()
            other.tick_users()

    one = Aggregator(store.client, ZONE, clock=clock, crash=in_between)
    one.tick_days()
    one.tick_users()
    other.tick_until_clean()
    assert store.views() == store.expected()


@pytest.mark.parametrize("point", DAY_POINTS[::2])
def test_rows_that_come_in_during_a_recompute_keep_their_day_dirty(store: Warehouse, clock: Clock, point: str) -> None:
    first, second = some_orders(days=1)[:2]
    store.insert(first)

    def arrive(where: str) -> None:
        if where == point:
            store.insert(second)

    Aggregator(store.client, ZONE, clock=clock, crash=arrive).tick_days()
    aggregator = Aggregator(store.client, ZONE, clock=clock)
    assert [day.missing for day in aggregator.days.dirty().keys] == [1]
    aggregator.tick_until_clean()
    assert store.views() == store.expected()


def test_a_day_is_rechecked_2_and_30_seconds_after_its_last_row_and_not_in_between(
    store: Warehouse, aggregator: Aggregator, clock: Clock
) -> None:
    store.insert(some_orders()[0], ingested_at=clock.now)
    recomputed = []
    for second in range(40):
        if aggregator.tick_days().recomputed:
            recomputed.append(second)
        clock.pass_seconds(1)
    assert recomputed == [0, 2, 30]


def test_users_are_rechecked_30_seconds_after_the_last_row(
    store: Warehouse, aggregator: Aggregator, clock: Clock
) -> None:
    store.insert(some_orders()[0], ingested_at=clock.now)
    recomputed = []
    for second in range(0, 40, 2):
        if aggregator.tick_users().recomputed:
            recomputed.append(second)
        clock.pass_seconds(2)
    assert recomputed == [0, 30]


@pytest.mark.parametrize("seconds", [2, 30])
def test_a_row_that_shows_after_its_count_is_found_by_a_recheck(
    store: Warehouse, aggregator: Aggregator, clock: Clock, seconds: int
) -> None:
    """The count can be seen before the row: here the row is put in, uncounted, after a tick covered its count."""
    early, late = some_orders(days=1)[:2]
    store.insert(early, late, ingested_at=clock.now)
    for table in ("orders_analytics", "orders_by_user"):
        store.run(f"DELETE FROM {table} WHERE order_id = '{late.order_id}'")
    for gap in (2, 30):  # up to just before the wanted recheck
        aggregator.tick_until_clean()
        if gap == seconds:
            break
        clock.pass_seconds(gap)
    store.run("DETACH TABLE day_inserts_in", "DETACH TABLE bucket_inserts_in")
    store.insert(late, ingested_at=clock.now)
    store.run("ATTACH TABLE day_inserts_in", "ATTACH TABLE bucket_inserts_in")
    assert aggregator.tick_until_clean() == 1
    assert store.views() != store.expected()
    clock.pass_seconds(30)
    aggregator.tick_until_clean()
    assert store.views() == store.expected()


def test_a_clock_that_steps_back_loses_nothing(store: Warehouse, aggregator: Aggregator, clock: Clock) -> None:
    bought = some_orders(days=1)[0]
    for version in range(1, 5):
        store.insert(bought.changed(version=version, status="PENDING" if version % 2 else "COMPLETED"))
        aggregator.tick_days()
        aggregator.tick_users()
        assert store.views() == store.expected()
        clock.pass_seconds(-3600)


def test_what_was_recomputed_while_a_lost_statement_may_run_is_recomputed_once_more(
    store: Warehouse, aggregator: Aggregator, clock: Clock
) -> None:
    bought = some_orders(days=1)[0]
    store.insert(bought, ingested_at=clock.now - 100_000)  # long ago: no recheck is due
    aggregator.raise_fence()
    aggregator.tick_until_clean()
    # the lost statement ends now, with what it read before the row came in
    store.run(
        "INSERT INTO cube_product SELECT order_date, product_id, product_name, 0, 0, 0, gen + 1 FROM cube_product"
    )
    aggregator.tick_until_clean()
    assert store.views() != store.expected()
    clock.pass_seconds(STATEMENT_SECONDS)
    aggregator.tick_until_clean()
    assert store.views() == store.expected()
    assert aggregator.tick_until_clean() == 1


def test_nothing_is_appended_without_the_lease(store: Warehouse, clock: Clock) -> None:
    answers = iter([True, True, False])
    store.insert(some_orders(days=1)[0])
    losing = Aggregator(store.client, ZONE, clock=clock, allowed=lambda: next(answers))
    with pytest.raises(NotAllowed):
        losing.tick_days()
    assert store.ask("SELECT count() FROM cube_product")[0][0] == 1
    assert store.ask("SELECT count() FROM cube_day")[0][0] == 0


def test_a_report_names_the_newest_event_it_was_the_first_to_show(store: Warehouse, aggregator: Aggregator) -> None:
    first = order("1", NOON, ZONE)
    store.insert(first)
    assert aggregator.tick_days().newest_occurred_at == NOON.timestamp()
    later = NOON + timedelta(seconds=1.5)
    store.insert(order("2", NOON - timedelta(days=50), ZONE, occurred_at=later), first)
    assert aggregator.tick_days().newest_occurred_at == later.timestamp()
    request_days(store.client, [first.order_date])
    assert aggregator.tick_days().newest_occurred_at is None


@pytest.mark.parametrize("tick", [Aggregator.tick_days, Aggregator.tick_users])
def test_a_look_that_finds_nothing_writes_nothing(
    store: Warehouse, aggregator: Aggregator, tick: Callable[[Aggregator], object]
) -> None:
    store.insert(*some_orders())
    aggregator.tick_until_clean()
    written = "SELECT sum(total_rows) FROM system.tables WHERE database = currentDatabase() AND name LIKE 'cube_%'"
    before = store.ask(written)
    tick(aggregator)
    assert store.ask(written) == before


def test_rows_that_keep_coming_in_are_said_not_waited_for(store: Warehouse, clock: Clock) -> None:
    numbers = iter(range(10_000))
    aggregator = Aggregator(
        store.client, ZONE, clock=clock, crash=lambda _: store.insert(order(str(next(numbers)), NOON, ZONE))
    )
    store.insert(order("first", NOON, ZONE))
    with pytest.raises(RuntimeError, match="still dirty after 2 ticks"):
        aggregator.tick_until_clean(at_most=2)
