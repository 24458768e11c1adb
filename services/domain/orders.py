"""Storing, cancelling, expiring and deleting orders; placing.py makes them."""

from dataclasses import replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import write
from services.domain import outbox, stock
from services.domain.also import Also, together
from services.domain.attempts import in_force
from services.domain.errors import Conflict, NotFound
from services.domain.locking import advance, lock_order
from services.domain.model import Order
from services.domain.tables import order_items, orders

_INSERT_ORDERS: Final = sa.insert(orders)
_INSERT_ITEMS: Final = sa.insert(order_items)


def insert_orders(connection: Connection, new: list[Order]) -> None:
    """Inserts whole orders with their lines, in two statements."""
    connection.execute(
        _INSERT_ORDERS,
        [
            {
                "id": order.id,
                "user_id": order.user_id,
                "total_amount": order.total_amount,
                "status": order.status,
                "shipping_address": order.shipping_address,
                "payment_status": order.payment_status,
                "payment_method": order.payment_method,
                "version": order.version,
                "order_date": order.order_date,
                "created_at": order.created_at,
                "updated_at": order.updated_at,
            }
            for order in new
        ],
    )
    connection.execute(
        _INSERT_ITEMS,
        [
            {
                "id": item_id,
                "order_id": order.id,
                "product_id": item.product_id,
                "product_name": item.product_name,
                "quantity": item.quantity,
                "price": item.price,
            }
            for order in new
            for item_id, item in zip(sorted(str(uuid7()) for _ in order.items), order.items, strict=True)
        ],
    )


def cancel_order(
    engine: Engine, order_id: str, traceparent: str | None = None, also: Also[Order] | None = None
) -> Order:
    """PENDING becomes CANCELLED and its stock is free again. Raises NotFound, Conflict in any other state."""

    return write(engine, together(lambda connection: _cancel(connection, order_id, traceparent), also))


def expire_order(engine: Engine, order_id: str, created_before: datetime, traceparent: str | None = None) -> bool:
    """Cancels the order if it is still unpaid, older than that, and no payment is under way; says whether it did."""

    def work(connection: Connection) -> bool:
        locked = lock_order(connection, order_id)
        due = locked.order.status == "PENDING" and locked.order.deleted_at is None
        if not due or locked.order.created_at >= created_before or in_force(connection, order_id) is not None:
            return False
        _cancel(connection, order_id, traceparent)
        return True

    return write(engine, work)


def _cancel(connection: Connection, order_id: str, traceparent: str | None) -> Order:
    locked = lock_order(connection, order_id)
    if locked.order.deleted_at is not None:
        raise NotFound("order", order_id)
    if locked.order.status != "PENDING":
        raise Conflict(f"order {order_id} is {locked.order.status}; only a PENDING order can be cancelled")
    changed = advance(connection, locked, replace(locked.order, status="CANCELLED"))
    released = stock.release(connection, changed.pieces(), order_id, locked.now)
    outbox.append(connection, [outbox.order_event("OrderCancelled", changed), *released], traceparent)
    return changed


def delete_order(engine: Engine, order_id: str, traceparent: str | None = None, also: Also[bool] | None = None) -> bool:
    """Marks the order deleted, releasing the stock of a PENDING one. False when it already was. Raises NotFound."""

    def work(connection: Connection) -> bool:
        locked = lock_order(connection, order_id)
        if locked.order.deleted_at is not None:
            return False
        changed = advance(connection, locked, replace(locked.order, deleted_at=locked.now))
        happened = [outbox.order_event("OrderDeleted", changed)]
        if changed.status == "PENDING":
            happened += stock.release(connection, changed.pieces(), order_id, locked.now)
        outbox.append(connection, happened, traceparent)
        return True

    return write(engine, together(work, also))
