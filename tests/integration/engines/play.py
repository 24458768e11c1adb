"""Everything that the project asks of ClickHouse, asked once of a front, with what it answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from string import Template
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from services.aggregator.core import Aggregator
from services.clients.clickhouse import ClickHouseError, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from services.clients.named_sql import load
from tests.support.clickhouse import Front
from tests.support.warehouse import TABLES, Warehouse, order
from tests.unit.dashboards.boards import CLICKHOUSE, expanded, targets
from tests.unit.dashboards.test_grafana_queries import NOW, TODAY, ZONE, shop

_FILES: Final = (
    *("services.api/analytics.sql", "services.doctor/queries.sql", "services.reconciler/queries.sql"),
    *("services.aggregator/queries.sql", "services.clients/recompute.sql"),
)
STATEMENTS: Final = {
    f"{package}.{name}": sql
    for package, file in (one.split("/") for one in _FILES)
    for name, sql in load(package, file).items()
}
"""Every named statement, by package and name."""
PANELS: Final = {str(target): target.text for target in targets(CLICKHOUSE)}
RECONCILER: Final = "services.reconciler."
_LONG_AGO: Final = TODAY - timedelta(days=400)
_IDS: Final = ("a", "c", "d", "none")
PARAMETERS: Final[Mapping[str, Any]] = {
    "zone": ZONE,
    "start": _LONG_AGO,
    "end": TODAY,
    "limit": 1000,
    "day": TODAY,
    "id": "a",
    "status": "PENDING",
    "scopes": [str(TODAY), str(TODAY - timedelta(days=1))],
    "days": (TODAY, TODAY - timedelta(days=1)),
    "ids": _IDS,
    "by_order": True,
    "users": ["1", "2"],
    "rows": ((TODAY, "a"), (TODAY, "none")),
    "buckets": [1, 2],
}
"""What the statements are given, by name."""
_OF_USERS: Final = {"rows": (("1", "a"), ("2", "none"))}
CHECKS: Final = tuple(name.removesuffix("_found") for name in STATEMENTS if name.endswith("_found"))
CUBES: Final = ("cube_hour", "cube_product", "cube_day", "cube_user", "cube_bucket")
# By its nature another answer each time: the clock, and what the server knows of itself.
VOLATILE: Final = re.compile(r"reconciler\.clock|aggregator\.now|\bsystem\.")
REFUSED: Final[Mapping[str, dict[str, Any]]] = {
    "a row without an order": {"order_id": ""},
    "a version of 0": {"version": 0},
    "a day before all days": {"order_date": "1970-01-01"},
    "more lines than it says": {"items_count": 7},
    "arrays of different lengths": {"items.quantity": []},
    "an amount that is none": {"total_amount": "many"},
    "a time that is none": {"created_at": "yesterday"},
    "a column that is none": {"nobody_knows": 1},
}


@dataclass
class Played:
    """What an engine answered, by what it was asked."""

    version: str
    answers: dict[str, Any] = field(default_factory=dict)


def play(front: Front) -> Played:
    """A life of a shop's analytics: rows in, cubes, every question, damage and its removal, cubes again."""
    writer = connect(front.url, user="writer", password=front.writer_password, database="analytics")
    migrate_clickhouse(writer, ZONE)
    reader = connect(front.url, user="reader", password=front.reader_password, database="analytics")
    played = Played(str(writer.server_version))
    try:
        _Play(played.answers, Warehouse(writer, ZONE), reader).run()
    finally:
        writer.close()
        reader.close()
    return played


