"""What cannot be an order is a 4xx problem that names the field, and nothing of it is stored."""

from typing import Any

import pytest
from sqlalchemy.engine import Engine

from tests.support.shop import AppClient, stored

ITEM = '{"productId": "101", "quantity": 1}'


def order(**raw: str) -> bytes:
    """A good order's body with some members replaced by raw JSON text; an empty text leaves a member out."""
    members = {"userId": '"1"', "items": f"[{ITEM}]", **raw}
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in members.items() if text) + "}").encode()


def item(**raw: str) -> bytes:
    """A good order whose only item has some members replaced."""
    members = {"productId": '"101"', "quantity": "1", **raw}
    return order(items="[{" + ", ".join(f'"{name}": {text}' for name, text in members.items() if text) + "}]")


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


MALFORMED: dict[str, tuple[bytes, str | None]] = {
    "no body": (b"", None),
    "not JSON": (b"userId=1", None),
    "cut short": (b'{"userId": 1, "items": [', None),
    "two values": (order() + b"{}", None),
    "trailing comma": (b'{"userId": 1,}', None),
    "single quotes": (b"{'userId': 1}", None),
    "a list": (b"[]", None),
    "a string": (b'"order"', None),
    "null": (b"null", None),
    "a number": (b"1", None),
    "byte order mark": (b"\xef\xbb\xbf" + order(), None),
    "UTF-16": (order().decode().encode("utf-16"), None),
    "UTF-8 cut short": (order(shippingAddress='"x"').replace(b'"x"', b'"\xc3"'), None),
    "a control character in a string": (order(shippingAddress='"a\nb"'), None),
    "the same field twice": (b'{"userId": 1, "userId": 2, "items": []}', "userId"),
    "the same field twice, inside": (item(quantity='1, "quantity": 2'), "quantity"),
    "nested 100,000 deep": (order(items=nested(100_000)), None),
    "objects nested 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None),
}

