"""What the API is compared with: the database and the HTTP server with as little as possible around them.

`python -m benchmarks.floors sql MYSQL_URL CLIENTS SECONDS`: the statements of one order, as the API sends them, in
threads of bare pymysql, one a client, up to the API's eight; what each statement takes, too. One line of JSON.
`python -m benchmarks.floors twelve MYSQL_URL CLIENTS SECONDS`: the same threads with twelve statements an order, as
many as the original sends: by primary key, one row each, no stock reserved, so no less than it can cost the original.
`python -m benchmarks.floors http PORT`: a Starlette application that reads JSON and answers as much as the API does,
on the API's own server settings, until it is told to stop.
"""

import json
import random
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import pymysql
import sqlalchemy as sa
from pymysql.cursors import Cursor
from sqlalchemy.engine import Engine, make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils import uuid7

from benchmarks.hammer import PRODUCTS
from services.api.server import listen, serve
from services.clients.database import connect
from services.domain.model import NewItem, NewOrder
from services.domain.placing import Asked, place_orders
from services.load import percentile
from services.observability.process import StopSignal
from services.settings import ApiSettings, DatabaseSettings

Statement = tuple[str, Any]
Captured = tuple[str, list[Statement]]
THREADS: Final = 8
"""As many as the api has; with a thread a client, 64 of them wait for one another's row locks and the interpreter."""


def statements_of_an_order(engine: Engine) -> Captured:
    """Places an order of two items; its id and what was sent to the database for it, without the commit."""
    seen: list[Statement] = []

    def note(_connection: object, cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        new = NewOrder("1", (NewItem("101", 1), NewItem("102", 2)))
        (order,) = place_orders(engine, ZoneInfo("UTC"), [Asked(new)])
        if isinstance(order, Exception):
            raise order
        return order.id, seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


class _Loop(threading.Thread, ABC):
    """One client that stores orders, one after the other, on a connection of its own."""

    def __init__(self, url: str, captured: Captured, until: float) -> None:
        super().__init__()
        self._order_id, self._statements = captured
        self._until, self.latencies = until, cast(list[float], [])
        self.took: dict[str, list[float]] = {}
        parts = make_url(url)
        self._connection = pymysql.connect(
            host=parts.host,
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            charset="utf8mb4",
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )

    def run(self) -> None:
        while (began := time.perf_counter()) < self._until:
            try:
                with self._connection.cursor() as cursor:
                    self._order(cursor)
            except pymysql.err.OperationalError:  # a deadlock: the same again, as the API does
                self._connection.rollback()
                continue
            self.latencies.append(time.perf_counter() - began)

    @abstractmethod
    def _order(self, cursor: Cursor) -> None: ...

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.took.setdefault(what, []).append(time.perf_counter() - began)

    def _commit(self) -> None:
        with self._timed("commit"):
            self._connection.commit()

    def _renewed(self, parameters: dict[str, Any], fresh: str) -> dict[str, Any]:
        """New values for what was unique: ids have 36 characters, and the order's is found in payloads too."""
        return {
            name: str(uuid7())
            if isinstance(value, str) and len(value) == 36 and value != self._order_id
            else value.replace(self._order_id, fresh)
            if isinstance(value, str)
            else value
            for name, value in parameters.items()
        }


class _AsTheApi(_Loop):
    """The captured statements over and over, with ids and stock of its own."""

    def _order(self, cursor: Cursor) -> None:
        shelf, stock, *inserts = self._statements
        chosen = sorted(random.sample(PRODUCTS, 2))
        with self._timed("read and lock"):
            cursor.execute(shelf[0], {**shelf[1], "ids_1": chosen[0], "ids_2": chosen[1]})
        values: dict[str, Any] = {}
        for n, row in enumerate(cursor.fetchall()):
            values |= {f"p{n}": row[1], f"q{n}": row[4], f"r{n}": row[5] + 1, f"v{n}": row[6] + 1}
        with self._timed("reserve"):
            cursor.execute(stock[0], values)
        fresh = str(uuid7())
        for what, (statement, parameters) in zip(("order", "lines", "events"), inserts, strict=True):
            batch = parameters if isinstance(parameters, list) else [parameters]
            renewed = [self._renewed(one, fresh) for one in batch]
            with self._timed(f"insert {what}"):
                cursor.executemany(statement, renewed)
        self._commit()


class _Twelve(_Loop):
    """Begin, four inserts, six reads by primary key, commit."""

    def _order(self, cursor: Cursor) -> None:
        _shelf, _stock, order, lines, events = self._statements
        fresh = str(uuid7())
        cursor.execute("BEGIN")
        cursor.execute("SELECT id, name FROM users WHERE id = %s", ("1",))
        for product in random.sample(PRODUCTS, 2):
            cursor.execute("SELECT id, name, price FROM products WHERE id = %s", (product,))
        cursor.execute(order[0], self._renewed(_first(order), fresh))
        for line in (self._renewed(one, fresh) for one in lines[1]):
            cursor.execute(lines[0], line)
            cursor.execute("SELECT id, order_id, quantity, price FROM order_items WHERE id = %s", (line["id"],))
        cursor.execute(events[0], self._renewed(_first(events), fresh))
        cursor.execute("SELECT id, status, total_amount FROM orders WHERE id = %s", (fresh,))
        self._commit()


def _first(statement: Statement) -> dict[str, Any]:
    parameters = statement[1]
    one: dict[str, Any] = parameters[0] if isinstance(parameters, list) else parameters
    return one


def sql(kind: Callable[[str, Captured, float], _Loop], url: str, clients: int, seconds: float) -> dict[str, object]:
    """Orders a second and latency of a bare loop, and the median of each of its statements that were timed."""
    captured = statements_of_an_order(connect(DatabaseSettings.model_validate({"database_url": url})))
    cpu, began = time.process_time(), time.perf_counter()
    loops = [kind(url, captured, began + seconds) for _ in range(min(clients, THREADS))]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    took = time.perf_counter() - began
    latencies = [latency for loop in loops for latency in loop.latencies]
    statements = {
        what: round(percentile([one for loop in loops for one in loop.took[what]], 0.5) * 1000, 2)
        for what in loops[0].took
    }
    return {
        "per_second": round(len(latencies) / took, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1000, 1),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 1),
        "cpu_s_per_1000": round((time.process_time() - cpu) / len(latencies) * 1000, 2),
        "statements_p50_ms": statements,
    }


async def _answer(request: Request) -> Response:
    json.loads(await request.body())
    return Response(b'{"padding":"' + b"x" * 600 + b'"}', 201, media_type="application/json")


def http(port: int) -> None:
    """Serves until the process is told to stop."""
    serve(
        Starlette(routes=[Route("/api/orders", _answer, methods=["POST"])]),
        listen("127.0.0.1", port),
        ApiSettings.model_validate({}),
        StopSignal(),
    )


if __name__ == "__main__":
    if sys.argv[1] == "http":
        http(int(sys.argv[2]))
    else:
        wanted = {"sql": _AsTheApi, "twelve": _Twelve}[sys.argv[1]]
        print(json.dumps(sql(wanted, sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