class _Play:
    def __init__(self, answers: dict[str, Any], store: Warehouse, reader: Client) -> None:
        self.answers, self.store, self.reader = answers, store, reader
        self.now = int(NOW.timestamp() * 1000)
        self.aggregator = Aggregator(
            store.client, ZONE, clock=lambda: self.now, crash=lambda where: answers.setdefault(f"aggregator {where}", 1)
        )

    def run(self) -> None:
        self._fill()
        self._refuse()
        self._aggregate("first")
        self._ask_everything()
        self._damage()
        self._request()
        self._aggregate("mended")

    def _fill(self) -> None:
        """Orders, later versions of them in and out of order, duplicates, a deletion, a year with another summer."""
        bought = shop()
        old = [order(f"old-{n}", datetime(2024, 3, 31, n, 30, tzinfo=UTC), ZONE, user_id=str(n)) for n in range(5)]
        self.store.insert(*bought, *old, ingested_at=self.now - 90_000)
        self.store.insert(bought[0], bought[4], ingested_at=self.now - 80_000)
        paid = bought[0].changed(status="COMPLETED")
        self.store.insert(paid.changed(status="REFUNDED"), paid, ingested_at=self.now - 70_000)
        self.store.insert(bought[1].changed(deleted=True), ingested_at=self.now - 60_000)

    def _refuse(self) -> None:
        """Rows that the table must not take: the code is what the sinks decide by."""
        good = order("refused", NOW, ZONE).row()
        for what, wrong in REFUSED.items():
            block = json.dumps({**good, **wrong}).encode()
            try:
                self.store.client.raw_insert(
                    "orders_analytics",
                    insert_block=block,
                    fmt="JSONEachRow",
                    settings={"date_time_overflow_behavior": "throw", "input_format_skip_unknown_fields": 0},
                )
                self.answers[f"refuses {what}"] = "taken"
            except ClickHouseError as error:
                self.answers[f"refuses {what}"] = _code(error)

    def _aggregate(self, when: str) -> None:
        self.aggregator.tick_until_clean()
        self.now += 40_000
        self.aggregator.tick_until_clean()
        self.answers[f"views, {when}"] = self.store.views()
        self.answers[f"views as they must be, {when}"] = self.store.expected()
        for table in TABLES:
            self.answers[f"{table}, {when}"] = self.store.ask(f"SELECT count() FROM {table} FINAL")

    def _ask_everything(self) -> None:
        for name, sql in STATEMENTS.items():
            if "$" not in sql and _reads(sql) and not name.startswith("services.aggregator.dirty_"):
                self._ask(name, sql)
        for check in CHECKS:
            sides = {side: STATEMENTS[f"{check}_{side}"] for side in ("expected", "found")}
            for name in ("differing_scopes", "differing_rows"):
                self._ask(f"{RECONCILER}{name} of {check}", Template(STATEMENTS[RECONCILER + name]).substitute(sides))
        for panel, text in PANELS.items():
            self._ask(panel, expanded(text, NOW - timedelta(days=30), NOW))

    def _ask(self, name: str, sql: str) -> None:
        """As the user that does; a row's place counts where the statement orders them."""
        client = self.store.client if name.startswith((RECONCILER, "services.aggregator.")) else self.reader
        result = client.query(sql, parameters=_given(sql), query_tz="UTC")
        rows = [tuple(row) for row in result.result_rows]
        if not re.search(r"ORDER BY[^)]*\Z", sql):
            rows.sort(key=repr)
        columns = [(column, kind.name) for column, kind in zip(result.column_names, result.column_types, strict=True)]
        self.answers[name] = (columns, [] if VOLATILE.search(name + sql) else rows)

    def _damage(self) -> None:
        """Cells that no generation can follow, and every statement of the reconciler that removes or copies rows."""
        for cube in CUBES:
            self.store.run(
                f"INSERT INTO {cube} SELECT * REPLACE (toUInt64(9100000000000000000) AS gen) FROM {cube} FINAL LIMIT 1"
            )
        self._ask(f"{RECONCILER}unbeatable, damaged", STATEMENTS[f"{RECONCILER}unbeatable"])
        for name, sql in STATEMENTS.items():
            if name.startswith(RECONCILER) and not _reads(sql):
                given = _given(sql)
                self.store.client.command(sql, parameters=given | _OF_USERS if "users" in given else given)
                counts = {table: self.store.ask(f"SELECT count() FROM {table} FINAL") for table in TABLES}
                self.answers[name] = counts
        self.store.inserted = [each for each in self.store.inserted if each.order_id != "a"]

    def _request(self) -> None:
        for name, sql in STATEMENTS.items():
            if name.startswith("services.clients."):
                self.store.client.command(sql, parameters=_given(sql))
                self.answers[name] = [
                    self.store.ask(f"SELECT sum(rows) FROM {table}") for table in ("day_inserts", "bucket_inserts")
                ]


def _reads(sql: str) -> bool:
    return sql.startswith(("SELECT", "WITH"))


def _given(sql: str) -> dict[str, Any]:
    """The parameters that a statement names. The server binds lists, the client quotes tuples."""
    given = {name: value for name, value in PARAMETERS.items() if f"%({name})s" in sql}
    bound = {name: value for name, value in PARAMETERS.items() if f"{{{name}:" in sql}
    return given | {name: list(value) if isinstance(value, tuple) else value for name, value in bound.items()}


def _code(error: ClickHouseError) -> str:
    found = re.search(r"(?:Code: |error code )(\d+)", str(error))
    return found[1] if found else str(error)
