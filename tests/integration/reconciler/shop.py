"""A shop with its analytics: a database, a ClickHouse front, and in place of Kafka a hand that delivers when asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.aggregator.core import Aggregator
from services.clients.clickhouse import Client
from services.clients.database import write
from services.clients.types import utc_now
from services.domain.model import NewItem, NewOrder, Order, PaymentMethod
from services.domain.queries import find_order
from services.domain.tables import outbox
from services.events import analytics_row, parse_order_event
from services.reconciler.comparison import compare
from services.reconciler.orders import compare_orders
from services.reconciler.repair import repair
from services.reconciler.report import Report
from services.reconciler.sources import Sources
from tests.support.payments import pay
from tests.support.shop import create_order

ZONE = "UTC"
_ORDER_TYPES = ("Order", "Payment")


@dataclass
class Shop:
    """Everything a test of the comparison touches; a change is on its way for no time at all unless asked."""

    engine: Engine
    clickhouse: Client
    """For what is done by hand: everything is allowed."""
    users: Mapping[str, Client]
    """The programs' own clients: sink, aggregator and reconciler, each with its rights."""
    in_flight_seconds: float = 0.0
    aggregator: Aggregator = field(init=False)

    def __post_init__(self) -> None:
        """The aggregator, ticked by hand, and without rechecks."""
        self.aggregator = Aggregator(self.users["aggregator"], ZONE, recheck_after=())

    def sources(self) -> Sources:
        """Both sides, as the reconciler takes them."""
        return Sources(self.engine, self.users["reconciler"], ZONE, self.in_flight_seconds)

    def order(self, *items: tuple[str, int], user: str = "1") -> Order:
        """A new order of these products and quantities."""
        new = NewOrder(user_id=user, items=tuple(NewItem(product, quantity) for product, quantity in items))
        return create_order(self.engine, ZoneInfo(ZONE), new)

    def paid(self, order: Order, method: PaymentMethod = "CARD") -> Order:
        """The order once it is paid."""
        pay(self.engine, order.id, method)
        found = find_order(self.engine, order.id)
        assert found is not None
        return found

    def relay(self) -> list[bytes]:
        """Marks every waiting event as processed and returns the analytics rows that come of them."""

        def take(connection: Connection) -> list[sa.Row[Any]]:
            waiting = list(
                connection.execute(sa.select(outbox).where(outbox.c.processed.is_(False)).order_by(outbox.c.id))
            )
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.id.in_([event.id for event in waiting]))
                .values(processed=True, processed_at=utc_now())
            )
            return waiting

        return [
            analytics_row(parse_order_event(event.payload.encode()).data.order).to_json()
            for event in write(self.engine, take)
            if event.aggregate_type in _ORDER_TYPES
        ]

    def deliver(self) -> None:
        """Takes every waiting event to ClickHouse."""
        if rows := self.relay():
            block = b"\n".join(rows)
            self.users["sink"].raw_insert("orders_analytics", insert_block=block, fmt="JSONEachRow")

    def settle(self) -> None:
        """Delivers everything and brings the cubes up to it."""
        self.deliver()
        self.aggregator.tick_until_clean()

    def pause(self, _seconds: float) -> bool:
        """Time passes: the pipeline works. Never asks to stop."""
        self.deliver()
        self.aggregator.tick_days()
        self.aggregator.tick_users()
        return False

    def compare(self) -> Report:
        """Compares, with nothing at work meanwhile."""
        return compare(self.sources(), pause=lambda _seconds: None)

    def differing_orders(self, in_flight_seconds: float = 0) -> Report:
        """The comparison of orders with raw rows alone."""
        report = Report()
        compare_orders(Sources(self.engine, self.users["reconciler"], ZONE, in_flight_seconds), report)
        return report

    def update(self, *statements: sa.Update) -> None:
        """A hand in the database."""

        def run(connection: Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        write(self.engine, run)

    def repair(self) -> Report:
        """Repairs, with the pipeline at work in the pauses."""
        return repair(self.sources(), wait_seconds=200, pause=self.pause)

    def sql(self, text: str) -> None:
        """A hand in ClickHouse."""
        self.clickhouse.command(text)
