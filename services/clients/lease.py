"""Leases: one process at a task at a time, by the relational database's clock.

A lease is held until it expires or is released. Every change of hands raises the fencing token, and work that must
not be done by a process that lost the lease without noticing checks the token in its own transaction (Kleppmann,
"How to do distributed locking", 2016).
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import database_now, write
from services.clients.types import UtcTime, identifier

leases = sa.table(
    "leases",
    sa.column("name", identifier(64)),
    sa.column("owner", sa.String(128)),
    sa.column("fencing_token", sa.BigInteger),
    sa.column("expires_at", UtcTime),
)


class LeaseLost(Exception):
    """Another process has, or may have, the lease: what was under way must not be finished."""


class Lease:
    """One process's claim to the task ``name`` for ``seconds`` at a time."""

    def __init__(self, engine: Engine, name: str, owner: str, seconds: float) -> None:
        self._engine, self._name, self._owner, self._seconds = engine, name, owner, seconds
        self.token: int | None = None

    def acquire(self) -> int | None:
        """Takes the lease if it is free, expired or ours. Returns the fencing token, None when another holds it."""
        try:
            self.token = write(self._engine, self._take)
        except sa.exc.IntegrityError:  # two processes made the lease's first row at once: the other one did
            self.token = None
        return self.token

    def _take(self, connection: Connection) -> int | None:
        row = self._locked(connection)
        now = database_now(connection)
        until = now + timedelta(seconds=self._seconds)
        if row is None:
            connection.execute(
                sa.insert(leases).values(name=self._name, owner=self._owner, fencing_token=1, expires_at=until)
            )
            return 1
        ours = row.owner == self._owner and row.fencing_token == self.token
        if not ours and row.expires_at > now:
            return None
        token = int(row.fencing_token) + (0 if ours else 1)
        connection.execute(
            sa.update(leases)
            .where(leases.c.name == self._name)
            .values(owner=self._owner, fencing_token=token, expires_at=until)
        )
        return token

    def renew(self) -> bool:
        """Prolongs the lease. False, and nothing done, when it is no longer ours."""

        def prolong(connection: Connection) -> bool:
            row = self._locked(connection)
            if row is None or row.fencing_token != self.token or row.owner != self._owner:
                return False
            until = database_now(connection) + timedelta(seconds=self._seconds)
            connection.execute(sa.update(leases).where(leases.c.name == self._name).values(expires_at=until))
            return True

        return self.token is not None and write(self._engine, prolong)

    def guard(self, connection: Connection) -> None:
        """Locks the lease row in a write transaction. Raises LeaseLost unless the fencing token is still ours."""
        row = self._locked(connection)
        if row is None or self.token is None or row.fencing_token != self.token or row.owner != self._owner:
            raise LeaseLost(f"the lease {self._name} went to another process")

    def release(self) -> None:
        """Lets another process take over at once; does nothing when the lease is no longer ours."""

        def expire(connection: Connection) -> None:
            connection.execute(
                sa.update(leases)
                .where(leases.c.name == self._name, leases.c.fencing_token == self.token)
                .where(leases.c.owner == self._owner)
                .values(expires_at=database_now(connection))
            )

        if self.token is not None:
            write(self._engine, expire)
            self.token = None

    def _locked(self, connection: Connection) -> sa.Row[tuple[str, str, int, datetime]] | None:
        return connection.execute(sa.select(leases).where(leases.c.name == self._name).with_for_update()).first()


def revoke(engine: Engine, name: str) -> None:
    """Takes the lease from whoever holds it: raises the fencing token, so that late work of theirs changes nothing."""

    def expire(connection: Connection) -> None:
        connection.execute(
            sa.update(leases)
            .where(leases.c.name == name)
            .values(fencing_token=leases.c.fencing_token + 1, expires_at=database_now(connection))
        )

    write(engine, expire)
