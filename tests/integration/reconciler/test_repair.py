"""Damage made by hand is named, mended, and gone."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from services.domain.tables import orders
from services.reconciler.mending import mend
from services.reconciler.orders import classify
from services.reconciler.report import Kind, Report
from tests.integration.reconciler import damage
from tests.integration.reconciler.damage import CELLS_DAMAGED, ORDERS_DAMAGED, copy_row, place
from tests.integration.reconciler.shop import Shop


def _rows(shop: Shop) -> list[tuple[object, ...]]:
    """What people must not see changed by a repair."""
    columns = (orders.c.id, orders.c.user_id, orders.c.total_amount, orders.c.status, orders.c.order_date)
    with shop.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(orders.c.id))]


def _mended(shop: Shop) -> Report:
    """Repairs; the report's last comparison found nothing, not even on its way."""
    report = shop.repair()
    assert (report.differences, report.exit_code) == ([], 0)
    assert not report.in_flight_orders
    assert not report.in_flight_cells
    return report


@pytest.mark.real_servers
@pytest.mark.parametrize("aggregated", [False, True], ids=["fresh", "aggregated"])
def test_damaged_orders_are_mended(shop: Shop, aggregated: bool) -> None:
    """All damages at once; also when the cubes have taken them over."""
    damaged = {make: place(shop, settle=False) for make in ORDERS_DAMAGED}
    shop.settle()
    for make, placed in damaged.items():
        make(shop, placed)
    if aggregated:
        shop.aggregator.tick_until_clean()
    before = _rows(shop)
    found = {difference.subject for difference in shop.compare().differences if difference.where == "orders_analytics"}
    assert len(found) >= len(damaged)
    assert found <= {difference.subject for difference in _mended(shop).mended}
    assert _rows(shop) == before


def test_damaged_cells_are_mended(shop: Shop) -> None:
    """All cubes and the copy at once; of views nothing is named: they show what the cube has."""
    damaged = {make: place(shop, settle=False) for make in CELLS_DAMAGED}
    shop.settle()
    for make, placed in damaged.items():
        make(shop, placed)
    wheres = set(CELLS_DAMAGED.values())
    assert {(difference.kind, difference.where) for difference in shop.compare().differences} == wheres
    assert {(difference.kind, difference.where) for difference in _mended(shop).mended} == wheres


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


def test_an_order_that_came_to_be_known_is_not_removed(shop: Shop) -> None:
    """What was a ghost when it was named may be an order by the time it is to be removed."""
    placed = place(shop)
    known = shop.sources().find_orders([placed.a.id], [placed.a.order_date])[placed.a.id]
    ghosts = classify(None, known)
    assert [ghost.kind for ghost in ghosts] == [Kind.GHOST]
    mend(shop.sources(), ghosts)
    assert shop.compare().exit_code == 0


def test_an_order_that_fits_no_event_is_named_with_its_reason(shop: Shop) -> None:
    """A plain INSERT of an order without items cannot reach ClickHouse; the others still are mended."""
    placed = place(shop)
    damage.missing(shop, placed)
    with shop.engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(
            sa.text(
                "INSERT INTO orders (id, user_id, total_amount, status, updated_at) "
                "VALUES ('bare', '1', 100, 'PENDING', '2020-01-01 00:00:00.000000')"
            )
        )
    report = shop.repair()
    assert [(d.kind, d.subject) for d in report.differences] == [(Kind.MISSING, "bare")]
    assert "items" in report.refused["bare"]
    assert placed.a.id in {difference.subject for difference in report.mended}


@pytest.mark.real_servers
def test_everything_gone_is_mended_in_several_passes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one comparison looks into: the rest is found by the next one."""
    monkeypatch.setattr("services.reconciler.orders.LIMIT", 2)
    place(shop)
    place(shop)
    for table in ("orders_analytics", "orders_by_user"):
        shop.sql(f"TRUNCATE TABLE {table}")
    found = shop.compare()
    assert found.truncated
    assert len(_mended(shop).mended) >= 6


def test_hundreds_of_days_are_named_and_mended(shop: Shop) -> None:
    """Lists of that length do not fit into a URL."""
    placed = place(shop)
    days = 250
    copy_row(shop, placed.a, order_date=f"toDate('2000-01-01') + arrayJoin(range({days}))")
    shop.aggregator.tick_until_clean()
    found = shop.compare()
    assert found.by_kind["wrong_day"] == days
    _mended(shop)


def test_an_order_changed_during_the_repair_keeps_its_change(shop: Shop) -> None:
    """The order is told as it is under its lock, not as it was when the difference was seen."""
    placed = place(shop)
    damage.altered_amount(shop, placed)
    found = shop.compare()
    paid = shop.paid(placed.b, "CASH")
    mend(shop.sources(), found.differences)
    shop.settle()
    (row,) = shop.sources().find_orders([paid.id], [paid.order_date])[paid.id]
    assert (row.status, row.payment_method) == ("COMPLETED", "CASH")
    assert shop.compare().exit_code == 0


def test_a_generation_that_none_can_follow_is_removed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The aggregator's next one would wrap to 0: its mark is lost, and the day is dirty for ever."""
    placed = place(shop)
    damage.cube_day_customers(shop, placed)
    shop.order(("101", 1))
    shop.deliver()
    with pytest.raises(RuntimeError, match="still dirty"):
        shop.aggregator.tick_until_clean(at_most=3)
    monkeypatch.setattr("services.reconciler.cubes.BEHIND_SECONDS", 0)
    assert Kind.AGGREGATOR_BEHIND in {difference.kind for difference in _mended(shop).mended}
