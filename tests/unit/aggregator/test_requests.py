"""A recompute can be asked for, also of what is wrong without anything having come in, and also while one runs."""

from __future__ import annotations

import pytest

from services.aggregator.core import Aggregator
from services.clients.recompute import request_buckets, request_days, request_everything, request_users
from tests.support.warehouse import Order, Warehouse
from tests.unit.aggregator.clock import DAY_POINTS, USER_POINTS, ZONE, Clock
from tests.unit.aggregator.sample import some_orders


def test_a_cell_written_with_a_generation_far_ahead_is_still_mended(store: Warehouse, aggregator: Aggregator) -> None:
    bought = some_orders(days=1)[0]
    store.insert(bought)
    aggregator.tick_until_clean()
    store.run(
        f"INSERT INTO cube_product SELECT order_date, product_id, product_name, 77, 77, 77, {2**60} FROM cube_product",
        f"INSERT INTO cube_day SELECT order_date, 77, 77, 77, covered, began, {2**60} FROM cube_day",
    )
    assert store.views() != store.expected()
    request_days(store.client, [bought.order_date])
    aggregator.tick_until_clean()
    assert store.views() == store.expected()


def remove(store: Warehouse, gone: Order) -> None:
    for table in ("orders_analytics", "orders_by_user"):
        store.run(f"DELETE FROM {table} WHERE order_id = '{gone.order_id}'")
    store.inserted.remove(gone)


@pytest.mark.parametrize("point", [None, *DAY_POINTS[::3], DAY_POINTS[-1], *USER_POINTS[1:3]])
def test_a_request_holds_also_while_a_recompute_is_running(store: Warehouse, clock: Clock, point: str | None) -> None:
    bought = some_orders(days=1)
    store.insert(*bought)
    ghost = bought[-1]

    def remove_and_request(where: str | None) -> None:
        if where == point and ghost in store.inserted:
            remove(store, ghost)
            request_days(store.client, [ghost.order_date])
            request_users(store.client, [ghost.user_id])

    aggregator = Aggregator(store.client, ZONE, clock=clock, crash=remove_and_request)
    aggregator.tick_until_clean()
    remove_and_request(None)
    assert ghost not in store.inserted
    aggregator.tick_until_clean()
    assert store.views() == store.expected()


def test_requests_name_days_users_buckets_or_everything(store: Warehouse, aggregator: Aggregator) -> None:
    bought = some_orders()
    store.insert(*bought)
    aggregator.tick_until_clean()
    days = {each.order_date for each in bought}
    users = {each.user_id for each in bought}
    request_days(store.client, [])
    assert aggregator.days.dirty().keys == ()
    request_days(store.client, days)
    assert {day.key for day in aggregator.days.dirty().keys} == {day.isoformat() for day in days}
    request_users(store.client, users)
    buckets = [bucket.key for bucket in aggregator.users.dirty().keys]
    assert len(buckets) == len(users)
    aggregator.tick_until_clean()
    request_buckets(store.client, buckets[:1])
    assert [bucket.key for bucket in aggregator.users.dirty().keys] == buckets[:1]
    aggregator.tick_until_clean()
    request_everything(store.client)
    assert len(aggregator.days.dirty().keys) == len(days)
    assert len(aggregator.users.dirty().keys) == len(buckets)
