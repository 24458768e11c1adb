"""The committed JSON Schemas are the models', and real events satisfy them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import jsonschema
import pytest

from services.events import EVENT_TYPES
from services.events.json_schema import schema_text
from services.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "schemas" / "events"


def test_there_is_one_file_for_every_type_and_no_other() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.json")) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_file_is_what_the_model_says(event_type: str) -> None:
    assert (FOLDER / f"{event_type}.json").read_text() == schema_text(event_type), (
        "run `python -m services.events.json_schema`, and see that the change is backward compatible"
    )


def test_an_event_of_the_domain_satisfies_its_schema_and_a_damaged_one_does_not() -> None:
    from services.domain.model import Order, OrderItem
    from services.domain.outbox import order_event

    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    order = Order(
        id="o-1",
        user_id="1",
        total_amount=Decimal("50000.00"),
        status="PENDING",
        shipping_address=None,
        items=(OrderItem("101", "Espresso machine", 2, Decimal("25000.00")),),
        payment_status=None,
        payment_method=None,
        version=1,
        order_date=date(2026, 3, 1),
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )
    schema = json.loads((FOLDER / "OrderCreated.json").read_text())
    event = json.loads(order_event("OrderCreated", order).model_dump_json(by_alias=True))
    jsonschema.validate(event, schema)
    assert event["data"]["order"]["totalAmount"] == "50000.00"
    assert event["occurredAt"] == "2026-03-01T12:00:00.000000Z"
    event["data"]["order"]["totalAmount"] = 50000
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event, schema)
