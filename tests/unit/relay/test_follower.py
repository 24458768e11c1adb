"""The follower's rounds beside a log and a connector that the test plays: what it marks, and what it must not."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine
from structlog.testing import capture_logs

from services.clients.connect import ConnectUnavailable, Offset, State
from services.clients.lease import Lease, LeaseLost, revoke
from services.observability.process import StopSignal
from services.relay.connector import Connector
from services.relay.follower import Follower
from services.relay.leading import LEASE
from services.relay.outbox import Outbox
from services.relay.troubles import Trouble, Troubles
from services.settings import RelaySettings
from tests.support.debezium import FakeConnector, FakeLog, offset_at, place
from tests.support.outbox import insert_event, pending, row, rows, seconds_from_now, set_columns


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A follower; the log is at 1000, and the connector has committed nothing behind 900."""

    def __init__(self, engine: Engine, lease: Lease) -> None:
        self.engine, self.clock, self.stop = engine, Clock(), StopSignal()
        self.log, self.connect = FakeLog(), FakeConnector(offset_at(900))
        self.troubles = Troubles(self.clock)
        settings = RelaySettings.model_validate({"outbox_retention": 0})
        connector = Connector(self.connect, self.troubles, self.clock)
        self.follower = Follower(Outbox(engine, lease), lease, settings, self.log, connector, self.troubles, self.clock)

    def round(self) -> float:
        return self.follower.round(self.stop)

    def goes_on(self, to: int) -> None:
        """The log grows, and the connector has delivered all of it."""
        self.log.at, self.connect.offset = place(to), offset_at(to)

    def trouble_after(self, seconds: float) -> Trouble | None:
        """The trouble there is in a round so much later."""
        self.round()
        self.clock.now += seconds
        self.round()
        return self.troubles.now


@pytest.fixture
def stage(engine: Engine, lease: Lease) -> Stage:
    return Stage(engine, lease)


def test_rows_are_marked_once_the_offset_has_passed_the_end_of_the_log(engine: Engine, stage: Stage) -> None:
    made = insert_event(engine, "o1")
    stage.round()
    assert pending(engine) == 1
    stage.connect.offset = offset_at(999)
    stage.round()
    assert pending(engine) == 1
    stage.connect.offset = offset_at(1000)
    stage.round()
    assert pending(engine) == 0
    assert row(engine, made).processed_at is not None


def test_the_end_is_read_after_the_rows(engine: Engine, stage: Stage) -> None:
    """A row committed between the two reads may lie behind the end; it waits for an end of its own."""
    insert_event(engine, "seen")
    late: list[int] = []

    def commits() -> None:
        if not late:
            late.append(insert_event(engine, "late"))
            stage.log.at = place(1100)

    stage.log.after_end = commits
    stage.connect.offset = offset_at(1000)
    stage.round()
    assert (pending(engine), row(engine, late[0]).processed) == (1, False)
    stage.round()
    assert not row(engine, late[0]).processed
    stage.connect.offset = offset_at(1100)
    stage.round()
    assert pending(engine) == 0


def test_rows_that_become_visible_late_wait_for_an_end_of_their_own(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "a", id=10)
    stage.round()
    insert_event(engine, "b", id=9)
    stage.connect.offset = offset_at(1000)
    stage.log.at = place(1100)
    stage.round()
    assert [found.processed for found in rows(engine)] == [False, True]


