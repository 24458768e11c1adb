"""Keys of the cubes as plain SQL literals, validated: a list of thousands costs seconds to parse in any other form."""

from collections.abc import Iterable
from datetime import date

BUCKETS = 65_536
"""Buckets of users; part of the schema (cityHash64(user_id) % 65536)."""


def day_literals(days: Iterable[str]) -> str:
    """``'2024-02-29', '2024-03-01'`` of ISO days. Raises ValueError for anything that is not one."""
    return ", ".join(f"'{date.fromisoformat(day).isoformat()}'" for day in days)


def bucket_literals(buckets: Iterable[int]) -> str:
    """``7, 4095`` of bucket numbers. Raises ValueError for a number that is no bucket."""
    return ", ".join(str(_bucket(bucket)) for bucket in buckets)


def count_literals(counts: Iterable[int]) -> str:
    """``12, 1`` of numbers of rows."""
    return ", ".join(str(int(count)) for count in counts)


def buckets_listed(buckets: Iterable[int]) -> str:
    """The condition that a row is of one of these buckets."""
    return f"bucket IN ({bucket_literals(buckets)})"


def buckets_within(first: int, last: int) -> str:
    """The condition that a row is of the buckets from ``first`` to ``last``, both included."""
    return f"bucket BETWEEN {_bucket(first)} AND {_bucket(last)}"


def _bucket(number: int) -> int:
    if not 0 <= number < BUCKETS:
        raise ValueError(f"{number} is not a bucket of users (0 to {BUCKETS - 1})")
    return int(number)
