"""An analytics database for tests, and what its views must show, worked out in plain Python."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from tests.support.clickhouse import Front

VIEWS = (
    "daily_sales_mv",
    "hourly_sales_mv",
    "order_status_mv",
    "product_ranking_mv",
    "user_analytics_mv",
    "all_time_stats",
)
TABLES = (
    *("orders_analytics", "orders_by_user", "day_inserts", "bucket_inserts"),
    *("cube_hour", "cube_product", "cube_day", "cube_user", "cube_bucket"),
)
EVENT_TYPES = {"PENDING": "CREATED", "COMPLETED": "COMPLETED", "CANCELLED": "CANCELLED", "REFUNDED": "REFUNDED"}
Views = dict[str, list[tuple[Any, ...]]]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Item:
    """One line of an order."""

    product_id: str = "101"
    product_name: str = "Machine"
    quantity: int = 1
    price: Decimal = Decimal("10.00")


@dataclass(frozen=True)
class Order:
    """One version of an order, as one analytics row."""

    order_id: str
    created_at: datetime
    order_date: date
    user_id: str = "1"
    items: tuple[Item, ...] = (Item(),)
    status: str = "PENDING"
    version: int = 1
    deleted: bool = False
    occurred_at: datetime | None = None

    @property
    def total(self) -> Decimal:
        return sum((item.price * item.quantity for item in self.items), Decimal("0.00"))

    def changed(self, **fields: Any) -> Order:
        """The next version, with other fields."""
        return replace(self, version=fields.pop("version", self.version + 1), **fields)

    def row(self) -> dict[str, Any]:
        """The row as the topic carries it."""
        return {
            "order_id": self.order_id,
            "user_id": self.user_id,
            "order_date": self.order_date.isoformat(),
            "created_at": _text(self.created_at),
            "total_amount": f"{self.total:.2f}",
            "items_count": len(self.items),
            "status": self.status,
            "payment_method": "",
            "payment_status": "",
            "items.product_id": [item.product_id for item in self.items],
            "items.product_name": [item.product_name for item in self.items],
            "items.quantity": [item.quantity for item in self.items],
            "items.price": [f"{item.price:.2f}" for item in self.items],
            "event_type": "DELETED" if self.deleted else EVENT_TYPES[self.status],
            "deleted_at": _text(self.created_at) if self.deleted else None,
            "is_deleted": int(self.deleted),
            "version": self.version,
            "occurred_at": _text(self.occurred_at or self.created_at),
        }


def order(order_id: str, created_at: datetime, zone: str, **fields: Any) -> Order:
    """A first version whose day is the one of its creation in the zone."""
    return Order(order_id, created_at, created_at.astimezone(ZoneInfo(zone)).date(), **fields)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@dataclass
class Warehouse:
    """A database of its own in a running front, with everything ever inserted into it."""

    client: Client
    zone: str
    inserted: list[Order] = field(default_factory=list)

    def insert(self, *orders: Order, ingested_at: int | None = None) -> None:
        """One INSERT. ``ingested_at`` (ms since 1970) stands in for ClickHouse's clock."""
        rows = [order.row() for order in orders]
        if ingested_at is not None:
            stamp = _text(datetime.fromtimestamp(ingested_at / 1000, UTC))[:-3]
            rows = [{**row, "ingested_at": stamp} for row in rows]
        self.inserted.extend(orders)
        block = "\n".join(json.dumps(row) for row in rows).encode()
        self.client.raw_insert("orders_analytics", insert_block=block, fmt="JSONEachRow")

    def clear(self) -> None:
        """Empties every table: ten times as fast as a new database."""
        self.run(*(f"TRUNCATE TABLE {table}" for table in TABLES))
        self.inserted.clear()

    def ask(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return [tuple(row) for row in self.client.query(sql, parameters=parameters or None).result_rows]

    def run(self, *statements: str) -> None:
        """Statements without an answer."""
        for statement in statements:
            self.client.command(statement)

    def views(self) -> Views:
        """All views, sorted; hours as seconds since 1970, times as naive UTC."""
        shown = {view: sorted(self.ask(f"SELECT * FROM {view}")) for view in VIEWS}
        shown["hourly_sales_mv"] = sorted((int(hour.timestamp()), *rest) for hour, *rest in shown["hourly_sales_mv"])
        return shown

    def expected(self) -> Views:
        """What the views must show of everything inserted."""
        return expected_views(self.inserted, self.zone)


@contextmanager
def warehouse(front: Front, zone: str, database: str | None = None) -> Iterator[Warehouse]:
    """A new database with the project's schema, of this name or one of its own; gone afterwards."""
    client = connect(
        front.url,
        user=front.writer,
        password=front.writer_password,
        database=database or f"analytics_{os.getpid()}_{next(_numbers)}",
    )
    migrate_clickhouse(client, zone)
    try:
        yield Warehouse(client, zone)
    finally:
        client.command(f"DROP DATABASE {client.database}", use_database=False)
        client.close()


def expected_views(inserted: Iterable[Order], zone: str) -> Views:
    """The views' rows, from the highest version of each order (of equal ones the last inserted)."""
    newest: dict[str, Order] = {}
    for each in inserted:
        if each.order_id not in newest or each.version >= newest[each.order_id].version:
            newest[each.order_id] = each
    kept = [each for each in newest.values() if not each.deleted]
    sold = [each for each in kept if each.status not in ("CANCELLED", "REFUNDED")]
    return {
        "daily_sales_mv": sorted(
            (day, *_sums(group), len({each.user_id for each in group}))
            for day, group in _grouped((each.order_date, each) for each in sold)
        ),
        "hourly_sales_mv": sorted(
            (hour, *_sums(group)) for hour, group in _grouped((hour_start(e.created_at, zone), e) for e in sold)
        ),
        "order_status_mv": sorted(
            (*key, *_sums(group)[:2])
            for key, group in _grouped(((each.order_date, each.status), each) for each in kept)
        ),
        "product_ranking_mv": _products(sold),
        "user_analytics_mv": sorted(
            (user, *_sums(group), max(each.created_at for each in group).astimezone(UTC).replace(tzinfo=None))
            for user, group in _grouped((each.user_id, each) for each in sold)
        ),
        "all_time_stats": [(*_sums(sold), len({each.user_id for each in sold}))],
    }


def hour_start(moment: datetime, zone: str) -> int:
    """The instant (seconds since 1970) at which the zone's clock began to show this hour."""
    local = moment.astimezone(ZoneInfo(zone))
    start = local.replace(minute=0, second=0, microsecond=0)
    instant = datetime.fromtimestamp(start.timestamp(), ZoneInfo(zone))
    while instant.hour != local.hour:  # the clock was set forward over the hour's beginning
        instant = (instant.astimezone(UTC) + timedelta(minutes=15)).astimezone(ZoneInfo(zone))
    return int(instant.timestamp())


def half_up(total: Decimal, count: int) -> Decimal:
    """The average as every part of the system gives it."""
    return (total / max(count, 1)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _grouped(pairs: Iterable[tuple[Any, Order]]) -> Iterable[tuple[Any, list[Order]]]:
    groups: dict[Any, list[Order]] = defaultdict(list)
    for key, each in pairs:
        groups[key].append(each)
    return groups.items()


def _sums(orders: list[Order]) -> tuple[int, Decimal, Decimal]:
    total = sum((each.total for each in orders), Decimal("0.00"))
    return len(orders), total, half_up(total, len(orders))


def _products(sold: list[Order]) -> list[tuple[Any, ...]]:
    quantity: dict[Any, int] = defaultdict(int)
    revenue: dict[Any, Decimal] = defaultdict(Decimal)
    orders: dict[Any, set[str]] = defaultdict(set)
    for each in sold:
        for item in each.items:
            key = (each.order_date, item.product_id, item.product_name)
            quantity[key] += item.quantity
            revenue[key] += item.price * item.quantity
            orders[key].add(each.order_id)
    return sorted((*key, quantity[key], revenue[key], len(orders[key])) for key in quantity)
