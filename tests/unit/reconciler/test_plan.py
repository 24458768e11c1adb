"""Which difference is mended how."""

from __future__ import annotations

from typing import Any

from services.reconciler.mending import HIGHEST_VERSION, plan
from services.reconciler.report import Difference, Kind


def _order(kind: Kind, order_id: str, version: int | None, day: str = "2024-05-06") -> Difference:
    found = None if version is None else {"version": version, "user_id": "u"}
    return Difference(kind, "orders_analytics", {"order_id": order_id, "order_date": day}, {"version": 1}, found, day)


def _cell(kind: Kind, where: str, **key: Any) -> Difference:
    return Difference(kind, where, key, {"n": "1"}, None, "7")


def test_orders_are_restated_above_every_version_clickhouse_has() -> None:
    """Of the row in the right place and of those in wrong ones."""
    made = plan(
        [
            _order(Kind.MISSING, "a", None),
            _order(Kind.WRONG_DAY, "b", 8, "2024-01-01"),
            _order(Kind.NEWER, "b", 5),
            _order(Kind.ALTERED, "c", 2),
        ]
    )
    assert made.restate == {"a": 0, "b": 8, "c": 2}
    assert [row.key["order_date"] for row in made.remove] == ["2024-01-01"]


def test_a_version_that_no_order_can_reach_is_removed_and_not_topped() -> None:
    """orders.version is an INTEGER: the next version has to fit it."""
    made = plan([_order(Kind.NEWER, "a", HIGHEST_VERSION + 1), _order(Kind.NEWER, "b", HIGHEST_VERSION)])
    assert made.restate == {"a": 0, "b": HIGHEST_VERSION}
    assert [row.subject for row in made.remove] == ["a"]


def test_ghosts_are_removed_and_never_restated() -> None:
    """There is nothing to tell of them."""
    made = plan([_order(Kind.GHOST, "g", 3)])
    assert (made.restate, [row.subject for row in made.remove]) == ({}, ["g"])


def test_a_copy_waits_for_its_order() -> None:
    """It follows from the raw row, which is mended first."""
    copies = [_cell(Kind.WRONG_COPY, "orders_by_user", user_id="u", order_id=order_id) for order_id in ("a", "b")]
    made = plan([_order(Kind.ALTERED, "a", 1), *copies])
    assert [copy.key["order_id"] for copy in made.copy] == ["b"]


def test_views_and_stopped_processes_are_left_to_people() -> None:
    """No data mends them."""
    made = plan(
        [
            _cell(Kind.WRONG_VIEW, "daily_sales_mv"),
            _cell(Kind.RELAY_BEHIND, "outbox"),
            _cell(Kind.AGGREGATOR_BEHIND, "x"),
        ]
    )
    assert (made.restate, made.remove, made.copy, made.recompute) == ({}, [], [], [])
