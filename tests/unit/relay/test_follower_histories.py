"""Any history of commits, deliveries, snapshots, crashes and hands: what is marked was delivered, and all is marked.

The log, the connector and the rows are played in memory; between any two things the follower looks at, more can happen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.clients.lease import Lease
from services.observability.process import StopSignal
from services.relay import follower as module
from services.relay.binlog import End
from services.relay.connector import Connector
from services.relay.follower import Follower, Watermark
from services.relay.outbox import Outbox, Unmarked
from services.relay.position import Committed
from services.relay.troubles import Troubles
from services.settings import RelaySettings
from tests.support.debezium import FakeConnector, FakeLog, offset_at, place

BYTES = 100


@dataclass(frozen=True)
class Row:
    """An outbox row; `event` is what must reach Kafka."""

    id: int
    event: int
    processed: bool = False
    dead: bool = False
    changed: bool = False


class World:
    """MySQL's table and log, the connector and Kafka; a step is what can happen to them in one moment."""

    def __init__(self) -> None:
        self.ids = itertools.count(1)
        self.rows: dict[int, Row] = {}
        self.written: list[Row] = []  # in the log; visible a step later
        self.logged: list[Row | None] = []  # None: something that is no insert into the outbox
        self.delivered: set[int] = set()
        self.read = 0
        self.snapshot: list[Row] | None = None
        self.connector = FakeConnector(None)
        self.begin_anew()

    # ---- what the outbox is to the follower

    def unmarked(self, limit: int, after: int = 0) -> list[Unmarked]:
        waiting = [row for row in self.rows.values() if not row.processed and not row.dead]
        return [Unmarked(row.id, "order.events", 10, None, row.changed) for row in waiting][:limit]

    def mark(self, ids: Sequence[int]) -> None:
        for row_id in ids:
            row = self.rows[row_id]
            if row.dead or row.changed:
                continue
            assert row.event in self.delivered, f"row {row_id} is marked and was never delivered"
            self.rows[row_id] = replace(row, processed=True)

    def insert_again(self, ids: Sequence[int]) -> None:
        for row_id in ids:
            self.log_insert(self.rows[row_id].event)
            self.rows[row_id] = replace(self.rows[row_id], processed=True)
        self.commit()

    def explain(self, reasons: Mapping[int, str]) -> None:
        assert not reasons

    # ---- steps

    def log_insert(self, event: int) -> None:
        row = Row(next(self.ids), event)
        self.logged.append(row)
        self.written.append(row)

    def insert(self) -> None:
        """A transaction is in the log; its row cannot be seen yet."""
        self.log_insert(next(self.ids))

    def commit(self) -> None:
        """Now it can."""
        for row in self.written:
            self.rows[row.id] = row
        self.written.clear()

    def other_write(self) -> None:
        self.logged.append(None)

    def deliver(self) -> None:
        """A record is in Kafka: of the snapshot, or of the log."""
        if self.snapshot is not None:
            if self.snapshot:
                self.delivered.add(self.snapshot.pop(0).event)
            else:
                self.snapshot = None
        elif self.read < len(self.logged):
            row = self.logged[self.read]
            self.read += 1
            if row is not None:
                self.delivered.add(row.event)

    def commit_offset(self) -> None:
        """Connect commits how far that is; during a snapshot, that one is being taken."""
        more: dict[str, Any] = {} if self.snapshot is None else {"snapshot": "INITIAL"}
        self.connector.offset = offset_at(self.read * BYTES, **more)

    def crash(self) -> None:
        """The worker dies: it reads on from the committed offset, or takes the snapshot once more."""
        offset = self.connector.offset
        if offset is None or "snapshot" in offset:
            self.begin_anew()
        else:
            self.snapshot, self.read = None, offset["pos"] // BYTES

    def begin_anew(self) -> None:
        """Its offset is forgotten; it reads from the table what is not processed, dead or not, under a lock of commits.

        Without the dead ones, one that is requeued later would be in no snapshot and in no insert to come.
        """
        self.commit()
        self.connector.offset = None
        self.read = len(self.logged)
        self.snapshot = [row for row in self.rows.values() if not row.processed]

    def bury(self) -> None:
        self._change(lambda row: not row.processed and not row.dead, dead=True)

    def requeue(self) -> None:
        """Without a trace."""
        self._change(lambda row: row.dead, dead=False)

    def send_again(self) -> None:
        """A hand wants an event delivered that was."""
        self._change(lambda row: row.processed, processed=False, changed=True)

    def _change(self, which: Callable[[Row], bool], **columns: bool) -> None:
        for row in self.rows.values():
            if which(row):
                self.rows[row.id] = replace(row, **columns)
                self.other_write()
                return


STEPS: tuple[Callable[[World], None], ...] = (
    World.insert,
    World.commit,
    World.other_write,
    World.deliver,
    World.commit_offset,
    World.crash,
    World.begin_anew,
    World.bury,
    World.requeue,
    World.send_again,
)


class OpenLease:
    """A lease that is always ours; renewing it writes to the database, as the real one does."""

    token = 1

    def __init__(self, world: World) -> None:
        self._world = world

    def renew(self) -> bool:
        self._world.other_write()
        return True


def play(history: Sequence[Sequence[Callable[[World], None]]]) -> None:
    """Each entry happens at the next moment at which the follower looks at something; then all comes to rest."""
    world = World()
    moments = iter(history)

    def happen() -> None:
        for step in next(moments, ()):
            step(world)
        log.at = place(len(world.logged) * BYTES)

    log = FakeLog(at=place(0), before_end=happen, after_end=happen)
    world.connector.before_offsets = happen
    troubles = Troubles()
    follower = Follower(
        cast(Outbox, world),
        cast(Lease, OpenLease(world)),
        RelaySettings.model_validate({}),
        log,
        Connector(world.connector, troubles),
        troubles,
    )
    for _ in history:
        happen()
        follower.round(StopSignal())
    for _ in range(2 * len(world.logged) + 20):
        world.commit()
        world.deliver()
        world.commit_offset()
        log.at = place(len(world.logged) * BYTES)
        follower.round(StopSignal())
    assert [row for row in world.rows.values() if not row.processed and not row.dead] == []


HISTORIES = st.lists(st.lists(st.sampled_from(STEPS), max_size=4), max_size=40)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORIES)
def test_what_is_marked_was_delivered_and_all_is_marked_in_the_end(
    history: list[list[Callable[[World], None]]],
) -> None:
    play(history)


def end_read_first(self: Follower) -> Watermark | None:
    end = self._binlog.end()
    rows = self._deliverable()
    return Watermark(tuple(rows), end, 0.0) if rows else None


def without_waiting(_committed: Committed, _end: End, _log: FakeLog) -> bool:
    return True


def as_text(committed: Committed, end: End, _log: FakeLog) -> bool:
    return str(committed.position.offset) >= str(end.position.offset)


def in_a_snapshot_too(committed: Committed | None, _log: FakeLog) -> None:
    return None


BUGS: dict[str, tuple[object, str, object]] = {
    "the end is read before the rows": (Follower, "_look", end_read_first),
    "nothing is waited for": (module, "passed", without_waiting),
    "positions are compared as text": (module, "passed", as_text),
    "a snapshot under way is ignored": (module, "obstacle", in_a_snapshot_too),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_histories_find_a_deliberate_bug(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, name, broken = BUGS[bug]
    monkeypatch.setattr(target, name, broken)
    search = settings(max_examples=5_000, deadline=None, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="was never delivered"):
        search(given(HISTORIES)(play))()
