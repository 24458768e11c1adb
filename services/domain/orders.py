"""Creating, cancelling, expiring and deleting orders."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import write
from services.clients.types import utc_now
from services.domain import outbox, stock
from services.domain.also import Also
from services.domain.errors import Conflict, Invalid, NotFound
from services.domain.locking import advance, lock_order
from services.domain.model import NewOrder, Order, OrderItem
from services.domain.tables import order_items, orders, products, users

AMOUNT_LIMIT = Decimal(10) ** 13


def create_order(engine: Engine, zone: ZoneInfo, new: NewOrder, traceparent: str | None = None) -> Order:
    """Stores a PENDING order, reserves its stock and appends OrderCreated and StockReserved.

    Raises NotFound (user), Invalid (unknown product; price or total not the catalogue's), InsufficientStock.
    """

    def work(connection: Connection) -> Order:
        user = connection.execute(sa.select(utc_now().label("now")).where(users.c.id == new.user_id)).first()
        if user is None:
            raise NotFound("user", new.user_id)
        items = _priced(connection, new)
        total = _total(new, items)
        order = Order(
            id=str(uuid7()),
            user_id=new.user_id,
            total_amount=total,
            status="PENDING",
            shipping_address=new.shipping_address,
            items=items,
            payment_status=None,
            payment_method=None,
            version=1,
            order_date=user.now.astimezone(zone).date(),
            created_at=user.now,
            updated_at=user.now,
            deleted_at=None,
        )
        reserved = stock.reserve(connection, order.pieces(), order.id, order.created_at)
        insert_orders(connection, [order])
        outbox.append(connection, [outbox.order_event("OrderCreated", order), *reserved], traceparent)
        return order

    return write(engine, work)


def _priced(connection: Connection, new: NewOrder) -> tuple[OrderItem, ...]:
    wanted = {item.product_id for item in new.items}
    found = {row.id: row for row in connection.execute(sa.select(products).where(products.c.id.in_(sorted(wanted))))}
    lines = []
    for number, item in enumerate(new.items):
        product = found.get(item.product_id)
        if product is None:
            raise Invalid(f"items[{number}].productId", f"there is no product {item.product_id}")
        if item.price is not None and item.price != product.price:
            raise Invalid(f"items[{number}].price", f"is {item.price}, the catalogue says {product.price}")
        lines.append(OrderItem(product.id, product.name, item.quantity, product.price))
    return tuple(lines)


def _total(new: NewOrder, items: tuple[OrderItem, ...]) -> Decimal:
    total = sum((item.price * item.quantity for item in items), Decimal("0.00"))
    if new.total_amount is not None and new.total_amount != total:
        raise Invalid("totalAmount", f"is {new.total_amount}, the items add up to {total}")
    if total > AMOUNT_LIMIT:
        raise Invalid("items", f"add up to {total}; an order can be up to {AMOUNT_LIMIT}")
    return total


def insert_orders(connection: Connection, new: list[Order]) -> None:
    """Inserts whole orders with their lines, in two statements."""
    connection.execute(
        sa.insert(orders),
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
        sa.insert(order_items),
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


def cancel_order(engine: Engine, order_id: str, traceparent: str | None = None) -> Order:
    """PENDING becomes CANCELLED and its stock is free again. Raises NotFound, Conflict in any other state."""

    def work(connection: Connection) -> Order:
        return _cancel(connection, order_id, traceparent)

    return write(engine, work)


def expire_order(engine: Engine, order_id: str, created_before: datetime, traceparent: str | None = None) -> bool:
    """Cancels the order if it is still unpaid and older than that; says whether it did."""

    def work(connection: Connection) -> bool:
        locked = lock_order(connection, order_id)
        due = locked.order.status == "PENDING" and locked.order.deleted_at is None
        if not due or locked.order.created_at >= created_before:
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
        deleted = _delete(connection, order_id, traceparent)
        if also is not None:
            also(connection, deleted)
        return deleted

    return write(engine, work)


def _delete(connection: Connection, order_id: str, traceparent: str | None) -> bool:
    locked = lock_order(connection, order_id)
    if locked.order.deleted_at is not None:
        return False
    changed = advance(connection, locked, replace(locked.order, deleted_at=locked.now))
    happened = [outbox.order_event("OrderDeleted", changed)]
    if changed.status == "PENDING":
        happened += stock.release(connection, changed.pieces(), order_id, locked.now)
    outbox.append(connection, happened, traceparent)
    return True
