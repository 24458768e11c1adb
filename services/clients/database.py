"""The relational database: engine, write transactions and their retries.

A write transaction runs READ COMMITTED on MySQL and BEGIN IMMEDIATE on SQLite, and is run again as a whole when
the database ends it before its commit: for a deadlock, a lock that did not come free, a connection that was lost.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, Transaction, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from services.clients.database_faults import OutcomeUnknown, contended, refused, retryable, unavailable
from services.clients.group_commit import group_of
from services.clients.types import utc_now
from services.settings import DatabaseSettings, SettingsError

__all__ = [
    "ANSWER_SECONDS",
    "OutcomeUnknown",
    "alone",
    "connect",
    "contended",
    "database_now",
    "database_url",
    "one_snapshot",
    "refused",
    "retryable",
    "unavailable",
    "write",
]

T = TypeVar("T")

ANSWER_SECONDS: Final = 30
"""How long a process that serves others waits for one answer of the database."""
_ATTEMPTS: Final = 12
_TRY_SECONDS: Final = 25.0
_LOCK_SECONDS: Final = 5
_IDLE_SECONDS: Final = 60
_SQLITE_BUSY_MS: Final = 15_000
_TRUSTED_SECONDS: Final = 1.0
_USED: Final = "used"
_IN_TRANSACTION: Final = 1  # SERVER_STATUS_IN_TRANS of MySQL's protocol


class _PyMySQL(Protocol):
    """What is used of PyMySQL's connection beyond the DB-API."""

    server_status: int

    def rollback(self) -> None: ...

    def ping(self, reconnect: bool) -> None: ...


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


def connect(settings: DatabaseSettings, answer_seconds: int | None = None) -> Engine:
    """An engine on the database of the settings. Nothing is connected before the first statement.

    ``answer_seconds``: MySQL's connections are given up when a statement takes longer, and are closed by the server
    when nothing came over them for a minute, within a transaction too. Without it, as migrations need it, neither.
    """
    url = database_url(settings)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, settings.database_pool_size)
    return _mysql(url, settings.database_pool_size, answer_seconds)


def _mysql(url: URL, pool_size: int, answer_seconds: int | None) -> Engine:
    session = ["time_zone = '+00:00'", f"innodb_lock_wait_timeout = {_LOCK_SECONDS}"]
    if answer_seconds is not None:
        # a process that is frozen in the middle of a transaction must not keep its locks, a lease's above all
        session.append(f"wait_timeout = {_IDLE_SECONDS}")
    engine = sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=0,
        pool_recycle=3600,
        pool_reset_on_return=None,
        connect_args={
            "connect_timeout": 5,
            # without them a peer that is cut off is waited for as long as TCP's keepalive does: two hours
            "read_timeout": answer_seconds,
            "write_timeout": answer_seconds,
            "charset": "utf8mb4",
            "init_command": f"SET {', '.join(session)}",
        },
    )

    @event.listens_for(engine, "reset")
    def _reset(connection: _PyMySQL, _record: Any, state: PoolResetState) -> None:
        """Rolls back what was left open; after a commit, where nothing is, that would be a round trip for nothing."""
        if not state.terminate_only and connection.server_status & _IN_TRANSACTION:
            connection.rollback()

    _ping_idle(engine)
    return engine


def _ping_idle(engine: Engine) -> None:
    """Asks a connection that was idle whether it still is one. A ping at every use would be a round trip each."""

    @event.listens_for(engine, "connect")
    @event.listens_for(engine, "checkin")
    def _used(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = monotonic()

    @event.listens_for(engine, "checkout")
    def _alive(connection: _PyMySQL, record: ConnectionPoolEntry, _proxy: object) -> None:
        if monotonic() - record.info[_USED] < _TRUSTED_SECONDS:
            return
        try:
            connection.ping(reconnect=False)
        except engine.dialect.loaded_dbapi.Error as lost:
            raise sa.exc.DisconnectionError("the connection was lost while it was idle") from lost


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


def database_now(connection: Connection) -> datetime:
    """The database's clock: aware UTC, the one that leases, orders and events go by."""
    return connection.execute(sa.select(utc_now())).scalar_one()


def one_snapshot(connection: Connection) -> None:
    """Before a connection's first statement: all up to its end see the database as of one moment, as on SQLite."""
    if connection.dialect.name == "mysql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


@contextmanager
def alone(engine: Engine, what: str, seconds: int, taken: Exception) -> Iterator[None]:
    """One at a time of those who do ``what`` in a database, where no row's lock is of use. Raises ``taken`` when others
    do for so many seconds.

    SQLite needs no lock for it: write transactions come one after the other, DDL is part of them. Elsewhere it takes a
    connection for as long as it lasts, beside those of the work.
    """
    if engine.dialect.name != "mysql":
        yield
        return
    with engine.connect() as connection:
        lock = sa.func.concat(sa.func.database(), f".{what}")
        if not connection.scalar(sa.select(sa.func.get_lock(lock, seconds))):
            raise taken
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.release_lock(lock)))


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Runs ``work`` in a write transaction and commits; the whole of it again when the database ended it before.

    ``work`` must have no effect but on its connection. Its own exceptions roll back and pass through. Raises
    OutcomeUnknown when the connection is lost during the commit; whatever else it raises, nothing was stored.
    """
    for attempt in Retrying(
        retry=retry_if_exception(retryable),
        stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_TRY_SECONDS),
        wait=wait_random_exponential(multiplier=0.005, max=0.5),
        reraise=True,
    ):
        with attempt:
            return _once(engine, work)
    raise AssertionError("unreachable: the last attempt raises")


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    if engine.dialect.name == "sqlite":
        return group_of(engine).write(work)
    with engine.connect().execution_options(writes=True) as connection, connection.begin() as transaction:
        value = work(connection)
        _commit(transaction)
        return value


def _commit(transaction: Transaction) -> None:
    try:
        transaction.commit()
    except DBAPIError as error:
        if unavailable(error):
            raise OutcomeUnknown(f"the database went away during a commit: {error.orig}") from error
        raise
