"""Places in the binary log, Debezium's offsets as Connect shows them, and what they say together."""

from __future__ import annotations

from typing import Any

import pytest

from services.relay.binlog import End
from services.relay.passing import obstacle, passed
from services.relay.position import AnotherLog, Committed, NotAnOffset, Position
from services.relay.troubles import Trouble
from tests.support.debezium import FakeLog, offset_at, place

# as Debezium 3.6.1 committed them on MySQL 9.7: after a heartbeat, in a transaction, after a snapshot
HEARTBEAT = {"ts_sec": 1795272663, "file": "binlog.000002", "pos": 15813, "gtids": "222b36e1:1-50", "server_id": 1}
MIDDLE = {"ts_sec": 1795272669, "file": "binlog.000002", "pos": 15892, "gtids": "222b36e1:1-50", "row": 1, "event": 2}
SNAPSHOT = {"ts_sec": 1795272794, "file": "binlog.000002", "pos": 5886902, "gtids": "222b36e1:1-263"}


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        (("binlog.000002", 1000), ("binlog.000002", 999)),
        (("binlog.000010", 4), ("binlog.000009", 900)),
        (("binlog.1000000", 4), ("binlog.999999", 900)),
        (("binlog.000002", 157), ("binlog.000002", 157)),
        (("db-1.log.000003", 4), ("db-1.log.000002", 4)),
    ],
)
def test_files_and_bytes_are_counted_not_compared_as_text(later: tuple[str, int], earlier: tuple[str, int]) -> None:
    assert Position.of(*later).reaches(Position.of(*earlier))
    assert Position.of(*earlier).reaches(Position.of(*later)) is (later == earlier)


def test_logs_of_different_names_cannot_be_compared() -> None:
    with pytest.raises(AnotherLog, match=r"binlog\.000002:4 and mysql-bin\.000001:4"):
        place(4, "binlog.000002").reaches(place(4, "mysql-bin.000001"))


@pytest.mark.parametrize("file", ["", "binlog", "binlog.", ".000001", "binlog.x1"])
def test_what_is_no_file_of_a_log_is_no_position(file: str) -> None:
    with pytest.raises(NotAnOffset):
        Position.of(file, 4)


def test_a_committed_offset_is_read_as_debezium_wrote_it() -> None:
    assert Committed.of(HEARTBEAT) == Committed(place(15813, "binlog.000002"), False, "222b36e1:1-50")
    assert Committed.of(MIDDLE) == Committed(place(15892, "binlog.000002"), False, "222b36e1:1-50")
    assert Committed.of(SNAPSHOT) == Committed(place(5886902, "binlog.000002"), False, "222b36e1:1-263")
    assert Committed.of({"file": "binlog.000002", "pos": 4}).gtids is None


@pytest.mark.parametrize(
    ("value", "snapshot"), [("INITIAL", True), ("BLOCKING", True), (True, True), ("true", True), (False, False)]
)
def test_a_snapshot_under_way_is_seen(value: Any, snapshot: bool) -> None:
    assert Committed.of({**SNAPSHOT, "snapshot": value}).snapshot is snapshot


@pytest.mark.parametrize("offset", [{}, {"kafka_offset": 5}, {"file": "binlog.000001"}, {"file": "x", "pos": 4}])
def test_what_another_connector_commits_is_refused(offset: dict[str, Any]) -> None:
    with pytest.raises(NotAnOffset):
        Committed.of(offset)


@pytest.mark.parametrize(("offset", "behind"), [(999, False), (1000, True), (1001, True)])
def test_an_offset_passes_the_end_when_it_is_at_it(offset: int, behind: bool) -> None:
    assert passed(Committed.of(offset_at(offset)), End(place(1000), ""), FakeLog()) is behind


def test_in_the_middle_of_a_transaction_its_beginning_counts() -> None:
    assert not passed(Committed.of(MIDDLE), End(place(16269, "binlog.000002"), ""), FakeLog())


@pytest.mark.parametrize(
    ("delivered", "executed", "behind"), [("a,b", "a,b", True), ("a", "a,b", False), ("a,b,c", "a", True)]
)
def test_the_transactions_executed_by_then_must_be_delivered_too(delivered: str, executed: str, behind: bool) -> None:
    """After a failover the place is one in the former server's log."""
    committed = Committed.of(offset_at(5000, gtids=delivered))
    assert passed(committed, End(place(1000), executed), FakeLog()) is behind


def trouble(committed: Committed | None, log: FakeLog) -> Trouble | None:
    found = obstacle(committed, log)
    return found.trouble if found else None


def test_a_good_offset_has_no_obstacle() -> None:
    log = FakeLog(at=place(1000), executed="a,b")
    assert trouble(Committed.of(offset_at(1000, gtids="a,b")), log) is None
    assert trouble(Committed.of(offset_at(10, "binlog.000006", gtids="a")), log) is None


def test_nothing_is_said_before_the_first_offset_or_during_a_snapshot() -> None:
    assert trouble(None, FakeLog()) is Trouble.NO_OFFSET
    assert trouble(Committed.of(offset_at(1, snapshot="INITIAL")), FakeLog()) is Trouble.SNAPSHOT


@pytest.mark.parametrize(
    "offset",
    [
        offset_at(1001),
        offset_at(4, "binlog.000008"),
        offset_at(4, "mysql-bin.000001"),
        offset_at(10, gtids="a,z"),
    ],
    ids=["beyond the end", "in a file to come", "of another name", "of transactions unknown here"],
)
def test_an_offset_of_another_servers_log_is_found_out(offset: dict[str, Any]) -> None:
    assert trouble(Committed.of(offset), FakeLog(at=place(1000), executed="a,b")) is Trouble.ANOTHER_LOG


def test_a_log_that_was_purged_is_found_out() -> None:
    log = FakeLog(begins=place(0, "binlog.000005"))
    assert trouble(Committed.of(offset_at(10, "binlog.000004")), log) is Trouble.PURGED
    assert trouble(Committed.of(offset_at(10, "binlog.000005")), log) is None
