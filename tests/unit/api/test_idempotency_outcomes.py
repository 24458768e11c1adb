"""Idempotency-Key and everything but success: refusals, faults, crashes, requests at the same time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.api import orders, placing, posting
from services.clients.database import OutcomeUnknown
from services.domain import idempotency as domain
from services.domain.orders import cancel_order
from services.domain.placing import place_orders
from services.domain.tables import idempotency_keys, users
from services.settings import ApiSettings
from tests.support.shop import AppClient, Call, events, stored
from tests.unit.api.keyed import KEY, ORDER, again, kept, lease_runs_out, placed, slug

pytestmark = pytest.mark.real_servers


# ---- refusals


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"{}", {}, 422),
        (b'{"userId": 1, "items": [{"productId": "999", "quantity": 1}]}', {}, 422),
        (b'{"userId": 1, "items": [{"productId": "101", "quantity": 1, "price": 1}]}', {}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * 2_000_000, {}, 413),
    ],
)
def test_what_is_not_valid_is_not_kept(
    api: AppClient, engine: Engine, body: bytes, headers: dict[str, str], status: int
) -> None:
    refused = api.post("/api/orders", content=body, headers={**KEY, **headers})
    assert refused.status_code == status
    assert kept(engine) == 0
    assert api.post("/api/orders", ORDER, headers=KEY).status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [({**ORDER, "userId": "nobody"}, 404), ({**ORDER, "items": [{"productId": "102", "quantity": 6}]}, 409)],
)
def test_what_the_shop_refuses_is_refused_again(
    api: AppClient, engine: Engine, body: dict[str, Any], status: int
) -> None:
    first = api.post("/api/orders", body, headers=KEY)
    assert first.status_code == status
    with engine.begin() as connection:  # it would be taken now
        connection.execute(sa.text("UPDATE inventory SET quantity = 50"))
        connection.execute(sa.update(users).where(users.c.id == "2").values(id="nobody"))
    again(first, api.post("/api/orders", body, headers=KEY))
    assert stored(engine).orders == 0
    assert api.post("/api/orders", body).status_code == 201


def fails_once(error: Exception, patch: pytest.MonkeyPatch, *, after: bool = False) -> None:
    """The first transaction raises, before or after its commit; later ones work."""
    errors = [error]

    def place(*arguments: Any) -> Any:
        if not errors:
            return place_orders(*arguments)
        if after:
            place_orders(*arguments)
        raise errors.pop()

    patch.setattr(placing, "place_orders", place)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("a fault"), 500),
        (sa.exc.OperationalError("SELECT", {}, Exception(2003, "Can't connect")), 503),
    ],
)
def test_what_failed_here_is_tried_again(
    api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    fails_once(error, monkeypatch)
    assert api.post("/api/orders", ORDER, headers=KEY).status_code == status
    assert kept(engine) == 0
    assert api.post("/api/orders", ORDER, headers=KEY).status_code == 201
    assert stored(engine).orders == 1


def test_a_fault_after_the_commit_does_not_make_it_happen_twice(
    api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_once(RuntimeError("a fault"), monkeypatch, after=True)
    assert api.post("/api/orders", ORDER, headers=KEY).status_code == 500
    answer = api.post("/api/orders", ORDER, headers=KEY)
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")
    assert stored(engine).orders == 1


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_nobody_knows_of_is_settled_by_asking_again(
    api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    fails_once(OutcomeUnknown("the database went away"), monkeypatch, after=happened)
    unknown = api.post("/api/orders", ORDER, headers=KEY)
    assert (unknown.status_code, slug(unknown)) == (503, "outcome-unknown")
    assert unknown.headers["retry-after"] == "1"
    if not happened:
        waiting = api.post("/api/orders", ORDER, headers=KEY)
        assert (waiting.status_code, slug(waiting)) == (409, "idempotency-key-in-use")
        assert waiting.headers["retry-after"] == "1"
        lease_runs_out(engine)
    answer = api.post("/api/orders", ORDER, headers=KEY)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, happened)
    assert stored(engine).orders == 1


def test_a_route_that_forgets_to_store_its_answer_is_a_fault(
    api: AppClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forgets(engine: Engine, zone: Any, asked: Any) -> Any:
        return place_orders(engine, zone, [replace(each, also=None) for each in asked])

    monkeypatch.setattr(placing, "place_orders", forgets)
    assert api.post("/api/orders", ORDER, headers=KEY).status_code == 500
    assert "Keep.also" in "".join(capsys.readouterr())
    assert api.post("/api/orders", ORDER).status_code == 201


# ---- at the same time


def test_of_32_requests_with_one_key_one_places_an_order(api: AppClient, engine: Engine) -> None:
    answers = api.all_at_once([Call("POST", "/api/orders", ORDER, headers=KEY)] * 32)
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1
    assert len([answer for answer in done if "idempotency-replayed" not in answer.headers]) == 1
    assert {(a.status_code, slug(a)) for a in answers if a not in done} <= {(409, "idempotency-key-in-use")}
    assert stored(engine).orders == 1
    assert len(events(engine, "OrderCreated")) == 1


def test_32_requests_with_keys_of_their_own_place_32_orders(api: AppClient, engine: Engine) -> None:
    calls = [Call("POST", "/api/orders", ORDER, headers={"Idempotency-Key": f"key {number}"}) for number in range(32)]
    assert {answer.status_code for answer in api.all_at_once(calls)} == {201}
    assert stored(engine).orders == 32


def test_16_cancellations_with_one_key_are_one_event_and_no_conflict_of_state(api: AppClient, engine: Engine) -> None:
    answers = api.all_at_once([Call("POST", f"/api/orders/{placed(api)}/cancel", headers=KEY)] * 16)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {slug(answer) for answer in answers if answer.status_code == 409} <= {"idempotency-key-in-use"}
    assert len(events(engine, "OrderCancelled")) == 1


def test_while_the_first_is_running_the_second_is_409_and_later_gets_its_answer(
    api: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **named: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return cancel_order(*arguments, **named)

    monkeypatch.setattr(orders, "cancel_order", slowly)
    call = Call("POST", f"/api/orders/{placed(api)}/cancel", headers=KEY)
    first, second = api.one_within_the_other(call, begun.wait, call, go_on.set)
    assert (second.status_code, slug(second), second.headers["retry-after"]) == (409, "idempotency-key-in-use", "1")
    assert first.json()["status"] == "CANCELLED"
    again(first, api.call(call))


def test_a_request_that_outlives_its_claim_changes_nothing(
    api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes up after another one has taken its key over and placed the order."""
    begun, go_on = threading.Event(), threading.Event()
    slow = [True]

    def slowly(*arguments: Any, **named: Any) -> Any:
        if slow.pop() if slow else False:
            begun.set()
            assert go_on.wait(30)
        return place_orders(*arguments, **named)

    def claim_is_over() -> None:
        begun.wait(30)
        lease_runs_out(engine)

    monkeypatch.setattr(placing, "place_orders", slowly)
    call = Call("POST", "/api/orders", ORDER, headers=KEY)
    late, second = api.one_within_the_other(call, claim_is_over, call, go_on.set)
    assert second.status_code == 201
    assert (late.status_code, slug(late)) == (409, "idempotency-key-in-use")
    assert stored(engine).orders == 1
    again(second, api.call(call))


# ---- keeping house


def test_keys_go_as_they_come(api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_PURGE_EVERY", 3)
    for number in range(8):
        api.post("/api/orders", ORDER, headers={"Idempotency-Key": str(number)})
        with engine.begin() as connection:
            connection.execute(sa.update(idempotency_keys).values(expires_at=idempotency_keys.c.created_at))
    assert kept(engine) == 3  # those after the sixth request's purge, and its own


def test_the_claim_outlives_the_deadline_of_a_request(api: AppClient, engine: Engine) -> None:
    """Else a slow request would be done by its repetition, and itself in vain."""
    asked: list[int] = []
    whole = domain.claim

    def claim(engine: Engine, scope: str, digest: str, seconds: int) -> domain.Answer | domain.Claim:
        asked.append(seconds)
        return whole(engine, scope, digest, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domain, "claim", claim)
        api.post("/api/orders", ORDER, headers=KEY)
    assert asked[0] > ApiSettings().api_request_seconds
