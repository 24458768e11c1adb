"""What is recomputed first, and how much at a time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.aggregator.budget import Budget
from services.aggregator.core import Aggregator
from tests.support.warehouse import Order, Warehouse, order
from tests.unit.aggregator.clock import NOON, ZONE, Clock, KillAt, Killed


def test_today_and_yesterday_come_first_then_what_differs_then_what_waited_longest(
    store: Warehouse, aggregator: Aggregator, clock: Clock
) -> None:
    def day(back: int) -> Order:
        return order(f"{back}", NOON - timedelta(days=back), ZONE)

    for back in (20, 10, 30):
        store.insert(day(back), ingested_at=clock.now)
        aggregator.tick_days()
        clock.pass_seconds(1)
    clock.pass_seconds(27)  # of 20 only a recheck is due
    store.insert(*(day(back).changed() for back in (10, 30, 0, 1, 40)), ingested_at=clock.now)
    keys = aggregator.days.dirty().keys
    backs = [(NOON.date() - date.fromisoformat(each.key)).days for each in keys]
    assert set(backs[:2]) == {0, 1}
    assert backs[2:] == [40, 10, 30, 20], "never computed, then what waited longest; the recheck last"
    assert [each.recent for each in keys] == [True, True, False, False, False, False]


def test_the_shops_midnight_ends_today(store: Warehouse, aggregator: Aggregator, clock: Clock) -> None:
    store.insert(order("1", NOON - timedelta(days=1), ZONE), order("2", NOON - timedelta(days=2), ZONE))
    clock.pass_seconds(11.9 * 3600)  # 23:54 in Berlin
    assert [day.recent for day in aggregator.days.dirty().keys] == [True, False]
    clock.pass_seconds(0.2 * 3600)  # 00:06; still yesterday in UTC
    assert [day.recent for day in aggregator.days.dirty().keys] == [False, False]


def test_todays_rows_do_not_wait_for_a_backlog(store: Warehouse, aggregator: Aggregator) -> None:
    old = [order(f"old{n}", NOON - timedelta(days=30 + n), ZONE) for n in range(6)]
    store.insert(*old, order("now", NOON, ZONE))
    aggregator.days.budget = Budget(size=2, least=2, most=2)
    report = aggregator.tick_days()
    assert (report.dirty, report.recomputed, report.remaining, report.backlog_rows) == (7, 3, 4, 7)
    assert NOON.date() in {row[0] for row in store.views()["daily_sales_mv"]}
    store.insert(order("now too", NOON, ZONE))
    assert aggregator.tick_days().recomputed == 3, "and the backlog does not wait for today"
    aggregator.tick_until_clean()
    assert store.views() == store.expected()


def test_today_shows_before_the_backlog_is_begun(store: Warehouse, clock: Clock) -> None:
    store.insert(order("old", NOON - timedelta(days=30), ZONE), order("now", NOON, ZONE))
    dying = Aggregator(store.client, ZONE, clock=clock, crash=KillAt("before append_hours", nth=2))
    with pytest.raises(Killed):
        dying.tick_days()
    assert [row[0] for row in store.views()["daily_sales_mv"]] == [NOON.date()]
