"""Whatever bytes arrive, a body is an object, or a problem; never a fault of ours."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from services.api.body import parse_object
from services.api.problems import Problem
from services.api.requests import OrderBody, validated
from tests.support.shop import AppClient, stored

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(["NaN", "-Infinity", "1e400", "-0", "-0.0", "1E-999", "1e99999999999999999999", "9" * 5000]),
).map(lambda number: number if isinstance(number, str) else json.dumps(number))
TEXTS = st.text(st.characters()).map(json.dumps)
SCALARS = st.one_of(
    NUMBERS, TEXTS, st.sampled_from(["null", "true", "false", '"\\ud800"', '"\\u0000"', '"PENDING"', "1"])
)
NAMES = st.one_of(
    st.sampled_from(["userId", "items", "productId", "quantity", "price", "totalAmount", "status", "shippingAddress"]),
    st.text(max_size=5),
).map(json.dumps)


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(NAMES, inner), max_size=6)
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda values: f"[{','.join(values)}]"),
        pairs.map(lambda found: "{" + ",".join(f"{name}:{value}" for name, value in found) + "}"),
    )


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"productId": SCALARS, "quantity": st.one_of(SCALARS, st.just("1"))}, optional={"price": SCALARS}
    ).map(lambda item: "{" + ",".join(f'"{name}":{value}' for name, value in item.items()) + "}"),
    max_size=3,
).map(lambda lines: f"[{','.join(lines)}]")
NEARLY_ORDERS = st.fixed_dictionaries(
    {"userId": SCALARS, "items": ITEMS},
    optional={"totalAmount": SCALARS, "status": SCALARS, "shippingAddress": SCALARS, "more": SCALARS},
).map(lambda members: "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}")
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(SCALARS, composed, max_leaves=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
    NEARLY_ORDERS.map(lambda text: text.encode("utf-8", "surrogatepass")),
)


def no_floats(value: Any) -> bool:
    if isinstance(value, dict):
        return all(no_floats(each) for each in value.values())
    return all(no_floats(each) for each in value) if isinstance(value, list) else not isinstance(value, float)


def outcome(work: Callable[[], Any]) -> tuple[Any, Problem | None]:
    try:
        return work(), None
    except Problem as problem:
        return None, problem


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_any_body_is_an_object_without_floats_or_a_problem(body: bytes) -> None:
    value, problem = outcome(lambda: parse_object(body))
    if problem is not None:
        assert problem.status == 400
        return
    assert no_floats(value)
    order, problem = outcome(lambda: validated(OrderBody, value))
    if problem is not None:
        assert problem.status == 422
        assert all(error.field for error in problem.errors)
        assert problem.response("id").status_code == 422
        return
    assert 1 <= len(order.items) <= 100
    assert all(1 <= item.quantity <= 1_000_000 for item in order.items)
    assert order.total_amount is None or 0 <= order.total_amount <= Decimal(10) ** 13


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES)
def test_any_body_is_answered_by_a_problem_or_an_order(api: AppClient, engine: Engine, body: bytes) -> None:
    before = stored(engine)
    answer = api.post("/api/orders", content=body)
    assert answer.status_code in (201, 400, 404, 409, 422)
    if answer.status_code != 201:
        assert stored(engine) == before


@pytest.mark.parametrize(
    ("text", "exact"), [("0.1", Decimal("0.1")), ("12345678901234.55", Decimal("12345678901234.55"))]
)
def test_numbers_keep_their_digits(text: str, exact: Decimal) -> None:
    assert parse_object(f'{{"n": {text}}}'.encode())["n"] == exact
