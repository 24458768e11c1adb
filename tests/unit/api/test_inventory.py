"""A product's stock over HTTP: who may change it, from which version, and never below what is reserved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from tests.support.shop import ADMIN, AppClient, Call, events, stored

pytestmark = pytest.mark.real_servers

PATH = "/api/inventory/102"


def patch(api: AppClient, body: Any, headers: dict[str, str] | None = None, path: str = PATH) -> Any:
    return api.call(Call("PATCH", path, body, headers=ADMIN | (headers or {})))


def order(api: AppClient, quantity: int) -> None:
    answer = api.post("/api/orders", {"userId": "1", "items": [{"productId": "102", "quantity": quantity}]})
    assert answer.status_code == 201


def test_anybody_may_see_it(api: AppClient) -> None:
    order(api, 2)
    answer = api.get(PATH)
    assert answer.status_code == 200
    assert answer.json() == {"productId": "102", "quantity": 5, "reserved": 2, "available": 3, "version": 2}
    assert answer.headers["etag"] == '"2"'
    assert api.get("/api/inventory/unknown").status_code == 404


def test_it_is_set_and_adjusted(api: AppClient, engine: Engine) -> None:
    set_to = patch(api, {"quantity": 12})
    assert (set_to.status_code, set_to.headers["etag"]) == (200, '"2"')
    assert set_to.json() == {"productId": "102", "quantity": 12, "reserved": 0, "available": 12, "version": 2}
    assert patch(api, {"adjust": -3}).json()["quantity"] == 9
    assert patch(api, {"adjust": 1}).json() == api.get(PATH).json()
    told = [json.loads(row.payload) for row in events(engine, "StockAdjusted")]
    assert [(each["version"], each["data"]["quantity"]) for each in told] == [(2, 12), (3, 9), (4, 10)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"quantity": 1, "adjust": 1},
        {"quantity": None},
        {"adjust": None},
        {"quantity": -1},
        {"quantity": 2**31},
        {"adjust": 2**31 - 1},
        {"adjust": -6},
        {"quantity": 1.5},
        {"quantity": "1"},
        {"quantity": True},
        {"quantity": 1, "reserved": 0},
    ],
)
def test_what_makes_no_stock_is_422_and_names_the_field(api: AppClient, engine: Engine, body: Any) -> None:
    before = stored(engine)
    answer = patch(api, body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} <= {"quantity", "adjust", "reserved"}
    assert stored(engine) == before


@pytest.mark.parametrize("body", [{"quantity": 2}, {"adjust": -3}])
def test_what_is_reserved_stays(api: AppClient, engine: Engine, body: Any) -> None:
    order(api, 3)
    before = stored(engine)
    answer = patch(api, body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert stored(engine) == before
    assert patch(api, {"quantity": 3}).json()["available"] == 0


@pytest.mark.parametrize("tags", ['"1"', '"7", "1"', "*", 'W/"9" , "1"'])
def test_a_change_from_the_version_that_is_there_is_made(api: AppClient, tags: str) -> None:
    assert patch(api, {"quantity": 9}, {"If-Match": tags}).status_code == 200


@pytest.mark.parametrize("tags", ['"2"', '"0"', 'W/"1"', '"1x"', '"01"', '"99999999999"', '"a", "b"', '""'])
def test_a_change_from_another_version_is_412_and_says_which_there_is(
    api: AppClient, engine: Engine, tags: str
) -> None:
    before = stored(engine)
    answer = patch(api, {"quantity": 9}, {"If-Match": tags})
    assert (answer.status_code, answer.json()["type"]) == (412, "/problems/precondition-failed")
    assert answer.headers["etag"] == '"1"'
    assert stored(engine) == before


@pytest.mark.parametrize("tags", ["1", '"1', "'1'", '"1" "2"', ',"1"', '"a" b', "", " "])
def test_an_if_match_that_is_none_is_400(api: AppClient, engine: Engine, tags: str) -> None:
    before = stored(engine)
    answer = patch(api, {"quantity": 9}, {"If-Match": tags})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "If-Match")
    assert stored(engine) == before


def test_of_sixteen_who_change_the_same_version_one_does(api: AppClient, engine: Engine) -> None:
    headers = ADMIN | {"If-Match": '"1"'}
    answers = api.all_at_once([Call("PATCH", PATH, {"quantity": 20 + n}, headers=headers) for n in range(16)])
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 15
    assert len(events(engine, "StockAdjusted")) == 1


def test_adjustments_and_orders_at_once_lose_nothing(api: AppClient, engine: Engine) -> None:
    body = {"userId": "1", "items": [{"productId": "102", "quantity": 1}]}
    calls = [Call("PATCH", PATH, {"adjust": 1}, headers=ADMIN), Call("POST", "/api/orders", body)]
    answers = api.all_at_once(calls * 16)
    assert [answer.status_code for answer in answers[::2]] == [200] * 16
    placed = sum(answer.status_code == 201 for answer in answers[1::2])
    assert placed >= 5
    assert api.get(PATH).json() == {
        "productId": "102",
        "quantity": 21,
        "reserved": placed,
        "available": 21 - placed,
        "version": 1 + 16 + placed,
    }


def test_without_the_credential_or_a_name_nothing_happens(api: AppClient, engine: Engine) -> None:
    before = stored(engine)
    for headers, status in (({}, 401), ({"X-Admin-Id": "a", "Authorization": "Bearer x"}, 401)):
        assert api.call(Call("PATCH", PATH, {"quantity": 9}, headers=headers)).status_code == status
    nameless = {"Authorization": ADMIN["Authorization"]}
    assert api.call(Call("PATCH", PATH, {"quantity": 9}, headers=nameless)).status_code == 400
    assert stored(engine) == before


def test_an_unknown_product_is_404(api: AppClient) -> None:
    assert patch(api, {"quantity": 1}, path="/api/inventory/unknown").status_code == 404
    assert patch(api, {"quantity": 1}, {"If-Match": '"1"'}, path="/api/inventory/unknown").status_code == 404
