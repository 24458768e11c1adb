"""What the domain speaks of. Money is Decimal with two places, times are aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

OrderStatus = Literal["PENDING", "COMPLETED", "CANCELLED", "REFUNDED"]
PaymentStatus = Literal["PENDING", "COMPLETED", "FAILED", "REFUNDED"]
PaymentMethod = Literal["CARD", "BANK_TRANSFER", "WALLET", "CASH"]


@dataclass(frozen=True)
class User:
    """A customer."""

    id: str
    email: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Product:
    """What is sold, and for how much a piece."""

    id: str
    name: str
    price: Decimal
    created_at: datetime


@dataclass(frozen=True)
class Inventory:
    """Pieces of a product: ``quantity`` in the house, ``reserved`` of them for unpaid orders."""

    product_id: str
    quantity: int
    reserved: int
    version: int

    @property
    def available(self) -> int:
        """What a new order can have."""
        return self.quantity - self.reserved


@dataclass(frozen=True)
class OrderItem:
    """One line; name and price are those of the moment of ordering."""

    product_id: str
    product_name: str
    quantity: int
    price: Decimal


@dataclass(frozen=True)
class Order:
    """An order's whole state at ``version``."""

    id: str
    user_id: str
    total_amount: Decimal
    status: OrderStatus
    shipping_address: str | None
    items: tuple[OrderItem, ...]
    payment_status: PaymentStatus | None
    payment_method: PaymentMethod | None
    version: int
    order_date: date
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    def pieces(self) -> dict[str, int]:
        """Pieces by product, in product-id order, lines of the same product added up."""
        totals: dict[str, int] = {}
        for item in self.items:
            totals[item.product_id] = totals.get(item.product_id, 0) + item.quantity
        return dict(sorted(totals.items()))


@dataclass(frozen=True)
class Payment:
    """One attempt to pay an order. Its ``id`` is the key under which the provider is asked, however often."""

    id: str
    order_id: str
    amount: Decimal
    status: PaymentStatus
    method: PaymentMethod
    provider: str | None
    charge_id: str | None
    failure: str | None
    tries: int
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def refund_pending(self) -> bool:
        """Whether it was decided to give the money back and the provider has not said yet that it is done."""
        return self.status == "REFUNDED" and self.due_at is not None


@dataclass(frozen=True)
class NewItem:
    """A line as asked for; a price, where given, must be the catalogue's."""

    product_id: str
    quantity: int
    price: Decimal | None = None


@dataclass(frozen=True)
class NewOrder:
    """An order as asked for; a total, where given, must be what the items add up to."""

    user_id: str
    items: tuple[NewItem, ...]
    total_amount: Decimal | None = None
    shipping_address: str | None = None
