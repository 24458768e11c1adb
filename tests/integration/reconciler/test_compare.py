"""An undamaged shop is the same on both sides, and what is on its way is not a difference."""

from __future__ import annotations

from tests.integration.reconciler.shop import Shop


def test_a_settled_shop_is_the_same(shop: Shop) -> None:
    """Orders, raw rows, cubes and views agree."""
    shop.order(("101", 2), ("102", 1), ("102", 1))
    shop.order(("103", 1), user="2")
    shop.settle()
    report = shop.compare()
    assert report.differences == []
    assert (report.exit_code, report.orders, report.cents, report.days) == (0, 2, 50_000_00 + 2 * 19_99, 1)
