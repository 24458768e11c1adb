"""`system.query_log` for an engine that has none: written in the background, bounded, never in a statement's way."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import deque
from typing import Any, Final

from services.clients import named_sql
from services.embedded.clickhouse.engine import Connection, Engine
from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.execution import Answer, Statement
from services.embedded.clickhouse.request import QueryRequest
from services.embedded.clickhouse.users import User

FLUSH_SECONDS: Final = 5.0
MAX_ROWS: Final = 500_000
_MAX_WAITING: Final = 10_000
_MAX_TEXT: Final = 2000
_HIDDEN: Final = "[hidden: this statement holds a secret]"
_VALUES: Final = re.compile(rb"\bVALUES\b", re.IGNORECASE)
# Whatever may hold a password or a key: words of them, and functions and engines that take one as a plain argument
# (ClickHouse: src/Parsers/FunctionSecretArgumentsFinder.h).
_SECRET: Final = re.compile(
    rb"password|secret|identified|credential|access_key|crypt"
    rb"|\b(?:mysql|postgresql|mongo\w*|redis|odbc|jdbc|s3\w*|gcs|oss|cosn|azure\w*|iceberg\w*|deltalake\w*|hudi\w*"
    rb"|paimon\w*|remote\w*|url\w*|arrowflight|ytsaurus|kafka|rabbitmq|nats)\W{0,2}\(",
    re.IGNORECASE,
)

_SQL: Final = named_sql.load("services.embedded.clickhouse", "querylog.sql")

Entry = dict[str, Any]


def finished(
    query: QueryRequest, user: User, statement: Statement, started: float, seconds: float, answer: Answer
) -> Entry:
    """The entry of a statement that ended well; `started` is Unix time."""
    result = answer.result
    return _entry("QueryFinish", query, user, statement, started, seconds) | {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "result_rows": result.written_rows or result.result_rows,
        "result_bytes": len(result.data),
    }


def failed(query: QueryRequest, user: User, statement: Statement, started: float, error: QueryError) -> Entry:
    """The entry of a statement that was refused or failed."""
    entry = _entry("ExceptionWhileProcessing", query, user, statement, started, time.time() - started)
    return entry | {"exception_code": error.code, "exception": str(error)[:_MAX_TEXT]}


def _entry(kind: str, query: QueryRequest, user: User, statement: Statement, started: float, seconds: float) -> Entry:
    return {
        "type": kind,
        "event_time": int(started + seconds),
        "event_time_microseconds": f"{started + seconds:.6f}",
        "query_id": query.query_id,
        "user": user.name,
        "current_database": query.database or "default",
        "query_kind": statement.kind,
        "query": _without_data(statement),
        "query_duration_ms": round(seconds * 1000),
    }


def _without_data(statement: Statement) -> bytes:
    if statement.insert is not None:
        return statement.insert.target[:_MAX_TEXT].rstrip() + b" FORMAT " + statement.insert.input_format.encode()
    text = statement.sql
    if statement.kind == "Insert" and (found := _VALUES.search(text[:_MAX_TEXT])):
        text = text[: found.end()]
    return text


class QueryLog:
    """Collects entries and writes them every few seconds; entries over the waiting limit are dropped, oldest first."""

    def __init__(self, engine: Engine, max_rows: int = MAX_ROWS) -> None:
        """Make the table and its view; raises QueryError when the engine refuses."""
        self._engine = engine
        self._max_rows = max_rows
        self._waiting: deque[Entry] = deque(maxlen=_MAX_WAITING)
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="query-log", daemon=True)
        with contextlib.closing(engine.connect()) as connection:
            for name in ("create_database", "create_table", "create_view"):
                connection.query(_SQL[name], "Null")

    def start(self) -> None:
        """Write in the background from now on."""
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Take an entry; never blocks and never fails."""
        self._waiting.append(entry)

    def close(self, seconds: float) -> None:
        """Write what is waiting, giving up after `seconds`."""
        self._stop.set()
        self._thread.join(seconds)

    def flush(self) -> None:
        """Write what is waiting now; raises QueryError when the engine refuses."""
        with self._writing:
            entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not entries:
                return
            with contextlib.closing(self._engine.connect()) as connection:
                rows = "\n".join(json.dumps(_readable(entry)) for entry in entries)
                connection.query(f"{_SQL['insert']}\n{rows}", "Null")
                self._trim(connection)

    def _loop(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._flush_quietly()
        self._flush_quietly()

    def _flush_quietly(self) -> None:
        # The log is a convenience: what cannot be written is lost rather than in anyone's way.
        with contextlib.suppress(QueryError):
            self.flush()

    def _trim(self, connection: Connection) -> None:
        """Drop the oldest hours beyond the row limit; the current hour always stays."""
        partitions = connection.query(_SQL["partitions"], "JSONCompactEachRow")
        kept = 0
        for position, line in enumerate(partitions.data.splitlines()):
            partition, rows = json.loads(line)
            kept += rows
            if position and kept > self._max_rows:
                connection.query(_SQL["drop_partition"], "Null", {"partition": partition})


def _readable(entry: Entry) -> Entry:
    """The entry with its statement as text, hidden when it holds a secret."""
    sql: bytes = entry["query"]
    if not _SECRET.search(sql):
        return entry | {"query": sql[:_MAX_TEXT].decode("utf-8", "replace")}
    hidden = entry | {"query": _HIDDEN}
    if "exception" in entry:
        hidden["exception"] = _HIDDEN
    return hidden
