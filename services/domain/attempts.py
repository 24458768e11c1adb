"""Attempts to pay as rows. A row that is due, by ``next_attempt_at``, waits for the sweep to ask the provider.

A PENDING attempt is due because nobody knows what the provider did, a REFUNDED one because its money is still to be
given back. The order's row lock comes before whatever changes an attempt's state; only when it is due next is
changed without it.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row
from uuid_utils import uuid7

from services.clients.database import write
from services.clients.types import UtcTime, utc_now
from services.domain.also import Also, together
from services.domain.model import Payment, PaymentMethod
from services.domain.tables import payments

FAILURE_LENGTH = 255
DUE = (
    sa.select(payments, utc_now().label("now"))
    .with_hint(payments, "FORCE INDEX (idx_payment_due)", "mysql")  # rows are locked as they are read
    .where(payments.c.next_attempt_at <= utc_now())
    .order_by(payments.c.next_attempt_at)
    .limit(1)
)


def to_payment(row: Row[Any]) -> Payment:
    """An attempt from a row of ``payments``."""
    return Payment(
        id=row.id,
        order_id=row.order_id,
        amount=row.amount,
        status=row.status,
        method=row.method,
        provider=row.provider,
        charge_id=row.charge_id,
        failure=row.failure,
        tries=row.tries,
        due_at=row.next_attempt_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def new_attempt(order_id: str, amount: Decimal, method: PaymentMethod, now: datetime) -> Payment:
    """A PENDING attempt with a new id, not stored yet. Ids are UUIDv7: the newest attempt has the highest one."""
    return Payment(
        id=str(uuid7()),
        order_id=order_id,
        amount=amount,
        status="PENDING",
        method=method,
        provider=None,
        charge_id=None,
        failure=None,
        tries=0,
        due_at=None,
        created_at=now,
        updated_at=now,
    )


def insert_attempt(connection: Connection, attempt: Payment) -> None:
    """Stores it. The caller holds the order's lock."""
    connection.execute(sa.insert(payments).values(_columns(asdict(attempt))))


def read_attempt(connection: Connection, payment_id: str) -> Payment:
    """The attempt, whose order's lock the caller holds."""
    return to_payment(connection.execute(sa.select(payments).where(payments.c.id == payment_id)).one())


def in_force(connection: Connection, order_id: str) -> Payment | None:
    """The order's attempt that is under way or has paid: there is at most one."""
    row = connection.execute(
        sa.select(payments).where(payments.c.order_id == order_id, payments.c.status.in_(("PENDING", "COMPLETED")))
    ).first()
    return None if row is None else to_payment(row)


def change_attempt(connection: Connection, attempt: Payment, **changes: Any) -> Payment:
    """Writes these fields of an attempt whose order's lock the caller holds. Returns it with them."""
    connection.execute(sa.update(payments).where(payments.c.id == attempt.id).values(_columns(changes)))
    return replace(attempt, **changes)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    return {"next_attempt_at" if name == "due_at" else name: value for name, value in fields.items()}


def claim_due(engine: Engine, wait: Callable[[int], float]) -> Payment | None:
    """The attempt that has been due the longest, or None. Nobody else gets it for ``wait(tries)`` seconds from now.

    Rows that another sweep is about to claim are passed over, so any number of them may work side by side.
    """
    with engine.connect() as connection:  # on SQLite nobody should wait for the one writer's place to find nothing
        if connection.execute(DUE).first() is None:
            return None

    def claim(connection: Connection) -> Payment | None:
        row = connection.execute(DUE.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        tries, now = row.tries + 1, cast(datetime, row.now)
        again = now + timedelta(seconds=wait(tries))
        return change_attempt(connection, to_payment(row), tries=tries, due_at=again)

    return write(engine, claim)


def refund_done(engine: Engine, payment: Payment, *, also: Also[Payment] | None = None) -> Payment:
    """The provider has given the money back: nothing is left to be done about the attempt. May be said again."""
    return _about_refund(engine, payment, also, due_at=None, failure=None)


def refund_refused(engine: Engine, payment: Payment, reason: str, *, also: Also[Payment] | None = None) -> Payment:
    """Keeps why the provider does not give the money back, for people; the sweep goes on asking."""
    return _about_refund(engine, payment, also, failure=reason[:FAILURE_LENGTH])


def _about_refund(engine: Engine, payment: Payment, also: Also[Payment] | None, **changes: Any) -> Payment:
    def work(connection: Connection) -> Payment:
        connection.execute(
            sa.update(payments)
            .where(payments.c.id == payment.id, payments.c.status == "REFUNDED")
            .values(_columns(changes))
        )
        return replace(payment, **changes)

    return write(engine, together(work, also))


def oldest_open(engine: Engine) -> float:
    """Age in seconds of the oldest attempt without an outcome, or decision to give money back; 0: there is none."""
    query = sa.select(sa.func.min(payments.c.updated_at, type_=UtcTime), utc_now()).where(
        payments.c.next_attempt_at.is_not(None)
    )
    with engine.connect() as connection:
        begun_at, now = connection.execute(query).one()
    return 0.0 if begun_at is None else max(0.0, (now - begun_at).total_seconds())
