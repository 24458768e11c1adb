"""Payments of an order as the state machine sees them: begun, refunded.

The provider is asked between two transactions, never within one: ``begin_payment`` commits that it is going to be
asked, ``services.domain.settling`` what it said. An attempt under way is known to ``payments`` alone: neither the
order nor an event changes before there is an outcome.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.domain import outbox, stock
from services.domain.also import Also, together
from services.domain.attempts import change_attempt, in_force, insert_attempt, new_attempt
from services.domain.errors import Conflict, Invalid, NotFound
from services.domain.locking import Locked, advance, lock_order
from services.domain.model import Payment, PaymentMethod
from services.domain.settling import about


def begin_payment(
    engine: Engine,
    order_id: str,
    method: PaymentMethod,
    provider: str,
    seconds: float,
    amount: Decimal | None = None,
    *,
    also: Also[Payment] | None = None,
) -> Payment:
    """Stores a PENDING attempt to pay the whole order through ``provider``, which the sweep takes up after ``seconds``.

    Raises NotFound; Invalid for an ``amount`` that is not the order's; Conflict unless the order is PENDING, has
    lines, and no other attempt is under way.
    """

    def work(connection: Connection) -> Payment:
        locked = _payable(connection, order_id)
        total = locked.order.total_amount
        if amount is not None and amount != total:
            raise Invalid("amount", f"is {amount}, the order's total is {total}")
        attempt = replace(
            new_attempt(order_id, total, method, locked.now),
            provider=provider,
            tries=1,
            due_at=locked.now + timedelta(seconds=seconds),
        )
        insert_attempt(connection, attempt)
        return attempt

    return write(engine, together(work, also))


def refund_order(
    engine: Engine,
    order_id: str,
    restock: bool = False,
    traceparent: str | None = None,
    *,
    seconds: float = 0,
    also: Also[Payment] | None = None,
) -> Payment:
    """COMPLETED becomes REFUNDED; pieces come back when asked. Raises NotFound; Conflict in any other state, or for
    pieces that cannot come back.

    That decides it. A charge is then given back by whoever asks the provider first: the caller, or the sweep after
    ``seconds``. Returns the attempt that had paid.
    """

    def work(connection: Connection) -> Payment:
        locked = _alive(connection, order_id)
        paid = in_force(connection, order_id)
        if locked.order.status != "COMPLETED":
            raise Conflict(f"order {order_id} is {locked.order.status}; only a COMPLETED order can be refunded")
        if paid is None:  # imported, or completed by hand
            raise Conflict(f"order {order_id} has no payment on record here: give the money back where it was taken")
        due_at = None if paid.charge_id is None else locked.now + timedelta(seconds=seconds)
        attempt = change_attempt(connection, paid, status="REFUNDED", due_at=due_at, tries=0, updated_at=locked.now)
        changed = advance(connection, locked, replace(locked.order, status="REFUNDED", payment_status="REFUNDED"))
        happened = [about("PaymentRefunded", changed, attempt), outbox.order_event("OrderRefunded", changed)]
        if restock:
            happened += stock.restock(connection, changed.pieces(), order_id, locked.now)
        outbox.append(connection, happened, traceparent)
        return attempt

    return write(engine, together(work, also))


def _alive(connection: Connection, order_id: str) -> Locked:
    locked = lock_order(connection, order_id)
    if locked.order.deleted_at is not None:
        raise NotFound("order", order_id)
    return locked


def _payable(connection: Connection, order_id: str) -> Locked:
    locked = _alive(connection, order_id)
    if locked.order.status != "PENDING":
        raise Conflict(f"order {order_id} is {locked.order.status}; only a PENDING order can be paid")
    if in_force(connection, order_id) is not None:
        raise Conflict(f"order {order_id} is being paid: its last payment has no outcome yet")
    outbox.require_items(locked.order)  # else the money is taken, and no outcome can ever be stored
    return locked
