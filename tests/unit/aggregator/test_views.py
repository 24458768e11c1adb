"""The views show the newest version of every order, whatever came in before and in whichever order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from services.aggregator.core import Aggregator
from tests.support.warehouse import Item, Warehouse, order
from tests.unit.aggregator.clock import NOON, ZONE

CUBES = ("cube_hour", "cube_product", "cube_day", "cube_user", "cube_bucket")


def settle(store: Warehouse, aggregator: Aggregator) -> None:
    aggregator.tick_days()
    aggregator.tick_users()
    assert store.views() == store.expected()


def test_an_order_shows_in_every_view(store: Warehouse, aggregator: Aggregator) -> None:
    store.insert(order("1", NOON, ZONE, items=(Item("101", "Machine", 2, Decimal("25000.00")),)))
    settle(store, aggregator)
    assert store.views()["daily_sales_mv"] == [(NOON.date(), 1, Decimal("50000.00"), Decimal("50000.00"), 1)]


def test_redelivered_rows_change_nothing(store: Warehouse, aggregator: Aggregator) -> None:
    bought = [order(str(number), NOON, ZONE, user_id=str(number % 3)) for number in range(6)]
    store.insert(*bought)
    settle(store, aggregator)
    before = [store.ask(f"SELECT count() FROM {cube}") for cube in ("cube_hour", "cube_product", "cube_user")]
    for _ in range(3):
        store.insert(*bought)
        settle(store, aggregator)
    after = [store.ask(f"SELECT count() FROM {cube}") for cube in ("cube_hour", "cube_product", "cube_user")]
    assert after == before, "cells that did not change are not written again"


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "REFUNDED"])
def test_the_highest_version_wins_in_any_order(store: Warehouse, aggregator: Aggregator, status: str) -> None:
    first = order("1", NOON, ZONE)
    last = first.changed(version=3, status=status)
    store.insert(last)
    settle(store, aggregator)
    store.insert(first, first.changed())
    settle(store, aggregator)


def test_a_deleted_order_leaves_every_view_and_stays_away(store: Warehouse, aggregator: Aggregator) -> None:
    bought = order("1", NOON, ZONE)
    store.insert(bought)
    settle(store, aggregator)
    store.insert(bought.changed(deleted=True))
    settle(store, aggregator)
    assert not any(rows for view, rows in store.views().items() if view != "all_time_stats")
    store.insert(bought)  # redelivered late
    settle(store, aggregator)


def test_what_is_left_of_a_day_is_shown_after_a_deletion(store: Warehouse, aggregator: Aggregator) -> None:
    kept, gone = order("1", NOON, ZONE), order("2", NOON + timedelta(hours=1), ZONE, user_id="2")
    store.insert(kept, gone)
    settle(store, aggregator)
    store.insert(gone.changed(deleted=True))
    settle(store, aggregator)


def test_every_line_counts_but_an_order_once_for_a_product(store: Warehouse, aggregator: Aggregator) -> None:
    lines = (
        Item("101", "Cup", 2, Decimal("0.10")),
        Item("102", "Bowl", 1, Decimal("5.00")),
        Item("101", "Cup", 3, Decimal("0.07")),
        Item("101", "Mug", 1, Decimal("1.00")),  # renamed meanwhile: a product of its own in the ranking
    )
    store.insert(order("1", NOON, ZONE, items=lines), order("2", NOON, ZONE, items=lines[:1]))
    settle(store, aggregator)
    cup = next(row for row in store.views()["product_ranking_mv"] if row[2] == "Cup")
    assert cup[3:] == (7, Decimal("0.61"), 2)


def test_averages_are_rounded_half_up(store: Warehouse, aggregator: Aggregator) -> None:
    prices = [Decimal(text) for text in ("66.66", "66.67", "0.00", "0.01")]
    store.insert(
        *(order(f"a{number}", NOON, ZONE, items=(Item(price=price),)) for number, price in enumerate(prices[:2])),
        *(order(f"b{n}", NOON + timedelta(days=1), ZONE, items=(Item(price=p),)) for n, p in enumerate(prices[2:])),
    )
    settle(store, aggregator)
    assert [row[3] for row in store.views()["daily_sales_mv"]] == [Decimal("66.67"), Decimal("0.01")]


def test_the_largest_amounts_add_up_exactly(store: Warehouse, aggregator: Aggregator) -> None:
    huge = Item(quantity=1, price=Decimal("9999999999999999.99"))
    store.insert(*(order(str(number), NOON, ZONE, items=(huge,)) for number in range(3)))
    settle(store, aggregator)
    assert store.views()["all_time_stats"][0][1] == Decimal("29999999999999999.97")


def test_a_late_row_of_an_old_day_is_counted(store: Warehouse, aggregator: Aggregator) -> None:
    store.insert(order("1", NOON, ZONE))
    settle(store, aggregator)
    store.insert(order("2", NOON - timedelta(days=4000), ZONE))
    settle(store, aggregator)


def test_a_batch_over_more_months_than_one_block_may_hold(store: Warehouse, aggregator: Aggregator) -> None:
    long_ago = [order(str(month), NOON - timedelta(days=31 * month), ZONE) for month in range(110)]
    store.insert(*long_ago[:90])
    store.insert(*long_ago[90:])
    settle(store, aggregator)


def test_the_years_at_the_ends_of_the_calendar(store: Warehouse, aggregator: Aggregator) -> None:
    store.insert(order("1", NOON.replace(year=1970, day=20), ZONE), order("2", NOON.replace(year=2149), ZONE))
    settle(store, aggregator)


def test_views_are_right_before_and_after_the_cubes_are_merged(store: Warehouse, aggregator: Aggregator) -> None:
    store.run(*(f"SYSTEM STOP MERGES {cube}" for cube in CUBES))
    bought = [order(str(number), NOON + timedelta(hours=number), ZONE) for number in range(4)]
    for version in range(4):
        store.insert(*(each.changed(version=version + 1, items=(Item(quantity=version + 1),)) for each in bought))
        settle(store, aggregator)
    store.insert(*(each.changed(version=9, deleted=True) for each in bought[:2]))
    settle(store, aggregator)
    store.run(*(f"SYSTEM START MERGES {cube}" for cube in CUBES))
    store.run(*(f"OPTIMIZE TABLE {table} FINAL" for table in ("orders_analytics", "orders_by_user", "day_inserts")))
    store.run(*(f"OPTIMIZE TABLE {cube} FINAL" for cube in CUBES))
    assert store.views() == store.expected()


def test_no_order_at_all_is_a_row_of_zeros(store: Warehouse, aggregator: Aggregator) -> None:
    nothing = [(0, Decimal("0.00"), Decimal("0.00"), 0)]
    assert aggregator.tick_until_clean() == 1
    assert store.ask("SELECT * FROM all_time_stats") == nothing
    assert store.ask("SELECT * FROM today_stats") == nothing
