"""The forms of the answers, as they are described. What answers builds its dicts itself (services.api.answers, the
ClickHouse views), which is faster; tests hold each answer to its model here."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from services.domain.model import OrderStatus, PaymentMethod, PaymentStatus

Amount = Annotated[Decimal, WithJsonSchema({"type": "number", "multipleOf": 0.01, "examples": [25000.00]})]
"""Money, with its two decimal places: 25000.00."""
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Count = Annotated[int, Field(ge=0)]


def _open(schema: dict[str, Any]) -> None:
    """A later version may add a field, which clients have to bear; in this one there is none that is not described."""
    schema.pop("additionalProperties", None)


class Answer(BaseModel):
    """camelCase names, as the order API has them."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", json_schema_extra=_open)


class Row(BaseModel):
    """snake_case names, as the analytics have them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_open)


class OrderLine(Answer):
    """A line of an order; name and price are those of the moment of ordering."""

    product_id: str
    product_name: str
    quantity: Annotated[int, Field(ge=1)]
    price: Amount


class OrderAnswer(Answer):
    """An order; orderId repeats id. The version goes up with every change."""

    id: str
    order_id: str
    user_id: str
    total_amount: Amount
    status: OrderStatus
    shipping_address: str | None
    items: list[OrderLine]
    payment_status: PaymentStatus | None
    payment_method: PaymentMethod | None
    version: Annotated[int, Field(ge=1)]
    created_at: Instant
    updated_at: Instant


class PaymentAnswer(Answer):
    """An attempt to pay an order; of one order at most one is COMPLETED."""

    id: str
    order_id: str
    amount: Amount
    method: PaymentMethod
    status: PaymentStatus
    failure: Annotated[
        str | None, Field(description="why it failed, or why the money is not given back yet, in the provider's words")
    ]
    refund_pending: Annotated[bool, Field(description="given back by decision, not confirmed by the provider yet")]
    created_at: Instant
    updated_at: Instant


class StockAnswer(Answer):
    """A product's pieces: in the house, reserved for unpaid orders, and free. The version goes up with every change."""

    product_id: str
    quantity: Count
    reserved: Count
    available: Count
    version: Annotated[int, Field(ge=1)]


class ProductAnswer(Answer):
    """A product of the catalogue."""

    id: str
    name: str
    price: Amount
    created_at: Instant


class UserAnswer(Answer):
    """A customer."""

    id: str
    email: str
    name: str
    created_at: Instant


class _Page(Answer):
    next_cursor: Annotated[str | None, Field(description="the parameter cursor of the next page; null on the last one")]


class OrderPage(_Page):
    """A page of orders, newest first."""

    items: list[OrderAnswer]


class PaymentPage(_Page):
    """A page of attempts to pay, newest first."""

    items: list[PaymentAnswer]


class ProductPage(_Page):
    """A page of products, by id."""

    items: list[ProductAnswer]


class UserPage(_Page):
    """A page of customers, by id."""

    items: list[UserAnswer]


class DailySales(Row):
    """A day's orders that count as sales: neither deleted nor CANCELLED nor REFUNDED."""

    order_date: date
    order_count: Count
    total_revenue: Amount
    avg_order_value: Amount
    unique_customers: Count


class HourlySales(Row):
    """An hour's; order_hour is its beginning, with the business time zone's offset."""

    order_hour: Instant
    order_count: Count
    total_revenue: Amount
    avg_order_value: Amount


class DayOfStatus(Row):
    """Orders of a day in one status, those that are not deleted."""

    order_date: date
    status: OrderStatus
    order_count: Count
    total_amount: Amount


class RankedProduct(Row):
    """A product's sales; order_count is the number of orders it is in."""

    product_id: str
    product_name: str
    quantity: Count
    total_revenue: Amount
    order_count: Count


class Figures(Row):
    """Key figures of the orders that count as sales."""

    total_orders: Count
    total_revenue: Amount
    avg_order_value: Amount
    unique_customers: Count


class AnalyticsHealth(Row):
    """Whether the analytics can be read."""

    status: Literal["ok", "unavailable"]
    clickhouse: Literal["up", "down"]


class Liveness(Row):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Row):
    """Orders can be taken."""

    status: Literal["ready"]


class Fault(Answer):
    """What is wrong with one field, parameter or header of the request."""

    field: Annotated[str, Field(description="its path in the request: items[0].price")]
    message: str


class ProblemAnswer(Answer):
    """A failure, after RFC 9457."""

    type: Annotated[str, Field(description="a stable URI reference that leads to an explanation: /problems/validation")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    request_id: Annotated[str, Field(description="finds the request in the API's log")]
    errors: Annotated[list[Fault], Field(description="the faulty fields, where there are such")] = []
