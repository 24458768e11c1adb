"""Orders of several clients in one transaction: each is accepted or refused by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.domain.errors import InsufficientStock, Invalid, NotFound
from services.domain.model import NewItem, NewOrder, Order
from services.domain.placing import Asked, Spoiled, place_orders
from services.domain.tables import outbox
from tests.support.shop import SHOP, stored

pytestmark = pytest.mark.real_servers
UTC = ZoneInfo("UTC")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def order(*pieces: tuple[str, int], user: str = "1", total: str | None = None) -> Asked:
    items = tuple(NewItem(product, count) for product, count in pieces)
    return Asked(NewOrder(user, items, Decimal(total) if total else None), f"00-{'1' * 32}-{'2' * 16}-0{len(pieces)}")


def events(engine: Engine) -> list[tuple[str, str, int, int | None]]:
    """Type, aggregate, version and reserved pieces of every event, in outbox order."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(outbox).order_by(outbox.c.id)).all()
    values = [(row, json.loads(row.payload)) for row in rows]
    return [(row.event_type, row.aggregate_id, v["version"], v["data"].get("reserved")) for row, v in values]


def placed(outcome: Order | Exception) -> str:
    assert isinstance(outcome, Order)
    return outcome.id


def test_the_stock_of_one_is_what_the_one_before_left(engine: Engine) -> None:
    """Product 102 has 5 pieces: 3 are had, 3 more are not, 2 are."""
    first, second, third = place_orders(
        engine, UTC, [order(("102", 3)), order(("102", 3), ("101", 1)), order(("102", 2))]
    )
    assert isinstance(second, InsufficientStock)
    assert (second.product_id, second.wanted, second.available) == ("102", 3, 2)
    assert events(engine) == [
        ("OrderCreated", placed(first), 1, None),
        ("StockReserved", "102", 2, 3),
        ("OrderCreated", placed(third), 1, None),
        ("StockReserved", "102", 3, 5),
    ]
    assert stored(engine).stock == (("101", 1000, 0, 1), ("102", 5, 5, 3), ("103", 10, 0, 1))
    assert (stored(engine).orders, stored(engine).items) == (2, 2)


def test_what_is_wrong_with_one_is_no_concern_of_the_others(engine: Engine) -> None:
    good = order(("101", 1), ("103", 2), total="25000.00")
    outcomes = place_orders(
        engine,
        UTC,
        [order(("101", 1), user="nobody"), order(("101", 1), ("999", 1)), order(("101", 1), total="1.00"), good],
    )
    unknown_user, unknown_product, wrong_total, accepted = outcomes
    assert isinstance(unknown_user, NotFound)
    assert isinstance(unknown_product, Invalid)
    assert unknown_product.field == "items[1].productId"
    assert isinstance(wrong_total, Invalid)
    assert wrong_total.field == "totalAmount"
    assert isinstance(accepted, Order)
    assert (accepted.total_amount, accepted.items[1].product_name) == (Decimal("25000.00"), "Sample")
    assert stored(engine).stock == (("101", 1000, 1, 2), ("102", 5, 0, 1), ("103", 10, 2, 2))


def test_each_keeps_the_trace_of_its_own_request(engine: Engine) -> None:
    place_orders(engine, UTC, [order(("101", 1)), order(("101", 1), ("103", 1))])
    with engine.connect() as connection:
        traces = connection.scalars(sa.select(outbox.c.traceparent).order_by(outbox.c.id)).all()
    assert [trace[-1] for trace in traces if trace] == ["1", "1", "2", "2", "2"]


def test_without_any_known_product_users_are_still_told_apart(engine: Engine) -> None:
    outcomes = place_orders(engine, UTC, [order(("999", 1)), order(("998", 1), user="nobody")])
    assert [type(outcome) for outcome in outcomes] == [Invalid, NotFound]
    assert stored(engine).orders == 0


def test_nothing_is_stored_when_what_belongs_to_it_fails(engine: Engine) -> None:
    before = stored(engine)

    def refuse(connection: Connection, created: Order) -> None:
        raise RuntimeError(f"no answer can be kept for {created.id}")

    asked = order(("101", 1))
    with pytest.raises(Spoiled, match="no answer can be kept") as spoiled:
        place_orders(engine, UTC, [order(("101", 2)), Asked(asked.new, None, refuse)])
    assert spoiled.value.position == 1
    assert stored(engine) == before


def test_what_belongs_to_it_is_stored_with_it(engine: Engine) -> None:
    def note(connection: Connection, created: Order) -> None:
        connection.execute(sa.update(outbox).where(outbox.c.aggregate_id == created.id).values(last_error="noted"))

    (created,) = place_orders(engine, UTC, [Asked(order(("101", 1)).new, None, note)])
    assert isinstance(created, Order)
    with engine.connect() as connection:
        noted = connection.scalars(sa.select(outbox.c.aggregate_id).where(outbox.c.last_error == "noted")).all()
    assert noted == [created.id]
