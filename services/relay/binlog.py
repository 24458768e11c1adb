"""MySQL's binary log as the follower needs it: where it ends, which transactions it has, what is gone from it."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.observability.process import CannotStart
from services.relay.position import Position

_NOT_ALLOWED: Final = 1227
_SYNTAX: Final = 1064

_STATUS: Final = sa.text("SHOW BINARY LOG STATUS")
_STATUS_BEFORE_8_2: Final = sa.text("SHOW MASTER STATUS")
_EXECUTED: Final = sa.text("SELECT @@GLOBAL.gtid_executed")
_FILES: Final = sa.text("SHOW BINARY LOGS")
_SUBSET: Final = sa.text("SELECT GTID_SUBSET(:part, :whole)")


@dataclass(frozen=True, slots=True)
class End:
    """Where the binary log ended at a moment, and the transactions executed by then ('' without GTIDs).

    A transaction is written to the log before its rows can be seen, so ``position`` is behind every row seen before.
    It is counted as executed only after that: ``executed`` can lack what was seen last.
    """

    position: Position
    executed: str


class Binlog:
    """The binary log of the database that has the outbox."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def end(self) -> End:
        """Where the log ends now. Raises CannotStart when the server keeps none or does not tell this user."""
        with self._engine.connect() as connection:
            row = _status(connection)
            executed = connection.scalar(_EXECUTED)
        if row is None:
            raise _no_log()
        return End(Position.of(row.File, int(row.Position)), _one_line(executed))

    def oldest(self) -> Position:
        """Where the log begins: what was before has been purged. Raises CannotStart as `end`."""
        with self._engine.connect() as connection:
            row = connection.execute(_FILES).first()
        if row is None:
            raise _no_log()
        return Position.of(row.Log_name, 0)

    def contains(self, whole: str, part: str) -> bool:
        """Whether every transaction of ``part`` is among ``whole``; both GTID sets."""
        with self._engine.connect() as connection:
            return bool(connection.scalar(_SUBSET, {"part": part, "whole": whole}))


def require_binlog(engine: Engine) -> Binlog:
    """The database's binary log. Raises CannotStart for another kind of database; nothing is connected yet."""
    if engine.dialect.name != "mysql":
        raise CannotStart(
            f"RELAY_MODE=debezium follows MySQL's binary log, and the database is {engine.dialect.name}: "
            "set RELAY_MODE=outbox"
        )
    return Binlog(engine)


def _status(connection: Connection) -> sa.Row[tuple[str, int]] | None:
    try:
        return connection.execute(_STATUS).first()
    except sa.exc.DBAPIError as refused:
        code = _code(refused)
        if code == _NOT_ALLOWED:
            raise _may_not(connection) from None
        if code != _SYNTAX:
            raise
    return connection.execute(_STATUS_BEFORE_8_2).first()


def _no_log() -> CannotStart:
    return CannotStart("RELAY_MODE=debezium: the database keeps no binary log; start MySQL with --log-bin")


def _may_not(connection: Connection) -> CannotStart:
    user = connection.scalar(sa.text("SELECT CURRENT_USER()"))
    return CannotStart(f"RELAY_MODE=debezium: {user} may not see the binary log: GRANT REPLICATION CLIENT ON *.* TO it")


def _code(error: sa.exc.DBAPIError) -> int | None:
    return error.orig.args[0] if error.orig is not None and error.orig.args else None


def _one_line(gtids: str | None) -> str:
    return (gtids or "").replace("\n", "")
