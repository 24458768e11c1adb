"""The envelope and the event types (contracts: state machine's events, and OrderRestated for repairs)."""

from typing import Annotated, Literal

from pydantic import Field

from services.events.order import Identifier, MoneyText, OrderSnapshot, PaymentMethod, PaymentStatus, UtcText, Wire

OrderEventType = Literal[
    "OrderCreated", "OrderCompleted", "OrderCancelled", "OrderRefunded", "OrderDeleted", "OrderRestated"
]
PaymentEventType = Literal["PaymentCompleted", "PaymentFailed", "PaymentRefunded"]
InventoryEventType = Literal["StockReserved", "StockDeducted", "StockReleased", "StockAdjusted"]


class OrderData(Wire):
    """``data`` of Order events."""

    order: OrderSnapshot


class PaymentAttempt(Wire):
    """The payment an event speaks of."""

    id: Identifier
    amount: MoneyText
    status: PaymentStatus
    method: PaymentMethod


class PaymentData(OrderData):
    """``data`` of Payment events: the whole order, and the attempt."""

    payment: PaymentAttempt


class InventoryData(Wire):
    """``data`` of Inventory events: the stock after the transaction, and whose order moved it."""

    product_id: Identifier
    quantity: Annotated[int, Field(ge=0)]
    reserved: Annotated[int, Field(ge=0)]
    order_id: Identifier | None = None


class Envelope(Wire):
    """What every event has. ``version`` is the aggregate's: it only rises, and the highest one wins."""

    event_id: Identifier
    aggregate_id: Identifier
    version: Annotated[int, Field(ge=1, lt=2**63)]
    occurred_at: UtcText


class OrderEvent(Envelope):
    """An event of the aggregate Order; its key is the order's id."""

    event_type: OrderEventType
    aggregate_type: Literal["Order"] = "Order"
    data: OrderData


class PaymentEvent(Envelope):
    """An event of the aggregate Payment; its key is the order's id, its version the order's."""

    event_type: PaymentEventType
    aggregate_type: Literal["Payment"] = "Payment"
    data: PaymentData


class InventoryEvent(Envelope):
    """An event of the aggregate Inventory; its key is the product's id."""

    event_type: InventoryEventType
    aggregate_type: Literal["Inventory"] = "Inventory"
    data: InventoryData


def _values(literal: object) -> tuple[str, ...]:
    return tuple(getattr(literal, "__args__", ()))


AGGREGATE_OF: dict[str, type[OrderEvent] | type[PaymentEvent] | type[InventoryEvent]] = {
    **dict.fromkeys(_values(OrderEventType), OrderEvent),
    **dict.fromkeys(_values(PaymentEventType), PaymentEvent),
    **dict.fromkeys(_values(InventoryEventType), InventoryEvent),
}
EVENT_TYPES = tuple(AGGREGATE_OF)
