"""What the state machine in plain Python speaks of: orders, attempts to pay, stock, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

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
class ModelAttempt:
    """An attempt to pay as it must be, known by its number among its order's; due until it, or its refund, is made."""

    number: int
    method: str
    status: str = "PENDING"
    charged: bool = False
    due_at: datetime | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Stock:
    """A product's pieces."""

    quantity: int
    reserved: int = 0
    version: int = 1


@dataclass(frozen=True)
class Told:
    """An event that must be in the outbox: of an order (by number), perhaps of its payment, or of a product."""

    event_type: str
    about: int | str
    version: int
    state: ModelOrder | Stock
    attempt: ModelAttempt | None = None


@dataclass(frozen=True)
class Outcome:
    """What an action must answer, and the events it must leave, in any order."""

    answer: str
    events: tuple[Told, ...] = ()


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
