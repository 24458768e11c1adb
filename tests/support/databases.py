"""The relational database of a test: a SQLite file, or a database on the MySQL server of MILLRACE_TEST_MYSQL.

MILLRACE_TEST_MYSQL is a URL with a user who may create databases (mysql://root:password@127.0.0.1:3306). There a test
gets the database of an earlier one, emptied: that takes 20 ms where migrating a new one takes 600.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

from services.clients.database import connect, write
from services.clients.relational_schema import migrate
from services.settings import DatabaseSettings
from tests.support import servers

_SERVER = servers.MYSQL
_KEPT = {"alembic_version", "schema_settings"}
_numbers = itertools.count(1)

on_sqlite_only = pytest.mark.skipif(_SERVER is not None, reason="is about SQLite, and this run is on MySQL")


def on_mysql() -> bool:
    """Whether this run's databases are on a MySQL server."""
    return _SERVER is not None


def open_database(url: str) -> Engine:
    """An engine, as the services make it."""
    return connect(DatabaseSettings.model_validate({"database_url": url}))


def url_of(engine: Engine) -> str:
    """DATABASE_URL of a process on the same database."""
    return engine.url.render_as_string(hide_password=False)


def is_locked(engine: Engine) -> bool:
    """Whether a transaction holds the lock of a lease; on SQLite, of anything."""
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(engine.url.database or "", timeout=0)) as connection:
            return _refused(sqlite3.OperationalError, lambda: connection.execute("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        look = sa.text("SELECT name FROM leases FOR UPDATE NOWAIT")
        return _refused(sa.exc.OperationalError, lambda: connection.execute(look))


def _refused(how: type[Exception], look: Callable[[], object]) -> bool:
    try:
        look()
    except how:
        return True
    return False


@contextmanager
def empty_database(folder: Path) -> Iterator[str]:
    """The URL of a database without a schema; gone afterwards."""
    if _SERVER is None:
        yield f"sqlite:///{folder}/shop.db"
        return
    name = _create()
    try:
        yield _url(name)
    finally:
        _drop(name)


@dataclass
class Template:
    """What a database begins with: the schema of a business time zone, and what ``fill`` puts into it."""

    zone: str = "UTC"
    fill: Callable[[Connection], None] | None = None
    _free: list[str] = field(default_factory=list)
    _file: Path | None = None

    @contextmanager
    def open(self, folder: Path) -> Iterator[Engine]:
        """An engine on a database of its own, for as long as the context lasts."""
        with self.copy(folder) as url:
            engine = open_database(url)
            try:
                yield engine
            finally:
                engine.dispose()

    @contextmanager
    def copy(self, folder: Path) -> Iterator[str]:
        """The URL of such a database."""
        if _SERVER is None:
            file = folder / "shop.db"
            shutil.copy(self._made(), file)
            yield f"sqlite:///{file}"
            return
        name = self._free.pop() if self._free else self._migrated()
        engine = open_database(_url(name))
        write(engine, self._begin)
        engine.dispose()
        try:
            yield _url(name)
        finally:
            self._free.append(name)

    def _made(self) -> Path:
        if self._file is None:
            folder = Path(tempfile.mkdtemp(prefix="millrace-template-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self._file = folder / "template.db"
            self._migrate(f"sqlite:///{self._file}")
        return self._file

    def _migrated(self) -> str:
        name = _create()
        atexit.register(_drop, name)
        self._migrate(_url(name))
        return name

    def _migrate(self, url: str) -> None:
        engine = open_database(url)
        migrate(engine, self.zone)
        if self.fill is not None and _SERVER is None:
            write(engine, self.fill)
        engine.dispose()

    def _begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for table in set(sa.inspect(connection).get_table_names()) - _KEPT:
            connection.execute(sa.delete(sa.table(table)))
        connection.exec_driver_sql("ALTER TABLE outbox AUTO_INCREMENT = 1")
        if self.fill is not None:
            self.fill(connection)


@cache
def _server() -> Engine:
    return open_database(make_url(_SERVER or "").set(database="").render_as_string(hide_password=False))


def _url(name: str) -> str:
    return make_url(_SERVER or "").set(database=name).render_as_string(hide_password=False)


def _create() -> str:
    name = f"millrace_test_{os.getpid()}_{next(_numbers)}"
    with _server().connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return name


def _drop(name: str) -> None:
    with suppress(sa.exc.OperationalError), _server().connect() as connection:  # the server may be gone before us
        connection.exec_driver_sql(f"DROP DATABASE {name}")
