"""Idempotency-Key: what is sent again is answered again and not done again, whatever came in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.routing import Route

from tests.support.shop import ADMIN, AppClient, Call, stored
from tests.unit.api.keyed import KEY, ORDER, again, kept, paid, placed, slug

pytestmark = pytest.mark.real_servers

# ---- every POST route


# A new POST route needs a line: a request that it takes, and how often.
POSTS: dict[str, Callable[[AppClient], Call]] = {
    "/api/orders": lambda _api: Call("POST", "/api/orders", ORDER),
    "/api/orders/{id}/cancel": lambda api: Call("POST", f"/api/orders/{placed(api)}/cancel"),
    "/api/payments": lambda api: Call("POST", "/api/payments", {"orderId": placed(api), "method": "CARD"}),
    "/api/payments/{orderId}/refund": lambda api: Call("POST", f"/api/payments/{paid(api)}/refund"),
}


def post_routes(api: AppClient) -> set[str]:
    routes = [route for route in api.app.routes if isinstance(route, Route)]
    return {route.path for route in routes if "POST" in getattr(route.app, "handlers", ())}


def test_every_post_route_is_tried_here(api: AppClient) -> None:
    assert post_routes(api) == set(POSTS)


@pytest.mark.parametrize("route", POSTS)
def test_every_post_route_repeats_its_first_answer(api: AppClient, engine: Engine, route: str) -> None:
    call = POSTS[route](api)
    keyed = Call(call.method, call.path, call.json, headers={**ADMIN, **KEY})
    first = api.call(keyed)
    assert first.status_code < 300, first.text
    after = stored(engine)
    again(first, api.call(keyed))
    again(first, api.call(keyed))
    assert stored(engine) == after


@pytest.mark.parametrize("route", POSTS)
def test_every_post_route_refuses_what_is_no_key(api: AppClient, engine: Engine, route: str) -> None:
    call = POSTS[route](api)
    before = stored(engine)
    answer = api.call(Call("POST", call.path, call.json, headers={**ADMIN, "Idempotency-Key": '"'}))
    assert (answer.status_code, slug(answer)) == (400, "idempotency-key-malformed")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert stored(engine) == before


def test_other_methods_take_no_notice_of_a_key(api: AppClient) -> None:
    order = placed(api)
    assert api.get(f"/api/orders/{order}", {"Idempotency-Key": '"'}).status_code == 200
    assert api.delete(f"/admin/orders/{order}", {**ADMIN, "Idempotency-Key": '"'}).status_code == 204


def test_a_request_without_a_key_costs_no_statement(api: AppClient, engine: Engine) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cu, statement, *_: asked.append(statement))
    assert api.post("/api/orders", ORDER).status_code == 201
    assert asked
    assert not [statement for statement in asked if "idempotency_keys" in statement]


# ---- the key


@pytest.mark.parametrize(
    ("one", "same"),
    [("abc", '"abc"'), ('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("k" * 255, f'"{"k" * 255}"'), ("a b~!", '"a b~!"')],
)
def test_a_key_is_the_same_with_and_without_quotes(api: AppClient, one: str, same: str) -> None:
    first = api.post("/api/orders", ORDER, headers={"Idempotency-Key": one})
    assert first.status_code == 201
    again(first, api.post("/api/orders", ORDER, headers={"Idempotency-Key": same}))


@pytest.mark.parametrize(
    "key",
    [
        "",
        '""',
        '"',
        '"a',
        '"a"b',
        '"a";p=1',
        "k" * 256,
        f'"{"k" * 256}"',
        "\u00e9",
        "a\tb",
        '"\\a"',
        "a\x7f",
        '"a", "b"',
    ],
)
def test_what_is_no_key_is_named(api: AppClient, engine: Engine, key: str) -> None:
    before = stored(engine)
    answer = api.post("/api/orders", ORDER, headers={"Idempotency-Key": key})
    assert (answer.status_code, slug(answer)) == (400, "idempotency-key-malformed")
    assert stored(engine) == before
    assert kept(engine) == 0


def test_two_keys_in_one_request_are_refused(api: AppClient, engine: Engine) -> None:
    answer = api.post("/api/orders", ORDER, headers={"Idempotency-Key": "a", "idempotency-key": "b"})
    assert (answer.status_code, slug(answer)) == (400, "idempotency-key-malformed")
    assert stored(engine).orders == 0


def test_keys_of_other_routes_and_credentials_are_other_keys(api: AppClient, engine: Engine) -> None:
    first = api.post("/api/orders", ORDER, headers=KEY)
    other = api.post("/api/orders", ORDER, headers={**KEY, "Authorization": "Bearer another"})
    order = first.json()["id"]
    assert [first.status_code, other.status_code] == [201, 201]
    assert api.post(f"/api/orders/{order}/cancel", headers=KEY).json()["status"] == "CANCELLED"
    assert stored(engine).orders == 2


@pytest.mark.parametrize("body", [{**ORDER, "userId": "2"}, {**ORDER, "totalAmount": 25000}])
def test_the_same_key_with_another_body_is_422(api: AppClient, engine: Engine, body: dict[str, Any]) -> None:
    first = api.post("/api/orders", ORDER, headers=KEY)
    other = api.post("/api/orders", body, headers=KEY)
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
    again(first, api.post("/api/orders", ORDER, headers=KEY))
    assert stored(engine).orders == 1


def test_the_same_key_for_another_order_is_422(api: AppClient) -> None:
    one, other = placed(api), placed(api)
    assert api.post(f"/api/orders/{one}/cancel", headers=KEY).status_code == 200
    answer = api.post(f"/api/orders/{other}/cancel", headers=KEY)
    assert (answer.status_code, slug(answer)) == (422, "idempotency-key-reused")
    assert api.get(f"/api/orders/{other}").json()["status"] == "PENDING"
