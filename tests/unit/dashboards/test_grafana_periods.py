"""A panel that says "last 30 days" shows thirty of them: one order a day, one an hour, and what the panels count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.aggregator.core import Aggregator
from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from tests.support.clickhouse import start_front
from tests.support.warehouse import Item, Warehouse, order
from tests.unit.dashboards.boards import CLICKHOUSE, targets
from tests.unit.dashboards.test_grafana_queries import ZONE, early

DAYS = {
    target.panel: (target.text, int(period[1]))
    for target in targets(CLICKHOUSE)
    if (period := re.search(r"last (\d+) days", target.panel))
}
(HOURS,) = [target for target in targets(CLICKHOUSE) if "last 24 hours" in target.panel]
MOST_DAYS, MOST_HOURS = 45, 30
# the column that has one for each order
COUNTED = {"Revenue by day, last 30 days": "value", "Orders by status, last 7 days": "value"}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Warehouse]]:
    front = start_front(tmp_path_factory.mktemp("periods"), ZONE)
    writer = connect(front.url, user="writer", password=front.writer_password, database="analytics")
    migrate_clickhouse(writer, ZONE)
    reader = connect(front.url, user="reader", password=front.reader_password, database="analytics")
    yield reader, Warehouse(writer, ZONE)
    reader.close()
    writer.close()
    front.stop()


def rows(reader: Client, sql: str) -> list[dict[str, Any]]:
    return list(reader.query(sql).named_results())


def test_days(warehouse: tuple[Client, Warehouse]) -> None:
    """Half past midnight of each of 45 days, so that a day more or less is an order more or less."""
    reader, store = warehouse
    store.clear()
    one = (Item("1", "Product 1", 1, Decimal("1.00")),)
    store.insert(*(order(f"day-{n}", early(n), ZONE, items=one) for n in range(MOST_DAYS)))
    Aggregator(store.client, ZONE).tick_until_clean()
    assert len(DAYS) == 3
    for panel, (sql, days) in DAYS.items():
        found = rows(reader, sql)
        column = COUNTED.get(panel, "orders")
        assert sum(row[column] for row in found) == days, panel


@pytest.mark.parametrize("seconds", [0, 1, 1800, 3599])
def test_hours(warehouse: tuple[Client, Warehouse], seconds: int) -> None:
    """An order at the start of each hour, looked at so many seconds after an hour began."""
    reader, store = warehouse
    store.clear()
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    store.insert(*(order(f"hour-{n}", hour - timedelta(hours=n), ZONE) for n in range(MOST_HOURS)))
    Aggregator(store.client, ZONE).tick_until_clean()
    now = f"toDateTime({int(hour.timestamp()) + seconds})"
    assert HOURS.text.count("now()") == 1
    found = rows(reader, HOURS.text.replace("now()", now))
    assert sorted(row["hour"] for row in found) == list(range(24))
    assert {row["orders"] for row in found} == {1}
