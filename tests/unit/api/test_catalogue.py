"""Products and users, one by one and in pages."""

import pytest

from tests.support.shop import AppClient

pytestmark = pytest.mark.real_servers


def test_a_product_has_its_exact_price(api: AppClient) -> None:
    answer = api.get("/api/products/101")
    assert answer.status_code == 200
    assert '"price":25000.00,' in answer.text
    assert {key: answer.json()[key] for key in ("id", "name")} == {"id": "101", "name": "Machine"}
    assert answer.json()["createdAt"].endswith("Z")


def test_a_user_is_answered(api: AppClient) -> None:
    body = api.get("/api/users/1").json()
    assert (body["id"], body["email"], body["name"]) == ("1", "user1@example.com", "User 1")


def test_pages_hold_everything_once(api: AppClient) -> None:
    first = api.get("/api/products?limit=2").json()
    second = api.get(f"/api/products?limit=2&cursor={first['nextCursor']}").json()
    assert [product["id"] for product in first["items"] + second["items"]] == ["101", "102", "103"]
    assert second["nextCursor"] is None
    assert [user["id"] for user in api.get("/api/users").json()["items"]] == ["1", "2"]


@pytest.mark.parametrize("path", ["/api/products", "/api/users"])
@pytest.mark.parametrize(("query", "field"), [("limit=201", "limit"), ("cursor=abc", "cursor")])
def test_a_faulty_parameter_is_named(api: AppClient, path: str, query: str, field: str) -> None:
    answer = api.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("kind", ["products", "users", "orders"])
@pytest.mark.parametrize(
    "name", ["0", "x" * 37, "x" * 900, "%00", "1%00", "%0a", "1' OR '1'='1", "%F0%9F%91%A9", "１０１"]
)
def test_what_is_not_there_is_404(api: AppClient, kind: str, name: str) -> None:
    answer = api.get(f"/api/{kind}/{name}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
