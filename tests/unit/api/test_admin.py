"""Deleting orders: only with a credential, only by somebody named, only once; and all of it on record."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from services.api import admins
from services.api.app import create_app
from services.domain.admin_actions import AdminAction, Recorded, list_actions
from services.domain.admin_tokens import create_token, revoke_token, rotate_token
from services.settings import ApiSettings
from tests.support.shop import ADMIN, ADMIN_TOKEN, AppClient, Call, events, stored
from tests.unit.api.conftest import FakeReader

pytestmark = pytest.mark.real_servers


@pytest.fixture
def order_id(api: AppClient) -> str:
    answer = api.post("/api/orders", {"userId": "1", "items": [{"productId": "101", "quantity": 2}]})
    return str(answer.json()["id"])


def test_deleting_is_204_and_again_is_204(api: AppClient, engine: Engine, order_id: str) -> None:
    answers = [api.delete(f"/admin/orders/{order_id}", ADMIN) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    deleted = events(engine, "OrderDeleted")
    assert len(deleted) == 1
    assert json.loads(deleted[0].payload)["data"]["order"]["deletedAt"]
    assert len(events(engine, "StockReleased")) == 1


def test_sixteen_deletes_at_once_are_one_event(api: AppClient, engine: Engine, order_id: str) -> None:
    answers = api.all_at_once([Call("DELETE", f"/admin/orders/{order_id}", headers=ADMIN)] * 16)
    assert [answer.status_code for answer in answers] == [204] * 16
    assert len(events(engine, "OrderDeleted")) == 1
    assert len(events(engine, "StockReleased")) == 1


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong-token-of-somebody",
        f"Bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}",
        f"Basic {ADMIN_TOKEN}",
        ADMIN_TOKEN,
        f"Bearer {ADMIN_TOKEN} {ADMIN_TOKEN}",
    ],
)
def test_without_the_credential_nothing_happens(
    api: AppClient, engine: Engine, order_id: str, authorization: str | None
) -> None:
    before = stored(engine)
    headers = {"X-Admin-Id": "admin-user-123"} | ({} if authorization is None else {"Authorization": authorization})
    answer = api.delete(f"/admin/orders/{order_id}", headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="millrace"')
    assert ADMIN_TOKEN not in answer.text
    assert stored(engine) == before


def test_without_a_credential_unknown_orders_look_like_known_ones(api: AppClient) -> None:
    assert api.delete("/admin/orders/unknown").status_code == 401


@pytest.mark.parametrize("admin_id", [None, "", " ", "x" * 129, "caf\xe9"])
def test_who_acts_must_be_named(api: AppClient, engine: Engine, order_id: str, admin_id: str | None) -> None:
    before = stored(engine)
    headers = {"Authorization": ADMIN["Authorization"]} | ({} if admin_id is None else {"X-Admin-Id": admin_id})
    answer = api.delete(f"/admin/orders/{order_id}", headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "X-Admin-Id")
    assert stored(engine) == before


def test_an_unknown_order_is_404(api: AppClient) -> None:
    assert api.delete("/admin/orders/unknown", ADMIN).status_code == 404


def test_without_a_configured_token_nobody_is_let_in(engine: Engine, reader: FakeReader) -> None:
    client = AppClient(create_app(engine, "UTC", reader, ApiSettings.model_validate({})))
    try:
        for token in ("", "None", ADMIN_TOKEN):
            answer = client.delete("/admin/orders/x", {"Authorization": f"Bearer {token}", "X-Admin-Id": "a"})
            assert answer.status_code == 401
    finally:
        client.close()


def bearing(secret: str, admin_id: str = "admin-user-123") -> dict[str, str]:
    """The headers of somebody with this token."""
    return {"Authorization": f"Bearer {secret}", "X-Admin-Id": admin_id}


def actions(engine: Engine) -> list[Recorded]:
    """Everything on record."""
    return list_actions(engine, None, 1000)


def brief(recorded: Recorded) -> tuple[str, str, str, str, str]:
    """Whose token, who, what, to what, with what outcome."""
    action = recorded.action
    return (action.actor.token_name, action.actor.admin_id, action.action, action.target, action.outcome)


def test_several_tokens_are_good_at_once_each_until_its_end(api: AppClient, engine: Engine) -> None:
    alice, bob = create_token(engine, "alice"), create_token(engine, "bob")
    expired = create_token(engine, "carol", timedelta(seconds=-1))
    later = rotate_token(engine, "alice", timedelta(hours=1))

    def status(secret: str) -> int:
        return api.delete("/admin/orders/unknown", bearing(secret)).status_code

    assert [status(each.secret) for each in (alice, later, bob, expired)] == [404, 404, 404, 401]
    revoke_token(engine, "bob")
    assert [status(each.secret) for each in (alice, later, bob)] == [404, 404, 401]
    revoke_token(engine, "alice")
    assert [status(each.secret) for each in (alice, later)] == [401, 401]
    assert status(ADMIN_TOKEN) == 404


def test_what_is_done_is_on_record_once_each_time(api: AppClient, engine: Engine, order_id: str) -> None:
    alice = create_token(engine, "alice")
    answers = [api.delete(f"/admin/orders/{order_id}", bearing(alice.secret)) for _ in range(2)]
    api.delete(f"/admin/orders/{order_id}", ADMIN)

    done = actions(engine)
    about = ("admin-user-123", "order.delete", order_id)
    assert [brief(each) for each in done] == [
        ("alice", *about, "done"),
        ("alice", *about, "unchanged"),
        ("bootstrap", *about, "unchanged"),
    ]
    assert [each.action.actor.token_id for each in done] == [alice.token.id, alice.token.id, "bootstrap"]
    assert [each.action.actor.request_id for each in done[:2]] == [each.headers["x-request-id"] for each in answers]


def test_sixteen_deletes_at_once_are_one_that_was_done(api: AppClient, engine: Engine, order_id: str) -> None:
    api.all_at_once([Call("DELETE", f"/admin/orders/{order_id}", headers=ADMIN)] * 16)
    assert sorted(each.action.outcome for each in actions(engine)) == ["done"] + ["unchanged"] * 15


def test_the_record_is_in_the_transaction_of_the_change(
    api: AppClient, engine: Engine, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(engine)

    def fail(_connection: Connection, _action: AdminAction) -> None:
        raise RuntimeError("no room for the record")

    monkeypatch.setattr(admins, "append_action", fail)
    assert api.delete(f"/admin/orders/{order_id}", ADMIN).status_code == 500
    assert (stored(engine), actions(engine)) == (before, [])


def test_a_refusal_that_cannot_be_recorded_is_not_given(api: AppClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_engine: Engine, _action: AdminAction) -> None:
        raise RuntimeError("no room for the record")

    monkeypatch.setattr(admins, "record_action", fail)
    assert api.delete("/admin/orders/unknown", ADMIN).status_code == 500


def test_what_is_refused_to_a_token_that_is_or_was_good_is_on_record(
    api: AppClient, engine: Engine, order_id: str
) -> None:
    expired = create_token(engine, "alice", timedelta(seconds=-1))
    revoked = create_token(engine, "bob")
    revoke_token(engine, "bob")
    target = f"/admin/orders/{order_id}"
    statuses = [
        api.delete(target, bearing(expired.secret)).status_code,
        api.delete(target, bearing(revoked.secret)).status_code,
        api.delete(target, {"Authorization": f"Bearer {ADMIN_TOKEN}"}).status_code,
        api.delete("/admin/orders/unknown", ADMIN).status_code,
        api.delete("/admin/orders/" + "x" * 900, ADMIN).status_code,
        api.delete("/admin/orders/%01", ADMIN).status_code,
    ]
    assert statuses == [401, 401, 400, 404, 404, 404]
    refused = actions(engine)
    assert [brief(each) for each in refused] == [
        ("alice", "", "order.delete", order_id, "refused"),
        ("bob", "", "order.delete", order_id, "refused"),
        ("bootstrap", "", "order.delete", order_id, "refused"),
        ("bootstrap", "admin-user-123", "order.delete", "unknown", "refused"),
        ("bootstrap", "admin-user-123", "order.delete", "(no id)", "refused"),
        ("bootstrap", "admin-user-123", "order.delete", "(no id)", "refused"),
    ]
    slugs = [(each.action.details["status"], each.action.details["problem"]) for each in refused]
    assert slugs == [(401, "unauthorized")] * 2 + [(400, "admin-id-missing")] + [(404, "not-found")] * 3


def test_who_has_no_token_leaves_no_record(api: AppClient, engine: Engine, order_id: str) -> None:
    for headers in (None, bearing("mr_" + "a" * 43), {"X-Admin-Id": "x"}):
        assert api.delete(f"/admin/orders/{order_id}", headers).status_code == 401
    assert actions(engine) == []


def test_the_access_log_says_who_did_what_and_never_with_what(
    api: AppClient, engine: Engine, order_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = create_token(engine, "alice")
    api.delete(f"/admin/orders/{order_id}", bearing(alice.secret, "admin-7"))
    api.delete("/admin/orders/unknown", bearing("mr_" + "a" * 43))
    captured = capsys.readouterr()
    lines = [line for line in (captured.out + captured.err).splitlines() if "order.delete" in line]
    assert len(lines) == 2
    assert all(word in lines[0] for word in ("alice", "admin-7", order_id, "done", "204"))
    assert all(word in lines[1] for word in ("refused", "401"))
    assert alice.secret not in captured.out + captured.err
    assert "a" * 43 not in captured.out + captured.err


def test_a_token_that_ended_says_how(api: AppClient, engine: Engine) -> None:
    expired = create_token(engine, "alice", timedelta(seconds=-1))
    answer: Any = api.delete("/admin/orders/x", bearing(expired.secret))
    assert "has expired" in answer.json()["detail"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
