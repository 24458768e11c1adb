"""From an event's bytes to its model, and from a type's name to its JSON Schema."""

from typing import Any, Literal, cast

from pydantic import ValidationError, create_model

from services.events.envelope import AGGREGATE_OF, InventoryEvent, OrderEvent, PaymentEvent

Event = OrderEvent | PaymentEvent | InventoryEvent


class NotAnEvent(ValueError):
    """The bytes are no event this consumer can use; the message says why and is kept with the dead letter."""


def event_model(event_type: str) -> type[Event]:
    """The model of one event type, its ``eventType`` narrowed to that name. Raises KeyError for an unknown one."""
    base = AGGREGATE_OF[event_type]
    narrowed: Any = Literal[event_type]
    model: Any = create_model(event_type, __base__=base, __doc__=base.__doc__, event_type=(narrowed, ...))
    return cast("type[Event]", model)


def parse_order_event(value: bytes | None) -> OrderEvent | PaymentEvent:
    """An event of order.events or payment.events. Raises NotAnEvent with the first few faults named."""
    if value is None:
        raise NotAnEvent("the message has no value")
    try:
        return OrderEvent.model_validate_json(value)
    except ValidationError as not_order:
        try:
            return PaymentEvent.model_validate_json(value)
        except ValidationError as not_payment:
            payment = b'"Payment"' in value[:400]
            raise NotAnEvent(_reasons(not_payment if payment else not_order)) from None


def _reasons(invalid: ValidationError) -> str:
    faults = [f"{'.'.join(str(part) for part in e['loc']) or 'value'}: {e['msg']}" for e in invalid.errors()[:4]]
    more = invalid.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")
