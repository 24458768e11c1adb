"""Holds a shop's tables and outbox to the state machine in plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from services.domain.model import Payment
from services.domain.tables import inventory, orders, outbox, payments
from tests.support.action_shop import ActionShop
from tests.support.actions import Begin, Cancel, Create, Delete, Expire, GiveBack, OnOrder, Refund, Restate, Settle
from tests.support.model import stored_orders
from tests.support.payments import attempts, charge_of
from tests.support.state_machine import ModelShop
from tests.support.states import ModelAttempt, ModelOrder, Stock, Told, order_json

_FOLLOWING = ("OrderCompleted", "OrderRefunded", "StockReserved", "StockDeducted", "StockReleased")
"""Types that come after another event of their transaction."""


def check_history(shop: ActionShop) -> None:
    """Raises AssertionError unless the outbox, read in its order, is a history of the state machine that ends in the
    tables' state: every transaction allowed where it stands, told by exactly its events, each with the whole state.
    """
    rows = outbox_after(shop, 0)
    shop.order_ids[:] = [row.aggregate_id for row in rows if row.event_type == "OrderCreated"]
    replay = _Replay(shop)
    for transaction in _transactions(rows):
        replay.told(transaction)
    replay.untold()
    check_state(shop, replay.model)


class _Replay:
    """Does again, in the model, what the outbox tells; and between that, what no event tells."""

    def __init__(self, shop: ActionShop) -> None:
        self._shop, self.model = shop, ModelShop(shop.zone)
        self._stored = [attempts(shop.engine, order_id) for order_id in shop.order_ids]

    def told(self, transaction: Sequence[Any]) -> None:
        """What these rows tell of."""
        action = _action(self._shop, transaction)
        expected = self.model.do(action)
        happened = [row.event_type for row in transaction]
        assert expected.answer == "done", f"{happened} of {transaction[0].aggregate_id}: {expected.answer}"
        check_events(self._shop, transaction, expected.events)
        self._begin(len(self.model.orders) - 1 if isinstance(action, Create) else action.order)

    def _begin(self, order: int) -> None:
        """The order's next attempt began as soon as one could: whenever it did, it changed nothing else until then."""
        begun = len(self.model.attempts[order])
        if begun < len(self._stored[order]):
            self.model.do(Begin(self._shop.clock.moment, order, self._stored[order][begun].method))

    def untold(self) -> None:
        """What came of attempts when their orders had ended already."""
        at = self._shop.clock.moment
        for order, stored in enumerate(self._stored):
            assert len(self.model.attempts[order]) == len(stored), f"order {order}: an attempt began beside another"
            for number, attempt in enumerate(stored):
                if attempt.status == "FAILED" and self.model.attempts[order][number].status == "PENDING":
                    assert not self.model.do(Settle(at, order, number, accepted=False)).events, "nobody was told"
                if attempt.id in self._shop.given_back:
                    self.model.do(GiveBack(at, order, number))


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


def _action(shop: ActionShop, transaction: Sequence[Any]) -> Create | OnOrder:
    """What a client or the provider did, from what was told of it."""
    first, at = transaction[0], shop.clock.moment
    data, number = json.loads(first.payload)["data"], shop.order_ids.index(first.aggregate_id)
    state = data["order"]
    types = {row.event_type for row in transaction}
    match first.event_type:
        case "OrderCreated":
            return Create(at, state["userId"], tuple((item["productId"], item["quantity"]) for item in state["items"]))
        case "PaymentRefunded" if "OrderRefunded" in types:
            return Refund(at, number, "StockAdjusted" in types)
        case "PaymentCompleted" | "PaymentFailed" | "PaymentRefunded":
            _order, attempt = _attempt_numbers(shop)[data["payment"]["id"]]
            return Settle(at, number, attempt, first.event_type != "PaymentFailed")
        case "OrderCancelled":
            return Expire(at, number, age=-1) if first.aggregate_id in shop.expired else Cancel(at, number)
        case "OrderDeleted":
            return Delete(at, number)
        case "OrderRestated":
            return Restate(at, number, state["version"] - 1)
    raise AssertionError(f"{first.event_type} begins no transaction")


