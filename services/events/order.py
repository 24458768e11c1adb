"""The whole order as events carry it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

MONEY_LIMIT = Decimal(10) ** 16


def _two_places(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _micros(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


MoneyText = Annotated[
    Decimal,
    Field(ge=0, lt=MONEY_LIMIT, max_digits=18, decimal_places=2),
    PlainSerializer(_two_places, return_type=str, when_used="json"),
]
UtcText = Annotated[AwareDatetime, PlainSerializer(_micros, return_type=str, when_used="json")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]
OrderStatus = Literal["PENDING", "COMPLETED", "CANCELLED", "REFUNDED"]
PaymentStatus = Literal["PENDING", "COMPLETED", "FAILED", "REFUNDED"]
PaymentMethod = Literal["CARD", "BANK_TRANSFER", "WALLET", "CASH"]


class Wire(BaseModel):
    """camelCase on the wire; unknown fields are let pass, so that producers may add some."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class SnapshotItem(Wire):
    """One line of an order; the same product may stand in several lines."""

    product_id: Identifier
    product_name: Annotated[str, StringConstraints(max_length=255)]
    quantity: Annotated[int, Field(ge=1, lt=2**31)]
    price: MoneyText


class OrderSnapshot(Wire):
    """An order's whole state after the transaction that made the event.

    ``order_date`` is the day of creation in the business time zone, computed once by the order's own transaction.
    """

    id: Identifier
    user_id: Identifier
    total_amount: MoneyText
    status: OrderStatus
    shipping_address: str | None = None
    items: Annotated[tuple[SnapshotItem, ...], Field(min_length=1)]
    payment_status: PaymentStatus | None = None
    payment_method: PaymentMethod | None = None
    version: Annotated[int, Field(ge=1, lt=2**63)]
    order_date: date
    created_at: UtcText
    updated_at: UtcText
    deleted_at: UtcText | None = None
