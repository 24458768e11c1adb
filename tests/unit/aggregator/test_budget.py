"""Sizes of batches and the literals in them."""

from __future__ import annotations

import pytest

from services.aggregator.budget import Budget
from services.aggregator.keys import bucket_literals, buckets_listed, buckets_within, count_literals, day_literals


def test_a_slow_batch_shrinks_the_next_to_what_fits() -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    budget.took(1000, 2.0)
    assert budget.size == 250


def test_a_fast_full_batch_doubles_the_next_at_most() -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    budget.took(1000, 0.01)
    assert budget.size == 2000


def test_a_batch_about_as_long_as_wanted_changes_little() -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    budget.took(1000, 0.45)
    assert budget.size == 1111


def test_a_small_fast_batch_says_nothing_about_a_large_one() -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    budget.took(20, 0.1)
    assert budget.size == 1000


def test_a_small_batch_that_is_too_slow_says_enough() -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    budget.took(20, 1.0)
    assert budget.size == 10


@pytest.mark.parametrize(("seconds", "size"), [(1000.0, 10), (0.0, 10_000)])
def test_sizes_stay_within_their_limits(seconds: float, size: int) -> None:
    budget = Budget(size=1000, least=10, most=10_000, target=0.5)
    for _ in range(20):
        budget.took(budget.size, seconds)
    assert budget.size == size


def test_keys_are_plain_literals() -> None:
    assert day_literals(["2024-02-29", "1997-01-01"]) == "'2024-02-29', '1997-01-01'"
    assert bucket_literals([0, 65_535]) == "0, 65535"
    assert count_literals([12, 1]) == "12, 1"
    assert buckets_listed([7]) == "bucket IN (7)"
    assert buckets_within(0, 4095) == "bucket BETWEEN 0 AND 4095"


@pytest.mark.parametrize("day", ["2024-02-30", "", "2024-1-1", "2024-01-01') OR (1=1"])
def test_what_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month|day"):
        day_literals([day])


@pytest.mark.parametrize("bucket", [-1, 65_536])
def test_what_is_no_bucket_is_refused(bucket: int) -> None:
    with pytest.raises(ValueError, match="not a bucket of users"):
        bucket_literals([bucket])
