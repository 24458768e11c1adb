"""Refunds over HTTP: decided once, and the money given back once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import Engine

from services.domain.stock import QUANTITY_LIMIT
from services.payments.sandbox import Sandbox
from tests.support.payments import SACHET, SILENCE, ScriptedProvider, attempts, order_by_hand, order_of, status_of
from tests.support.shop import ADMIN, AppClient, Call, events, stored
from tests.unit.api.payments.paying import pay, refund, shop_with, sweep

pytestmark = pytest.mark.real_servers


def test_a_refund_gives_the_money_back(api: AppClient, engine: Engine, sandbox: Sandbox) -> None:
    order = order_of(engine)
    paid = pay(api, order.id).json()
    answer = refund(api, order.id)
    assert answer.status_code == 200
    assert answer.json() == paid | {"status": "REFUNDED", "updatedAt": answer.json()["updatedAt"]}
    seen = api.get(f"/api/orders/{order.id}").json()
    assert (seen["status"], seen["paymentStatus"], seen["version"]) == ("REFUNDED", "REFUNDED", 3)
    assert sandbox.counts(order.id) == (1, 1)
    assert api.get("/api/inventory/112").json()["quantity"] == 100_000 - 20
    assert refund(api, order.id).status_code == 409


def test_a_refund_with_restock_brings_the_pieces_back(api: AppClient, engine: Engine) -> None:
    order = order_of(engine)
    pay(api, order.id)
    assert refund(api, order.id, {"restock": True}).status_code == 200
    assert api.get("/api/inventory/112").json()["quantity"] == 100_000


def test_pieces_beyond_what_can_be_counted_do_not_come_back(api: AppClient, engine: Engine) -> None:
    order = order_of(engine)
    pay(api, order.id)
    full = {"quantity": QUANTITY_LIMIT}
    assert api.call(Call("PATCH", f"/api/inventory/{SACHET}", full, headers=ADMIN)).status_code == 200
    before = stored(engine)
    answer = refund(api, order.id, {"restock": True})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert f"roduct {SACHET}" in answer.json()["detail"]
    assert str(QUANTITY_LIMIT) in answer.json()["detail"]
    assert (stored(engine), status_of(engine, order.id)) == (before, "COMPLETED")
    assert refund(api, order.id).status_code == 200


@pytest.mark.parametrize("amount", ["0.35", "0.40"])
def test_a_refund_without_an_answer_is_decided_and_done_later(
    api: AppClient, engine: Engine, sandbox: Sandbox, amount: str
) -> None:
    order = order_of(engine, amount)
    pay(api, order.id)
    answer = refund(api, order.id)
    assert (answer.status_code, answer.json()["status"], answer.json()["refundPending"]) == (200, "REFUNDED", True)
    sweep(engine, sandbox)
    (seen,) = api.get(f"/api/payments/{order.id}").json()["items"]
    assert (seen["status"], seen["refundPending"]) == ("REFUNDED", False)
    assert sandbox.counts(order.id) == (1, 1)
    assert len(events(engine, "PaymentRefunded")) == 1


def test_a_refund_that_is_not_answered_is_a_refund_all_the_same(engine: Engine) -> None:
    with shop_with(engine, ScriptedProvider(refund_answer=SILENCE)) as api:
        order = order_of(engine)
        pay(api, order.id)
        assert refund(api, order.id).json()["refundPending"] is True
        assert refund(api, order.id).status_code == 409


@pytest.mark.parametrize("body", [{"restock": 1}, {"restock": "true"}, {"restock": None}, {"amount": 1}])
def test_what_is_no_refund_changes_nothing(api: AppClient, engine: Engine, body: Any) -> None:
    order = order_of(engine)
    pay(api, order.id)
    before = stored(engine)
    assert refund(api, order.id, body).status_code == 422
    assert stored(engine) == before


def test_only_a_paid_order_can_be_refunded_and_only_by_an_administrator(api: AppClient, engine: Engine) -> None:
    order = order_of(engine)
    assert refund(api, order.id).status_code == 409
    pay(api, order.id)
    path = f"/api/payments/{order.id}/refund"
    assert api.post(path).status_code == 401
    assert api.post(path, headers={"Authorization": ADMIN["Authorization"]}).status_code == 400
    assert status_of(engine, order.id) == "COMPLETED"


def test_an_order_that_was_paid_elsewhere_is_refunded_there(api: AppClient, engine: Engine) -> None:
    order_id = order_by_hand(engine, "COMPLETED")
    answer = refund(api, order_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert "no payment on record here: give the money back where it was taken" in answer.json()["detail"]
    assert "only a COMPLETED order" not in answer.json()["detail"]


def test_an_order_that_is_being_paid_cannot_be_refunded(api: AppClient, engine: Engine) -> None:
    order = order_of(engine, "0.70")
    assert pay(api, order.id).json()["status"] == "PENDING"
    assert refund(api, order.id).status_code == 409
    assert [each.status for each in attempts(engine, order.id)] == ["PENDING"]
