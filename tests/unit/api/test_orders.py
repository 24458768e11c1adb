"""Placing, reading and cancelling orders over HTTP."""

import json
import re
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from tests.support.shop import ADMIN, AppClient, Call, events, stored

pytestmark = pytest.mark.real_servers

CURL_BODY = (
    b'{"userId": 1, "status": "PENDING", "totalAmount": 50000,'
    b' "items": [{"productId": 101, "quantity": 2, "price": 25000}]}'
)
HOSTILE = [
    "'; DROP TABLE orders; --",
    '<script>alert("x")</script>',
    "\" OR 1=1 /* {{7*7}} ${jndi:ldap://x} %s %00 \\' \\\\",
    "Zoë Ångström, 12 例え通り\nline two\t👩‍👩‍👧‍👦",
]


def place(api: AppClient, **more: Any) -> dict[str, Any]:
    answer = api.post("/api/orders", {"userId": "1", "items": [{"productId": "102", "quantity": 1}], **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_originals_request_is_answered_with_the_whole_order(api: AppClient, engine: Engine) -> None:
    answer = api.post("/api/orders", content=CURL_BODY)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    order = answer.json()
    assert answer.headers["location"] == f"/api/orders/{order['id']}"
    assert '"totalAmount":50000.00,' in answer.text
    assert '"price":25000.00}' in answer.text
    assert order["orderId"] == order["id"]
    assert (order["userId"], order["status"], order["version"]) == ("1", "PENDING", 1)
    assert order["items"] == [{"productId": "101", "productName": "Machine", "quantity": 2, "price": 25000.0}]
    assert (order["paymentStatus"], order["paymentMethod"], order["shippingAddress"]) == (None, None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", order["createdAt"])
    assert order["updatedAt"] == order["createdAt"]
    assert set(order) == {
        *("id", "orderId", "userId", "totalAmount", "status", "shippingAddress", "items"),
        *("paymentStatus", "paymentMethod", "version", "createdAt", "updatedAt"),
    }
    assert stored(engine).orders == 1
    assert api.get(answer.headers["location"]).json() == order


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_stored_and_returned_as_it_was_sent(api: AppClient, engine: Engine, text: str) -> None:
    order = place(api, shippingAddress=text)

    assert order["shippingAddress"] == text
    assert api.get(f"/api/orders/{order['id']}").json()["shippingAddress"] == text
    payload = json.loads(events(engine, "OrderCreated")[0].payload)
    assert payload["data"]["order"]["shippingAddress"] == text


def test_the_same_product_may_stand_in_several_lines(api: AppClient) -> None:
    line = {"productId": "102", "quantity": 2, "price": 19.99}
    answer = api.post("/api/orders", {"userId": "1", "items": [line, line], "totalAmount": 79.96})
    assert answer.status_code == 201
    assert len(answer.json()["items"]) == 2


def test_a_price_of_nothing_is_a_price(api: AppClient) -> None:
    answer = api.post("/api/orders", {"userId": "1", "items": [{"productId": "103", "quantity": 1}], "totalAmount": 0})
    assert answer.status_code == 201
    assert '"totalAmount":0.00,' in answer.text


def test_an_unknown_order_is_not_found(api: AppClient) -> None:
    answer = api.get("/api/orders/00000000-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


def test_pages_of_a_users_orders_are_newest_first_and_complete(api: AppClient) -> None:
    placed = [place(api, items=[{"productId": "101", "quantity": 1}])["id"] for _ in range(7)]
    place(api, userId="2", items=[{"productId": "101", "quantity": 1}])

    seen: list[str] = []
    cursor = ""
    pages = 0
    while True:
        page = api.get(f"/api/orders/user/1?limit=3{cursor}").json()
        seen += [order["id"] for order in page["items"]]
        pages += 1
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"

    assert (seen, pages) == (placed[::-1], 3)


def test_a_full_last_page_has_no_cursor(api: AppClient) -> None:
    place(api)
    place(api)
    page = api.get("/api/orders/user/1?limit=2").json()
    assert (len(page["items"]), page["nextCursor"]) == (2, None)


def test_a_user_without_orders_has_an_empty_page_and_an_unknown_one_none(api: AppClient) -> None:
    assert api.get("/api/orders/user/2").json() == {"items": [], "nextCursor": None}
    assert api.get("/api/orders/user/nobody").status_code == 404


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1.5", "", "٣", "1e2", "99999999999999999999"])
def test_a_limit_out_of_bounds_is_named(api: AppClient, limit: str) -> None:
    answer = api.get(f"/api/orders/user/1?limit={limit}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "!!", "bnVsbA", "W10", "WzEsMl0", "%00", "%F0%9F%91%A9", "A" * 500),
        "WyIyMDI2LTExLTIxIiwiYSJd",  # a time without a zone
        "WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwiYSJd",  # beyond what UTC can say
        "WyJ4IiwieSJd",
    ],
)
def test_a_made_up_cursor_is_named(api: AppClient, cursor: str) -> None:
    answer = api.get(f"/api/orders/user/1?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_a_parameter_given_twice_is_named(api: AppClient) -> None:
    answer = api.get("/api/orders/user/1?limit=1&limit=2")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


def test_cancelling_frees_the_stock_and_happens_once(api: AppClient, engine: Engine) -> None:
    before = stored(engine).stock
    order = place(api)

    cancelled = api.post(f"/api/orders/{order['id']}/cancel")
    again = api.post(f"/api/orders/{order['id']}/cancel", {})

    assert cancelled.status_code == 200
    assert (cancelled.json()["status"], cancelled.json()["version"]) == ("CANCELLED", 2)
    assert again.status_code == 409
    assert again.json()["type"] == "/problems/conflict"
    assert [row[:3] for row in stored(engine).stock] == [row[:3] for row in before]
    assert len(events(engine, "OrderCancelled")) == 1


def test_sixteen_cancels_at_once_are_one_success_and_fifteen_conflicts(api: AppClient, engine: Engine) -> None:
    order = place(api)
    answers = api.all_at_once([Call("POST", f"/api/orders/{order['id']}/cancel")] * 16)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    assert len(events(engine, "OrderCancelled")) == 1
    assert len(events(engine, "StockReleased")) == 1


def test_a_cancel_with_a_body_it_does_not_know_changes_nothing(api: AppClient, engine: Engine) -> None:
    order = place(api)
    before = stored(engine)
    answer = api.post(f"/api/orders/{order['id']}/cancel", {"reason": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "reason", "message": "is not a known field"}]
    assert stored(engine) == before


def test_orders_at_once_never_sell_more_than_there_is(api: AppClient, engine: Engine) -> None:
    body = {"userId": "1", "items": [{"productId": "102", "quantity": 1}]}
    answers = api.all_at_once([Call("POST", "/api/orders", body)] * 12)
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 7
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refused["type"] == "/problems/insufficient-stock"
    assert stored(engine).stock[1][:3] == ("102", 5, 5)


def test_a_deleted_order_is_gone_for_readers_and_cancels(api: AppClient) -> None:
    order = place(api)
    assert api.delete(f"/admin/orders/{order['id']}", ADMIN).status_code == 204
    assert api.get(f"/api/orders/{order['id']}").status_code == 404
    assert api.post(f"/api/orders/{order['id']}/cancel").status_code == 404
    assert api.get("/api/orders/user/1").json()["items"] == []
