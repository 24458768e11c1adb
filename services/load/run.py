"""The run: orders leave when they are due, while fewer than 64 are unanswered; latency counts from the due time."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import urllib3
from clickhouse_connect.driver.client import Client

from services.load.counting import Placed, ViewCounter, freshness
from services.load.report import Report

_MAX_RATE, _MAX_COUNT = 2_000, 1_000_000
_CLIENTS, _TIMEOUT = 64, 30.0
_PRODUCTS, _LONGEST_LINES = 12, 3
_LOOK_SECONDS = 0.05


class LoadError(Exception):
    """The run cannot start; the message is one line that says what to do."""


@dataclass(frozen=True)
class Plan:
    """``rate`` orders a second, ``count`` in all, by so many ``users``; ``patience`` seconds for the last to show."""

    url: str
    rate: float = 50.0
    count: int = 1000
    users: int = 10
    patience: float = 60.0
    seed: int = 1

    def check(self) -> None:
        """Raises LoadError for a plan out of bounds."""
        if not 0 < self.rate <= _MAX_RATE:
            raise LoadError(f"--rate is {self.rate:g}; it can be up to {_MAX_RATE} orders a second")
        if not 0 < self.count <= _MAX_COUNT:
            raise LoadError(f"--count is {self.count}; it can be 1 to {_MAX_COUNT}")


def run_load(
    plan: Plan, zone: ZoneInfo, views: Client, progress: Callable[[int, int], None] = lambda _sent, _shown: None
) -> Report:
    """Runs the plan and waits until what was acknowledged is shown. ``progress`` gets answered and shown counts."""
    plan.check()
    counter = ViewCounter(views, datetime.now(zone).date())
    counter.start()
    try:
        return _Run(plan, counter, progress).go()
    finally:
        counter.finish()


class _Run:
    def __init__(self, plan: Plan, counter: ViewCounter, progress: Callable[[int, int], None]) -> None:
        self._plan, self._counter, self._progress = plan, counter, progress
        self._random = random.Random(plan.seed)  # noqa: S311 - a repeatable load, nothing secret
        self._http = urllib3.PoolManager(maxsize=_CLIENTS, block=True, retries=False, timeout=_TIMEOUT)
        self._lock = threading.Lock()
        self._placed: list[Placed] = []
        self._report = Report(sent=plan.count)

    def go(self) -> Report:
        users = self._ids("/api/users", self._plan.users)
        products = self._ids("/api/products", _PRODUCTS)
        began = time.monotonic()
        with ThreadPoolExecutor(_CLIENTS, "load") as clients:
            for number in range(self._plan.count):
                due = began + number / self._plan.rate
                body = self._body(users, products)
                time.sleep(max(0.0, due - time.monotonic()))
                clients.submit(self._order, due, body)
                self._tell()
            while self._answered() < self._plan.count:
                self._tell()
                time.sleep(_LOOK_SECONDS)
        self._report.seconds = time.monotonic() - began
        self._wait_until_shown()
        self._report.freshness_s = freshness(self._placed, self._counter.base, self._counter.seen)
        self._report.shown = len(self._report.freshness_s)
        return self._report

    def _ids(self, path: str, count: int) -> list[str]:
        try:
            answer = self._http.request(
                "GET", f"{self._plan.url}{path}", fields={"limit": str(max(1, min(200, count)))}
            )
        except urllib3.exceptions.HTTPError as away:
            raise LoadError(f"{self._plan.url}{path} does not answer ({away}): is the API running?") from None
        if answer.status != HTTPStatus.OK:
            raise LoadError(f"{self._plan.url}{path} answers {answer.status}: is that millrace's API?")
        found = [str(entry["id"]) for entry in answer.json()["items"]]
        if not found:
            raise LoadError(f"{self._plan.url}{path} is empty: load the catalogue with `millrace migrate --demo-data`")
        return found

    def _body(self, users: list[str], products: list[str]) -> dict[str, Any]:
        chosen = self._random.sample(products, self._random.randint(1, min(_LONGEST_LINES, len(products))))
        items = [{"productId": product, "quantity": self._random.randint(1, 5)} for product in chosen]
        return {"userId": self._random.choice(users), "items": items}

    def _order(self, due: float, body: dict[str, Any]) -> None:
        try:
            answer = self._http.request("POST", f"{self._plan.url}/api/orders", json=body)
        except urllib3.exceptions.HTTPError as away:
            self._refused(type(away).__name__)
            return
        took = (time.monotonic() - due) * 1000
        if answer.status != HTTPStatus.CREATED:
            self._refused(str(answer.status))
            return
        committed = datetime.fromisoformat(answer.json()["createdAt"]).timestamp()
        with self._lock:
            self._report.post_ms.append(took)
            self._placed.append(Placed(committed, len(body["items"])))
            self._report.acknowledged += 1

    def _refused(self, why: str) -> None:
        with self._lock:
            self._report.refused[why] = self._report.refused.get(why, 0) + 1

    def _answered(self) -> int:
        with self._lock:
            return self._report.acknowledged + sum(self._report.refused.values())

    def _tell(self) -> None:
        self._progress(self._answered(), self._counter.orders_shown())

    def _wait_until_shown(self) -> None:
        deadline = time.monotonic() + self._plan.patience
        products = sum(order.products for order in self._placed)
        while time.monotonic() < deadline:
            self._tell()
            last = self._counter.seen[-1] if self._counter.seen else self._counter.base
            orders_shown = last.orders - self._counter.base.orders
            if orders_shown >= len(self._placed) and last.products - self._counter.base.products >= products:
                return
            time.sleep(_LOOK_SECONDS)
