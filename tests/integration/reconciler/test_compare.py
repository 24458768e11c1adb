"""What is damaged is named, what is the same or on its way is not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.clients.clickhouse import connect
from services.clients.database import write
from services.clients.types import utc_now
from services.domain.orders import cancel_order
from services.domain.tables import orders, outbox, products
from services.reconciler import relational
from services.reconciler.comparison import compare
from services.reconciler.orders import compare_orders
from services.reconciler.report import Kind, Report
from services.reconciler.sources import Sources
from services.reconciler.state import Digest
from tests.integration.reconciler.damage import CELLS_DAMAGED, ORDERS_DAMAGED, Damage, copy_row, place
from tests.integration.reconciler.shop import ZONE, Shop
from tests.support.clickhouse import Front


def _differing_orders(shop: Shop, in_flight_seconds: float = 0) -> Report:
    """The comparison of orders with raw rows alone."""
    report = Report()
    compare_orders(Sources(shop.engine, shop.clickhouse, ZONE, in_flight_seconds), report)
    return report


def _update(shop: Shop, *statements: sa.Update | sa.Insert) -> None:
    def run(connection: sa.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    write(shop.engine, run)


def test_a_settled_shop_is_the_same(shop: Shop) -> None:
    """Orders, raw rows, cubes and views agree, after changes and deletions too."""
    place(shop)
    cancel_order(shop.engine, shop.order(("103", 1), user="2").id)
    shop.settle()
    report = shop.compare()
    assert report.differences == []
    assert (report.exit_code, report.orders, report.cents, report.days) == (0, 4, 50_000_00 + 3 * 19_99, 1)


@pytest.mark.parametrize("make", ORDERS_DAMAGED, ids=lambda make: make.__name__)
def test_damaged_orders_are_named(lasting_shop: Shop, make: Damage) -> None:
    """By kind and with their key; the other orders are not."""
    known = {difference.subject for difference in _differing_orders(lasting_shop).differences}
    placed = place(lasting_shop, settle=False)
    lasting_shop.deliver()
    make(lasting_shop, placed)
    found = [d for d in _differing_orders(lasting_shop).differences if d.subject not in known]
    assert ORDERS_DAMAGED[make] in {difference.kind for difference in found}
    mine = {placed.a.id, placed.b.id, placed.c.id, f"ghost-{placed.a.id}"}
    assert {difference.subject for difference in found} <= mine


@pytest.mark.parametrize("make", CELLS_DAMAGED, ids=lambda make: make.__name__)
def test_damaged_cells_are_named(shop: Shop, make: Damage) -> None:
    """Exactly the damaged table is named, exit code 1."""
    make(shop, place(shop))
    report = shop.compare()
    assert report.exit_code == 1
    assert {(difference.kind, difference.where) for difference in report.differences} == {CELLS_DAMAGED[make]}


NASTY = [
    "plain",
    "",
    " ",
    "trailing  ",
    "a|b",
    "|",
    "||",
    "\\|",
    "it's",
    '"quoted"',
    "back\\slash",
    "new\nline\ttab",
    "%s {x:String} $1",
    "Ünïcödé",
    "é",
    "é",
    "日本語",
    "🧵🪡👩‍👩‍👧",
    "\x7f\x01",
    "<script>",
    "NULL",
    "ı İ ß ẞ",
]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def _named_order(shop: Shop, name: str) -> str:
    """An order of a product of this name, delivered."""
    _update(shop, sa.update(products).where(products.c.id == "102").values(name=name))
    order = shop.order(("101", 1), ("102", 2))
    shop.deliver()
    return order.id


@pytest.mark.parametrize("name", NASTY)
def test_both_databases_digest_any_text_alike(lasting_shop: Shop, name: str) -> None:
    """Same bytes, same digest."""
    order_id = _named_order(lasting_shop, name)
    sources = lasting_shop.sources()
    with sources.database() as connection:
        (day,) = connection.execute(sa.select(orders.c.order_date).where(orders.c.id == order_id)).one()
        ours = {known: digest for _, known, digest in relational.order_digests(connection, [day])}
    assert ours[order_id] == sources.order_digests([day])[day, order_id]


_OTHER_SQL: dict[str, st.SearchStrategy[str]] = {
    "total_amount": st.integers(0, 10**9).map(lambda cents: f"toDecimal64('{cents // 100}.{cents % 100:02}', 2)"),
    "status": st.sampled_from(["'COMPLETED'", "'CANCELLED'", "'REFUNDED'"]),
    "payment_status": st.sampled_from(["'PENDING'", "'COMPLETED'", "'FAILED'", "'REFUNDED'"]),
    "payment_method": st.sampled_from(["'CARD'", "'BANK_TRANSFER'", "'WALLET'", "'CASH'"]),
    "user_id": st.just("concat(user_id, ' ')"),
    "created_at": st.integers(1, 10**9).map(lambda micros: f"addMicroseconds(created_at, {micros})"),
    "items_quantity": st.sampled_from(["[1, 1]", "[2, 1]", "[1, 3]"]),
    "items_price": st.sampled_from(["[25000.01, 19.98]", "[19.99, 25000]"]),
    "items_product_id": st.sampled_from(["['101', '101']", "['102', '101']", "['101', '102 ']"]),
    "items_product_name": TEXT.map(lambda text: "[concat('x', unhex('" + text.encode().hex() + "')), 'Cup']"),
    "version": st.integers(2, 10**6).map(str),
    "order_date": st.integers(1, 2_000).map(lambda days: f"order_date - {days}"),
    "order_id": st.just("concat(order_id, '|')"),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=st.sampled_from(sorted(_OTHER_SQL)), data=st.data())
def test_any_damage_of_one_field_is_found(lasting_shop: Shop, column: str, data: st.DataObject) -> None:
    """Whatever a hand changes in a raw row, the order is named, and with exit code 1."""
    shop = lasting_shop
    _update(shop, sa.update(products).where(products.c.id == "102").values(name="Cup"))
    order = shop.order(("101", 1), ("102", 2))
    shop.deliver()
    copy_row(shop, order, **{column: data.draw(_OTHER_SQL[column])})
    report = _differing_orders(shop)
    damaged = f"{order.id}|" if column == "order_id" else order.id
    assert damaged in {difference.subject for difference in report.differences}
    assert report.exit_code == 1


def _kinds(report: Report) -> list[Kind]:
    return [difference.kind for difference in report.differences]


def test_what_waits_in_the_outbox_is_in_flight(shop: Shop) -> None:
    """However long a change took to be looked at, its event is still to come."""
    order = shop.order(("101", 1))
    report = _differing_orders(shop)
    assert (_kinds(report), report.in_flight_orders, report.exit_code) == ([], {order.id}, 0)


def test_what_was_just_relayed_is_in_flight_for_a_while_and_then_missing(shop: Shop) -> None:
    """Kafka, transformer and sink get some seconds, not for ever."""
    order = shop.order(("101", 1))
    shop.relay()
    assert _differing_orders(shop, in_flight_seconds=60).in_flight_orders == {order.id}
    later = _differing_orders(shop, in_flight_seconds=0)
    assert (_kinds(later), later.in_flight_orders) == ([Kind.MISSING], set())


def test_one_order_in_flight_hides_no_other(shop: Shop) -> None:
    """Not those of its day, and not those of its user."""
    lost = shop.order(("101", 1))
    shop.relay()
    _age(shop, lost.id)
    waiting = shop.order(("101", 1))
    report = _differing_orders(shop, in_flight_seconds=60)
    assert [difference.subject for difference in report.differences] == [lost.id]
    assert report.in_flight_orders == {waiting.id}


def _age(shop: Shop, order_id: str, by: timedelta = timedelta(hours=1)) -> None:
    """Lets an order and its events look so old."""
    with shop.engine.connect() as connection:
        then = relational.clock(connection) - by
    _update(
        shop,
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
    _update(shop, sa.update(outbox).values(dead_at=utc_now()))
    assert _kinds(_differing_orders(shop, in_flight_seconds=60)) == [Kind.MISSING]


def test_a_relay_that_stands_still_is_named(shop: Shop) -> None:
    """In flight is for seconds; an outbox that nobody reads is a difference of its own."""
    order = shop.order(("101", 1))
    _age(shop, order.id)
    report = _differing_orders(shop, in_flight_seconds=60)
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
    empty = connect(front.url, user="writer", password=front.writer_password, database="nowhere")
    assert "millrace migrate" in _unknown(Sources(shop.engine, empty, ZONE, 0))
    empty.close()


def test_clickhouse_away_cannot_be_compared(shop: Shop, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an exception: a scheduled pass goes on."""
    lost = connect(front.url, user="writer", password=front.writer_password, database="nowhere")

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(lost, "query", refuse)
    assert "ClickHouse does not answer" in _unknown(Sources(shop.engine, lost, ZONE, 0))
    lost.close()


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
    report = _differing_orders(shop)
    assert read == ["clickhouse", "database"]
    assert order.id not in {difference.subject for difference in report.differences}
