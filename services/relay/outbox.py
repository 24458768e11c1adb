"""The outbox table as the relay uses it: what waits, what became of it, and what may go.

Ids are handed out at insert and become visible at commit, so nothing here remembers "relayed up to": every read begins
at the oldest row that waits. No rows are locked either: the lease makes one relay the only reader. A relay of some
shards only would hold their leases and add `outbox.shard IN (...)` to `_waiting`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import database_now, one_snapshot, write
from services.clients.lease import Lease
from services.clients.types import utc_now
from services.domain.tables import outbox

_ERROR_CHARACTERS: Final = 1000
_PURGE_ROWS: Final = 500

Aggregate = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """A row that waits to be relayed."""

    id: int
    aggregate_type: str
    aggregate_id: str
    event_type: str
    event_id: str
    topic: str
    payload: str
    traceparent: str | None
    retry_count: int

    @property
    def aggregate(self) -> Aggregate:
        """What keeps its order."""
        return self.aggregate_type, self.aggregate_id


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that cannot be relayed as it is: why, and in how many seconds to try again."""

    event: Event
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A row that waits, as somebody sees it who does not produce it.

    ``size``: bytes of its payload; ``changed``: it was refused, requeued or unmarked since it was inserted.
    """

    id: int
    topic: str
    size: int
    last_error: str | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: rows, and seconds since the oldest of them was inserted."""

    rows: int
    oldest_age: float


_waiting = sa.and_(outbox.c.processed == sa.false(), outbox.c.dead_at.is_(None))
_held_back = sa.and_(outbox.c.next_attempt_at.is_not(None), outbox.c.next_attempt_at > utc_now())
# MySQL left to itself takes the other index that begins with `processed`, and sorts all that waits for every page
_IN_ID_ORDER: Final = "FORCE INDEX (idx_outbox_pending)"
_page = (
    sa.select(
        outbox.c.id,
        outbox.c.aggregate_type,
        outbox.c.aggregate_id,
        outbox.c.event_type,
        outbox.c.event_id,
        outbox.c.topic,
        outbox.c.payload,
        outbox.c.traceparent,
        outbox.c.retry_count,
        sa.case((_held_back, 1), else_=0).label("held_back"),
    )
    .where(_waiting, outbox.c.id > sa.bindparam("after"))
    .order_by(outbox.c.id)
    .limit(sa.bindparam("rows"))
    .with_hint(outbox, _IN_ID_ORDER, "mysql")
)
_event_columns = (
    outbox.c.aggregate_id,
    outbox.c.aggregate_type,
    outbox.c.event_type,
    outbox.c.payload,
    outbox.c.created_at,
    outbox.c.event_id,
    outbox.c.traceparent,
)
_changed = sa.or_(outbox.c.retry_count > 0, outbox.c.last_error.is_not(None), outbox.c.processed_at.is_not(None))
_unmarked = (
    sa.select(
        outbox.c.id,
        outbox.c.topic,
        sa.func.length(outbox.c.payload).label("size"),
        outbox.c.last_error,
        sa.case((_changed, 1), else_=0).label("changed"),
    )
    .where(_waiting, outbox.c.id > sa.bindparam("after"))
    .order_by(outbox.c.id)
    .limit(sa.bindparam("rows"))
    .with_hint(outbox, _IN_ID_ORDER, "mysql")
)


