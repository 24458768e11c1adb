"""Runs one request on the engine as one user."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.embedded.clickhouse.access import ReaderPolicy
from services.embedded.clickhouse.engine import Connection, Engine, Result
from services.embedded.clickhouse.errors import Code, EngineError, QueryError
from services.embedded.clickhouse.request import QueryRequest
from services.embedded.clickhouse.rights import Rights, as_refused_to
from services.embedded.clickhouse.sessions import Session, Sessions
from services.embedded.clickhouse.settings import (
    changed_for_one_request,
    role_statement,
    set_statement,
    use_statement,
)
from services.embedded.clickhouse.statements import (
    Insert,
    brings_values,
    count_statements,
    has_output,
    output_format,
    query_kind,
    split_insert,
    writes_a_file,
)
from services.embedded.clickhouse.users import User

# Statements whose effect is on the session, so that its connection must be kept.
_SESSION_KINDS: Final = {"Set", "Use"}
# Parsing in parallel starts at 10 MiB; below that it only starts threads (1.5 times the time of an INSERT).
_DEFAULTS: Final = {"input_format_parallel_parsing": "0"}


@dataclass(frozen=True)
class Statement:
    """A request's statement: `sql` is what the query log may show, without an INSERT's data."""

    sql: bytes
    kind: str
    insert: Insert | None


@dataclass(frozen=True)
class Answer:
    """What a statement gave, and the format of its output ("" when it has none)."""

    result: Result
    output_format: str
    timezone: str


def read_statement(request: QueryRequest, body: bytes) -> Statement:
    """The statement in URL and body; raises QueryError when there is none."""
    sql = request.head + b"\n" + body if request.head and body else request.head or body
    kind = query_kind(sql)
    if not sql.strip():
        raise QueryError(Code.SYNTAX_ERROR, "Syntax error: Empty query (SYNTAX_ERROR)")
    insert = split_insert(request.head, body) if kind == "Insert" else None
    return Statement(sql, kind, insert)


class Executor:
    """Runs statements, each in a connection of its own unless its session has one."""

    def __init__(self, engine: Engine, timezone: str, spool: Path, holds_grants: bool = False) -> None:
        """`spool`: a folder for the data of INSERTs; its path has no characters that need quoting, no wildcards.

        `holds_grants`: the engine knows the users' roles.
        """
        self._engine = engine
        self._timezone = timezone
        self._spool = spool
        self._sequence = itertools.count()
        self._sessions = Sessions()
        with contextlib.closing(engine.connect()) as connection:
            names = connection.query("SELECT name FROM system.table_functions", "TSVRaw").data.decode().split()
            self._rights = Rights(connection) if holds_grants else None
        self._policy = ReaderPolicy(names)

    def run(self, request: QueryRequest, user: User, statement: Statement) -> Answer:
        """Run one statement; raises QueryError with ClickHouse's code."""
        for name, value in request.settings.items():
            user.check_setting(name, value)
        if request.session is None:
            with contextlib.closing(self._open(request, user)) as connection:
                return self._execute(connection, request, user, statement)
        with self._sessions.lease(user.name, request.session) as session:
            return self._run_in_session(session, request, user, statement)

    def _run_in_session(self, session: Session, request: QueryRequest, user: User, statement: Statement) -> Answer:
        if session.connection is not None:
            return self._execute_kept(session.connection, request, user, statement)
        if user.readonly or not _changes_session(statement):
            with contextlib.closing(self._open(request, user)) as connection:
                return self._execute(connection, request, user, statement)
        session.connection = self._engine.connect()
        session.connection.query(self._settings_of(user) + role_statement(user.role), "Null")
        return self._execute_kept(session.connection, request, user, statement)

    def _execute_kept(self, kept: Connection, request: QueryRequest, user: User, statement: Statement) -> Answer:
        with changed_for_one_request(kept, request.settings, request.database, user.role):
            return self._execute(kept, request, user, statement)

    def _open(self, request: QueryRequest, user: User) -> Connection:
        """A connection for one request, with the user's and the request's settings and database."""
        connection = self._engine.connect()
        try:
            script = self._settings_of(user) + set_statement(request.settings)
            script += use_statement(request.database) + role_statement(user.role)
            # Last, for nothing can be set after it.
            if user.readonly:
                script += "SET readonly = 1;"
            connection.query(script, "Null")
        except BaseException:
            connection.close()
            raise
        return connection

    def _settings_of(self, user: User) -> str:
        return set_statement({**_DEFAULTS, "session_timezone": self._timezone, **user.initial_settings()})

    def _execute(self, connection: Connection, request: QueryRequest, user: User, statement: Statement) -> Answer:
        timezone = {**user.settings, **request.settings}.get("session_timezone", self._timezone)
        if statement.insert is None:
            _refuse_unsafe(statement.sql)
        if user.readonly or not request.changes_allowed:
            self._policy.check(connection, statement.insert.target if statement.insert else statement.sql)
        if self._rights:
            text = statement.insert.target if statement.insert else statement.sql
            self._rights.check(connection, user, statement.kind, text, request.database)
        try:
            if statement.insert is not None:
                result = self._insert(connection, statement.insert)
                return Answer(_with_written(result, statement), "", timezone)
            result = connection.query(statement.sql, request.default_format, request.params)
        except EngineError as error:
            raise as_refused_to(user, error) from None
        shown = output_format(statement.sql, request.default_format) if has_output(statement.kind) else ""
        return Answer(_with_written(result, statement), shown, timezone)

    def _insert(self, connection: Connection, insert: Insert) -> Result:
        """Give the engine the data as a file.

        chDB's streaming insert reports success for data that it then fails to write (codes 190, 252, 469, a view that
        throws), and data inside the SQL text ends at an empty line and must be UTF-8.
        """
        path = self._spool / f"insert-{next(self._sequence)}"
        try:
            path.write_bytes(insert.data)
            return connection.query(insert.from_file(path), "Null")
        except OSError as error:
            raise QueryError(Code.NOT_ENOUGH_SPACE, f"Cannot keep the data of the INSERT: {error.strerror}") from error
        finally:
            path.unlink(missing_ok=True)


def _refuse_unsafe(sql: bytes) -> None:
    """What no ClickHouse server does over HTTP: several statements at once, and writing files of the host."""
    if b";" in sql.rstrip(b"; \t\r\n") and count_statements(sql) > 1:
        raise QueryError(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")
    if b"outfile" in sql.lower() and writes_a_file(sql):
        raise QueryError(Code.NOT_IMPLEMENTED, "INTO OUTFILE is not allowed over HTTP. (NOT_IMPLEMENTED)")


def _with_written(result: Result, statement: Statement) -> Result:
    """The result with what an INSERT wrote, where the engine does not say: all that came in the request.

    What an INSERT … SELECT wrote is then not known, and 0.
    """
    if result.written_rows is not None:
        return result
    if statement.insert is not None:
        return result._replace(written_rows=result.result_rows, result_rows=0)
    from_values = statement.kind == "Insert" and brings_values(statement.sql)
    return result._replace(written_rows=result.read_rows if from_values else 0)


def _changes_session(statement: Statement) -> bool:
    return statement.kind in _SESSION_KINDS or (
        statement.kind == "Create" and b"TEMPORARY" in statement.sql[:200].upper()
    )
