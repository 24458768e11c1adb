"""A small shop in a database of its own, and the API on it called in process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import simplejson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from starlette.applications import Starlette

from services.domain.model import NewOrder, Order
from services.domain.placing import Asked, place_orders
from services.domain.tables import inventory, order_items, orders, outbox, products, users
from tests.support.databases import Template
from tests.support.described import Description

ADMIN_TOKEN = "test-token-of-the-admin"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}", "X-Admin-Id": "admin-user-123"}


def _fill(connection: Connection) -> None:
    now = datetime.now(UTC)
    connection.execute(
        sa.insert(users),
        [{"id": i, "email": f"user{i}@example.com", "name": f"User {i}", "created_at": now} for i in ("1", "2")],
    )
    stock = {"101": ("Machine", "25000.00", 1000), "102": ("Cup", "19.99", 5), "103": ("Sample", "0.00", 10)}
    connection.execute(
        sa.insert(products),
        [{"id": i, "name": n, "price": Decimal(p), "created_at": now} for i, (n, p, _) in stock.items()],
    )
    connection.execute(
        sa.insert(inventory),
        [{"id": i, "product_id": i, "quantity": q, "reserved": 0, "version": 1} for i, (_, _, q) in stock.items()],
    )


SHOP = Template("UTC", _fill)
"""Users 1 and 2; products 101 (25000.00, 1000 pieces), 102 (19.99, 5 pieces) and 103 (0.00, 10 pieces)."""


def create_order(engine: Engine, zone: ZoneInfo, new: NewOrder) -> Order:
    """One order in a transaction of its own. Raises what ``place_orders`` refuses it with."""
    (outcome,) = place_orders(engine, zone, [Asked(new)])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@dataclass(frozen=True)
class Stored:
    """Everything a request could have changed."""

    orders: int
    items: int
    events: int
    stock: tuple[tuple[Any, ...], ...]


def stored(engine: Engine) -> Stored:
    """What is in the database now."""
    with engine.connect() as connection:

        def count(table: sa.Table) -> int:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

        stock = connection.execute(
            sa.select(inventory.c.product_id, inventory.c.quantity, inventory.c.reserved, inventory.c.version).order_by(
                inventory.c.product_id
            )
        )
        return Stored(count(orders), count(order_items), count(outbox), tuple(tuple(row) for row in stock))


def events(engine: Engine, event_type: str) -> list[Any]:
    """The outbox rows of one type, oldest first."""
    with engine.connect() as connection:
        return list(
            connection.execute(sa.select(outbox).where(outbox.c.event_type == event_type).order_by(outbox.c.id))
        )


@dataclass(frozen=True)
class Call:
    """One request to be made."""

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] | None = None


class AppClient:
    """Calls an ASGI application on an event loop of its own, and holds each answer to what it says of itself."""

    def __init__(self, app: Starlette) -> None:
        """Starts the loop; the caller closes the client."""
        self.app = app
        self._watch = Description(app) if any(getattr(r, "path", "") == "/openapi.json" for r in app.routes) else None
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://shop.test")
        self._lifespan = app.router.lifespan_context(app)
        self._runner.run(self._enter())

    async def _enter(self) -> None:
        await self._lifespan.__aenter__()

    def call(self, call: Call) -> httpx.Response:
        """One request."""
        return self._runner.run(self._send(call))

    def all_at_once(self, calls: Sequence[Call]) -> list[httpx.Response]:
        """Concurrent requests, answers in the order of the calls."""

        async def gather() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self._send(call) for call in calls)))

        return self._runner.run(gather())

    def one_within_the_other(
        self, first: Call, until: Callable[[], object], second: Call, then: Callable[[], object]
    ) -> tuple[httpx.Response, httpx.Response]:
        """Begins the first, blocks ``until`` in a thread, does the second; ``then`` lets the first one end."""

        async def both() -> tuple[httpx.Response, httpx.Response]:
            begun = asyncio.ensure_future(self._send(first))
            try:
                await asyncio.to_thread(until)
                inner = await self._send(second)
            finally:
                then()
            return await begun, inner

        return self._runner.run(both())

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Runs a coroutine function on the client's loop."""

        async def await_it() -> Any:
            return await work()

        return self._runner.run(await_it())

    async def _send(self, call: Call) -> httpx.Response:
        content, headers = call.content, dict(call.headers or {})
        if call.json is not None:
            content = simplejson.dumps(call.json, use_decimal=True).encode()
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await self._client.request(call.method, call.path, content=content, headers=encoded)
        if self._watch is not None:
            self._watch.check(call.method, call.path, answer)
        return answer

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """GET."""
        return self.call(Call("GET", path, headers=headers))

    def post(
        self, path: str, json: Any = None, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """POST of JSON, or of bytes that say they are."""
        return self.call(Call("POST", path, json, content, headers))

    def delete(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """DELETE."""
        return self.call(Call("DELETE", path, headers=headers))

    def close(self) -> None:
        """Ends the application's lifespan and the loop."""

        async def end() -> None:
            await self._client.aclose()
            await self._lifespan.__aexit__(None, None, None)

        self._runner.run(end())
        self._runner.close()
