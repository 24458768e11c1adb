"""The order state machine in plain Python: what every action must lead to, and the events that must tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.actions import (
    ARTICLES,
    USERS,
    Action,
    AdjustStock,
    Cancel,
    Create,
    Delete,
    Expire,
    Import,
    OnOrder,
    Pay,
    Refund,
    Restate,
    SetStock,
)

Line = tuple[str, str, int, Decimal]
"""Product, its name at the time, pieces, price of one."""


@dataclass(frozen=True)
class ModelOrder:
    """An order as it must be; orders are known by their number."""

    number: int
    user: str
    lines: tuple[Line, ...]
    day: date
    created_at: datetime
    updated_at: datetime
    status: str = "PENDING"
    payment_status: str | None = None
    payment_method: str | None = None
    version: int = 1
    deleted_at: datetime | None = None

    @property
    def total(self) -> Decimal:
        return sum((price * quantity for _, _, quantity, price in self.lines), Decimal("0.00"))

    @property
    def pieces(self) -> dict[str, int]:
        """By product, lines of the same product added up."""
        totals: dict[str, int] = {}
        for product, _, quantity, _ in self.lines:
            totals[product] = totals.get(product, 0) + quantity
        return totals


@dataclass(frozen=True)
class Stock:
    """A product's pieces."""

    quantity: int
    reserved: int = 0
    version: int = 1


@dataclass(frozen=True)
class Told:
    """An event that must be in the outbox: of an order (by number) or of a product."""

    event_type: str
    about: int | str
    version: int
    state: ModelOrder | Stock


@dataclass(frozen=True)
class Outcome:
    """What an action must answer, and the events it must leave, in any order."""

    answer: str
    events: tuple[Told, ...] = ()


