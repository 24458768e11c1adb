"""What is on its way is not a difference, but hides none; and when nothing can be told, that is said."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.clients.clickhouse import connect
from services.clients.database import database_now
from services.clients.types import utc_now
from services.domain.tables import orders, outbox
from services.reconciler import relational
from services.reconciler.comparison import compare
from services.reconciler.report import Kind, Report
from services.reconciler.sources import Sources
from services.reconciler.state import Digest
from tests.integration.reconciler.damage import copy_row, place
from tests.integration.reconciler.shop import ZONE, Shop
from tests.support.clickhouse import Front


def _kinds(report: Report) -> list[Kind]:
    return [difference.kind for difference in report.differences]


@pytest.mark.real_servers
def test_what_waits_in_the_outbox_is_in_flight(shop: Shop) -> None:
    """However long a change took to be looked at, its event is still to come."""
    order = shop.order(("101", 1))
    report = shop.differing_orders()
    assert (_kinds(report), report.in_flight_orders, report.exit_code) == ([], {order.id}, 0)


def test_what_was_just_relayed_is_in_flight_for_a_while_and_then_missing(shop: Shop) -> None:
    """Kafka, transformer and sink get some seconds, not for ever."""
    order = shop.order(("101", 1))
    shop.relay()
    assert shop.differing_orders(in_flight_seconds=60).in_flight_orders == {order.id}
    later = shop.differing_orders(in_flight_seconds=0)
    assert (_kinds(later), later.in_flight_orders) == ([Kind.MISSING], set())


def test_one_order_in_flight_hides_no_other(shop: Shop) -> None:
    """Not those of its day, and not those of its user."""
    lost = shop.order(("101", 1))
    shop.relay()
    _age(shop, lost.id)
    waiting = shop.order(("101", 1))
    report = shop.differing_orders(in_flight_seconds=60)
    assert [difference.subject for difference in report.differences] == [lost.id]
    assert report.in_flight_orders == {waiting.id}


def _age(shop: Shop, order_id: str, by: timedelta = timedelta(hours=1)) -> None:
    """Lets an order and its events look so old."""
    with shop.engine.connect() as connection:
        then = database_now(connection) - by
    shop.update(
        sa.update(orders).where(orders.c.id == order_id).values(updated_at=then),
        sa.update(outbox).where(outbox.c.aggregate_id == order_id).values(created_at=then),
        sa.update(outbox)
        .where(outbox.c.aggregate_id == order_id, outbox.c.processed.is_(True))
        .values(processed_at=then),
    )


def test_a_dead_lettered_event_is_not_in_flight(shop: Shop) -> None:
    """Nobody will bring it: the order has to be restated."""
    order = shop.order(("101", 1))
    _age(shop, order.id)
    shop.update(sa.update(outbox).values(dead_at=utc_now()))
    assert _kinds(shop.differing_orders(in_flight_seconds=60)) == [Kind.MISSING]


@pytest.mark.real_servers
def test_a_relay_that_stands_still_is_named(shop: Shop) -> None:
    """In flight is for seconds; an outbox that nobody reads is a difference of its own."""
    order = shop.order(("101", 1))
    _age(shop, order.id)
    report = shop.differing_orders(in_flight_seconds=60)
    assert _kinds(report) == [Kind.RELAY_BEHIND]
    assert report.in_flight_orders == {order.id}
    assert report.exit_code == 1


def test_rows_the_aggregator_is_about_to_take_are_in_flight(shop: Shop) -> None:
    """The sums of their day and of their user's bucket are not judged."""
    place(shop)
    shop.order(("101", 1))
    shop.deliver()
    report = shop.compare()
    assert (_kinds(report), report.exit_code) == ([], 0)
    assert report.in_flight_cells


def test_sums_of_other_days_are_judged_meanwhile(shop: Shop) -> None:
    """Today's traffic hides no damage of yesterday."""
    placed = place(shop)
    copy_row(shop, placed.a, order_id="'old'", order_date="toDate('2001-02-03')")
    shop.aggregator.tick_until_clean()
    shop.order(("101", 1))
    shop.deliver()
    shop.sql(
        "INSERT INTO cube_day SELECT * REPLACE (7 AS order_count, gen + 1 AS gen) FROM cube_day FINAL "
        "WHERE order_date = '2001-02-03'"
    )
    wrong = [difference for difference in shop.compare().differences if difference.kind is Kind.WRONG_CUBE]
    assert [(difference.where, difference.scope) for difference in wrong] == [("cube_day", "2001-02-03")]


@pytest.mark.parametrize("last_row", ["now64(3)", "now64(3) - 300"], ids=["steady", "quiet"])
def test_an_aggregator_that_stands_still_is_named(shop: Shop, last_row: str) -> None:
    """Also while rows keep coming in: the oldest one that no sum covers tells."""
    placed = place(shop)
    sync = "SETTINGS mutations_sync = 2"
    for number, ingested in enumerate(("now64(3) - 300", last_row)):
        copy_row(shop, placed.a, order_id=f"'new{number}'", order_date="toDate('2001-02-03')")
        shop.sql(f"ALTER TABLE orders_analytics UPDATE ingested_at = {ingested} WHERE order_id = 'new{number}' {sync}")
    shop.sql(f"ALTER TABLE day_inserts UPDATE last_at = {last_row} WHERE order_date = '2001-02-03' {sync}")
    behind = [difference for difference in shop.compare().differences if difference.kind is Kind.AGGREGATOR_BEHIND]
    assert len(behind) == 1
    assert behind[0].found is not None
    assert behind[0].found["days"] == 1
    assert behind[0].found["seconds"] >= 295


def _unknown(sources: Sources) -> str:
    report = compare(sources, lambda _seconds: None)
    assert report.exit_code == 2
    assert report.unknown is not None
    return report.unknown


def test_another_business_zone_cannot_be_compared(shop: Shop) -> None:
    """Every stored day is of the zone the schema was made for."""
    assert "BUSINESS_TIMEZONE" in _unknown(Sources(shop.engine, shop.clickhouse, "Asia/Seoul", 0))


def test_a_missing_schema_cannot_be_compared(shop: Shop, front: Front) -> None:
    """The remedy is named."""
    empty = connect(front.url, user=front.writer, password=front.writer_password, database="nowhere")
    assert "millrace migrate" in _unknown(Sources(shop.engine, empty, ZONE, 0))
    empty.close()


def test_clickhouse_away_cannot_be_compared(shop: Shop, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an exception: a scheduled pass goes on."""
    lost = connect(front.url, user=front.writer, password=front.writer_password, database="nowhere")

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(lost, "query", refuse)
    assert "ClickHouse does not answer" in _unknown(Sources(shop.engine, lost, ZONE, 0))
    lost.close()


@pytest.mark.real_servers
def test_the_database_is_read_after_clickhouse(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that is paid between the two reads is never called newer in ClickHouse."""
    order = shop.order(("101", 1))
    shop.deliver()
    read: list[str] = []
    ours, theirs = relational.day_digests, Sources.day_digests

    def read_clickhouse(sources: Sources) -> dict[date, Digest]:
        read.append("clickhouse")
        return theirs(sources)

    def read_database(connection: sa.Connection) -> dict[date, Digest]:
        read.append("database")
        return ours(connection)

    monkeypatch.setattr(Sources, "day_digests", read_clickhouse)
    monkeypatch.setattr(relational, "day_digests", read_database)
    report = shop.differing_orders()
    assert read == ["clickhouse", "database"]
    assert order.id not in {difference.subject for difference in report.differences}
