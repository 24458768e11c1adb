"""Paying orders over HTTP, one by one and by many at once: one charge an order."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from services.domain.orders import cancel_order, delete_order
from services.payments.sandbox import Sandbox
from tests.support.payments import attempts, order_by_hand, order_of, state, status_of
from tests.support.shop import ADMIN, AppClient, Call, events, stored
from tests.unit.api.payments.paying import pay, refund, sweep

pytestmark = pytest.mark.real_servers


def test_an_accepted_payment_completes_the_order(api: AppClient, engine: Engine, sandbox: Sandbox) -> None:
    order = order_of(engine)
    answer = pay(api, order.id, amount=Decimal("1.00"))
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/payments/{order.id}"
    paid = answer.json()
    assert '"amount":1.00,' in answer.text
    assert re.fullmatch(r"[0-9a-f-]{36}", paid["id"])
    assert {key: paid[key] for key in ("orderId", "method", "status", "failure", "refundPending")} == {
        "orderId": order.id,
        "method": "CARD",
        "status": "COMPLETED",
        "failure": None,
        "refundPending": False,
    }
    seen = api.get(f"/api/orders/{order.id}").json()
    assert (seen["status"], seen["paymentStatus"], seen["paymentMethod"], seen["version"]) == (
        *("COMPLETED", "COMPLETED", "CARD"),
        2,
    )
    assert api.get("/api/inventory/112").json()["quantity"] == 100_000 - 20
    assert api.get("/api/inventory/112").json()["reserved"] == 0
    assert sandbox.counts(order.id) == (1, 0)
    assert api.get(f"/api/payments/{order.id}").json() == {"items": [paid], "nextCursor": None}


def test_a_refused_payment_says_why_and_can_be_tried_again(api: AppClient, engine: Engine, sandbox: Sandbox) -> None:
    order = order_of(engine, "0.50")
    refused = [pay(api, order.id).json() for _ in range(2)]
    assert [(each["status"], each["failure"]) for each in refused] == [("FAILED", "insufficient funds")] * 2
    assert api.get(f"/api/payments/{order.id}").json()["items"] == refused[::-1]
    order_now = api.get(f"/api/orders/{order.id}").json()
    assert (order_now["status"], order_now["paymentStatus"], order_now["version"]) == ("PENDING", "FAILED", 3)
    assert len(events(engine, "PaymentFailed")) == 2
    assert sandbox.counts(order.id) == (0, 0)


def test_an_order_of_nothing_is_paid(api: AppClient) -> None:
    placed = api.post("/api/orders", {"userId": "1", "items": [{"productId": "103", "quantity": 1}]}).json()
    assert pay(api, placed["id"], amount=0).json()["status"] == "COMPLETED"


@pytest.mark.parametrize("how", ["paid", "cancelled", "refunded"])
def test_an_order_that_is_not_pending_cannot_be_paid(
    api: AppClient, engine: Engine, sandbox: Sandbox, how: str
) -> None:
    order = order_of(engine)
    if how == "cancelled":
        cancel_order(engine, order.id)
    else:
        pay(api, order.id)
    if how == "refunded":
        refund(api, order.id)
    before = stored(engine), sandbox.counts(order.id)
    answer = pay(api, order.id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert (stored(engine), sandbox.counts(order.id)) == before


def test_an_order_without_lines_is_not_paid_because_no_outcome_could_be_stored(
    api: AppClient, engine: Engine, sandbox: Sandbox
) -> None:
    order_id = order_by_hand(engine)
    answer = pay(api, order_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert "has no items" in answer.json()["detail"]
    assert (attempts(engine, order_id), sandbox.counts(order_id)) == ([], (0, 0))


def test_unknown_and_deleted_orders_are_404(api: AppClient, engine: Engine) -> None:
    order = order_of(engine)
    delete_order(engine, order.id)
    for order_id in ("unknown", order.id):
        answer = pay(api, order_id)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "orderId")
        assert api.get(f"/api/payments/{order_id}").status_code == 404
        assert refund(api, order_id).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "method"),
        ({"method": "GOLD"}, "method"),
        ({"method": None}, "method"),
        ({"method": "CARD", "amount": Decimal("0.99")}, "amount"),
        ({"method": "CARD", "amount": -1}, "amount"),
        ({"method": "CARD", "amount": None}, "amount"),
        ({"method": "CARD", "amount": "1.00"}, "amount"),
        ({"method": "CARD", "currency": "EUR"}, "currency"),
    ],
)
def test_what_is_no_payment_is_422_and_charges_nothing(
    api: AppClient, engine: Engine, sandbox: Sandbox, body: dict[str, Any], field: str
) -> None:
    order = order_of(engine)
    answer = api.post("/api/payments", {"orderId": order.id, **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (attempts(engine, order.id), sandbox.counts(order.id)) == ([], (0, 0))


def test_attempts_come_in_pages(api: AppClient, engine: Engine) -> None:
    order, other = order_of(engine, "0.50"), order_of(engine)
    made = [pay(api, order.id).json()["id"] for _ in range(5)]
    made_other = pay(api, other.id).json()["id"]

    def ids(path: str) -> list[str]:
        found, cursor = [], ""
        while True:
            page = api.get(f"{path}?limit=2{cursor}").json()
            found += [each["id"] for each in page["items"]]
            if page["nextCursor"] is None:
                return found
            cursor = f"&cursor={page['nextCursor']}"

    assert ids(f"/api/payments/{order.id}") == made[::-1]
    assert ids("/api/payments") == [made_other, *made[::-1]]


# ---- many at once


def test_two_hundred_payments_of_one_order_are_one_charge(api: AppClient, engine: Engine, sandbox: Sandbox) -> None:
    order = order_of(engine, "0.90")  # which the provider hears twice over
    call = Call("POST", "/api/payments", {"orderId": order.id, "method": "CARD"})
    answers = api.all_at_once([call] * 200)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 199
    assert next(answer.json()["status"] for answer in answers if answer.status_code == 201) == "COMPLETED"
    assert sandbox.counts(order.id) == (1, 0)
    assert [each.status for each in attempts(engine, order.id)] == ["COMPLETED"]
    for kind in ("PaymentCompleted", "OrderCompleted", "StockDeducted"):
        assert len(events(engine, kind)) == 1
    assert state(engine, order.id).version == 2


def test_sixteen_refunds_at_once_are_one(api: AppClient, engine: Engine, sandbox: Sandbox) -> None:
    order = order_of(engine)
    pay(api, order.id)
    calls = [Call("POST", f"/api/payments/{order.id}/refund", {"restock": True}, headers=ADMIN)] * 16
    answers = api.all_at_once(calls)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    for kind in ("PaymentRefunded", "OrderRefunded", "StockAdjusted"):
        assert len(events(engine, kind)) == 1
    assert sandbox.counts(order.id) == (1, 1)


def test_payments_and_cancellations_at_once_leave_either_a_paid_order_or_no_money(
    api: AppClient, engine: Engine, sandbox: Sandbox
) -> None:
    placed = [order_of(engine).id for _ in range(12)]
    calls = [
        call
        for order_id in placed
        for call in (
            Call("POST", "/api/payments", {"orderId": order_id, "method": "CARD"}),
            Call("POST", f"/api/orders/{order_id}/cancel"),
        )
    ]
    answers = api.all_at_once(calls)
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    sweep(engine, sandbox)
    for order_id in placed:
        made, returned = sandbox.counts(order_id)
        assert status_of(engine, order_id) in ("COMPLETED", "CANCELLED")
        assert made - returned == (1 if status_of(engine, order_id) == "COMPLETED" else 0)
