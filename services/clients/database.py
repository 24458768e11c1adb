"""The relational database: engine, write transactions and their retries.

A write transaction runs READ COMMITTED on MySQL and BEGIN IMMEDIATE on SQLite, and is run again as a whole when
the database ends it for a deadlock or a lock that did not come free.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from services.clients.group_commit import group_of
from services.clients.types import utc_now
from services.settings import DatabaseSettings, SettingsError

T = TypeVar("T")

_DEADLOCK, _LOCK_TIMEOUT = 1213, 1205
_ATTEMPTS = 12
_SQLITE_BUSY_MS = 15_000


def database_url(settings: DatabaseSettings) -> URL:
    """The SQLAlchemy URL of the settings. Raises SettingsError for an unknown kind of database."""
    if settings.database_url is None:
        secret = settings.mysql_password
        return URL.create(
            "mysql+pymysql",
            settings.mysql_user,
            secret.get_secret_value() if secret else None,
            settings.mysql_host,
            settings.mysql_port,
            settings.mysql_database,
        )
    try:
        url = make_url(settings.database_url)
    except sa.exc.ArgumentError:
        raise SettingsError("DATABASE_URL is not a SQLAlchemy URL (like sqlite:////path/to/file.db)") from None
    if url.drivername == "mysql":
        url = url.set(drivername="mysql+pymysql")
    if url.get_backend_name() not in ("mysql", "sqlite"):
        raise SettingsError(f"DATABASE_URL is of kind {url.get_backend_name()}: only mysql and sqlite are supported")
    return url


def connect(settings: DatabaseSettings) -> Engine:
    """An engine on the database of the settings. Nothing is connected before the first statement."""
    url = database_url(settings)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, settings.database_pool_size)
    return sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=3600,
        connect_args={"connect_timeout": 5, "charset": "utf8mb4", "init_command": "SET time_zone = '+00:00'"},
    )


def _sqlite(url: URL, pool_size: int) -> Engine:
    engine = sa.create_engine(url, pool_size=pool_size, max_overflow=0, poolclass=sa.QueuePool)

    @event.listens_for(engine, "connect")
    def _open(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, see _begin
        for pragma in (
            f"busy_timeout = {_SQLITE_BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def retryable(error: BaseException) -> bool:
    """Whether the database ended a transaction for reasons that are gone when it is run again."""
    if not isinstance(error, DBAPIError):
        return False
    code = error.orig.args[0] if error.orig and error.orig.args else None
    return code in (_DEADLOCK, _LOCK_TIMEOUT) or (isinstance(error, OperationalError) and "locked" in str(error.orig))


def unavailable(error: BaseException) -> bool:
    """Whether the database could not be reached or went away; the work may be tried again later."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error, OperationalError | sa.exc.InterfaceError)
    )


def database_now(connection: Connection) -> datetime:
    """The database's clock: aware UTC, the one that leases, orders and events go by."""
    return connection.execute(sa.select(utc_now())).scalar_one()


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Runs ``work`` in a write transaction and commits; the whole of it again after a deadlock or lock timeout.

    ``work`` must have no effect but on its connection. Its own exceptions roll back and pass through.
    """
    for attempt in Retrying(
        retry=retry_if_exception(retryable),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.005, max=0.5),
        reraise=True,
    ):
        with attempt:
            return _once(engine, work)
    raise AssertionError("unreachable: the last attempt raises")


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    if engine.dialect.name == "sqlite":
        return group_of(engine).write(work)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        return work(connection)
