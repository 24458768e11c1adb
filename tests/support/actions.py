"""What clients of the shop do, as values that can be drawn, printed and done."""

from __future__ import annotations

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
from services.domain.model import NewItem, NewOrder, OrderItem, PaymentMethod
from services.domain.orders import cancel_order, delete_order, expire_order
from services.domain.payments import accept_payment, refund_order, refuse_payment
from services.domain.placing import create_order
from services.domain.repair import restate_order
from services.domain.stock import adjust_quantity, set_quantity
from services.domain.tables import inventory, order_items, orders, outbox, payments, products, users
from tests.support.database_clock import DatabaseClock

Lines = tuple[tuple[str, int], ...]
"""Product and quantity of each line; the same product may come twice."""


@dataclass(frozen=True)
class Create:
    """A client orders, saying a price or total that is off by so much where it says any."""

    at: datetime
    user: str
    lines: Lines
    price_off: Decimal | None = None
    total_off: Decimal | None = None


@dataclass(frozen=True)
class Import:
    """An order placed and paid elsewhere, under names and prices of its own."""

    at: datetime
    user: str
    lines: Lines
    name: str = "Imported"
    price: Decimal = Decimal("0.05")


@dataclass(frozen=True)
class Pay:
    """The provider answers about the order with this number (modulo the orders there are)."""

    at: datetime
    order: int
    accepted: bool = True
    method: PaymentMethod = "CARD"


@dataclass(frozen=True)
class Cancel:
    """The client cancels."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Expire:
    """The order is cancelled if it is unpaid and older than ``age`` seconds."""

    at: datetime
    order: int
    age: int = 0


@dataclass(frozen=True)
class Refund:
    """An administrator refunds."""

    at: datetime
    order: int
    restock: bool = False


@dataclass(frozen=True)
class Delete:
    """An administrator deletes."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Restate:
    """A repair says the order's state anew, with a version above this."""

    at: datetime
    order: int
    at_least: int = 0


@dataclass(frozen=True)
class SetStock:
    """An administrator sets what is in the house."""

    at: datetime
    product: str
    quantity: int


@dataclass(frozen=True)
class AdjustStock:
    """An administrator adds or takes pieces."""

    at: datetime
    product: str
    by: int


OnOrder = Pay | Cancel | Expire | Refund | Delete | Restate
Action = Create | Import | OnOrder | SetStock | AdjustStock


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

    def reset(self) -> None:
        """The beginning: the catalogue, and nothing ever ordered."""
        self.order_ids.clear()
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
            case Pay(accepted=True, method=method):
                accept_payment(self.engine, order_id, method)
            case Pay(method=method):
                refuse_payment(self.engine, order_id, method)
            case Cancel():
                cancel_order(self.engine, order_id)
            case Expire(at=at, age=age):
                return expire_order(self.engine, order_id, at - timedelta(seconds=age))
            case Refund(restock=restock):
                refund_order(self.engine, order_id, restock)
            case Delete():
                return delete_order(self.engine, order_id)
            case Restate(at_least=at_least):
                restate_order(self.engine, order_id, at_least)
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
