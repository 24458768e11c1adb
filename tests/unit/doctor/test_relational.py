"""The database: schema, outbox and leases, and what to do about each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.aggregator.leadership import LEASE as AGGREGATOR_LEASE
from services.clients.database import database_now, write
from services.clients.lease import Lease
from services.doctor.check import CannotLook
from services.doctor.findings import State
from services.doctor.relational import LEASES, Leases, Outbox, RelationalSchema
from services.domain.tables import outbox
from services.relay.relay import LEASE as RELAY_LEASE
from tests.support.databases import empty_database, open_database
from tests.support.shop import SHOP
from tests.unit.doctor.fakes import STACK, failures, only


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database of this test."""
    with SHOP.open(tmp_path) as engine:
        yield engine


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    """A database without a schema."""
    with empty_database(tmp_path) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[Engine]:
    """A database that does not answer."""
    engine = open_database(f"sqlite:///{tmp_path}/no/such/folder/shop.db")
    yield engine
    engine.dispose()


def insert(engine: Engine, seconds_ago: float = 0, **columns: object) -> None:
    """An event in the outbox."""

    def work(connection: sa.Connection) -> None:
        row = {
            "aggregate_id": "1",
            "aggregate_type": "Order",
            "event_type": "OrderCreated",
            "payload": "{}",
            "processed": False,
            "retry_count": 0,
            "event_id": "e",
            "created_at": database_now(connection) - timedelta(seconds=seconds_ago),
        }
        connection.execute(sa.insert(outbox).values({**row, **columns}))

    write(engine, work)


def test_a_current_schema(engine: Engine) -> None:
    assert only(RelationalSchema(engine, STACK, "UTC").look()).state is State.OK


def test_no_schema(empty: Engine) -> None:
    finding = only(failures(RelationalSchema(empty, STACK, "UTC")))
    assert "no schema yet" in finding.detail
    assert "`make init-db`" in finding.remedy


def test_a_schema_of_another_zone(engine: Engine) -> None:
    finding = only(failures(RelationalSchema(engine, STACK, "Europe/Berlin")))
    assert "set BUSINESS_TIMEZONE=UTC" in finding.detail


def test_a_database_that_does_not_answer(gone: Engine) -> None:
    finding = only(failures(RelationalSchema(gone, STACK, "UTC")))
    assert "cannot be used" in finding.detail
    assert "`make restart SERVICE=mysql`" in finding.remedy
    for check in (Outbox(gone, STACK), Leases(gone, STACK)):
        with pytest.raises(CannotLook, match="the database does not answer"):
            list(check.look())


def test_without_tables_nothing_can_be_told_of_outbox_and_leases(empty: Engine) -> None:
    for check in (Outbox(empty, STACK), Leases(empty, STACK)):
        with pytest.raises(CannotLook, match="see the schema"):
            list(check.look())


def test_an_empty_outbox(engine: Engine) -> None:
    insert(engine, 3600, processed=True)
    assert only(Outbox(engine, STACK).look()).detail == "nothing waits"


def test_events_that_have_just_come_in_are_no_backlog(engine: Engine) -> None:
    insert(engine)
    insert(engine)
    finding = only(Outbox(engine, STACK).look())
    assert finding.state is State.OK
    assert finding.detail.startswith("2 events wait, the oldest for 0.")


def test_events_that_wait_too_long(engine: Engine) -> None:
    insert(engine, 100)
    insert(engine)
    finding = only(failures(Outbox(engine, STACK)))
    assert finding.detail.startswith("2 events wait, the oldest for 10")
    assert "`make restart SERVICE=relay`" in finding.remedy


def test_events_that_are_refused_again_and_again(engine: Engine) -> None:
    insert(engine, last_error="Broker: Message size too large\nreally", retry_count=7)
    insert(engine, last_error="it was refused once", processed=True)
    finding = only(failures(Outbox(engine, STACK)))
    assert finding.subject == "refused events"
    assert finding.detail.startswith("1 are put off again and again; the first, id 1: Broker: Message size too large r")
    assert "tried again by themselves" in finding.remedy


def test_events_that_were_given_up(engine: Engine) -> None:
    with engine.connect() as connection:
        now = database_now(connection)
    insert(engine, 500, dead_at=now, last_error="no topic for it")
    finding = only(failures(Outbox(engine, STACK)))
    assert (finding.subject, finding.detail) == ("dead events", "1 were given up; the last, id 1: no topic for it")
    assert "`millrace verify --repair`" in finding.remedy


def test_held_leases(engine: Engine) -> None:
    for name in LEASES:
        assert Lease(engine, name, f"{name}:1", 30).acquire() == 1
    assert [finding.detail for finding in Leases(engine, STACK).look()] == ["held by relay:1", "held by aggregator:1"]


def test_leases_that_nobody_holds(engine: Engine) -> None:
    left = Lease(engine, "relay", "relay:1", 30)
    left.acquire()
    left.release()
    relay, aggregator = failures(Leases(engine, STACK))
    assert relay.detail == "nobody holds it since 0 s"
    assert "`make restart SERVICE=relay`" in relay.remedy
    assert aggregator.detail == "nobody holds it and never did"
    assert "`make restart SERVICE=aggregator`" in aggregator.remedy


def test_the_leases_are_those_of_relay_and_aggregator() -> None:
    assert set(LEASES) == {RELAY_LEASE, AGGREGATOR_LEASE}