def outbox_after(shop: ActionShop, after: int) -> list[Any]:
    """Outbox rows with higher ids, in their order."""
    with shop.engine.connect() as connection:
        return list(connection.execute(sa.select(outbox).where(outbox.c.id > after).order_by(outbox.c.id)))


def _attempt_numbers(shop: ActionShop) -> dict[str, tuple[str, int]]:
    """Of every attempt its order and its number among that one's, by id."""
    with shop.engine.connect() as connection:
        rows = connection.execute(sa.select(payments.c.id, payments.c.order_id).order_by(payments.c.id)).all()
    seen: Counter[str] = Counter()
    numbers = {}
    for payment_id, order_id in rows:
        numbers[payment_id] = order_id, seen[order_id]
        seen[order_id] += 1
    return numbers


def _event(row: Any, numbers: dict[str, tuple[str, int]]) -> dict[str, Any]:
    """What is to be compared of an outbox row; the envelope must agree with the columns."""
    payload = json.loads(row.payload)
    assert (payload["eventType"], payload["aggregateType"]) == (row.event_type, row.aggregate_type)
    assert (payload["aggregateId"], payload["eventId"]) == (row.aggregate_id, row.event_id)
    assert row.topic == f"{row.aggregate_type.lower()}.events"
    data = payload["data"]
    about = data["order"] if "order" in data else {key: data[key] for key in ("productId", "quantity", "reserved")}
    told = {"type": row.event_type, "topic": row.topic, "version": payload["version"], "about": about}
    if "payment" not in data:
        return told
    order_id, number = numbers[data["payment"].pop("id")]
    assert order_id == row.aggregate_id
    return told | {"payment": data["payment"] | {"number": number}}


def _expected_event(told: Told, shop: ActionShop) -> dict[str, Any]:
    if isinstance(told.state, Stock):
        about = {"productId": told.about, "quantity": told.state.quantity, "reserved": told.state.reserved}
        return {"type": told.event_type, "topic": "inventory.events", "version": told.version, "about": about}
    about = order_json(told.state, shop.order_ids[told.state.number])
    expected = {"type": told.event_type, "topic": "order.events", "version": told.version, "about": about}
    if told.attempt is None:
        return expected
    payment = {
        "number": told.attempt.number,
        "amount": about["totalAmount"],
        "status": told.attempt.status,
        "method": told.attempt.method,
    }
    return expected | {"topic": "payment.events", "payment": payment}


def check_events(shop: ActionShop, told: Sequence[Any], expected: Sequence[Told]) -> None:
    """Raises AssertionError unless these outbox rows are the events expected, in any order."""
    numbers = _attempt_numbers(shop)
    happened = sorted((_event(row, numbers) for row in told), key=str)
    assert happened == sorted((_expected_event(event, shop) for event in expected), key=str)


def check_state(shop: ActionShop, model: ModelShop) -> None:
    """Raises AssertionError unless orders, lines, payments and stock are the model's."""
    with shop.engine.connect() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(orders))}
        stock = connection.execute(sa.select(inventory)).all()
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
    paid = [attempts(shop.engine, order_id) for order_id in shop.order_ids]
    assert [[_of_attempt(attempt) for attempt in of_order] for of_order in paid] == [
        [_expected_of_attempt(attempt, order) for attempt in of_order]
        for order, of_order in zip(model.orders, model.attempts, strict=True)
    ]


def _of_attempt(attempt: Payment) -> tuple[object, ...]:
    assert attempt.charge_id in (None, charge_of(attempt.id))
    charged = attempt.charge_id is not None
    return attempt.amount, attempt.method, attempt.status, charged, attempt.due_at, attempt.failure


def _expected_of_attempt(attempt: ModelAttempt, order: ModelOrder) -> tuple[object, ...]:
    return order.total, attempt.method, attempt.status, attempt.charged, attempt.due_at, attempt.failure


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
