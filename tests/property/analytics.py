"""An analytics database that is emptied between histories, with the aggregator on it ticked by hand."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from services.aggregator.core import RECHECK_AFTER, Aggregator
from services.aggregator.days import DayCubes
from services.aggregator.store import Store
from services.aggregator.users import UserCubes
from services.clients.clickhouse import connect
from services.clients.clickhouse_schema import FOLDER, migrate_clickhouse
from services.clients.named_sql import NamedSql, Statement, load
from services.events import AnalyticsRow
from tests.support.clickhouse import Front
from tests.support.warehouse import TABLES, VIEWS, Views

_COUNTING_VIEWS = ("day_inserts_in", "bucket_inserts_in")
_COUNT_DAYS = """INSERT INTO day_inserts (order_date, rows, last_at)
SELECT arrayJoin({keys:Array(Date)}), 1, fromUnixTimestamp64Milli({at:Int64})"""
_COUNT_USERS = """INSERT INTO bucket_inserts (bucket, rows, last_at)
SELECT toUInt16(cityHash64(arrayJoin({keys:Array(String)})) % 65536), 1, fromUnixTimestamp64Milli({at:Int64})"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Variant:
    """What runs. The default is the project's own code; with any field set, that code has a deliberate bug."""

    recheck_after: tuple[float, ...] = RECHECK_AFTER
    schema: Mapping[str, str] = field(default_factory=dict)
    """Texts of the ClickHouse schema to be replaced, and by what."""
    queries: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By statement of the aggregator: a text of it to be replaced, and by what."""
    row: Callable[[AnalyticsRow], AnalyticsRow] = lambda row: row
    """What happens to a row on its way."""


class Analytics:
    """One database of a running front."""

    def __init__(self, front: Front, zone: str, folder: Path, variant: Variant) -> None:
        """Makes the database; ``folder`` takes the altered schema of a variant."""
        self._zone, self._variant = zone, variant
        self._queries = _altered(load("services.aggregator", "queries.sql"), variant)
        self._client = connect(
            front.url,
            user=front.writer,
            password=front.writer_password,
            database=f"history_{os.getpid()}_{next(_numbers)}",
            session_timezone=zone,
            settings={"max_threads": 1},
        )
        migrate_clickhouse(self._client, zone, _altered_schema(folder, variant))
        self._pool = ThreadPoolExecutor(2)

    def drop(self) -> None:
        """Drops the database."""
        self._pool.shutdown()
        self._client.command(f"DROP DATABASE {self._client.database}", use_database=False)
        self._client.close()

    def empty(self) -> None:
        """Forgets every row."""
        self.together(*(lambda table=table: self._client.command(f"TRUNCATE TABLE {table}") for table in TABLES))

    def together(self, *tasks: Callable[[], object]) -> None:
        """Runs the tasks, two at a time."""
        for done in [self._pool.submit(task) for task in tasks]:
            done.result()

    def insert(self, rows: Sequence[AnalyticsRow], at_ms: int) -> None:
        """One INSERT of what the sink would insert, stamped by a clock that says ``at_ms``."""
        stamp = f'"ingested_at":"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}'[:-3]
        lines = [f'{row.to_json().decode().removesuffix("}")},{stamp}"}}' for row in rows]
        self._client.raw_insert("orders_analytics", insert_block="\n".join(lines).encode(), fmt="JSONEachRow")

    def count(self, rows: Sequence[AnalyticsRow], at_ms: int) -> None:
        """What an INSERT of these rows counts, without the rows."""
        days, users = [row.order_date.isoformat() for row in rows], [row.user_id for row in rows]
        self._client.command(_COUNT_DAYS, parameters={"keys": days, "at": at_ms})
        self._client.command(_COUNT_USERS, parameters={"keys": users, "at": at_ms})

    def insert_uncounted(self, rows: Sequence[AnalyticsRow], at_ms: int) -> None:
        """The rows of an INSERT that was counted before."""
        for view in _COUNTING_VIEWS:
            self._client.command(f"DETACH TABLE {view}")
        try:
            self.insert(rows, at_ms)
        finally:
            for view in _COUNTING_VIEWS:
                self._client.command(f"ATTACH TABLE {view}")

    def aggregator(self, clock: Callable[[], int], crash: Callable[[str], None]) -> Aggregator:
        """A newly started aggregator."""
        made = Aggregator(self._client, self._zone, clock, crash, self._variant.recheck_after)
        if self._variant.queries:
            store = Store(self._client, self._zone, clock, crash, queries=self._queries)
            made.days = DayCubes(store, self._variant.recheck_after)
            made.users = UserCubes(store, self._variant.recheck_after[-1:])
        return made

    def views(self) -> tuple[date, Views]:
        """Every view, and the day that today's are of."""
        answers = dict(zip(VIEWS, self._pool.map(self.view, VIEWS), strict=True))
        [(today, *todays)] = self._client.query(
            "SELECT toDate(now({zone:String})), * FROM today_stats", parameters={"zone": self._zone}
        ).result_rows
        return today, answers | {"today_stats": [tuple(todays)]}

    def view(self, name: str) -> list[tuple[Any, ...]]:
        """A view's rows, sorted; hours as seconds since 1970."""
        rows = sorted(tuple(row) for row in self._client.query(f"SELECT * FROM {name}").result_rows)
        return [(int(hour.timestamp()), *rest) for hour, *rest in rows] if name == "hourly_sales_mv" else rows


def _altered(queries: NamedSql, variant: Variant) -> NamedSql:
    statements = dict(queries.statements)
    for name, (old, new) in variant.queries.items():
        stands = statements[name]
        assert old in stands.text, f"{name} has no {old!r} to be replaced"
        statements[name] = Statement(name, stands.meaning, stands.text.replace(old, new))
    return NamedSql(list(statements.values()))


def _altered_schema(folder: Path, variant: Variant) -> Path:
    if not variant.schema:
        return FOLDER
    texts = {file.name: file.read_text() for file in FOLDER.glob("*.sql")}
    for old, new in variant.schema.items():
        assert any(old in text for text in texts.values()), f"the schema has no {old!r} to be replaced"
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder
