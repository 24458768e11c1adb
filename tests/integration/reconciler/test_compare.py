"""What is damaged is named, what is the same is not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.domain.orders import cancel_order
from services.domain.tables import orders, products
from services.reconciler import relational
from tests.integration.reconciler.damage import CELLS_DAMAGED, ORDERS_DAMAGED, Damage, copy_row, place
from tests.integration.reconciler.shop import Shop


@pytest.mark.real_servers
def test_a_settled_shop_is_the_same(shop: Shop) -> None:
    """Orders, raw rows, cubes and views agree, after changes and deletions too."""
    place(shop)
    cancel_order(shop.engine, shop.order(("103", 1), user="2").id)
    shop.settle()
    report = shop.compare()
    assert report.differences == []
    assert (report.exit_code, report.orders, report.cents, report.days) == (0, 4, 50_000_00 + 3 * 19_99, 1)


@pytest.mark.real_servers
@pytest.mark.parametrize("make", ORDERS_DAMAGED, ids=lambda make: make.__name__)
def test_damaged_orders_are_named(lasting_shop: Shop, make: Damage) -> None:
    """By kind and with their key; the other orders are not."""
    known = {difference.subject for difference in lasting_shop.differing_orders().differences}
    placed = place(lasting_shop, settle=False)
    lasting_shop.deliver()
    make(lasting_shop, placed)
    found = [d for d in lasting_shop.differing_orders().differences if d.subject not in known]
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
    shop.update(sa.update(products).where(products.c.id == "102").values(name=name))
    order = shop.order(("101", 1), ("102", 2))
    shop.deliver()
    return order.id


@pytest.mark.real_servers
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
    shop.update(sa.update(products).where(products.c.id == "102").values(name="Cup"))
    order = shop.order(("101", 1), ("102", 2))
    shop.deliver()
    copy_row(shop, order, **{column: data.draw(_OTHER_SQL[column])})
    report = shop.differing_orders()
    damaged = f"{order.id}|" if column == "order_id" else order.id
    assert damaged in {difference.subject for difference in report.differences}
    assert report.exit_code == 1
