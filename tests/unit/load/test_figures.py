"""The load's figures: percentiles by nearest rank, freshness by counting."""

import pytest

from services.load import percentile
from services.load.counting import Placed, Seen, freshness


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.0, 0.2, 0.5, 0.9, 1.0)] == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert percentile([], 0.5) == 0.0


def test_an_order_is_shown_when_both_views_count_it() -> None:
    base = Seen(at=0.0, orders=10, products=30)
    placed = [Placed(committed=2.0, products=1), Placed(committed=1.0, products=2)]
    seen = [
        Seen(at=1.5, orders=11, products=31),  # one of the first order's two products is missing
        Seen(at=2.25, orders=11, products=32),
        Seen(at=3.0, orders=12, products=33),
    ]
    assert freshness(placed, base, seen) == pytest.approx([1.25, 1.0])


def test_an_order_that_never_shows_has_no_freshness() -> None:
    base = Seen(at=0.0, orders=0, products=0)
    placed = [Placed(1.0, 1), Placed(2.0, 1)]
    assert len(freshness(placed, base, [Seen(3.0, 1, 1)])) == 1
    assert freshness(placed, base, []) == []
