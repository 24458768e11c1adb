"""A payment provider that does not answer keeps nobody, charges nobody twice and is asked again."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.engine import Engine

from services.domain.orders import cancel_order, delete_order
from services.domain.payments import begin_payment
from services.payments.provider import Accepted
from services.payments.sandbox import Sandbox
from services.payments.sweep import Sweep
from services.settings import PaymentSettings
from tests.support.payments import ScriptedProvider, attempts, order_of, status_of
from tests.support.shop import AppClient, Call, events
from tests.unit.api.payments.paying import QUICK, pay, refund, shop_with, sweep

pytestmark = pytest.mark.real_servers


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


def test_no_transaction_is_open_while_the_provider_is_asked(engine: Engine) -> None:
    provider = ScriptedProvider(engine=engine)
    with shop_with(engine, provider) as api:
        order = order_of(engine)
        pay(api, order.id)
        refund(api, order.id)
        begin_payment(engine, order_of(engine).id, "CARD", provider.name, 0)
        sweep(engine, provider)  # looks up, charges
        lost = begin_payment(engine, order_of(engine).id, "CARD", provider.name, 0)
        cancel_order(engine, lost.order_id)
        provider.known = Accepted("late")
        sweep(engine, provider)  # looks up, gives back
    assert provider.transactions == [0] * 6
    assert (len(provider.charged), len(provider.looked_up), len(provider.refunded)) == (2, 2, 2)
