"""ClickHouse: schema, and how far an order has come, asked of a real front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from services.aggregator.core import Aggregator
from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from services.doctor.findings import State
from services.doctor.warehouse import Progress, Warehouse, WarehouseSchema
from tests.support.clickhouse import Front, start_front
from tests.support.warehouse import order, warehouse
from tests.unit.doctor.fakes import STACK, failures, only


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = start_front(tmp_path_factory.mktemp("doctor"), "UTC")
    yield running
    running.stop()


@pytest.fixture
def connecting(front: Front) -> Iterator[Callable[[], Client]]:
    """Makes clients of a database that has no schema yet."""

    def make() -> Client:
        return connect(front.url, user="writer", password=front.writer_password, database="doctor")

    yield make
    make().command("DROP DATABASE IF EXISTS doctor", use_database=False)


def test_a_current_schema(connecting: Callable[[], Client]) -> None:
    migrate_clickhouse(connecting(), "UTC")
    assert only(WarehouseSchema(connecting, STACK, "UTC").look()).state is State.OK


def test_no_schema(connecting: Callable[[], Client]) -> None:
    finding = only(failures(WarehouseSchema(connecting, STACK, "UTC")))
    assert "ClickHouse has no schema yet" in finding.detail
    assert "`make init-db`" in finding.remedy


def test_a_schema_of_another_zone(connecting: Callable[[], Client]) -> None:
    migrate_clickhouse(connecting(), "UTC")
    assert "BUSINESS_TIMEZONE=UTC" in only(failures(WarehouseSchema(connecting, STACK, "Asia/Tokyo"))).detail


def test_a_server_that_is_away() -> None:
    def away() -> Client:
        return connect("http://127.0.0.1:9", user="x", password="x", database="x", connect_timeout=1)

    finding = only(failures(WarehouseSchema(away, STACK, "UTC")))
    assert finding.detail.startswith("does not answer")
    assert "`make restart SERVICE=clickhouse`" in finding.remedy


def test_a_user_that_is_refused(front: Front) -> None:
    def stranger() -> Client:
        return connect(front.url, user="nobody", password="wrong", database="doctor")

    assert only(failures(WarehouseSchema(stranger, STACK, "UTC"))).detail.startswith("refuses")


def test_the_progress_of_an_order(front: Front) -> None:
    day, at = date(2026, 3, 1), datetime(2026, 3, 1, 12, tzinfo=UTC)
    with warehouse(front, "UTC") as real:
        look = Warehouse(real.client).progress
        assert look("o1", day, "PENDING") == Progress()
        first = order("o1", at, "UTC")
        real.insert(first, order("o2", at, "UTC"))
        real.insert(first.changed(occurred_at=at + timedelta(seconds=1)))
        now = look("o1", day, "PENDING")
        assert (now.version, now.inserted, now.covered, now.listed) == (2, 3, 0, 0)
        assert now.newest == int((at + timedelta(seconds=1)).timestamp() * 1_000_000)
        assert Aggregator(real.client, "UTC").tick_days().recomputed == 1
        assert (look("o1", day, "PENDING").covered, look("o1", day, "PENDING").listed) == (3, 2)
        assert look("o1", day, "CANCELLED").listed == 0
        real.run("INSERT INTO cube_day (order_date, covered, gen) VALUES ('2026-03-01', 1, 99999999999999)")
        assert look("o1", day, "PENDING").covered == 1, "what counts is the newest mark, not the highest"
        assert look("o1", date(2026, 3, 2), "PENDING") == Progress()
