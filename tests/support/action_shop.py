"""A shop in a database, in which actions are done by the production code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.domain.errors import DomainError
from services.domain.imports import ImportedOrder, import_orders
from services.domain.model import NewItem, NewOrder, OrderItem, Payment
from services.domain.orders import cancel_order, delete_order, expire_order
from services.domain.payments import begin_payment, refund_order
from services.domain.repair import restate_order
from services.domain.stock import adjust_quantity, set_quantity
from services.domain.tables import inventory, order_items, orders, outbox, payments, products, users
from services.payments.desk import settle, settle_refund
from tests.support.actions import (
    Action,
    AdjustStock,
    Begin,
    Cancel,
    Create,
    Delete,
    Expire,
    GiveBack,
    Import,
    OnAttempt,
    OnOrder,
    Pay,
    Refund,
    Restate,
    SetStock,
    Settle,
)
from tests.support.database_clock import DatabaseClock
from tests.support.payments import CLOSED, PROVIDER, PROVIDER_SECONDS, answer_about, attempts, pay
from tests.support.shop import create_order


@dataclass(frozen=True)
class Article:
    """A product of the test's shop, with its stock at the beginning."""

    name: str
    price: Decimal
    stock: int


ARTICLES = {
    "101": Article("Machine", Decimal("25000.00"), 1000),
    "102": Article("Cup", Decimal("19.99"), 4),
    "103": Article("Sample", Decimal("0.00"), 50),
    "104": Article("Cent", Decimal("0.01"), 500),
}
USERS = ("1", "2", "3")


@dataclass
class ActionShop:
    """A migrated database in which actions are done at times of their own."""

    engine: Engine
    zone: ZoneInfo
    clock: DatabaseClock
    order_ids: list[str] = field(default_factory=list)
    expired: set[str] = field(default_factory=set)
    """Orders that were cancelled because they were not paid: no event tells that from a client's wish."""
    given_back: set[str] = field(default_factory=set)
    """Attempts whose money the provider has given back: no event tells that at all."""

    def reset(self) -> None:
        """The beginning: the catalogue, and nothing ever ordered."""
        self.order_ids.clear()
        self.expired.clear()
        self.given_back.clear()
        write(self.engine, _refill)

    def do(self, action: Action) -> str:
        """Does it. Answers "done", "nothing" where there was nothing to do, or the name of the domain's refusal."""
        self.clock.moment = action.at
        try:
            return self._do(action)
        except DomainError as refusal:
            return type(refusal).__name__

    def _do(self, action: Action) -> str:
        match action:
            case Create():
                self.order_ids.append(create_order(self.engine, self.zone, _new_order(action)).id)
            case Import():
                return self._import(action)
            case SetStock(product=product, quantity=quantity):
                set_quantity(self.engine, product, quantity)
            case AdjustStock(product=product, by=by):
                adjust_quantity(self.engine, product, by)
            case _ if self.order_ids:
                return (
                    "done" if self.on_order(action, self.order_ids[action.order % len(self.order_ids)]) else "nothing"
                )
            case _:
                return "nothing"
        return "done"

    def on_order(self, action: OnOrder, order_id: str) -> bool:
        """Does it to this order; the clock stays. False where the domain says that there was nothing to do."""
        match action:
            case Pay(accepted=accepted, method=method):
                pay(self.engine, order_id, method, accepted)
            case Begin(method=method):
                begin_payment(self.engine, order_id, method, PROVIDER, PROVIDER_SECONDS)
            case Settle() | GiveBack():
                return self._on_attempt(action, attempts(self.engine, order_id))
            case Cancel():
                cancel_order(self.engine, order_id)
            case Expire(at=at, age=age):
                done = expire_order(self.engine, order_id, at - timedelta(seconds=age))
                self.expired |= {order_id} if done else set()
                return done
            case Refund(restock=restock):
                refund_order(self.engine, order_id, restock)
            case Delete():
                return delete_order(self.engine, order_id)
            case Restate(at_least=at_least):
                restate_order(self.engine, order_id, at_least)
        return True

    def _on_attempt(self, action: OnAttempt, of_order: Sequence[Payment]) -> bool:
        """False where that changed nothing of the attempt."""
        if not of_order:
            return False
        attempt = of_order[action.attempt % len(of_order)]
        if isinstance(action, Settle):
            return settle(self.engine, attempt, answer_about(attempt, action.accepted)) != attempt
        if not attempt.refund_pending:
            return False
        settle_refund(self.engine, attempt, None if action.done else CLOSED)
        if action.done:
            self.given_back.add(attempt.id)
        return True

    def _import(self, action: Import) -> str:
        items = tuple(OrderItem(product, action.name, quantity, action.price) for product, quantity in action.lines)
        order_id = str(UUID(int=len(self.order_ids) + 1))
        day = action.at.astimezone(self.zone).date()
        import_orders(self.engine, self.zone, [ImportedOrder(order_id, action.user, day, items)])
        self.order_ids.append(order_id)
        return "done"


def _new_order(action: Create) -> NewOrder:
    def price(product: str) -> Decimal | None:
        return None if action.price_off is None else ARTICLES[product].price + action.price_off

    total = sum((ARTICLES[product].price * n for product, n in action.lines if product in ARTICLES), Decimal(0))
    return NewOrder(
        action.user,
        tuple(NewItem(product, quantity, price(product)) for product, quantity in action.lines),
        None if action.total_off is None else total + action.total_off,
    )


def _refill(connection: Connection) -> None:
    for table in (outbox, payments, order_items, orders, inventory, products, users):
        connection.execute(sa.delete(table))
    past = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    people: list[dict[str, Any]] = [
        {"id": user, "email": f"{user}@example.com", "name": user, "created_at": past} for user in USERS
    ]
    connection.execute(sa.insert(users), people)
    for product, article in ARTICLES.items():
        connection.execute(
            sa.insert(products).values(id=product, name=article.name, price=article.price, created_at=past)
        )
        connection.execute(
            sa.insert(inventory).values(id=product, product_id=product, quantity=article.stock, reserved=0, version=1)
        )
