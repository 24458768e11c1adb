"""Who did, or tried, what with an admin credential: rows that are only ever added.

On MySQL no service's account may change or delete one, on SQLite triggers refuse it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import simplejson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.domain.tables import admin_actions

Outcome = Literal["done", "unchanged", "refused"]

_TARGET_LENGTH = 64


@dataclass(frozen=True)
class Actor:
    """Whose credential, and who used it; ``admin_id`` is empty where that was not said."""

    token_id: str
    token_name: str
    admin_id: str
    request_id: str


@dataclass(frozen=True)
class AdminAction:
    """One row. ``details`` must have a JSON form; Decimals keep their digits."""

    actor: Actor
    action: str
    target: str
    outcome: Outcome
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A row with its number and the database's time."""

    id: int
    at: datetime
    action: AdminAction


def append_action(connection: Connection, action: AdminAction) -> None:
    """Adds the row in the caller's transaction, so that there is none without the other."""
    details = simplejson.dumps(dict(action.details), use_decimal=True, allow_nan=False) if action.details else None
    connection.execute(
        sa.insert(admin_actions).values(
            token_id=action.actor.token_id,
            token_name=action.actor.token_name,
            admin_id=action.actor.admin_id,
            action=action.action,
            target=action.target[:_TARGET_LENGTH],
            outcome=action.outcome,
            request_id=action.actor.request_id,
            details=details,
        )
    )


def record_action(engine: Engine, action: AdminAction) -> None:
    """Adds the row in a transaction of its own: for what was refused, where there is no change to go with."""
    write(engine, lambda connection: append_action(connection, action))


def list_actions(engine: Engine, since: datetime | None, limit: int) -> list[Recorded]:
    """The newest ``limit`` rows, those not older than ``since`` where that is given; the oldest of them first."""
    query = sa.select(admin_actions).order_by(admin_actions.c.id.desc()).limit(limit)
    if since is not None:
        query = query.where(admin_actions.c.at >= since)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        Recorded(
            row.id,
            row.at,
            AdminAction(
                Actor(row.token_id, row.token_name, row.admin_id, row.request_id),
                row.action,
                row.target,
                row.outcome,
                simplejson.loads(row.details, use_decimal=True) if row.details else {},
            ),
        )
        for row in reversed(rows)
    ]
