"""The two sides of the comparison, and what is asked of ClickHouse about single orders."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy.engine import Connection, Engine

from services.clients.clickhouse import Client
from services.clients.named_sql import NamedSql, load
from services.reconciler import digest
from services.reconciler.state import Digest, Item, OrderState


@dataclass(frozen=True)
class Sources:
    """Both databases, the business time zone, and how many seconds a change may be on its way.

    ClickHouse is read first and the database after it, every time: so the database is never the older one.
    """

    engine: Engine
    clickhouse: Client
    zone: str
    in_flight_seconds: float
    queries: NamedSql = field(default_factory=lambda: load("services.reconciler", "queries.sql"))

    @contextmanager
    def database(self) -> Iterator[Connection]:
        """A connection in a read transaction of its own: a longer one would see an ever older state on SQLite."""
        with self.engine.connect() as connection:
            digest.install(connection)
            yield connection

    def close(self) -> None:
        """Closes both."""
        self.clickhouse.close()
        self.engine.dispose()

    def ask(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a named statement on ClickHouse."""
        return self.ask_sql(self.queries[name], **parameters)

    def ask_sql(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement on ClickHouse; parameters that it does not name are left out."""
        given = {"zone": self.zone, **parameters}
        named = {name: value for name, value in given.items() if f"{{{name}:" in sql or f"%({name})s" in sql}
        return [tuple(row) for row in self.clickhouse.query(sql, parameters=named).result_rows]

    def run(self, name: str, **parameters: Any) -> None:
        """Runs a named statement that changes something on ClickHouse."""
        self.clickhouse.command(self.queries[name], parameters=parameters)

    def day_digests(self) -> dict[date, Digest]:
        """ClickHouse's digest of every day that has an order."""
        return {row[0]: Digest(*row[2:]) for row in self.ask("digests", by_order=False, days=(date(1970, 1, 1),))}

    def order_digests(self, days: Sequence[date]) -> dict[tuple[date, str], Digest]:
        """ClickHouse's digest of every order of these days, by day and id."""
        return {(row[0], row[1]): Digest(*row[2:]) for row in self.ask("digests", by_order=True, days=tuple(days))}

    def find_orders(self, order_ids: Sequence[str], days: Sequence[date]) -> dict[str, list[OrderState]]:
        """ClickHouse's newest row of each of these orders on each of these days, by order id."""
        found: dict[str, list[OrderState]] = {}
        for row in self.ask("find_orders", ids=tuple(order_ids), days=tuple(days)):
            order_id, day, version, user_id, created_at, cents, status, payment_status, method, lines, deleted = row
            items = tuple(sorted(Item(*line) for line in lines))
            found.setdefault(order_id, []).append(
                OrderState(
                    order_id,
                    day,
                    version,
                    user_id,
                    created_at,
                    cents,
                    status,
                    payment_status,
                    method,
                    items,
                    bool(deleted),
                )
            )
        return found
