"""Every ClickHouse query of the dashboards, run as Grafana's user on the embedded front against known orders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.aggregator.core import Aggregator
from services.clients.clickhouse import ClickHouseError, Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from tests.support.clickhouse import StackFront
from tests.support.process import wait_until
from tests.support.warehouse import Item, Order, Warehouse, order
from tests.unit.dashboards.boards import CLICKHOUSE, expanded, targets

# One of these has neither midnight nor the small hours now, so that no order changes its day while the tests run.
ZONES = ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Pacific/Honolulu")
ZONE = next(zone for zone in ZONES if 4 <= datetime.now(ZoneInfo(zone)).hour < 22)
NOW = datetime.now(UTC)
TODAY = NOW.astimezone(ZoneInfo(ZONE)).date()
QUERIES = {target.panel: target.text for target in targets(CLICKHOUSE)}

Rows = list[tuple[Any, ...]]


def early(days_ago: int) -> datetime:
    """Half past midnight of that day in the shop."""
    return datetime.combine(TODAY - timedelta(days=days_ago), time(0, 30), ZoneInfo(ZONE)).astimezone(UTC)


def line(product: int, quantity: int, price: str) -> tuple[Item, ...]:
    return (Item(str(product), f"Product {product}", quantity, Decimal(price)),)


def shop() -> list[Order]:
    """Two sales today and two that are none, and sales on both sides of every limit the queries have."""
    many = tuple(Item(str(n), f"Product {n}", 1, Decimal(n)) for n in range(1, 13))  # 78.00 in all
    return [
        order("a", NOW, ZONE, user_id="1", items=line(101, 2, "25000.00")),
        order("b", NOW - timedelta(hours=1), ZONE, user_id="2", items=line(102, 1, "19.99"), status="COMPLETED"),
        order("c", NOW, ZONE, user_id="3", items=line(101, 1, "999.00"), status="CANCELLED"),
        order("d", NOW, ZONE, user_id="4", items=line(101, 1, "5.00"), deleted=True),
        order("e", early(1), ZONE, items=line(102, 10, "19.99"), status="COMPLETED"),
        order("f", early(6), ZONE, items=line(103, 1, "77.00"), status="REFUNDED"),
        order("g", early(7), ZONE, items=many),
        order("h", early(8), ZONE, items=line(104, 1, "60.00"), status="COMPLETED"),
        order("i", early(29), ZONE, items=line(104, 3, "20.00")),
        order("j", early(30), ZONE, items=line(105, 1, "9000.00")),
    ]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    front = StackFront(tmp_path_factory.mktemp("grafana"), ZONE)
    writer = connect(front.url, user=front.writer, password=front.writer_password, database="analytics")
    migrate_clickhouse(writer, ZONE)
    bought = shop()
    store = Warehouse(writer, ZONE)
    store.insert(*bought)
    store.insert(bought[0], bought[4])  # delivered twice
    Aggregator(writer, ZONE).tick_until_clean()
    user, password = front.account("grafana")
    client = connect(front.url, user=user, password=password, database="analytics")
    yield client
    client.close()
    writer.close()
    front.stop()


def ask(reader: Client, panel: str, days: int = 30, until: datetime = NOW) -> Rows:
    """What the panel's query answers in a dashboard that shows so many days; times as aware UTC."""
    sql = expanded(QUERIES[panel], until - timedelta(days=days), until)
    return [tuple(map(_aware, row)) for row in reader.query(sql, query_tz="UTC").result_rows]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def midnight(days_ago: int) -> datetime:
    """The instant at which that day began in the shop."""
    return datetime.combine(TODAY - timedelta(days=days_ago), time(), ZoneInfo(ZONE)).astimezone(UTC)


def test_today(reader: Client) -> None:
    assert ask(reader, "Orders today") == [(2,)]
    assert ask(reader, "Revenue today") == [(Decimal("50019.99"),)]
    assert ask(reader, "Average order value today") == [(Decimal("25010.00"),)]  # 25009.995, half up
    assert ask(reader, "Customers today") == [(2,)]


def test_revenue_of_the_last_days(reader: Client) -> None:
    assert ask(reader, "Revenue by day, last 30 days") == [
        (midnight(29), Decimal("60.00")),
        (midnight(8), Decimal("60.00")),
        (midnight(7), Decimal("78.00")),
        (midnight(1), Decimal("199.90")),
        (midnight(0), Decimal("50019.99")),
    ]


def test_orders_of_the_last_hours_by_the_shops_clock(reader: Client) -> None:
    clock = NOW.astimezone(ZoneInfo(ZONE))
    assert ask(reader, "Orders by hour, last 24 hours") == sorted([(clock.hour, 1), ((clock.hour - 1) % 24, 1)])


def test_orders_of_the_last_week_by_status(reader: Client) -> None:
    statuses: dict[str, int] = dict(ask(reader, "Orders by status, last 7 days"))
    assert statuses == {"PENDING": 1, "COMPLETED": 2, "CANCELLED": 1, "REFUNDED": 1}


