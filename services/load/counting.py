"""Freshness by counting what the views include, not by looking at the raw table.

Orders are told apart by their number alone: the k-th order in commit order is shown once both views count k orders
more than before the run. Other orders placed meanwhile would be counted too, so a run wants the shop to itself.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from clickhouse_connect.driver.client import Client

_COUNTS = """
SELECT (SELECT sum(order_count) FROM daily_sales_mv WHERE order_date >= {first:Date}),
       (SELECT sum(order_count) FROM product_ranking_mv WHERE order_date >= {first:Date})"""


@dataclass(frozen=True)
class Placed:
    """An acknowledged order: its commit time (Unix seconds) and how many different products it has."""

    committed: float
    products: int


@dataclass(frozen=True)
class Seen:
    """What the views counted at a moment (Unix seconds, taken after the answer)."""

    at: float
    orders: int
    products: int


class ViewCounter(threading.Thread):
    """Reads the views' counts again and again in a thread of its own."""

    def __init__(self, client: Client, first_day: date, every: float = 0.2) -> None:
        super().__init__(name="view-counter", daemon=True)
        self._client, self._first_day, self._every = client, first_day, every
        self._halt = threading.Event()
        self.base = self._read()
        self.seen: list[Seen] = []
        self.failures = 0

    def run(self) -> None:
        while not self._halt.wait(self._every):
            try:
                now = self._read()
            except Exception:  # ClickHouse may be restarted on purpose during a run: the next look counts
                self.failures += 1
                continue
            if not self.seen or (now.orders, now.products) != (self.seen[-1].orders, self.seen[-1].products):
                self.seen.append(now)

    def orders_shown(self) -> int:
        """Orders that daily_sales_mv includes more than at the start."""
        return self.seen[-1].orders - self.base.orders if self.seen else 0

    def finish(self) -> None:
        """Stops reading."""
        self._halt.set()
        self.join()

    def _read(self) -> Seen:
        rows = self._client.query(_COUNTS, parameters={"first": self._first_day}).result_rows
        return Seen(time.time(), int(rows[0][0] or 0), int(rows[0][1] or 0))


def freshness(placed: Sequence[Placed], base: Seen, seen: Sequence[Seen]) -> list[float]:
    """Seconds from commit to the first reading that includes the order, for those that were ever included."""
    found: list[float] = []
    products, reading = 0, 0
    for number, order in enumerate(sorted(placed, key=lambda one: one.committed), 1):
        products += order.products
        while reading < len(seen) and (
            seen[reading].orders - base.orders < number or seen[reading].products - base.products < products
        ):
            reading += 1
        if reading == len(seen):
            break
        found.append(max(0.0, seen[reading].at - order.committed))
    return found