FAULTY: dict[str, tuple[bytes, str]] = {
    "no user": (order(userId=""), "userId"),
    "user null": (order(userId="null"), "userId"),
    "user true": (order(userId="true"), "userId"),
    "user a fraction": (order(userId="1.0"), "userId"),
    "user an exponent": (order(userId="1e0"), "userId"),
    "user a list": (order(userId="[1]"), "userId"),
    "user empty": (order(userId='""'), "userId"),
    "user too long": (order(userId=f'"{"u" * 37}"'), "userId"),
    "user a number of 5,000 digits": (order(userId="9" * 5000), "userId"),
    "user with NUL": (order(userId='"1\\u0000"'), "userId"),
    "user with half a surrogate pair": (order(userId='"\\ud800"'), "userId"),
    "no items": (order(items=""), "items"),
    "items null": (order(items="null"), "items"),
    "items an object": (order(items=ITEM), "items"),
    "items empty": (order(items="[]"), "items"),
    "items 101": (order(items=f"[{', '.join([ITEM] * 101)}]"), "items"),
    "items 20,000": (order(items=f"[{', '.join([ITEM] * 20_000)}]"), "items"),
    "items nested 500 deep": (order(items=nested(500)), "items[0]"),
    "an item null": (order(items="[null]"), "items[0]"),
    "the second item wrong": (order(items=f'[{ITEM}, {{"productId": "101"}}]'), "items[1].quantity"),
    "no product": (item(productId=""), "items[0].productId"),
    "product false": (item(productId="false"), "items[0].productId"),
    "product too long": (item(productId=f'"{"p" * 37}"'), "items[0].productId"),
    "product with a line break": (item(productId='"101\\n"'), "items[0].productId"),
    "quantity missing": (item(quantity=""), "items[0].quantity"),
    "quantity null": (item(quantity="null"), "items[0].quantity"),
    "quantity zero": (item(quantity="0"), "items[0].quantity"),
    "quantity minus zero": (item(quantity="-0"), "items[0].quantity"),
    "quantity negative": (item(quantity="-1"), "items[0].quantity"),
    "quantity a fraction": (item(quantity="1.5"), "items[0].quantity"),
    "quantity with a decimal point": (item(quantity="1.0"), "items[0].quantity"),
    "quantity an exponent": (item(quantity="1e2"), "items[0].quantity"),
    "quantity text": (item(quantity='"2"'), "items[0].quantity"),
    "quantity true": (item(quantity="true"), "items[0].quantity"),
    "quantity huge": (item(quantity="1000001"), "items[0].quantity"),
    "quantity of 5,000 digits": (item(quantity="9" * 5000), "items[0].quantity"),
    "quantity NaN": (item(quantity="NaN"), "items[0].quantity"),
    "quantity Infinity": (item(quantity="Infinity"), "items[0].quantity"),
    "quantity 1e400": (item(quantity="1e400"), "items[0].quantity"),
    "price null": (item(price="null"), "items[0].price"),
    "price text": (item(price='"25000"'), "items[0].price"),
    "price true": (item(price="true"), "items[0].price"),
    "price negative": (item(price="-25000"), "items[0].price"),
    "price minus zero": (item(productId='"103"', price="-0"), "items[0].price"),
    "price minus zero point zero": (item(productId='"103"', price="-0.0"), "items[0].price"),
    "price NaN": (item(price="NaN"), "items[0].price"),
    "price minus infinity": (item(price="-Infinity"), "items[0].price"),
    "price 1e400": (item(price="1e400"), "items[0].price"),
    "price with an exponent beyond Decimal": (item(price="1e99999999999999999999"), "items[0].price"),
    "price infinitely small": (item(price="1e-400"), "items[0].price"),
    "price of three places": (item(price="25000.001"), "items[0].price"),
    "price just beside the catalogue's": (item(price="25000.01"), "items[0].price"),
    "price off by what a float cannot tell": (item(price="25000.0000000000000000000001"), "items[0].price"),
    "price above ten trillion": (item(price="10000000000000.01"), "items[0].price"),
    "price of 5,000 digits": (item(price="9" * 5000), "items[0].price"),
    "total above ten trillion": (order(totalAmount="10000000000001"), "totalAmount"),
    "total not the items'": (order(totalAmount="24999.99"), "totalAmount"),
    "total null": (order(totalAmount="null"), "totalAmount"),
    "total text": (order(totalAmount='"25000"'), "totalAmount"),
    "total NaN": (order(totalAmount="NaN"), "totalAmount"),
    "total 1e400": (order(totalAmount="1e400"), "totalAmount"),
    "status another": (order(status='"COMPLETED"'), "status"),
    "status in small letters": (order(status='"pending"'), "status"),
    "status null": (order(status="null"), "status"),
    "address a number": (order(shippingAddress="1"), "shippingAddress"),
    "address a list": (order(shippingAddress='["x"]'), "shippingAddress"),
    "address too long": (order(shippingAddress=f'"{"a" * 1001}"'), "shippingAddress"),
    "address with NUL": (order(shippingAddress='"a\\u0000b"'), "shippingAddress"),
    "address with half a surrogate pair": (order(shippingAddress='"\\udfff"'), "shippingAddress"),
    "an unknown field": (order(admin="true"), "admin"),
    "an unknown field of an item": (item(discount="1"), "items[0].discount"),
    "snake case": (order(user_id="1"), "user_id"),
    "a prototype": (order(__proto__="{}"), "__proto__"),
    "an id of its own": (order(id='"x"'), "id"),
    "an unknown field with an odd name": (order(**{"\\ud800<b>": "1"}), '""'),
    "an unknown product": (item(productId='"999"'), "items[0].productId"),
    "an unknown product in SQL": (item(productId='"101\' OR 1=1 --"'), "items[0].productId"),
    "a product in full-width digits": (item(productId='"１０１"'), "items[0].productId"),
    "a product with a trailing space": (item(productId='"101 "'), "items[0].productId"),
}


def refused(api: AppClient, engine: Engine, body: bytes, **headers: str) -> Any:
    before = stored(engine)
    answer = api.post("/api/orders", content=body, headers=headers)
    assert stored(engine) == before
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert set(problem) <= {"type", "title", "status", "detail", "requestId", "errors"}
    assert len(answer.content) < 4000
    return problem


