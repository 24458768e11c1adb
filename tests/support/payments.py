"""A shop whose orders can be of any small amount, and payment providers that do what a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.domain.model import NewItem, NewOrder, Order, Payment, PaymentMethod
from services.domain.payments import begin_payment
from services.domain.queries import find_order, payments_of_order
from services.domain.tables import inventory, orders, payments, products
from services.payments.desk import settle
from services.payments.provider import Accepted, NoAnswer, Refused
from tests.support.databases import Template
from tests.support.shop import SHOP, create_order

SACHET = "112"
CENTS = Decimal("0.05")
PROVIDER = "scripted"
PROVIDER_SECONDS = 60.0
"""How long after its beginning an attempt is due."""
NO_MONEY, CLOSED = Refused("no money"), Refused("the account is closed")
"""Why a payment, and why a refund, is not made."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _fill(connection: Connection) -> None:
    assert SHOP.fill is not None
    SHOP.fill(connection)
    now = datetime.now(UTC)
    connection.execute(sa.insert(products).values(id=SACHET, name="Sachet", price=CENTS, created_at=now))
    connection.execute(
        sa.insert(inventory).values(id=SACHET, product_id=SACHET, quantity=100_000, reserved=0, version=1)
    )


PAYMENT_SHOP = Template("UTC", _fill)
"""SHOP, and product 112 (0.05, 100,000 pieces): orders of it make every amount of docs/payments.md."""


def order_of(engine: Engine, amount: str = "1.00") -> Order:
    """A PENDING order of this total, a multiple of 0.05."""
    pieces = int(Decimal(amount) / CENTS)
    return create_order(engine, ZoneInfo("UTC"), NewOrder("1", (NewItem(SACHET, pieces),), Decimal(amount)))


def order_by_hand(engine: Engine, status: str = "PENDING") -> str:
    """The id of an order without lines, as a plain INSERT makes one."""
    with engine.begin() as connection:
        connection.execute(
            sa.insert(orders).values(
                id="by-hand",
                user_id="1",
                total_amount=Decimal(1),
                status=status,
                version=1,
                order_date=LONG_AGO.date(),
                created_at=LONG_AGO,
                updated_at=LONG_AGO,
            )
        )
    return "by-hand"


def pay(engine: Engine, order_id: str, method: PaymentMethod = "CARD", accepted: bool = True) -> Payment:
    """Begins an attempt and settles it, as the api does where the provider answers. Raises as ``begin_payment``."""
    attempt = begin_payment(engine, order_id, method, PROVIDER, PROVIDER_SECONDS)
    return settle(engine, attempt, answer_about(attempt, accepted))


def answer_about(attempt: Payment, accepted: bool) -> Accepted | Refused:
    """What a provider says of the attempt, the same whenever it is asked."""
    return Accepted(charge_of(attempt.id)) if accepted else NO_MONEY


def charge_of(payment_id: str) -> str:
    """The name of an attempt's charge."""
    return f"charge of {payment_id}"


def attempts(engine: Engine, order_id: str) -> list[Payment]:
    """Every attempt, oldest first."""
    return payments_of_order(engine, order_id, 1000)[::-1]


def state(engine: Engine, order_id: str) -> Any:
    """The order's row, also of a deleted one."""
    with engine.connect() as connection:
        return connection.execute(sa.select(orders).where(orders.c.id == order_id)).one()


def status_of(engine: Engine, order_id: str) -> str | None:
    """The order's status; None for a deleted one."""
    order = find_order(engine, order_id)
    return None if order is None else order.status


def make_due(engine: Engine) -> None:
    """As if all the time had passed that the sweep waits for, of every attempt that waits for it."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(payments).where(payments.c.next_attempt_at.is_not(None)).values(next_attempt_at=LONG_AGO)
        )


def make_older(engine: Engine, payment_id: str) -> None:
    """As if the attempt had begun, and last changed, years ago."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(payments).where(payments.c.id == payment_id).values(created_at=LONG_AGO, updated_at=LONG_AGO)
        )


def end_earlier(engine: Engine, order_id: str) -> None:
    """As if the order had ended years ago."""
    with engine.begin() as connection:
        connection.execute(sa.update(orders).where(orders.c.id == order_id).values(updated_at=LONG_AGO))


@dataclass
class ScriptedProvider:
    """Answers with what the test puts in: an answer, None for what it does not know, or an exception."""

    answer: Accepted | Refused | Exception = field(default_factory=lambda: Accepted("charge-1"))
    known: Accepted | Refused | Exception | None = None
    refund_answer: Refused | Exception | None = None
    hang: threading.Event | None = None
    charged: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    refunded: list[tuple[str, str]] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    name: str = PROVIDER
    engine: Engine | None = None
    """Where given, how many of its connections are in use whenever the provider is asked goes into ``transactions``."""

    def charge(
        self, payment_id: str, order_id: str, amount: Decimal, method: PaymentMethod, deadline: float
    ) -> Accepted | Refused:
        """What the test says, after ``hang`` is set where there is one: without regard of the deadline."""
        self._asked()
        self.charged.append(payment_id)
        if self.hang is not None:
            self.hang.wait()
        return _said(self.answer)

    def look_up(self, payment_id: str, deadline: float) -> Accepted | Refused | None:
        """What the test says."""
        self._asked()
        self.looked_up.append(payment_id)
        return None if self.known is None else _said(self.known)

    def refund(self, payment_id: str, charge_id: str, amount: Decimal, deadline: float) -> Refused | None:
        """What the test says."""
        self._asked()
        self.refunded.append((payment_id, charge_id))
        return None if self.refund_answer is None else _refused(self.refund_answer)

    def _asked(self) -> None:
        if self.engine is not None:
            self.transactions.append(cast(sa.QueuePool, self.engine.pool).checkedout())

    def close(self) -> None:
        """Lets go whoever hangs."""
        if self.hang is not None:
            self.hang.set()


def _said(what: Accepted | Refused | Exception) -> Accepted | Refused:
    if isinstance(what, Exception):
        raise what
    return what


def _refused(what: Refused | Exception) -> Refused:
    if isinstance(what, Exception):
        raise what
    return what


SILENCE = NoAnswer("nobody there")
