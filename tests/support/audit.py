"""Holds a shop's tables and outbox to the state machine in plain Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from services.domain.tables import inventory, orders, outbox, payments
from tests.support.actions import Action, ActionShop, Cancel, Create, Delete, Pay, Refund, Restate
from tests.support.model import stored_orders
from tests.support.state_machine import ModelOrder, ModelShop, Stock, Told, order_json

_FOLLOWING = ("OrderCompleted", "OrderRefunded", "StockReserved", "StockDeducted", "StockReleased")
"""Types that come after another event of their transaction."""


def check_history(shop: ActionShop) -> None:
    """Raises AssertionError unless the outbox, read in its order, is a history of the state machine that ends in the
    tables' state: every transaction allowed where it stands, told by exactly its events, each with the whole state.
    """
    rows = outbox_after(shop, 0)
    shop.order_ids[:] = [row.aggregate_id for row in rows if row.event_type == "OrderCreated"]
    model = ModelShop(shop.zone)
    for transaction in _transactions(rows):
        expected = model.do(_action(shop, transaction))
        happened = [row.event_type for row in transaction]
        assert expected.answer == "done", f"{happened} of {transaction[0].aggregate_id}: {expected.answer}"
        check_events(shop, transaction, expected.events)
    check_state(shop, model)


def _transactions(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Rows of one transaction stand together: writers come one after the other."""
    together: list[Any] = []
    for row in rows:
        if together and not _follows(row):
            yield together
            together = []
        together.append(row)
    if together:
        yield together


def _follows(row: Any) -> bool:
    restocked = row.event_type == "StockAdjusted" and json.loads(row.payload)["data"]["orderId"] is not None
    return restocked or row.event_type in _FOLLOWING


def _action(shop: ActionShop, transaction: Sequence[Any]) -> Action:
    """What a client did, from what was told of it."""
    first, at = transaction[0], shop.clock.moment
    state, number = json.loads(first.payload)["data"]["order"], shop.order_ids.index(first.aggregate_id)
    match first.event_type:
        case "OrderCreated":
            return Create(at, state["userId"], tuple((item["productId"], item["quantity"]) for item in state["items"]))
        case "PaymentCompleted" | "PaymentFailed":
            return Pay(at, number, first.event_type == "PaymentCompleted", state["paymentMethod"])
        case "OrderCancelled":
            return Cancel(at, number)
        case "PaymentRefunded":
            return Refund(at, number, any(row.event_type == "StockAdjusted" for row in transaction))
        case "OrderDeleted":
            return Delete(at, number)
        case "OrderRestated":
            return Restate(at, number, state["version"] - 1)
    raise AssertionError(f"{first.event_type} begins no transaction")


def outbox_after(shop: ActionShop, after: int) -> list[Any]:
    """Outbox rows with higher ids, in their order."""
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


def check_events(shop: ActionShop, told: Sequence[Any], expected: Sequence[Told]) -> None:
    """Raises AssertionError unless these outbox rows are the events expected, in any order."""
    happened = sorted((_event(row) for row in told), key=str)
    assert happened == sorted((_expected_event(event, shop) for event in expected), key=str)


def check_state(shop: ActionShop, model: ModelShop) -> None:
    """Raises AssertionError unless orders, lines, payments and stock are the model's."""
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
