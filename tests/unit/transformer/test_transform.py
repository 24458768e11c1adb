"""Events to rows: equal rows once, what makes no row to the dead letters, never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transformer.transform import transform
from tests.support.events import encoded, event
from tests.support.kafka_fakes import message


def test_an_event_becomes_a_row_of_the_contract_keyed_by_its_order() -> None:
    (row,) = transform([message(encoded(event()), headers=[("traceparent", b"00-a-b-01"), ("eventId", b"e")])]).rows
    assert (row.topic, row.key, row.headers) == ("orders_analytics", b"o1", [("traceparent", b"00-a-b-01")])
    assert json.loads(row.value or b"") == {
        "order_id": "o1",
        "user_id": "1",
        "order_date": "2026-01-31",
        "created_at": "2026-01-31 10:00:00.000001",
        "total_amount": "50000.00",
        "items_count": 1,
        "status": "PENDING",
        "payment_method": "",
        "payment_status": "",
        "items.product_id": ["101"],
        "items.product_name": ["Machine"],
        "items.quantity": [2],
        "items.price": ["25000.00"],
        "event_type": "CREATED",
        "deleted_at": None,
        "is_deleted": 0,
        "version": 1,
        "occurred_at": "2026-01-31 10:00:00.000001",
    }


def test_the_two_events_of_one_transaction_make_one_row() -> None:
    batch = [message(encoded(event(kind=kind, version=2, status="COMPLETED"))) for kind in ("Order", "Payment")]
    result = transform(batch)
    assert len(result.rows) == len(result.sources) == 1
    assert not result.letters


def test_versions_of_an_order_stay_apart_and_in_order() -> None:
    rows = transform([message(encoded(event(version=version))) for version in (1, 2, 3)]).rows
    assert [json.loads(row.value or b"")["version"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"not json", "Invalid JSON"),
        (b'{"orderId": "1", "userId": "1", "totalAmount": 1, "status": "PENDING"}', "Field required"),
        (encoded(event(totalAmount="49999.00")), "add up"),
        (encoded(event(orderDate="2026-02-30")), "orderDate"),
        (encoded(event(orderDate="1969-12-31")), "order_date"),
        (encoded(event(userId="\ud800")), ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_makes_no_row_is_a_dead_letter_with_the_reason(value: bytes | None, reason: str) -> None:
    poison = message(value, offset=7)
    result = transform([poison, message(encoded(event()))])
    assert len(result.rows) == 1
    (letter,) = result.letters
    assert letter.message is poison
    assert reason in letter.reason
    assert "\n" not in letter.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["id", "totalAmount", "items", "version", "createdAt", "deletedAt", "status", "orderDate"]),
    json_values,
)
def test_no_damage_to_an_order_stops_the_transformer(field: str, damage: Any) -> None:
    result = transform([message(encoded(event(**{field: damage})))])
    assert len(result.rows) + len(result.letters) == 1


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_transformer(value: bytes) -> None:
    assert len(transform([message(value)]).letters) == 1
