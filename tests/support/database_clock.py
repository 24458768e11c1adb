"""The clock of a SQLite database, set by a test: the domain asks the database for the time and nobody else."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


class DatabaseClock:
    """Answers ``utc_now()`` in every later connection of an engine; it stands still and may be set back."""

    def __init__(self, engine: Engine, moment: datetime) -> None:
        """Begins at ``moment``. SQLite lets a connection replace its built-in functions: strftime, here."""
        self.moment = moment
        engine.dispose()
        event.listen(engine, "connect", self._take_over)

    def _take_over(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.create_function("strftime", -1, self._strftime)

    def _strftime(self, form: str, *arguments: object) -> str:
        if arguments != ("now",):
            raise ValueError(f"only the present is known here, not {arguments}")
        moment = self.moment.astimezone(UTC)
        return moment.strftime(form.replace("%f", f"%S.{moment.microsecond // 1000:03d}"))
