"""Importing orders that were placed and paid elsewhere, long ago.

An imported order is COMPLETED with a payment from the start, at noon of its day in the business zone. Catalogue
prices and stock are not its own, so neither is checked, and it never expires. Its id is the importer's, so importing
the same again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import database_now, write
from services.domain import outbox
from services.domain.model import Order, OrderItem, PaymentMethod
from services.domain.orders import insert_orders
from services.domain.tables import orders, payments, products, users


@dataclass(frozen=True)
class ImportedOrder:
    """One purchase of another system."""

    id: str
    user_id: str
    day: date
    items: tuple[OrderItem, ...]
    method: PaymentMethod = "CARD"


def import_orders(engine: Engine, zone: ZoneInfo, batch: Sequence[ImportedOrder]) -> int:
    """Stores those of the batch that are not there yet, in one transaction. Returns how many it stored.

    Each gets one event, OrderCompleted: it carries the whole order, payment included.
    """

    def work(connection: Connection) -> int:
        ids = [order.id for order in batch]
        known = set(connection.scalars(sa.select(orders.c.id).where(orders.c.id.in_(ids))))
        now = database_now(connection)
        fresh = [_order(imported, zone, now) for imported in batch if imported.id not in known]
        if not fresh:
            return 0
        _add_missing_users(connection, fresh)
        insert_orders(connection, fresh)
        connection.execute(sa.insert(payments), [_payment(order) for order in fresh])
        outbox.append(connection, [outbox.order_event("OrderCompleted", order) for order in fresh])
        return len(fresh)

    return write(engine, work)


def add_product(engine: Engine, product_id: str, name: str) -> None:
    """Puts a product without a price of its own (0.00) and without stock into the catalogue, if it is not there."""

    def work(connection: Connection) -> None:
        if connection.scalar(sa.select(products.c.id).where(products.c.id == product_id)) is None:
            now = datetime.now(UTC)
            connection.execute(
                sa.insert(products).values(id=product_id, name=name, price=Decimal("0.00"), created_at=now)
            )

    write(engine, work)


def _order(imported: ImportedOrder, zone: ZoneInfo, now: datetime) -> Order:
    noon = datetime.combine(imported.day, time(12), zone).astimezone(UTC)
    return Order(
        id=imported.id,
        user_id=imported.user_id,
        total_amount=sum((item.price * item.quantity for item in imported.items), Decimal("0.00")),
        status="COMPLETED",
        shipping_address=None,
        items=imported.items,
        payment_status="COMPLETED",
        payment_method=imported.method,
        version=1,
        order_date=imported.day,
        created_at=noon,
        updated_at=now,
        deleted_at=None,
    )


def _payment(order: Order) -> dict[str, object]:
    return {
        "id": str(uuid7()),
        "order_id": order.id,
        "amount": order.total_amount,
        "status": "COMPLETED",
        "method": order.payment_method,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def _add_missing_users(connection: Connection, fresh: list[Order]) -> None:
    wanted = {order.user_id for order in fresh}
    known = set(connection.scalars(sa.select(users.c.id).where(users.c.id.in_(wanted))))
    new = [
        {"id": user, "email": f"{user}@example.com", "name": f"Customer {user}", "created_at": datetime.now(UTC)}
        for user in sorted(wanted - known)
    ]
    if new:
        connection.execute(sa.insert(users), new)