@dataclass
class ModelShop:
    """The whole shop."""

    zone: ZoneInfo
    orders: list[ModelOrder] = field(default_factory=list)
    stock: dict[str, Stock] = field(default_factory=lambda: {p: Stock(a.stock) for p, a in ARTICLES.items()})
    attempts: list[tuple[int, str, str]] = field(default_factory=list)
    """Payments: order number, status, method."""

    def do(self, action: Action) -> Outcome:
        """Does it."""
        match action:
            case Create():
                return self._create(action)
            case Import():
                return self._import(action)
            case SetStock(product=product, quantity=quantity):
                return self._set_stock(product, quantity)
            case AdjustStock(product=product, by=by):
                return self._set_stock(product, self.stock[product].quantity + by)
            case _ if not self.orders:
                return Outcome("nothing")
            case _:
                return self._on_order(action, self.orders[action.order % len(self.orders)])

    def _create(self, action: Create) -> Outcome:
        if action.user not in USERS:
            return Outcome("NotFound")
        if any(product not in ARTICLES for product, _ in action.lines) or action.price_off or action.total_off:
            return Outcome("Invalid")
        lines = tuple((p, ARTICLES[p].name, quantity, ARTICLES[p].price) for p, quantity in action.lines)
        order = ModelOrder(
            len(self.orders), action.user, lines, action.at.astimezone(self.zone).date(), action.at, action.at
        )
        free = {product: self.stock[product].quantity - self.stock[product].reserved for product in order.pieces}
        if any(free[product] < wanted for product, wanted in order.pieces.items()):
            return Outcome("InsufficientStock")
        self.orders.append(order)
        return self._told("OrderCreated", order, self._move(order, "StockReserved", reserved=1))

    def _import(self, action: Import) -> Outcome:
        lines = tuple((product, action.name, quantity, action.price) for product, quantity in action.lines)
        day = action.at.astimezone(self.zone).date()
        noon = datetime.combine(day, time(12), self.zone).astimezone(UTC)
        order = ModelOrder(
            len(self.orders), action.user, lines, day, noon, action.at, "COMPLETED", "COMPLETED", payment_method="CARD"
        )
        self.orders.append(order)
        self.attempts.append((order.number, "COMPLETED", "CARD"))
        return self._told("OrderCompleted", order)

    def _on_order(self, action: OnOrder, order: ModelOrder) -> Outcome:
        now = max(action.at, order.updated_at)
        deleted, pending = order.deleted_at is not None, order.status == "PENDING"
        match action:
            case Restate(at_least=at_least):
                version = max(order.version, at_least) + 1
                return self._told("OrderRestated", self._become(replace(order, version=version, updated_at=now)))
            case Delete():
                return Outcome("nothing") if deleted else self._delete(order, now)
            case Expire(age=age):
                due = pending and not deleted and order.created_at < action.at - timedelta(seconds=age)
                return self._cancel(order, now) if due else Outcome("nothing")
            case _ if deleted:
                return Outcome("NotFound")
            case Cancel():
                return self._cancel(order, now) if pending else Outcome("Conflict")
            case Pay():
                return self._pay(order, action, now) if pending else Outcome("Conflict")
            case Refund(restock=restock):
                return self._refund(order, restock, now) if order.status == "COMPLETED" else Outcome("Conflict")

    def _pay(self, order: ModelOrder, action: Pay, now: datetime) -> Outcome:
        answer = "COMPLETED" if action.accepted else "FAILED"
        self.attempts.append((order.number, answer, action.method))
        order = replace(order, payment_status=answer, payment_method=action.method)
        if not action.accepted:
            return self._told("PaymentFailed", self._next(order, now))
        order = self._next(replace(order, status="COMPLETED"), now)
        moved = self._move(order, "StockDeducted", quantity=-1, reserved=-1)
        return self._told("OrderCompleted", order, self._told("PaymentCompleted", order, moved).events)

    def _cancel(self, order: ModelOrder, now: datetime) -> Outcome:
        order = self._next(replace(order, status="CANCELLED"), now)
        return self._told("OrderCancelled", order, self._move(order, "StockReleased", reserved=-1))

    def _delete(self, order: ModelOrder, now: datetime) -> Outcome:
        order = self._next(replace(order, deleted_at=now), now)
        moved = self._move(order, "StockReleased", reserved=-1) if order.status == "PENDING" else ()
        return self._told("OrderDeleted", order, moved)

    def _refund(self, order: ModelOrder, restock: bool, now: datetime) -> Outcome:
        order = self._next(replace(order, status="REFUNDED", payment_status="REFUNDED"), now)
        self.attempts = [
            (number, "REFUNDED" if number == order.number and status == "COMPLETED" else status, method)
            for number, status, method in self.attempts
        ]
        moved = self._move(order, "StockAdjusted", quantity=1) if restock else ()
        return self._told("OrderRefunded", order, self._told("PaymentRefunded", order, moved).events)

    def _set_stock(self, product: str, quantity: int) -> Outcome:
        before = self.stock[product]
        if quantity < 0:
            return Outcome("Invalid")
        if quantity < before.reserved:
            return Outcome("Conflict")
        after = self.stock[product] = replace(before, quantity=quantity, version=before.version + 1)
        return Outcome("done", (Told("StockAdjusted", product, after.version, after),))

    def _next(self, order: ModelOrder, now: datetime) -> ModelOrder:
        return self._become(replace(order, version=order.version + 1, updated_at=now))

    def _become(self, order: ModelOrder) -> ModelOrder:
        self.orders[order.number] = order
        return order

    def _move(self, order: ModelOrder, event_type: str, quantity: int = 0, reserved: int = 0) -> tuple[Told, ...]:
        told = []
        for product, pieces in order.pieces.items():
            if product in self.stock:  # an imported order may name what was never stocked
                before = self.stock[product]
                after = Stock(
                    before.quantity + quantity * pieces, before.reserved + reserved * pieces, before.version + 1
                )
                self.stock[product] = after
                told.append(Told(event_type, product, after.version, after))
        return tuple(told)

    @staticmethod
    def _told(event_type: str, order: ModelOrder, others: tuple[Told, ...] = ()) -> Outcome:
        return Outcome("done", (Told(event_type, order.number, order.version, order), *others))


def order_json(order: ModelOrder, order_id: str) -> dict[str, Any]:
    """``data.order`` of an event about the order in this state."""
    return {
        "id": order_id,
        "userId": order.user,
        "totalAmount": f"{order.total:.2f}",
        "status": order.status,
        "shippingAddress": None,
        "items": [
            {"productId": product, "productName": name, "quantity": quantity, "price": f"{price:.2f}"}
            for product, name, quantity, price in order.lines
        ],
        "paymentStatus": order.payment_status,
        "paymentMethod": order.payment_method,
        "version": order.version,
        "orderDate": order.day.isoformat(),
        "createdAt": _text(order.created_at),
        "updatedAt": _text(order.updated_at),
        "deletedAt": order.deleted_at and _text(order.deleted_at),
    }


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