@pytest.mark.parametrize(("body", "field"), MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_cannot_be_read_is_400(api: AppClient, engine: Engine, body: bytes, field: str | None) -> None:
    problem = refused(api, engine, body)
    assert (problem["status"], problem["type"]) == (400, "/problems/malformed-request")
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])


@pytest.mark.parametrize(("body", "field"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_field_is_422_and_named(api: AppClient, engine: Engine, body: bytes, field: str) -> None:
    problem = refused(api, engine, body)
    assert (problem["status"], problem["type"]) == (422, "/problems/validation")
    named = [error["field"] for error in problem["errors"]]
    assert named[0] == field or (field.startswith("items[0]") and named[0].startswith(field))


def test_all_faulty_fields_are_named_at_once(api: AppClient, engine: Engine) -> None:
    problem = refused(api, engine, order(userId="null", items='[{"quantity": 0}]', colour='"red"'))
    named = {error["field"] for error in problem["errors"]}
    assert named == {"userId", "items[0].productId", "items[0].quantity", "colour"}


def test_of_many_faulty_fields_twenty_are_named(api: AppClient, engine: Engine) -> None:
    problem = refused(api, engine, order(**{f"field{number}": "1" for number in range(5000)}))
    assert len(problem["errors"]) == 20


def test_a_name_of_a_megabyte_is_not_repeated(api: AppClient, engine: Engine) -> None:
    assert refused(api, engine, order(**{"x" * 900_000: "1"}))["status"] == 422


@pytest.mark.parametrize("user", ['"3"', '"nobody"', "3", "\"1' OR '1'='1\"", '"01"', '"1 "'])
def test_an_unknown_user_is_404_and_named(api: AppClient, engine: Engine, user: str) -> None:
    problem = refused(api, engine, order(userId=user))
    assert (problem["status"], problem["errors"][0]["field"]) == (404, "userId")


def test_more_than_there_is_is_409(api: AppClient, engine: Engine) -> None:
    problem = refused(api, engine, item(productId='"102"', quantity="6"))
    assert (problem["status"], problem["type"]) == (409, "/problems/insufficient-stock")


def test_lines_of_one_product_add_up_to_more_than_there_is(api: AppClient, engine: Engine) -> None:
    line = '{"productId": "102", "quantity": 3}'
    assert refused(api, engine, order(items=f"[{line}, {line}]"))["status"] == 409


def test_nothing_is_reserved_when_a_later_item_has_no_stock(api: AppClient, engine: Engine) -> None:
    short = '{"productId": "102", "quantity": 6}'
    assert refused(api, engine, order(items=f"[{ITEM}, {short}]"))["status"] == 409


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", "application/json; charset=latin-1"],
)
def test_another_content_type_is_415(api: AppClient, engine: Engine, content_type: str) -> None:
    problem = refused(api, engine, order(), **{"Content-Type": content_type})
    assert (problem["status"], problem["type"]) == (415, "/problems/unsupported-media-type")


def test_a_compressed_body_is_415(api: AppClient, engine: Engine) -> None:
    assert refused(api, engine, order(), **{"Content-Encoding": "gzip"})["status"] == 415


def test_json_with_its_charset_is_taken(api: AppClient) -> None:
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    assert api.post("/api/orders", content=order(), headers=headers).status_code == 201


def test_a_body_above_the_limit_is_413(api: AppClient, engine: Engine) -> None:
    problem = refused(api, engine, order(shippingAddress=f'"{"a" * 1024 * 1024}"'))
    assert (problem["status"], problem["type"]) == (413, "/problems/content-too-large")


@pytest.mark.parametrize("amount", ["25000", "25000.0", "25000.00", "25000.000", "2.5e4", "25E3"])
def test_an_amount_may_be_written_in_any_way_json_knows(api: AppClient, amount: str) -> None:
    assert api.post("/api/orders", content=order(totalAmount=amount)).status_code == 201


def test_an_address_may_have_a_thousand_characters(api: AppClient) -> None:
    address = "\U0001f3e0" * 1000
    answer = api.post("/api/orders", content=order(shippingAddress=f'"{address}"'))
    assert answer.json()["shippingAddress"] == address
