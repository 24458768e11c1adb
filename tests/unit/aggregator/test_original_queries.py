"""The queries that users of the original have written down answer here as they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.aggregator.core import Aggregator
from services.clients.clickhouse import connect
from tests.support.clickhouse import Front
from tests.support.warehouse import Order, Warehouse, order, warehouse

# far enough from UTC that its day and hours are never both UTC's
SHOP = "Pacific/Kiritimati"


@pytest.fixture
def shop(front: Front) -> Iterator[tuple[Warehouse, list[Order]]]:
    """Orders of now, of the last hours and of the last weeks, read by a session in the shop's zone."""
    now = datetime.now(UTC)
    with warehouse(front, SHOP) as store:
        bought = [order(str(n), now - timedelta(hours=5 * n), SHOP) for n in range(150)]
        store.insert(*bought)
        store.insert(bought[3].changed(status="COMPLETED"), bought[4].changed(status="CANCELLED"))
        Aggregator(store.client, SHOP).tick_until_clean()
        store.client.set_client_setting("session_timezone", SHOP)
        yield store, bought


def test_the_queries_on_rows(shop: tuple[Warehouse, list[Order]]) -> None:
    store, _ = shop
    assert store.ask(ours("SELECT COUNT(*) FROM analytics.orders_analytics;", store)) == [(152,)]
    newest = store.ask(ours("SELECT * FROM analytics.orders_analytics ORDER BY created_at DESC LIMIT 5;", store))
    assert [row[0] for row in newest][:3] == ["0", "1", "2"]


def test_the_queries_on_days(shop: tuple[Warehouse, list[Order]]) -> None:
    store, _ = shop
    sales = {row[0]: row for row in store.expected()["daily_sales_mv"]}
    days = store.ask(ours("SELECT * FROM analytics.daily_sales_mv ORDER BY order_date DESC LIMIT 5;", store))
    assert days == [sales[day] for day in sorted(sales, reverse=True)[:5]]
    series = store.ask(
        ours(
            "SELECT toDateTime(order_date) AS time, total_revenue AS value FROM analytics.daily_sales_mv "
            "WHERE order_date >= today() - 30 ORDER BY order_date;",
            store,
        )
    )
    first = datetime.now(ZoneInfo(SHOP)).date() - timedelta(days=30)
    assert [value for _, value in series] == [sales[day][2] for day in sorted(sales) if day >= first]
    today = store.ask(
        ours("SELECT sum(order_count) AS value FROM analytics.daily_sales_mv WHERE order_date = today();", store)
    )
    of_today = sales.get(datetime.now(ZoneInfo(SHOP)).date(), (None, 0))[1]
    assert today == [(of_today,)]
    assert store.ask("SELECT total_orders FROM today_stats") == [(of_today,)]


def test_the_query_on_hours(shop: tuple[Warehouse, list[Order]]) -> None:
    store, bought = shop
    asked = ours(
        "SELECT toHour(order_hour) AS hour, sum(order_count) AS orders FROM analytics.hourly_sales_mv "
        "WHERE order_hour >= now() - INTERVAL 24 HOUR GROUP BY hour ORDER BY hour;",
        store,
    )
    hours = {bought[n].created_at.astimezone(ZoneInfo(SHOP)).hour for n in range(4)}  # the fifth is cancelled
    assert {hour for hour, _ in store.ask(asked)} == hours


def test_the_query_on_statuses(shop: tuple[Warehouse, list[Order]]) -> None:
    store, _ = shop
    asked = ours(
        "SELECT status AS label, sum(order_count) AS value FROM analytics.order_status_mv "
        "WHERE order_date >= today() - INTERVAL 7 DAY GROUP BY status;",
        store,
    )
    first = datetime.now(ZoneInfo(SHOP)).date() - timedelta(days=7)
    wanted: dict[str, int] = {}
    for day, status, count, _ in store.expected()["order_status_mv"]:
        if day >= first:
            wanted[status] = wanted.get(status, 0) + count
    assert dict(store.ask(asked)) == wanted


def test_today_is_the_shops_without_a_session_zone_too(front: Front, shop: tuple[Warehouse, list[Order]]) -> None:
    store, _ = shop
    reader = connect(
        front.url, user="reader", password=front.reader_password, database=store.client.database or "", settings={}
    )
    assert reader.query("SELECT * FROM today_stats").result_rows == store.ask("SELECT * FROM today_stats")
    reader.close()


def ours(query: str, store: Warehouse) -> str:
    """The query as it is written down, but for the name of this test's database."""
    assert "analytics." in query
    return query.replace("analytics.", f"{store.client.database}.", 1)
