"""What the API says of itself: complete, true to the routes, true to what it accepts, and what every problem means."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.api import orders
from services.api.answers import json_response, order_answer
from services.api.openapi import PATH_PARAMETERS, TAGS, description, operations
from services.api.problem_types import PROBLEM_TYPES
from services.api.requests import Body
from services.settings import PROJECT_ROOT
from tests.support.described import Description, exact
from tests.support.shop import ADMIN, ADMIN_TOKEN, AppClient, Call
from tests.unit.api.conftest import FakeReader
from tests.unit.api.keyed import ORDER, paid, placed
from tests.unit.api.test_bad_orders import FAULTY
from tests.unit.api.test_bad_orders import order as order_body

Json = dict[str, Any]


@pytest.fixture
def document(api: AppClient) -> Json:
    answer = api.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: Json = exact(answer.content)
    return found


def described_operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


# ---- complete


def test_every_route_says_what_it_does(api: AppClient) -> None:
    silent = [f"{method} {path}" for path, method, _, said in operations(api.app.routes) if said is None]
    assert silent == []


def test_a_route_without_a_description_is_refused(api: AppClient) -> None:
    from services.api.routing import resource

    async def silent(_request: object) -> Any:
        """Never asked."""

    with pytest.raises(ValueError, match="GET /silent has no description"):
        description([*api.app.routes, resource("/silent", get=silent)], "0")


def test_every_operation_is_described_to_people(document: Json) -> None:
    for method, path, operation in described_operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert set(operation["tags"]) <= set(TAGS), where
        for parameter in operation["parameters"]:
            assert parameter["description"], where
    ids = [operation["operationId"] for *_, operation in described_operations(document)]
    assert len(ids) == len(set(ids))


def test_the_description_has_every_route_that_is_not_a_part_of_a_page(api: AppClient, document: Json) -> None:
    told = {(path, method) for method, path, _ in described_operations(document)}
    routes = {(path, method) for path, method, _, said in operations(api.app.routes) if said and not said.hidden}
    hidden = {path for path, _, _, said in operations(api.app.routes) if said and said.hidden}
    assert told == routes
    assert hidden == {"/static/vendor/plotly.min.js", "/docs/swagger-ui.js", "/docs/swagger-ui.css"}


def test_what_follows_from_the_kind_of_an_operation_is_there(document: Json) -> None:
    for method, path, operation in described_operations(document):
        headers = {p["name"] for p in operation["parameters"] if p["in"] == "header"}
        assert ("Idempotency-Key" in headers) == (method == "POST"), path
        admin = operation.get("security") == [{"adminToken": []}]
        assert admin == ("X-Admin-Id" in headers) == ("401" in operation["responses"]), path
        in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", path)
        assert set(in_path) <= set(PATH_PARAMETERS)


def test_it_is_asked_for_again_only_when_it_changed(api: AppClient) -> None:
    first = api.get("/openapi.json")
    again = api.get("/openapi.json", {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


# ---- true to what is accepted and answered


def test_money_is_a_number_with_its_digits_and_an_id_is_a_string_or_an_integer(document: Json) -> None:
    schemas = document["components"]["schemas"]
    item = schemas["ItemBody"]["properties"]
    assert {kind["type"] for kind in item["productId"]["anyOf"]} == {"string", "integer"}
    money = {"type": "number", "multipleOf": exact("0.01")}
    assert {**item["price"], **money} == item["price"]
    assert "default" not in item["price"]
    assert {**schemas["OrderAnswer"]["properties"]["totalAmount"], **money} == schemas["OrderAnswer"]["properties"][
        "totalAmount"
    ]


SEMANTIC = {
    "price just beside the catalogue's",
    "total not the items'",
    *("an unknown product", "an unknown product in SQL", "a product in full-width digits"),
    "a product with a trailing space",
    # JSON Schema takes these numbers for whole, and -0 for 0; the API reads the digits
    *("quantity with a decimal point", "quantity an exponent"),
    *("price minus zero", "price minus zero point zero", "user a fraction", "user an exponent"),
    # in Python's patterns, but in no others, $ is before a line break at the end as well
    "product with a line break",
    "user with half a surrogate pair",
    "address with half a surrogate pair",
}
NO_JSON = {name for name, (body, _) in FAULTY.items() if re.search(rb"NaN|Infinity|1e400|1e9{9}|1e-400|9{5000}", body)}


@pytest.mark.parametrize("name", sorted(set(FAULTY) - SEMANTIC - NO_JSON))
def test_the_model_of_a_body_refuses_what_the_api_refuses(document: Json, name: str) -> None:
    schema = {"$ref": "#/components/schemas/OrderBody", "components": document["components"]}
    body, _ = FAULTY[name]
    assert not Draft202012Validator(schema).is_valid(exact(body)), "the description takes what the API refuses"


@pytest.mark.parametrize(
    "body",
    [
        *(order_body(totalAmount=text) for text in ("25000", "25000.00", "2.5e4")),
        *(order_body(userId=text) for text in ("1", '"1"')),
        order_body(shippingAddress='"a\\nb\\t\\r\\u00e9"'),
        order_body(shippingAddress="null"),
    ],
)
def test_the_model_of_a_body_takes_what_the_api_takes(api: AppClient, document: Json, body: bytes) -> None:
    schema = {"$ref": "#/components/schemas/OrderBody", "components": document["components"]}
    Draft202012Validator(schema).validate(exact(body))
    assert api.post("/api/orders", content=body).status_code == 201


def test_every_query_parameter_is_read_as_it_is_described(api: AppClient, document: Json, reader: FakeReader) -> None:
    tried = 0
    for _, path, operation in described_operations(document):
        for parameter in (p for p in operation["parameters"] if p["in"] == "query"):
            schema, where = parameter["schema"], re.sub(r"{\w+}", "1", path.replace("{orderId}", placed(api)))
            bad = [str(schema["maximum"] + 1), "0", "x"] if schema["type"] == "integer" else ["x"]
            for value in bad:
                answer = api.get(f"{where}?{parameter['name']}={value}")
                assert answer.status_code == 422, f"{path} takes {parameter['name']}={value}"
                assert answer.json()["errors"][0]["field"] == parameter["name"]
            if schema["type"] == "integer":
                assert api.get(f"{where}?{parameter['name']}={schema['maximum']}").status_code == 200
            tried += 1
    assert tried >= 12


# ---- examples


# What an example needs to be there first: the path it is sent to.
PATHS: dict[str, Callable[[AppClient], str]] = {
    "/api/orders/{id}/cancel": lambda api: f"/api/orders/{placed(api)}/cancel",
    "/api/payments/{orderId}/refund": lambda api: f"/api/payments/{paid(api)}/refund",
    "/api/inventory/{productId}": lambda _api: "/api/inventory/101",
}
# What stands in an example for something that every shop has its own of.
BODIES: dict[str, Callable[[AppClient, Any], Any]] = {
    "/api/payments": lambda api, body: {**body, "orderId": placed(api, 2)},
}


def examples(document: Json) -> Iterator[tuple[str, str, str, Any, str]]:
    for method, path, operation in described_operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        success = next(status for status in operation["responses"] if status.startswith("2"))
        for name, example in content.get("examples", {}).items():
            yield method, path, name, example["value"], success


def test_every_body_has_an_example_and_every_example_works(api: AppClient, document: Json) -> None:
    shown = list(examples(document))
    with_body = {path for _, path, operation in described_operations(document) if "requestBody" in operation}
    assert {path for _, path, *_ in shown} == with_body
    for method, path, name, value, success in shown:
        where = PATHS[path](api) if "{" in path else path
        body = BODIES[path](api, value) if path in BODIES else value
        answer = api.call(Call(method, where, body, headers=ADMIN))
        assert answer.status_code == int(success), f"{path}, {name}: {answer.text}"


# ---- the watch over all other tests


def test_an_answer_that_is_not_described_fails_the_test_that_got_it(
    api: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (
        lambda _order: json_response({}, 200),
        lambda _order: json_response({"id": "1"}, 201, {"Location": "/x"}),
        lambda order: json_response(order_answer(order), 201),
        lambda order: json_response({**order_answer(order), "more": 1}, 201, {"Location": "/x"}),
        lambda order: json_response({**order_answer(order), "totalAmount": "1"}, 201, {"Location": "/x"}),
    ):
        monkeypatch.setattr(orders, "_placed", wrong)
        with pytest.raises(Exception, match=r"described|description|without|required|not of type|extra|multiple"):
            api.post("/api/orders", ORDER)


def test_the_watch_knows_a_described_answer(api: AppClient) -> None:
    watch = Description(api.app)
    answer = api.post("/api/orders", ORDER)
    watch.check("POST", "/api/orders", answer)
    assert watch.seen == {("POST", "/api/orders", 201)}


# ---- problems


def told_problems() -> dict[str, set[tuple[int | None, str | None]]]:
    """Slugs in the code, each with the statuses and titles it is told with where those are written out."""
    found: dict[str, set[tuple[int | None, str | None]]] = {}
    for file in (PROJECT_ROOT / "services" / "api").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                status, slug, title = (each.value if isinstance(each, ast.Constant) else None for each in node.args[:3])
                assert isinstance(slug, str), f"{file.name}:{node.lineno}: write the slug of a problem out"
                assert status is None or isinstance(status, int)
                assert title is None or isinstance(title, str)
                found.setdefault(slug, set()).add((status, title))
    return found


def test_every_problem_in_the_code_has_its_explanation() -> None:
    found = told_problems()
    assert set(found) - set(PROBLEM_TYPES) == set(), "explain them in services/api/problem_types.py"
    for slug, told in found.items():
        known = PROBLEM_TYPES[slug]
        assert {status for status, _ in told} <= {known.status, None}, slug
        assert {title for _, title in told} <= {known.title, None}, slug


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_a_problems_type_leads_to_what_it_means_and_what_to_do(api: AppClient, slug: str) -> None:
    page = api.get(f"/problems/{slug}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    kind = PROBLEM_TYPES[slug]
    text = text_of(page.text)
    assert kind.meaning in text
    assert kind.remedy in text
    assert kind.title in text
    assert f'id="{slug}"' in api.get("/problems").text


def test_what_is_no_type_of_problem_is_not_found(api: AppClient) -> None:
    assert api.get("/problems/nothing").status_code == 404


# ---- the page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.text = ""
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in = tag
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag in ("script", "link", "img"):
            self.loads.append(given.get("src") or given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in in ("script", "style") and data.strip():
            self.inline.append(data)


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    return tags


def text_of(html: str) -> str:
    return parsed(html).text


@pytest.mark.parametrize("page", ["/docs", "/problems", "/problems/validation"])
def test_pages_load_their_own_files_only_and_have_nothing_inline(api: AppClient, page: str) -> None:
    answer = api.get(page)
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    tags = parsed(answer.text)
    assert tags.inline == []
    assert tags.loads
    for file in tags.loads:
        assert file.startswith("/")
        assert not file.startswith("//")
        assert api.get(file).status_code == 200, file


def test_the_page_shows_this_description_and_keeps_no_token(api: AppClient) -> None:
    script = api.get("/static/docs.js").text
    assert 'url: "/openapi.json"' in script
    assert "persistAuthorization: false" in script
    assert "validatorUrl: null" in script
    shown = api.get("/docs/swagger-ui.js")
    assert shown.headers["cache-control"] == "public, max-age=604800"
    assert "3.1." in shown.text, "this Swagger UI does not know OpenAPI 3.1"
    assert ADMIN_TOKEN not in shown.text + script


def test_bodies_are_bodies() -> None:
    """Every model of a body refuses unknown fields, in the code and in the description."""
    for model in Body.__subclasses__():
        assert model.model_json_schema()["additionalProperties"] is False


def test_swagger_ui_is_found_where_it_is_installed() -> None:
    from services.api.reference import _swagger_ui

    assert Path(_swagger_ui("swagger-ui-bundle.js", "text/javascript").path).is_file()
