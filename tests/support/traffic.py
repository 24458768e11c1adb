"""Orders in the background, and the oracle: what was acknowledged must be shown, once, and where it was last seen."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Self

import httpx
import sqlalchemy as sa
from clickhouse_connect.driver.client import Client
from sqlalchemy.engine import Engine

from services.domain.tables import orders, outbox
from tests.support.process import wait_until

_WORKERS = 8
_AGAIN_SECONDS = 0.2


def not_begun(answer: httpx.Response) -> bool:
    """Whether the API had no room for a request: nothing was done, and it may be sent again."""
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers


class Traffic:
    """Orders at `rate` a second from several clients until stopped; keeps the ids that were acknowledged.

    Stopped at the end of the block it is used in.
    """

    def __init__(self, url: str, rate: float) -> None:
        """Start placing orders."""
        self._url, self._pause = url, _WORKERS / rate
        self._halt = threading.Event()
        self.acknowledged: set[str] = set()
        self.refused = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(_WORKERS)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self, number: int) -> None:
        due = time.monotonic() + number * self._pause / _WORKERS
        with httpx.Client(base_url=self._url, timeout=15.0) as client:
            while not self._halt.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._pause, time.monotonic() - 1.0)
                self._order(client, number)

    def _order(self, client: httpx.Client, number: int) -> None:
        """One order; again as long as the API has no room for it, which is no refusal yet."""
        items = [{"productId": 101 + number, "quantity": 1}, {"productId": 112, "quantity": 2}]
        order_id = None
        with contextlib.suppress(httpx.HTTPError):
            answer = client.post("/api/orders", json={"userId": 1 + number, "items": items})
            while not_begun(answer):
                if self._halt.wait(_AGAIN_SECONDS):
                    return
                answer = client.post("/api/orders", json={"userId": 1 + number, "items": items})
            order_id = answer.json()["id"] if answer.status_code == httpx.codes.CREATED else None
        with self._lock:
            if order_id is None:
                self.refused += 1
            else:
                self.acknowledged.add(order_id)

    def count(self) -> int:
        """Orders acknowledged so far."""
        with self._lock:
            return len(self.acknowledged)

    def wait_for_more(self, count: int) -> None:
        """Waits until so many more orders are acknowledged; AssertionError after a minute."""
        target = self.count() + count
        wait_until(lambda: self.count() >= target, f"{count} more orders ({self.refused} refused so far)", 60.0)

    def stop(self) -> None:
        """No more orders; waits for those under way."""
        self._halt.set()
        for thread in self._threads:
            thread.join()


def last_seen(database: Engine, clickhouse: Client, acknowledged: set[str]) -> dict[str, list[str]]:
    """The acknowledged orders that did not reach the raw table, by the last stage that has them."""
    with database.connect() as connection:
        stored = set(connection.scalars(sa.select(orders.c.id)))
        pending = sa.select(outbox.c.aggregate_id).where(outbox.c.processed == sa.false())
        waiting = set(connection.scalars(pending))
    shown = {str(row[0]) for row in clickhouse.query("SELECT DISTINCT order_id FROM orders_analytics").result_rows}
    stages: dict[str, list[str]] = {}
    for order_id in acknowledged - shown:
        if order_id not in stored:
            stage = "nowhere: acknowledged and not in the database"
        elif order_id in waiting:
            stage = "outbox, not relayed"
        else:
            stage = "relayed, not in ClickHouse"
        stages.setdefault(stage, []).append(order_id)
    return stages
