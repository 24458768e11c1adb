"""A migration that was cut short anywhere is taken up by the next run.

MySQL commits every DDL statement by itself; SQLite does here, because its connections commit every statement.
tests/integration/provision does the same on MySQL.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from services.clients.relational_schema import migrate, newest_revision, require_current


class Killed(Exception):
    """In place of SIGKILL: nothing is rolled back."""


def _engine(file: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")


def _each_statement(engine: sa.Engine, seen: Callable[[str], None]) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def _look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(("CREATE", "INSERT")):
            seen(statement)


def _schema(engine: sa.Engine) -> set[tuple[Any, ...]]:
    with engine.connect() as connection:
        return set(map(tuple, connection.execute(sa.text("SELECT type, name, sql FROM sqlite_master"))))


def test_after_every_statement(tmp_path: Path) -> None:
    statements: list[str] = []
    whole = _engine(tmp_path / "whole.db")
    _each_statement(whole, statements.append)
    migrate(whole, "UTC")
    wanted = _schema(whole)
    whole.dispose()
    assert len(statements) > 15

    for number in range(len(statements)):
        file = tmp_path / f"cut-{number}.db"
        _cut(file, number)
        engine = _engine(file)
        assert migrate(engine, "UTC") == newest_revision()
        require_current(engine, "UTC")
        assert _schema(engine) == wanted, f"cut before {statements[number]}"
        engine.dispose()


def _cut(file: Path, before: int) -> None:
    engine, count = _engine(file), 0

    def kill(_statement: str) -> None:
        nonlocal count
        if count == before:
            raise Killed
        count += 1

    _each_statement(engine, kill)
    with pytest.raises(Killed):
        migrate(engine, "UTC")
    engine.dispose()