def test_the_ten_products_with_most_revenue(reader: Client) -> None:
    # 1 and 2 of the twelve small ones are beyond the tenth; 105 was sold too long ago, 103 was given back
    expected = [("Product 101", 2, 1, "50000.00"), ("Product 102", 11, 2, "219.89"), ("Product 104", 4, 2, "120.00")]
    expected += [(f"Product {n}", 1, 1, f"{n}.00") for n in range(12, 5, -1)]
    found = ask(reader, "Top 10 products, last 30 days")
    assert found == [(name, pieces, orders, Decimal(revenue)) for name, pieces, orders, revenue in expected]


def test_the_period_chosen_is_one_of_the_shops_days(reader: Client) -> None:
    averages = [(midnight(8), Decimal("60.00")), (midnight(7), Decimal("78.00")), (midnight(1), Decimal("199.90"))]
    assert ask(reader, "Average order value by day", days=8) == [*averages, (midnight(0), Decimal("25010.00"))]
    assert ask(reader, "Average order value by day", days=6) == [*averages[2:], (midnight(0), Decimal("25010.00"))]
    assert ask(reader, "Orders by day and status", days=7) == [
        (midnight(7), "PENDING", 1),
        (midnight(6), "REFUNDED", 1),
        (midnight(1), "COMPLETED", 1),
        (midnight(0), "CANCELLED", 1),
        (midnight(0), "COMPLETED", 1),
        (midnight(0), "PENDING", 1),
    ]


def test_what_clickhouse_was_busy_with(reader: Client) -> None:
    """Statements that differ in their values only are one; the log is written every few seconds."""
    for number in range(3):
        reader.query(f"SELECT count() AS known_to_the_test FROM analytics.daily_sales_mv WHERE order_count > {number}")
    with pytest.raises(ClickHouseError, match="UNKNOWN_IDENTIFIER"):
        reader.query("SELECT no_such_column AS known_to_the_test FROM analytics.daily_sales_mv")

    def logged(panel: str) -> list[dict[str, Any]]:
        sql = expanded(QUERIES[panel].replace("LIMIT 10", ""), NOW - timedelta(hours=1), datetime.now(UTC))
        found = list(reader.query(sql).named_results())
        return [row for row in found if "known_to_the_test FROM analytics.daily_sales_mv" in row["statement"]]

    wait_until(lambda: len(logged("Most frequent ClickHouse queries")) == 2, "the statements in the log")
    often = logged("Most frequent ClickHouse queries")
    counted = {(row["user"], row["runs"], row["failed"]) for row in often}
    assert counted == {("grafana", 3, 0), ("grafana", 1, 1)}
    assert any("WHERE order_count > ?" in row["statement"] for row in often)
    (slow,) = logged("Slowest ClickHouse queries")
    assert (slow["user"], slow["runs"]) == ("grafana", 3)
    assert slow["longest_ms"] >= slow["p99_ms"] >= 0
    assert slow["rows_read"] > 0
    now = datetime.now(UTC)  # as the panels ask
    assert len(ask(reader, "Slowest ClickHouse queries", days=1, until=now)) == 10
    assert len(ask(reader, "Most frequent ClickHouse queries", days=1, until=now)) == 10
    minutes = ask(reader, "Time ClickHouse spent, by user", days=1, until=now)
    assert {user for _, user, _ in minutes} >= {"grafana", "admin"}
    assert sum(seconds for _, _, seconds in minutes) > 0


def test_every_query_was_run() -> None:
    """A panel that is added needs its numbers here."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert sorted(QUERIES) == sorted(set(re.findall(r'ask\(reader, "([^"]+)"', text)))


# the original's, which people have written down; its "30 days" are 31, so the panels ask for a day and a second less
ORIGINALS = {
    "Orders today": "SELECT sum(order_count) AS value FROM analytics.daily_sales_mv WHERE order_date = today()",
    "Revenue by day, last 30 days": (
        "SELECT toDateTime(order_date) AS time, total_revenue AS value FROM analytics.daily_sales_mv "
        "WHERE order_date >= today() - 30 ORDER BY order_date"
    ),
    "Orders by hour, last 24 hours": (
        "SELECT toHour(order_hour) AS hour, sum(order_count) AS orders FROM analytics.hourly_sales_mv "
        "WHERE order_hour >= now() - INTERVAL 24 HOUR GROUP BY hour ORDER BY hour"
    ),
    "Orders by status, last 7 days": (
        "SELECT status AS label, sum(order_count) AS value FROM analytics.order_status_mv "
        "WHERE order_date >= today() - INTERVAL 7 DAY GROUP BY status"
    ),
}


@pytest.mark.parametrize("panel", ORIGINALS)
def test_the_originals_queries_run_and_name_what_the_panels_name(reader: Client, panel: str) -> None:
    theirs = reader.query(ORIGINALS[panel])
    ours = reader.query(expanded(QUERIES[panel], NOW - timedelta(days=30), NOW))
    assert theirs.column_names == ours.column_names
    assert theirs.result_rows


def test_the_reader_may_not_change_anything(reader: Client) -> None:
    with pytest.raises(ClickHouseError, match="READONLY"):
        reader.command("TRUNCATE TABLE orders_analytics")
