"""The sweep: what it finds out and gives back; once, and however the provider behaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.domain.attempts import claim_due, oldest_open
from services.domain.model import Payment
from services.domain.orders import cancel_order, delete_order
from services.domain.payments import begin_payment, refund_order
from services.domain.settling import settle_accepted
from services.observability.process import StopSignal
from services.payments.provider import Accepted, Refused
from tests.support.account_work import payments_through_a_provider
from tests.support.payments import (
    SILENCE,
    ScriptedProvider,
    attempts,
    end_earlier,
    make_due,
    make_older,
    state,
    status_of,
)
from tests.support.process import wait_until
from tests.support.shop import events, stored
from tests.unit.payments.sweeping import begun, only, sweep_of

pytestmark = pytest.mark.real_servers

ENDINGS = {"cancelled": cancel_order, "deleted": delete_order}


def told(engine: Engine, event_type: str) -> list[Any]:
    return [json.loads(row.payload) for row in events(engine, event_type)]


def test_what_the_provider_accepted_is_completed_without_asking_for_the_money_again(engine: Engine) -> None:
    payment = begun(engine)
    provider = ScriptedProvider(known=Accepted("c"))
    sweep_of(engine, provider).round()
    assert (provider.looked_up, provider.charged) == ([payment.id], [])
    settled = only(engine, payment.order_id)
    assert (settled.status, settled.charge_id, settled.due_at) == ("COMPLETED", "c", None)
    assert (status_of(engine, payment.order_id), state(engine, payment.order_id).version) == ("COMPLETED", 2)
    assert [len(events(engine, kind)) for kind in ("PaymentCompleted", "OrderCompleted", "StockDeducted")] == [1, 1, 1]


def test_what_the_provider_refused_has_failed_and_the_order_can_be_paid_anew(engine: Engine) -> None:
    payment = begun(engine)
    sweep_of(engine, ScriptedProvider(known=Refused("no funds"))).round()
    settled = only(engine, payment.order_id)
    assert (settled.status, settled.failure, settled.due_at) == ("FAILED", "no funds", None)
    assert status_of(engine, payment.order_id) == "PENDING"
    assert len(events(engine, "PaymentFailed")) == 1
    assert begin_payment(engine, payment.order_id, "CASH", "scripted", 0).status == "PENDING"


def test_what_never_came_in_is_asked_for_under_the_same_key(engine: Engine) -> None:
    payment = begun(engine)
    provider = ScriptedProvider(answer=Accepted("c"), known=None)
    sweep_of(engine, provider).round()
    assert provider.charged == [payment.id]
    assert only(engine, payment.order_id).status == "COMPLETED"


@pytest.mark.parametrize("ending", ENDINGS)
def test_money_that_came_too_late_is_given_back(engine: Engine, ending: str) -> None:
    payment = begun(engine)
    ENDINGS[ending](engine, payment.order_id)
    before = state(engine, payment.order_id)
    stock = stored(engine).stock
    provider = ScriptedProvider(known=Accepted("c"))
    sweep_of(engine, provider).round()

    assert provider.refunded == [(payment.id, "c")]
    settled = only(engine, payment.order_id)
    assert (settled.status, settled.charge_id, settled.due_at) == ("REFUNDED", "c", None)
    after = state(engine, payment.order_id)
    assert (after.status, after.deleted_at) == (before.status, before.deleted_at)
    assert (after.payment_status, after.payment_method, after.version) == ("REFUNDED", "CARD", before.version + 1)
    (refunded,) = told(engine, "PaymentRefunded")
    assert refunded["version"] == refunded["data"]["order"]["version"] == after.version
    assert refunded["data"]["payment"] == {"id": payment.id, "amount": "1.00", "status": "REFUNDED", "method": "CARD"}
    assert events(engine, "PaymentCompleted") == []
    assert stored(engine).stock == stock


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_charge_is_not_asked_for_once_its_order_has_ended_and_given_up_when_it_cannot_be_on_its_way(
    engine: Engine, ending: str
) -> None:
    payment = begun(engine)
    ENDINGS[ending](engine, payment.order_id)
    provider = ScriptedProvider(known=None)
    sweep = sweep_of(engine, provider)
    sweep.round()
    assert only(engine, payment.order_id).status == "PENDING"
    make_older(engine, payment.id)
    end_earlier(engine, payment.order_id)
    before = state(engine, payment.order_id)
    make_due(engine)
    sweep.round()
    assert provider.charged == []
    settled = only(engine, payment.order_id)
    assert (settled.status, settled.due_at) == ("FAILED", None)
    assert state(engine, payment.order_id) == before
    assert events(engine, "PaymentFailed") == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_charge_that_was_asked_for_until_its_order_ended_is_not_given_up_for_the_attempts_age(
    engine: Engine, ending: str
) -> None:
    """The provider was silent for an hour; what the sweep asked of it last may arrive yet, and is to be given back."""
    payment = begun(engine)
    make_older(engine, payment.id)
    provider = ScriptedProvider(answer=SILENCE, known=None)
    sweep = sweep_of(engine, provider)
    sweep.round()
    assert provider.charged == [payment.id]
    ENDINGS[ending](engine, payment.order_id)
    make_due(engine)
    sweep.round()
    assert only(engine, payment.order_id).status == "PENDING"

    provider.known = Accepted("c")
    make_due(engine)
    sweep.round()
    sweep.round()
    assert provider.refunded == [(payment.id, "c")]
    assert only(engine, payment.order_id).status == "REFUNDED"


def test_money_that_comes_after_it_was_given_up_is_given_back(engine: Engine) -> None:
    payment = begun(engine)
    sweep_of(engine, ScriptedProvider(known=Refused("no"))).round()
    settle_accepted(engine, payment, "c")
    provider = ScriptedProvider()
    sweep_of(engine, provider).round()
    assert provider.refunded == [(payment.id, "c")]
    assert status_of(engine, payment.order_id) == "PENDING"


def test_money_for_an_order_that_another_attempt_has_paid_leaves_it_paid(engine: Engine) -> None:
    first = begun(engine)
    sweep_of(engine, ScriptedProvider(known=Refused("no"))).round()
    settle_accepted(engine, begin_payment(engine, first.order_id, "WALLET", "scripted", 0), "second")
    settle_accepted(engine, first, "first")
    order = state(engine, first.order_id)
    assert (order.status, order.payment_status, order.payment_method) == ("COMPLETED", "COMPLETED", "WALLET")
    assert [(each.status, each.charge_id) for each in attempts(engine, first.order_id)] == [
        ("REFUNDED", "first"),
        ("COMPLETED", "second"),
    ]


def test_the_same_answer_from_sixteen_at_once_counts_once(engine: Engine) -> None:
    payment = begun(engine)
    with ThreadPoolExecutor(16) as pool:
        settled = list(pool.map(lambda _: settle_accepted(engine, payment, "c"), range(16)))
    assert {each.status for each in settled} == {"COMPLETED"}
    assert len(events(engine, "PaymentCompleted")) == len(events(engine, "StockDeducted")) == 1
    assert state(engine, payment.order_id).version == 2


def test_sweeps_side_by_side_ask_about_each_payment_once(engine: Engine) -> None:
    payments = [begun(engine) for _ in range(12)]
    provider = ScriptedProvider(known=Accepted("c"))
    start = threading.Barrier(4)

    def work(_: int) -> None:
        start.wait(10)
        sweep_of(engine, provider).round()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(provider.looked_up) == sorted(payment.id for payment in payments)
    assert {only(engine, payment.order_id).status for payment in payments} == {"COMPLETED"}


def test_a_silent_provider_is_asked_again_later_and_later(engine: Engine) -> None:
    payment = begun(engine)
    provider = ScriptedProvider(known=SILENCE)
    sweep = sweep_of(engine, provider, payment_sweep_interval=1, payment_max_backoff=600)
    waits = []
    for _ in range(8):
        sweep.round()
        attempt = only(engine, payment.order_id)
        assert attempt.due_at is not None
        waits.append(attempt.due_at - datetime.now(UTC))
        make_due(engine)
    assert len(provider.looked_up) == 8
    assert attempt.tries == 9
    assert waits[0] > timedelta(0)
    assert waits[7] > 2 * waits[2]


def test_what_is_not_due_is_left_to_whoever_asks(engine: Engine) -> None:
    payment = begun(engine, seconds=3600)
    provider = ScriptedProvider(known=Accepted("c"))
    assert sweep_of(engine, provider).round() is False
    assert provider.looked_up == []
    assert only(engine, payment.order_id).status == "PENDING"


def test_a_payment_that_cannot_be_resolved_does_not_keep_the_others(engine: Engine) -> None:
    broken, other = begun(engine, name="elsewhere"), begun(engine)
    sweep_of(engine, ScriptedProvider(known=Accepted("c"))).round()
    assert [only(engine, each.order_id).status for each in (broken, other)] == ["PENDING", "COMPLETED"]
    faulty = begun(engine)
    sweep_of(engine, ScriptedProvider(known=ValueError("a fault of the provider's library"))).round()
    assert only(engine, faulty.order_id).status == "PENDING"


def test_a_refund_is_asked_for_until_the_provider_confirms_it(engine: Engine) -> None:
    payment = begun(engine)
    settle_accepted(engine, payment, "c")
    refunded = refund_order(engine, payment.order_id)
    assert refunded.refund_pending
    make_older(engine, payment.id)
    assert oldest_open(engine) > timedelta(days=365).total_seconds()
    for answer, failure in ((SILENCE, None), (Refused("too old"), "too old")):
        provider = ScriptedProvider(refund_answer=answer)
        sweep_of(engine, provider).round()
        assert provider.refunded == [(payment.id, "c")]
        attempt = only(engine, payment.order_id)
        assert (attempt.refund_pending, attempt.failure) == (True, failure)
        make_due(engine)
    provider = ScriptedProvider()
    for _ in range(2):
        sweep_of(engine, provider).round()
    assert provider.refunded == [(payment.id, "c")]
    attempt = only(engine, payment.order_id)
    assert (attempt.status, attempt.due_at, attempt.failure) == ("REFUNDED", None, None)
    assert oldest_open(engine) == 0


def test_a_claim_is_nobody_elses_until_its_time_is_over(engine: Engine) -> None:
    payment = begun(engine)
    claimed = claim_due(engine, lambda _tries: 3600)
    assert claimed is not None
    assert (claimed.id, claimed.tries) == (payment.id, 2)
    assert claim_due(engine, lambda _tries: 3600) is None


def test_it_goes_on_after_a_fault_and_ends_when_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = begun(engine)
    faults = iter([RuntimeError("a fault"), sa.exc.TimeoutError("the pool is empty")])

    def claim(engine: Engine, wait: Callable[[int], float]) -> Payment | None:
        for fault in faults:
            raise fault
        return claim_due(engine, wait)

    monkeypatch.setattr("services.payments.sweep.claim_due", claim)
    sweep = sweep_of(engine, ScriptedProvider(known=Accepted("c")), payment_sweep_interval=0.01)
    stop = StopSignal()
    thread = threading.Thread(target=sweep.run, args=(stop,))
    thread.start()
    wait_until(lambda: only(engine, payment.order_id).status == "COMPLETED", "the payment's outcome")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_what_the_api_asks_of_mysql_about_payments_can_be_asked(engine: Engine) -> None:
    payments_through_a_provider(engine)
    assert len(events(engine, "PaymentRefunded")) == 1