def test_many_rows_are_marked_some_at_a_time(engine: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.relay.follower._MARKS", 2)
    for _ in range(5):
        insert_event(engine, "a")
    stage.goes_on(1000)
    stage.round()
    assert pending(engine) == 0


def test_nothing_is_marked_while_a_snapshot_is_taken(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.connect.offset = offset_at(1000, snapshot="INITIAL")
    assert stage.trouble_after(6) is Trouble.SNAPSHOT
    assert pending(engine) == 1
    stage.connect.offset = offset_at(1000)
    stage.round()
    assert (pending(engine), stage.troubles.now) == (0, None)


def test_an_offset_of_another_servers_log_marks_nothing(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.connect.offset = offset_at(400, "binlog.000012")
    assert stage.trouble_after(6) is Trouble.ANOTHER_LOG
    assert pending(engine) == 1


def test_an_offset_in_a_purged_file_is_said(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.log.begins = place(0, "binlog.000007")
    stage.connect.offset = offset_at(400, "binlog.000006")
    assert stage.trouble_after(6) is Trouble.PURGED
    assert pending(engine) == 1


def test_offsets_of_former_configurations_do_not_count(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.connect.foreign = [Offset({"server": "old"}, None), Offset({"server": "another"}, offset_at(1000))]
    stage.round()
    assert pending(engine) == 1


def test_what_is_no_offset_is_said_and_marks_nothing(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.connect.offset = {"kafka_offset": 5}
    assert stage.trouble_after(1) is Trouble.ANOTHER_LOG
    assert pending(engine) == 1


def test_rows_the_connector_does_not_deliver_are_explained_once_and_never_marked(engine: Engine, stage: Stage) -> None:
    nowhere = insert_event(engine, "x", aggregate_type="Nonsense")
    large = insert_event(engine, "y", "x" * 1_000_001)
    fits = insert_event(engine, "z", "x" * 1_000_000)
    stage.goes_on(1000)
    stage.round()
    assert "topic nonsense.events is none of order.events" in row(engine, nowhere).last_error
    assert "1000001 bytes is too large" in row(engine, large).last_error
    before = row(engine, large)
    stage.goes_on(1100)
    with capture_logs() as said:
        stage.round()
    assert said == []
    assert (row(engine, large), row(engine, nowhere).processed, row(engine, fits).processed) == (before, False, True)


def test_dead_rows_are_left_alone(engine: Engine, stage: Stage) -> None:
    dead = insert_event(engine, "a")
    set_columns(engine, dead, dead_at=seconds_from_now(0))
    before = row(engine, dead)
    stage.goes_on(1000)
    stage.round()
    assert row(engine, dead) == before


@pytest.mark.parametrize(
    "change",
    [{"retry_count": 1}, {"last_error": "topic x.events does not exist"}, {"processed_at": seconds_from_now(-9)}],
    ids=["refused", "mended or requeued", "unmarked"],
)
def test_a_row_changed_since_its_insert_is_inserted_anew(
    engine: Engine, stage: Stage, change: dict[str, object]
) -> None:
    """Debezium reads inserts: nothing says that it has delivered, or will deliver, such a row."""
    changed = insert_event(engine, "a", "{}", event_id="e1", traceparent="00-a-b-01")
    set_columns(engine, changed, **change)
    stage.connect.offset = offset_at(1000)
    stage.round()
    old, new = rows(engine)
    assert (old.processed, new.processed, new.retry_count, new.last_error) == (True, False, 0, None)
    names = (
        "aggregate_id",
        "aggregate_type",
        "event_type",
        "payload",
        "created_at",
        "event_id",
        "traceparent",
        "topic",
    )
    assert [getattr(new, name) for name in names] == [getattr(old, name) for name in names]
    stage.round()
    assert pending(engine) == 0
    assert len(rows(engine)) == 2


def test_while_rows_wait_the_log_is_made_to_go_on(engine: Engine, stage: Stage, lease: Lease) -> None:
    """Debezium's heartbeat has an offset behind the last row only when something comes behind that row."""
    insert_event(engine, "o1")
    renewals = 0
    renew = lease.renew

    def counted() -> bool:
        nonlocal renewals
        renewals += 1
        return renew()

    lease.renew = counted  # type: ignore[method-assign]
    stage.round()
    stage.round()
    assert renewals == 2


def test_a_zombie_marks_nothing(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.round()
    stage.goes_on(1000)
    stage.connect.before_offsets = lambda: revoke(engine, LEASE)
    with pytest.raises(LeaseLost):
        stage.round()
    assert pending(engine) == 1


def test_what_was_read_under_a_lease_that_is_lost_is_read_again(engine: Engine, stage: Stage, lease: Lease) -> None:
    insert_event(engine, "o1")
    stage.round()
    revoke(engine, LEASE)
    stage.log.at = place(2000)
    with pytest.raises(LeaseLost):
        stage.round()
    stage.follower.forget()
    assert lease.acquire()
    stage.connect.offset = offset_at(1000)
    stage.round()
    assert pending(engine) == 1
    stage.goes_on(2000)
    stage.round()
    assert pending(engine) == 0


def test_connect_away_is_waited_for_longer_and_longer(engine: Engine, stage: Stage) -> None:
    def away() -> None:
        raise ConnectUnavailable("Kafka Connect at http://localhost:8083 does not answer (refused)")

    insert_event(engine, "o1")
    stage.connect.before_offsets = away
    pauses = [stage.round() for _ in range(8)]
    assert pauses[0] <= 0.1 < max(pauses) <= 5
    assert stage.troubles.now is Trouble.CONNECT_AWAY
    stage.connect.before_offsets = lambda: None
    stage.connect.offset = offset_at(1000)
    stage.round()
    assert pending(engine) == 0
    assert stage.trouble_after(0) is None


def test_an_offset_that_stands_still_while_rows_wait_is_said(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    assert stage.trouble_after(20) is None
    assert stage.trouble_after(20) is Trouble.STUCK
    stage.connect.offset = offset_at(950)
    assert stage.trouble_after(1) is None


def test_without_rows_a_connector_in_trouble_is_said_all_the_same(stage: Stage) -> None:
    stage.connect.state = None
    assert stage.trouble_after(6) is Trouble.CONNECTOR_MISSING
    stage.connect.state = State.RUNNING
    assert stage.trouble_after(6) is None
    stage.connect.offset = None
    assert stage.trouble_after(6) is Trouble.NO_OFFSET


def test_what_the_connector_is_in_trouble_with_comes_before_what_its_offset_says(engine: Engine, stage: Stage) -> None:
    insert_event(engine, "o1")
    stage.connect.state, stage.connect.offset = State.STOPPED, None
    assert stage.trouble_after(1) is Trouble.CONNECTOR_STOPPED


@pytest.mark.parametrize("change", [{"dead_at": seconds_from_now(0)}, {"retry_count": 1}])
def test_a_row_that_dies_or_changes_while_it_waits_is_not_marked(
    engine: Engine, stage: Stage, change: dict[str, object]
) -> None:
    """A snapshot in between may have left it out."""
    made = insert_event(engine, "o1")
    stage.round()
    set_columns(engine, made, **change)
    before = row(engine, made)
    stage.goes_on(1000)
    stage.round()
    assert row(engine, made) == before
