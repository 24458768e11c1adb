"""The domain does what the state machine in plain Python does: answers, events, rows, stock."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.domain.tables import inventory, orders, outbox, payments
from tests.property.strategies import MOMENTS, changes, creations, imports, moments, stock_changes
from tests.support.actions import Action, ActionShop, AdjustStock, Cancel, Create, Delete, Pay, Refund
from tests.support.model import stored_orders
from tests.support.state_machine import ModelOrder, ModelShop, Stock, Told, order_json

_AT = MOMENTS[1]
_CUPS = (("102", 2), ("102", 2))
_refused = st.builds(
    Create,
    at=moments,
    user=st.sampled_from(["1", "nobody"]),
    lines=st.sampled_from([(("101", 1),), (("102", 5),), (("102", 2), ("102", 3)), (("101", 1), ("ghost", 1))]),
    price_off=st.none(),
    total_off=st.sampled_from([None, 0, 1]),
)
_actions = st.lists(st.one_of(creations, imports, changes, changes, stock_changes, _refused), min_size=1, max_size=15)


@settings(max_examples=300)
@given(actions=_actions)
@example(actions=[Create(_AT, "1", _CUPS), Create(_AT, "2", (("102", 1),)), Cancel(_AT, 0), Create(_AT, "2", _CUPS)])
@example(actions=[Create(_AT, "1", _CUPS), Delete(_AT, 0), Delete(_AT, 0), Pay(_AT, 0), Refund(_AT, 0)])
@example(actions=[Create(_AT, "1", _CUPS), Pay(_AT, 0, accepted=False), Pay(_AT, 0), Refund(_AT, 0, restock=True)])
@example(actions=[Create(_AT, "1", _CUPS), AdjustStock(_AT, "102", -1), AdjustStock(_AT, "102", -5)])
@example(actions=[Create(MOMENTS[5], "1", _CUPS), Pay(_AT, 0), Refund(_AT, 0)])
def test_the_domain_is_the_state_machine(shop: ActionShop, actions: list[Action]) -> None:
    shop.reset()
    model = ModelShop(shop.zone)
    seen = 0
    for action in actions:
        expected = model.do(action)
        assert shop.do(action) == expected.answer, action
        told = _outbox(shop, seen)
        seen = max((row.id for row in told), default=seen)
        assert sorted(map(_event, told), key=str) == sorted(
            (_expected_event(event, shop) for event in expected.events), key=str
        ), action
    _same_state(shop, model)


def _outbox(shop: ActionShop, after: int) -> list[Any]:
    with shop.engine.connect() as connection:
        return list(connection.execute(sa.select(outbox).where(outbox.c.id > after).order_by(outbox.c.id)))


def _event(row: Any) -> dict[str, Any]:
    """What is to be compared of an outbox row; the envelope must agree with the columns."""
    payload = json.loads(row.payload)
    assert (payload["eventType"], payload["aggregateType"]) == (row.event_type, row.aggregate_type)
    assert (payload["aggregateId"], payload["eventId"]) == (row.aggregate_id, row.event_id)
    assert row.topic == f"{row.aggregate_type.lower()}.events"
    data = payload["data"]
    about = data["order"] if "order" in data else {key: data[key] for key in ("productId", "quantity", "reserved")}
    return {"type": row.event_type, "topic": row.topic, "version": payload["version"], "about": about}


def _expected_event(told: Told, shop: ActionShop) -> dict[str, Any]:
    if isinstance(told.state, Stock):
        topic = "inventory.events"
        about = {"productId": told.about, "quantity": told.state.quantity, "reserved": told.state.reserved}
    else:
        topic = "payment.events" if told.event_type.startswith("Payment") else "order.events"
        about = order_json(told.state, shop.order_ids[told.state.number])
    return {"type": told.event_type, "topic": topic, "version": told.version, "about": about}


def _same_state(shop: ActionShop, model: ModelShop) -> None:
    with shop.engine.connect() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(orders))}
        stock = connection.execute(sa.select(inventory)).all()
        paid = connection.execute(sa.select(payments).order_by(payments.c.id)).all()
    lines = {order.order_id: order for order in stored_orders(shop.engine)}
    assert len(rows) == len(model.orders)
    for order in model.orders:
        order_id = shop.order_ids[order.number]
        assert _columns(rows[order_id]) == _expected_columns(order)
        assert [
            (item.product_id, item.product_name, item.quantity, item.price) for item in lines[order_id].items
        ] == list(order.lines)
    assert {row.product_id: Stock(row.quantity, row.reserved, row.version) for row in stock} == model.stock
    assert all(0 <= row.reserved <= row.quantity for row in stock)
    numbers = {order_id: number for number, order_id in enumerate(shop.order_ids)}
    assert sorted((numbers[row.order_id], row.status, row.method) for row in paid) == sorted(model.attempts)
    assert all(row.amount == model.orders[numbers[row.order_id]].total for row in paid)


def _columns(row: Any) -> tuple[object, ...]:
    return (
        *(row.user_id, row.total_amount, row.status, row.payment_status, row.payment_method, row.version),
        *(row.order_date, row.created_at, row.updated_at, row.deleted_at),
    )


def _expected_columns(order: ModelOrder) -> tuple[object, ...]:
    return (
        *(order.user, order.total, order.status, order.payment_status, order.payment_method, order.version),
        *(order.day, order.created_at, order.updated_at, order.deleted_at),
    )
