"""Payments of an order as the state machine sees them: accepted, refused, refunded."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import write
from services.domain import outbox, stock
from services.domain.errors import Conflict, NotFound
from services.domain.locking import Locked, advance, lock_order
from services.domain.model import Order, PaymentMethod
from services.domain.tables import payments


def accept_payment(engine: Engine, order_id: str, method: PaymentMethod, traceparent: str | None = None) -> Order:
    """PENDING becomes COMPLETED and its pieces leave the house. Raises NotFound, Conflict in any other state."""

    def work(connection: Connection) -> Order:
        locked = _payable(connection, order_id)
        changed = advance(
            connection,
            locked,
            replace(locked.order, status="COMPLETED", payment_status="COMPLETED", payment_method=method),
        )
        payment_id = insert_payment(connection, order_id, changed.total_amount, "COMPLETED", method, locked.now)
        deducted = stock.deduct(connection, changed.pieces(), order_id, locked.now)
        paid = outbox.payment_event("PaymentCompleted", changed, payment_id, "COMPLETED", method)
        completed = outbox.order_event("OrderCompleted", changed)
        outbox.append(connection, [paid, completed, *deducted], traceparent)
        return changed

    return write(engine, work)


def refuse_payment(engine: Engine, order_id: str, method: PaymentMethod, traceparent: str | None = None) -> Order:
    """The order stays PENDING; the attempt is kept as FAILED. Raises as accept_payment."""

    def work(connection: Connection) -> Order:
        locked = _payable(connection, order_id)
        changed = advance(connection, locked, replace(locked.order, payment_status="FAILED", payment_method=method))
        payment_id = insert_payment(connection, order_id, changed.total_amount, "FAILED", method, locked.now)
        failed = outbox.payment_event("PaymentFailed", changed, payment_id, "FAILED", method)
        outbox.append(connection, [failed], traceparent)
        return changed

    return write(engine, work)


def refund_order(engine: Engine, order_id: str, restock: bool = False, traceparent: str | None = None) -> Order:
    """COMPLETED becomes REFUNDED; pieces come back when asked. Raises NotFound, Conflict in any other state."""

    def work(connection: Connection) -> Order:
        locked = _alive(connection, order_id)
        if locked.order.status != "COMPLETED":
            raise Conflict(f"order {order_id} is {locked.order.status}; only a COMPLETED order can be refunded")
        paid = connection.execute(
            sa.select(payments.c.id, payments.c.method)
            .where(payments.c.order_id == order_id, payments.c.status == "COMPLETED")
            .with_for_update()
        ).one()
        connection.execute(
            sa.update(payments).where(payments.c.id == paid.id).values(status="REFUNDED", updated_at=locked.now)
        )
        changed = advance(connection, locked, replace(locked.order, status="REFUNDED", payment_status="REFUNDED"))
        happened = [
            outbox.payment_event("PaymentRefunded", changed, paid.id, "REFUNDED", paid.method),
            outbox.order_event("OrderRefunded", changed),
        ]
        if restock:
            happened += stock.restock(connection, changed.pieces(), order_id, locked.now)
        outbox.append(connection, happened, traceparent)
        return changed

    return write(engine, work)


def _alive(connection: Connection, order_id: str) -> Locked:
    locked = lock_order(connection, order_id)
    if locked.order.deleted_at is not None:
        raise NotFound("order", order_id)
    return locked


def _payable(connection: Connection, order_id: str) -> Locked:
    locked = _alive(connection, order_id)
    if locked.order.status != "PENDING":
        raise Conflict(f"order {order_id} is {locked.order.status}; only a PENDING order can be paid")
    return locked


def insert_payment(
    connection: Connection, order_id: str, amount: Decimal, status: str, method: str, now: datetime
) -> str:
    """One attempt; returns its id. Ids are UUIDv7: the newest attempt has the highest one."""
    payment_id = str(uuid7())
    connection.execute(
        sa.insert(payments).values(
            id=payment_id,
            order_id=order_id,
            amount=amount,
            status=status,
            method=method,
            created_at=now,
            updated_at=now,
        )
    )
    return payment_id
