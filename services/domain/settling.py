"""What becomes of an attempt to pay by the provider's answer: order completed, attempt failed, money given back.

Each answer may come twice, late, or long after the order has ended; the order's row lock decides what it still means.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.clients.types import utc_now
from services.domain import outbox, stock
from services.domain.also import Also, together
from services.domain.attempts import FAILURE_LENGTH, change_attempt, read_attempt
from services.domain.locking import Locked, advance, lock_order, to_order
from services.domain.model import Order, Payment
from services.domain.tables import orders


@dataclass(frozen=True)
class Outcome:
    """The attempt and its order after a change, and what there is to tell of it."""

    attempt: Payment
    order: Order
    happened: list[outbox.Event]


def is_payable(order: Order) -> bool:
    """Whether money for the order has a use."""
    return order.status == "PENDING" and order.deleted_at is None


def unpayable_for(engine: Engine, payment: Payment) -> timedelta | None:
    """For how long nobody has begun to charge this attempt; None while its order can be paid and somebody may.

    An order that has ended, deleted ones too, was last changed by its end or after it.
    """
    with engine.connect() as connection:
        row = connection.execute(sa.select(orders, utc_now().label("now")).where(orders.c.id == payment.order_id)).one()
    if is_payable(to_order(row, ())):
        return None
    since: timedelta = row.now - max(row.updated_at, payment.created_at)
    return since


def settle_accepted(
    engine: Engine,
    payment: Payment,
    charge_id: str,
    traceparent: str | None = None,
    *,
    also: Also[Payment] | None = None,
) -> Payment:
    """The provider has taken the money: the order is COMPLETED, or the money is to be given back where it cannot be.

    It cannot be once the order was cancelled, has expired or was deleted, or when the attempt was held to have failed.
    An attempt that is settled already stays as it is: the provider may say the same twice. Returns the attempt.
    """

    def work(connection: Connection) -> Payment:
        locked = lock_order(connection, payment.order_id)
        attempt = read_attempt(connection, payment.id)
        outcome = Outcome(attempt, locked.order, [])
        if attempt.status == "PENDING" and is_payable(locked.order):
            outcome = _complete(connection, locked, attempt, charge_id)
        elif attempt.status in ("PENDING", "FAILED"):
            outcome = _give_back(connection, locked, attempt, charge_id)
        outbox.append(connection, outcome.happened, traceparent)
        return outcome.attempt

    return write(engine, together(work, also))


def settle_refused(
    engine: Engine,
    payment: Payment,
    reason: str,
    traceparent: str | None = None,
    *,
    also: Also[Payment] | None = None,
) -> Payment:
    """No money was taken: the attempt is FAILED, and an order that is PENDING may be paid anew. Returns the attempt.

    An attempt that is settled already stays as it is. An order that has ended meanwhile is not changed by it.
    """

    def work(connection: Connection) -> Payment:
        locked = lock_order(connection, payment.order_id)
        attempt = read_attempt(connection, payment.id)
        if attempt.status == "PENDING":
            outcome = _fail(connection, locked, attempt, reason)
            outbox.append(connection, outcome.happened, traceparent)
            attempt = outcome.attempt
        return attempt

    return write(engine, together(work, also))


def _complete(connection: Connection, locked: Locked, attempt: Payment, charge_id: str) -> Outcome:
    """The locked PENDING order is paid by this attempt; its pieces leave the house."""
    settled = change_attempt(
        connection, attempt, status="COMPLETED", charge_id=charge_id, due_at=None, updated_at=locked.now
    )
    state = replace(locked.order, status="COMPLETED", payment_status="COMPLETED", payment_method=attempt.method)
    changed = advance(connection, locked, state)
    deducted = stock.deduct(connection, changed.pieces(), changed.id, locked.now)
    paid = about("PaymentCompleted", changed, settled)
    return Outcome(settled, changed, [paid, outbox.order_event("OrderCompleted", changed), *deducted])


def _fail(connection: Connection, locked: Locked, attempt: Payment, reason: str) -> Outcome:
    """The attempt took no money. An order that has ended is not changed by that, and nothing is told."""
    settled = change_attempt(
        connection, attempt, status="FAILED", failure=reason[:FAILURE_LENGTH], due_at=None, updated_at=locked.now
    )
    if not is_payable(locked.order):
        return Outcome(settled, locked.order, [])
    changed = advance(connection, locked, replace(locked.order, payment_status="FAILED", payment_method=attempt.method))
    return Outcome(settled, changed, [about("PaymentFailed", changed, settled)])


def _give_back(connection: Connection, locked: Locked, attempt: Payment, charge_id: str) -> Outcome:
    """Money came in that the order has no use for: decided here, given back by the sweep, which is to look at once."""
    settled = change_attempt(
        connection,
        attempt,
        status="REFUNDED",
        charge_id=charge_id,
        failure=None,
        due_at=locked.now,
        tries=0,
        updated_at=locked.now,
    )
    state = locked.order
    if state.status in ("PENDING", "CANCELLED"):  # else it was paid by another attempt, whose state it carries
        state = replace(state, payment_status="REFUNDED", payment_method=attempt.method)
    changed = advance(connection, locked, state)
    return Outcome(settled, changed, [about("PaymentRefunded", changed, settled)])


def about(event_type: str, order: Order, attempt: Payment) -> outbox.Event:
    """An event of the order's payment, about this attempt."""
    return outbox.payment_event(event_type, order, attempt.id, attempt.status, attempt.method)
