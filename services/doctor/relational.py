"""The relational database: answers, schema, what waits in the outbox, and who holds the leases."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import database_now, refused, unavailable
from services.clients.lease import leases
from services.clients.relational_schema import SchemaError, newest_revision, require_current
from services.doctor.check import CannotLook, one_line
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place
from services.domain.tables import outbox

LEASES: Final = ("relay", "aggregator")
_STUCK_SECONDS: Final = 30.0
_waiting = sa.and_(outbox.c.processed == sa.false(), outbox.c.dead_at.is_(None))


class DatabaseAway(Exception):
    """The database does not answer; the message is one line."""


@contextmanager
def _asking(engine: Engine) -> Iterator[Connection]:
    """A connection for a look. Raises DatabaseAway; CannotLook where what is asked for is not there."""
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.ProgrammingError:
        raise CannotLook("its tables are not there: see the schema") from None
    except sa.exc.SQLAlchemyError as error:
        if "no such table" in str(error):
            raise CannotLook("its tables are not there: see the schema") from None
        if not (unavailable(error) or refused(error)):
            raise
        raise DatabaseAway(one_line(getattr(error, "orig", None) or error)) from None


class RelationalSchema:
    """The check: the database answers and has this program's schema and business time zone."""

    name = "database"
    seconds = 15.0

    def __init__(self, engine: Engine, place: Place, zone: str) -> None:
        self._engine, self._place, self._zone = engine, place, zone

    def look(self) -> Iterable[Finding]:
        """One line."""
        try:
            with _asking(self._engine):
                require_current(self._engine, self._zone)
        except DatabaseAway as away:
            part = "mysql" if self._place.kind == "stack" else "api"
            yield failing("database", f"cannot be used: {away}", self._place.restart(part))
        except SchemaError as wrong:
            yield failing("schema of the database", str(wrong), self._place.provision())
        else:
            yield ok("schema of the database", f"revision {newest_revision()}, days of {self._zone}")


class Outbox:
    """The checks of the outbox: nothing stands in it, no event is refused again and again, none was given up."""

    name = "outbox"
    seconds = 15.0

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine, self._place = engine, place

    def look(self) -> Iterable[Finding]:
        """Up to three lines. Raises CannotLook."""
        try:
            with _asking(self._engine) as connection:
                findings = [*self._backlog(connection), *self._refused(connection), *self._dead(connection)]
        except DatabaseAway as away:
            raise CannotLook(f"the database does not answer: {away}") from None
        yield from findings

    def _backlog(self, connection: Connection) -> Iterator[Finding]:
        rows = connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(_waiting)) or 0
        oldest = connection.scalar(sa.select(outbox.c.created_at).where(_waiting).order_by(outbox.c.id).limit(1))
        age = max(0.0, (database_now(connection) - oldest).total_seconds()) if oldest else 0.0
        if age > _STUCK_SECONDS:
            yield failing("outbox", f"{rows:,} events wait, the oldest for {age:.0f} s", self._place.restart("relay"))
        else:
            yield ok("outbox", f"{rows:,} events wait, the oldest for {age:.1f} s" if rows else "nothing waits")

    def _refused(self, connection: Connection) -> Iterator[Finding]:
        refused = sa.and_(_waiting, outbox.c.last_error.is_not(None))
        count = connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(refused)) or 0
        if count:
            row = connection.execute(
                sa.select(outbox.c.id, outbox.c.last_error).where(refused).order_by(outbox.c.id).limit(1)
            ).one()
            detail = f"{count:,} are put off again and again; the first, id {row.id}: {one_line(row.last_error)}"
            yield failing("refused events", detail, "mend what the reason names; they are tried again by themselves")

    def _dead(self, connection: Connection) -> Iterator[Finding]:
        count = (
            connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(outbox.c.dead_at.is_not(None))) or 0
        )
        if count:
            row = connection.execute(
                sa.select(outbox.c.id, outbox.c.last_error)
                .where(outbox.c.dead_at.is_not(None))
                .order_by(outbox.c.id.desc())
                .limit(1)
            ).one()
            detail = f"{count:,} were given up; the last, id {row.id}: {one_line(row.last_error or 'no reason kept')}"
            remedy = "mend what the reason names, then `millrace verify --repair` tells these orders anew"
            yield failing("dead events", detail, remedy)


class Leases:
    """The check: somebody relays, and somebody aggregates."""

    name = "leases"
    seconds = 15.0

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine, self._place = engine, place

    def look(self) -> Iterable[Finding]:
        """One line a lease. Raises CannotLook."""
        try:
            with _asking(self._engine) as connection:
                now = database_now(connection)
                held = {row.name: row for row in connection.execute(sa.select(leases))}
        except DatabaseAway as away:
            raise CannotLook(f"the database does not answer: {away}") from None
        for name in LEASES:
            row = held.get(name)
            if row is not None and row.expires_at > now:
                yield ok(f"lease {name}", f"held by {row.owner}")
            else:
                when = f"since {(now - row.expires_at).total_seconds():.0f} s" if row is not None else "and never did"
                yield failing(f"lease {name}", f"nobody holds it {when}", self._place.restart(name))
