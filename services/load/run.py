"""The run: orders leave when they are due, whether or not earlier ones were answered (an open loop)."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
from clickhouse_connect.driver.client import Client

from services.load.counting import Placed, ViewCounter, freshness
from services.load.report import Report

_MAX_RATE, _MAX_COUNT, _MAX_UNDER_WAY = 2_000, 1_000_000, 256
_LONGEST_LINES = 3


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
        return asyncio.run(_Run(plan, counter, progress).go())
    finally:
        counter.finish()


class _Run:
    def __init__(self, plan: Plan, counter: ViewCounter, progress: Callable[[int, int], None]) -> None:
        self._plan, self._counter, self._progress = plan, counter, progress
        self._random = random.Random(plan.seed)  # noqa: S311 - a repeatable load, nothing secret
        self._placed: list[Placed] = []
        self._report = Report(sent=plan.count)

    async def go(self) -> Report:
        limits = httpx.Limits(max_connections=_MAX_UNDER_WAY, max_keepalive_connections=_MAX_UNDER_WAY)
        async with httpx.AsyncClient(base_url=self._plan.url, limits=limits, timeout=30.0) as client:
            users = await self._ids(client, "/api/users", self._plan.users)
            products = await self._ids(client, "/api/products", 12)
            began = time.monotonic()
            async with asyncio.TaskGroup() as orders:
                for number in range(self._plan.count):
                    due = began + number / self._plan.rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    orders.create_task(self._order(client, due, users, products))
            self._report.seconds = time.monotonic() - began
            await self._wait_until_shown()
        self._report.freshness_s = freshness(self._placed, self._counter.base, self._counter.seen)
        self._report.shown = len(self._report.freshness_s)
        return self._report

    async def _ids(self, client: httpx.AsyncClient, path: str, count: int) -> list[str]:
        try:
            answer = await client.get(path, params={"limit": min(200, count)})
            answer.raise_for_status()
        except httpx.HTTPError as away:
            raise LoadError(f"{self._plan.url}{path} does not answer ({away}): is the API running?") from None
        found = [str(entry["id"]) for entry in answer.json()["items"]]
        if len(found) < min(count, 1):
            raise LoadError(f"{self._plan.url}{path} is empty: load the catalogue with `millrace migrate --demo-data`")
        return found

    async def _order(self, client: httpx.AsyncClient, due: float, users: list[str], products: list[str]) -> None:
        chosen = self._random.sample(products, self._random.randint(1, min(_LONGEST_LINES, len(products))))
        body = {
            "userId": self._random.choice(users),
            "items": [{"productId": product, "quantity": self._random.randint(1, 5)} for product in chosen],
        }
        try:
            answer = await client.post("/api/orders", json=body)
        except httpx.HTTPError as away:
            self._refused(type(away).__name__)
            return
        self._report.post_ms.append((time.monotonic() - due) * 1000)
        if answer.status_code != httpx.codes.CREATED:
            self._refused(str(answer.status_code))
            return
        committed = datetime.fromisoformat(answer.json()["createdAt"]).timestamp()
        self._placed.append(Placed(committed, len(chosen)))
        self._report.acknowledged += 1
        self._tell()

    def _refused(self, why: str) -> None:
        self._report.refused[why] = self._report.refused.get(why, 0) + 1
        self._tell()

    def _tell(self) -> None:
        self._progress(self._report.acknowledged + sum(self._report.refused.values()), self._counter.orders_shown())

    async def _wait_until_shown(self) -> None:
        deadline = time.monotonic() + self._plan.patience
        products = sum(order.products for order in self._placed)
        while time.monotonic() < deadline:
            self._tell()
            last = self._counter.seen[-1] if self._counter.seen else self._counter.base
            orders_shown = last.orders - self._counter.base.orders
            if orders_shown >= len(self._placed) and last.products - self._counter.base.products >= products:
                return
            await asyncio.sleep(0.05)
