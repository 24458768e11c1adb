"""Outbox rows for tests: put in as by hand, and looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.clients.database import write
from services.domain.tables import outbox


def insert_event(
    engine: Engine, aggregate_id: str, payload: str = "{}", aggregate_type: str = "Order", **columns: Any
) -> int:
    """A bare row, the way a plain INSERT makes one; returns its id."""
    given = {"aggregate_id": aggregate_id, "aggregate_type": aggregate_type, "event_type": "OrderCreated"}
    values = {**given, "payload": payload, **columns}
    insert = sa.text(f"INSERT INTO outbox ({', '.join(values)}) VALUES ({', '.join(':' + name for name in values)})")
    return int(write(engine, lambda connection: connection.execute(insert, values)).lastrowid)


def set_columns(engine: Engine, outbox_id: int, **columns: Any) -> None:
    """Changes a row by hand."""
    write(
        engine,
        lambda connection: connection.execute(sa.update(outbox).where(outbox.c.id == outbox_id).values(**columns)),
    )


def row(engine: Engine, outbox_id: int) -> sa.Row[Any]:
    """One row."""
    with engine.connect() as connection:
        return connection.execute(sa.select(outbox).where(outbox.c.id == outbox_id)).one()


def rows(engine: Engine) -> list[sa.Row[Any]]:
    """All rows in id order."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(outbox).order_by(outbox.c.id)).all())


def pending(engine: Engine) -> int:
    """How many rows are not processed."""
    return sum(not found.processed for found in rows(engine))


def seconds_from_now(seconds: float) -> datetime:
    """A time relative to the database's clock, which is this machine's."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