class Outbox:
    """Reads, records and purges; every change is guarded by the lease, in its own transaction."""

    def __init__(self, engine: Engine, lease: Lease) -> None:
        self._engine, self._lease = engine, lease

    def waiting(self, limit: int) -> list[Event]:
        """The oldest events that may be relayed now, in id order, at most `limit`.

        An aggregate with an event that is held back (its next attempt lies ahead) is left out from that event on; as
        pages come in id order, the held-back event is met before anything it holds back. Changes nothing.
        """
        events: list[Event] = []
        held: set[Aggregate] = set()
        after = 0
        with self._engine.connect() as connection:
            one_snapshot(connection)  # or what became visible behind a page would be passed over, its successor not
            while len(events) < limit:
                rows = connection.execute(_page, {"after": after, "rows": limit}).all()
                for *columns, held_back in rows:
                    event = Event(*columns)
                    if held_back:
                        held.add(event.aggregate)
                    elif event.aggregate not in held and len(events) < limit:
                        events.append(event)
                if len(rows) < limit:
                    break
                after = rows[-1].id
        return events

    def record(self, acknowledged: Sequence[Event], refused: Sequence[Refusal]) -> None:
        """Marks what every replica has as processed and puts off what was refused, in one transaction.

        Raises LeaseLost, with nothing changed, when another relay took over. When the process dies before it returns,
        the events may be relayed once more.
        """

        def work(connection: Connection) -> None:
            self._lease.guard(connection)
            if acknowledged:
                connection.execute(_processed([event.id for event in acknowledged]))
            now = database_now(connection) if refused else None
            for refusal in refused:
                connection.execute(
                    sa.update(outbox)
                    .where(outbox.c.id == refusal.event.id, outbox.c.processed == sa.false())
                    .values(
                        retry_count=outbox.c.retry_count + 1,
                        last_error=refusal.reason[:_ERROR_CHARACTERS],
                        next_attempt_at=now + timedelta(seconds=refusal.delay) if now else None,
                    )
                )

        write(self._engine, work)

    def unmarked(self, limit: int, after: int = 0) -> list[Unmarked]:
        """What waits behind that id, held-back rows included, in id order and at most `limit`. Changes nothing."""
        with self._engine.connect() as connection:
            rows = connection.execute(_unmarked, {"after": after, "rows": limit}).all()
        return [Unmarked(row.id, row.topic, row.size, row.last_error, bool(row.changed)) for row in rows]

    def mark(self, ids: Sequence[int]) -> None:
        """Marks rows as processed that somebody else has relayed, in one transaction. Raises LeaseLost as `record`.

        A row that died or changed since it was read stays as it is.
        """

        def work(connection: Connection) -> None:
            self._lease.guard(connection)
            connection.execute(_processed(ids).where(_waiting, sa.not_(_changed)))

        write(self._engine, work)

    def insert_again(self, ids: Sequence[int]) -> None:
        """Copies rows that wait to new ones behind everything and marks these, in one transaction. Raises LeaseLost.

        For who reads inserts only; the copy is the same event, with its id.
        """

        def work(connection: Connection) -> None:
            self._lease.guard(connection)
            rows = (
                sa.select(*_event_columns, sa.false(), sa.literal(0))
                .where(outbox.c.id.in_(ids), _waiting)
                .order_by(outbox.c.id)
            )
            columns = [*_event_columns, outbox.c.processed, outbox.c.retry_count]
            connection.execute(sa.insert(outbox).from_select(columns, rows))
            connection.execute(_processed(ids))

        write(self._engine, work)

    def explain(self, reasons: Mapping[int, str]) -> None:
        """Says in rows why nobody will relay them as they are, and changes nothing else. Raises LeaseLost."""

        def work(connection: Connection) -> None:
            self._lease.guard(connection)
            for outbox_id, reason in reasons.items():
                connection.execute(
                    sa.update(outbox)
                    .where(outbox.c.id == outbox_id, outbox.c.processed == sa.false())
                    .values(last_error=reason[:_ERROR_CHARACTERS])
                )

        write(self._engine, work)

    def purge(self, retention: float) -> int:
        """Deletes some of the rows processed more than `retention` seconds ago. Returns how many.

        Few at a time, by key: neither the relay nor an order waits for a long delete.
        """
        with self._engine.connect() as connection:
            before = database_now(connection) - timedelta(seconds=retention)
            old = connection.scalars(
                sa.select(outbox.c.id)
                .where(outbox.c.processed == sa.true(), outbox.c.created_at < before, outbox.c.processed_at < before)
                .order_by(outbox.c.created_at)
                .limit(_PURGE_ROWS)
            ).all()

        def work(connection: Connection) -> None:
            self._lease.guard(connection)
            connection.execute(sa.delete(outbox).where(outbox.c.id.in_(old), outbox.c.processed == sa.true()))

        if old:
            write(self._engine, work)
        return len(old)

    def backlog(self) -> Backlog:
        """What waits at this moment, held-back events included."""
        with self._engine.connect() as connection:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(_waiting)) or 0
            oldest = connection.scalar(
                sa.select(outbox.c.created_at)
                .where(_waiting)
                .order_by(outbox.c.id)
                .limit(1)
                .with_hint(outbox, _IN_ID_ORDER, "mysql")
            )
            age = (database_now(connection) - oldest).total_seconds() if oldest else 0.0
        return Backlog(rows, max(age, 0.0))


def _processed(ids: Sequence[int]) -> sa.Update:
    return (
        sa.update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.processed == sa.false())
        .values(processed=True, processed_at=utc_now())
    )
