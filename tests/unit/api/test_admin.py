"""Deleting orders: only with the credential, only by somebody named, only once."""

import json

import pytest
from sqlalchemy.engine import Engine

from services.api.app import create_app
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
