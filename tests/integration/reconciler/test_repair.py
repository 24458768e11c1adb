"""Damage made by hand is named, mended, and gone."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from services.domain.tables import orders
from services.reconciler.report import Kind
from tests.integration.reconciler.damage import CELLS_DAMAGED, ORDERS_DAMAGED, Damage, place
from tests.integration.reconciler.shop import Shop


def _rows(shop: Shop) -> list[tuple[object, ...]]:
    """What people must not see changed by a repair."""
    columns = (orders.c.id, orders.c.user_id, orders.c.total_amount, orders.c.status, orders.c.order_date)
    with shop.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(orders.c.id))]


def _is_the_same(shop: Shop) -> None:
    report = shop.compare()
    assert [d.kind for d in report.differences] == []
    assert report.exit_code == 0
    assert not report.in_flight_orders
    assert not report.in_flight_cells


@pytest.mark.parametrize("damage", ORDERS_DAMAGED, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("aggregated", [True, False], ids=["aggregated", "fresh"])
def test_damaged_orders_are_named_and_mended(shop: Shop, damage: Damage, aggregated: bool) -> None:
    """Also when the cubes have taken the damage over."""
    placed = place(shop)
    damage(shop, placed)
    if aggregated:
        shop.aggregator.tick_until_clean()
    before = _rows(shop)
    report = shop.compare()
    assert report.exit_code == 1
    assert ORDERS_DAMAGED[damage] in {difference.kind for difference in report.differences}
    mended = shop.repair()
    assert (mended.differences, mended.exit_code) == ([], 0)
    assert {d.subject for d in report.differences if d.where == "orders_analytics"} <= {
        d.subject for d in mended.mended
    }
    assert _rows(shop) == before
    _is_the_same(shop)


@pytest.mark.parametrize("damage", CELLS_DAMAGED, ids=lambda damage: damage.__name__)
def test_damaged_cells_are_named_and_mended(shop: Shop, damage: Damage) -> None:
    """Exactly the damaged table is named, and of views nothing: they show what the cube has."""
    damage(shop, place(shop))
    report = shop.compare()
    assert report.exit_code == 1
    assert {(difference.kind, difference.where) for difference in report.differences} == {CELLS_DAMAGED[damage]}
    mended = shop.repair()
    assert (mended.differences, mended.exit_code) == ([], 0)
    assert {(difference.kind, difference.where) for difference in mended.mended} == {CELLS_DAMAGED[damage]}
    _is_the_same(shop)


def test_a_wrong_view_is_named_but_left_to_a_person(shop: Shop) -> None:
    """A repair never touches the schema."""
    place(shop)
    shop.sql(
        "CREATE OR REPLACE VIEW daily_sales_mv AS SELECT order_date, order_count, revenue + 1 AS total_revenue, "
        "revenue AS avg_order_value, unique_customers FROM cube_day FINAL"
    )
    report = shop.repair()
    assert [(d.kind, d.where) for d in report.differences] == [(Kind.WRONG_VIEW, "daily_sales_mv")]
    told = json.loads(report.to_json())
    assert (told["verdict"], told["exit_code"], told["mended"]) == ("different", 1, [])
