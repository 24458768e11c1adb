"""What the rows of one order differ in, by kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.reconciler.orders import classify
from services.reconciler.report import Kind
from services.reconciler.state import Item, OrderState

DAY, OTHER_DAY = date(2024, 5, 6), date(2024, 5, 7)
ORDER = OrderState(
    order_id="o",
    order_date=DAY,
    version=3,
    user_id="u",
    created_at="2024-05-06 01:02:03.000004",
    cents=250,
    status="PENDING",
    payment_status="",
    payment_method="",
    items=(Item("p", "P", 1, 250),),
    deleted=False,
)
DELETED = replace(ORDER, deleted=True)
ELSEWHERE = replace(ORDER, order_date=OTHER_DAY)


@pytest.mark.parametrize(
    ("ours", "theirs", "kinds"),
    [
        (ORDER, [ORDER], []),
        (ORDER, [], [Kind.MISSING]),
        (ORDER, [replace(ORDER, version=2)], [Kind.STALE]),
        (ORDER, [replace(ORDER, version=4)], [Kind.NEWER]),
        (ORDER, [replace(DELETED, version=4)], [Kind.NEWER]),
        (ORDER, [DELETED], [Kind.ALTERED]),
        (ORDER, [replace(ORDER, cents=251)], [Kind.ALTERED]),
        (ORDER, [replace(ORDER, items=(Item("p", "p", 1, 250),))], [Kind.ALTERED]),
        (ORDER, [ELSEWHERE], [Kind.WRONG_DAY]),
        (ORDER, [ELSEWHERE, ORDER], [Kind.WRONG_DAY]),
        (ORDER, [ELSEWHERE, replace(ORDER, version=9)], [Kind.WRONG_DAY, Kind.NEWER]),
        (ORDER, [replace(ELSEWHERE, deleted=True), ORDER], []),
        (DELETED, [], []),
        (DELETED, [replace(DELETED, version=9)], []),
        (DELETED, [ORDER], [Kind.ALTERED]),
        (DELETED, [replace(ORDER, version=2)], [Kind.STALE]),
        (DELETED, [ELSEWHERE], [Kind.WRONG_DAY]),
        (None, [ORDER, ELSEWHERE], [Kind.GHOST, Kind.GHOST]),
        (None, [DELETED], []),
        (None, [], []),
    ],
)
def test_kinds(ours: OrderState | None, theirs: list[OrderState], kinds: list[Kind]) -> None:
    """Absent and deleted are the same; a row under another day is wrong wherever the right one is."""
    assert [difference.kind for difference in classify(ours, theirs)] == kinds


def test_a_difference_names_the_row_that_is_wrong() -> None:
    """Its key is the day it stands under, so that it can be removed by it."""
    (difference,) = classify(ORDER, [ELSEWHERE, ORDER])
    assert difference.key == {"order_id": "o", "order_date": "2024-05-07"}
    assert difference.expected is not None
    assert difference.found is not None
    assert (difference.expected["order_date"], difference.found["order_date"]) == ("2024-05-06", "2024-05-07")
