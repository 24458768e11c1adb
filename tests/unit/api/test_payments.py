"""Paying orders over HTTP: one charge an order, whatever clients and the provider do."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from services.api.app import create_app
from services.domain.orders import cancel_order, delete_order
from services.payments.provider import Accepted, Provider
from services.payments.sandbox import Sandbox
from services.payments.sweep import Sweep
from services.settings import ApiSettings, PaymentSettings
from tests.support.payments import (
    PAYMENT_SHOP,
    SILENCE,
    ScriptedProvider,
    attempts,
    make_due,
    order_of,
    state,
    status_of,
)
from tests.support.shop import ADMIN, ADMIN_TOKEN, AppClient, Call, events, stored
from tests.unit.api.conftest import FakeReader

pytestmark = pytest.mark.real_servers

QUICK = PaymentSettings.model_validate({"payment_timeout": 0.2})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with PAYMENT_SHOP.open(tmp_path) as engine:
        yield engine


@contextmanager
def shop_with(engine: Engine, provider: Provider, payments: PaymentSettings = QUICK) -> Iterator[AppClient]:
    settings = ApiSettings.model_validate({"millrace_admin_token": ADMIN_TOKEN})
    client = AppClient(create_app(engine, "UTC", FakeReader(), settings, payments, provider))
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def api(engine: Engine, sandbox: Sandbox) -> Iterator[AppClient]:
    with shop_with(engine, sandbox) as client:
        yield client


def pay(api: AppClient, order_id: str, **more: Any) -> Any:
    return api.post("/api/payments", {"orderId": order_id, "method": "CARD", **more})


def refund(api: AppClient, order_id: str, body: Any = None) -> Any:
    return api.call(Call("POST", f"/api/payments/{order_id}/refund", body, headers=ADMIN))


def sweep(engine: Engine, provider: Provider) -> None:
    make_due(engine)
    Sweep(engine, provider, QUICK).round()


# ---- one payment


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


# ---- a provider that does not answer


@pytest.mark.parametrize(
    ("amount", "outcome", "charges"),
    [("0.65", "COMPLETED", 1), ("0.70", "COMPLETED", 1), ("0.75", "FAILED", 0), ("0.80", "COMPLETED", 1)],
)
def test_without_an_answer_it_is_pending_until_the_sweep_finds_out(
    api: AppClient, engine: Engine, sandbox: Sandbox, amount: str, outcome: str, charges: int
) -> None:
    order = order_of(engine, amount)
    answer = pay(api, order.id)
    assert (answer.status_code, answer.json()["status"]) == (201, "PENDING")
    assert pay(api, order.id).status_code == 409
    assert api.get(f"/api/orders/{order.id}").json()["version"] == 1
    Sweep(engine, sandbox, QUICK).round()
    assert [each.status for each in attempts(engine, order.id)] == ["PENDING"], "its own request may still be asking"
    sweep(engine, sandbox)
    (attempt,) = attempts(engine, order.id)
    assert (attempt.id, attempt.status) == (answer.json()["id"], outcome)
    assert sandbox.counts(order.id) == (charges, 0)


@pytest.mark.parametrize("ending", ["cancelled", "deleted"])
def test_a_charge_that_turns_out_to_have_been_made_too_late_is_given_back(
    api: AppClient, engine: Engine, sandbox: Sandbox, ending: str
) -> None:
    order = order_of(engine, "0.70")
    assert pay(api, order.id).json()["status"] == "PENDING"
    (cancel_order if ending == "cancelled" else delete_order)(engine, order.id)
    sweep(engine, sandbox)
    assert [(each.status, each.refund_pending) for each in attempts(engine, order.id)] == [("REFUNDED", False)]
    assert sandbox.counts(order.id) == (1, 1)


def test_a_provider_that_hangs_beyond_its_deadline_keeps_neither_the_client_nor_the_orders(engine: Engine) -> None:
    provider = ScriptedProvider(hang=threading.Event())
    threads = 2
    settings = PaymentSettings.model_validate({"payment_timeout": 0.1, "payment_threads": threads})
    with shop_with(engine, provider, settings) as api:
        pending = [Call("POST", "/api/payments", {"orderId": order_of(engine).id, "method": "CARD"}) for _ in range(4)]
        order = Call("POST", "/api/orders", {"userId": "1", "items": [{"productId": "101", "quantity": 1}]})
        answers = api.all_at_once([*pending, *[order] * 20])
        assert [answer.status_code for answer in answers] == [201] * 24
        assert {answer.json()["status"] for answer in answers[:4]} == {"PENDING"}
        assert len(provider.charged) == threads
        answered = ScriptedProvider(known=Accepted("c"))
        sweep(engine, answered)
    assert len(answered.looked_up) == 4
    assert len(events(engine, "OrderCompleted")) == 4


def test_a_fault_of_the_providers_library_leaves_it_pending(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with shop_with(engine, ScriptedProvider(answer=ValueError("what?"))) as api:
        answer = pay(api, order_of(engine).id)
    assert (answer.status_code, answer.json()["status"]) == (201, "PENDING")
    output = capsys.readouterr()
    assert "what?" in output.out + output.err


def test_a_database_that_goes_away_before_the_outcome_leaves_it_pending(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    def away(*_arguments: object, **_more: object) -> None:
        raise ConnectionError("the database is gone")

    with shop_with(engine, sandbox) as api:
        order = order_of(engine)
        with monkeypatch.context() as patch:
            patch.setattr("services.payments.desk.settle_accepted", away)
            assert pay(api, order.id).json()["status"] == "PENDING"
        sweep(engine, sandbox)
        assert status_of(engine, order.id) == "COMPLETED"
        assert sandbox.counts(order.id) == (1, 0)


# ---- refunds


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
