"""The clock of a database, set by a test: the domain asks the database for the time and nobody else."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


class DatabaseClock:
    """Answers ``utc_now()`` in every later transaction of an engine; it stands still and may be set back."""

    def __init__(self, engine: Engine, moment: datetime) -> None:
        """Begins at ``moment``. SQLite lets a connection replace its built-in functions, MySQL lets it set the time."""
        self.moment = moment
        engine.dispose()
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", self._take_over)
        else:
            event.listen(engine, "begin", self._set)

    def _take_over(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.create_function("strftime", -1, self._strftime)

    def _strftime(self, form: str, *arguments: object) -> str:
        if arguments[:1] != ("now",) or len(arguments) > 2:
            raise ValueError(f"only the present, and seconds after it, are known here, not {arguments}")
        later = timedelta(seconds=int(str(arguments[1]).removesuffix(" seconds"))) if arguments[1:] else timedelta()
        moment = self.moment.astimezone(UTC) + later
        return moment.strftime(form.replace("%f", f"%S.{moment.microsecond // 1000:03d}"))

    def _set(self, connection: Connection) -> None:
        """For the connection's own statements: NOW() and its relatives, in whole milliseconds as SQLite has them."""
        connection.exec_driver_sql(f"SET timestamp = {int(self.moment.timestamp() * 1000) / 1000:.3f}")
