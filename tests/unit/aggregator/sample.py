"""A few orders, three a day, on days of different months."""

from __future__ import annotations

from datetime import timedelta

from tests.support.warehouse import Order, order
from tests.unit.aggregator.clock import NOON, ZONE


def some_orders(days: int = 2) -> list[Order]:
    return [
        order(f"{day}-{number}", NOON - timedelta(days=day * 40), ZONE, user_id=str(number))
        for day in range(days)
        for number in range(3)
    ]
