"""Imports and the demo catalogue: complete, idempotent, at noon of the shop's day."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from services.domain import queries
from services.domain.catalogue import load_catalogue
from services.domain.orders import expire_order
from services.domain.tables import outbox, payments
from services.replay import open_log, replay
from tests.support.databases import Template

pytestmark = pytest.mark.real_servers

BERLIN = ZoneInfo("Europe/Berlin")
DATABASE = Template("Europe/Berlin")
LOG = " 00001 19970101  1   11.77\n 00001 19970101  1   11.77\n 00002 19970630  3   10.00\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    with DATABASE.open(tmp_path) as made:
        yield made


def test_a_replayed_log_is_complete_and_replaying_it_again_changes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LOG)
    log = open_log(tmp_path / "log.txt")
    seen: list[int] = []
    first = replay(engine, BERLIN, log, progress=seen.append)
    again = replay(engine, BERLIN, log)
    assert (first.stored, first.known, again.stored, again.known) == (3, 0, 0, 3)
    assert sum(seen) == 3
    with engine.connect() as connection:
        events = connection.execute(sa.select(outbox.c.event_type, outbox.c.aggregate_type)).all()
        assert set(events) == {("OrderCompleted", "Order")}
        assert len(events) == 3
        assert connection.scalars(sa.select(payments.c.status)).all() == ["COMPLETED"] * 3


def test_an_imported_order_stands_at_noon_of_its_day_in_the_business_zone(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LOG)
    replay(engine, BERLIN, open_log(tmp_path / "log.txt"))
    (summer,) = queries.orders_of_user(engine, "cdnow-00002", 10)
    assert summer.created_at == datetime(1997, 6, 30, 10, tzinfo=UTC)
    assert str(summer.order_date) == "1997-06-30"
    assert [(item.quantity, str(item.price)) for item in summer.items] == [(1, "3.34"), (2, "3.33")]
    assert (summer.status, summer.payment_status, summer.payment_method, summer.version) == (
        "COMPLETED",
        "COMPLETED",
        "CARD",
        1,
    )
    assert expire_order(engine, summer.id, datetime.now(UTC)) is False


def test_the_demo_catalogue_has_what_the_docs_order(engine: sa.Engine) -> None:
    assert load_catalogue(engine) > 0
    assert load_catalogue(engine) == 0
    product = queries.find_product(engine, "101")
    assert product is not None
    assert str(product.price) == "25000.00"
    assert queries.find_user(engine, "1") is not None
    stock = queries.find_inventory(engine, "101")
    assert stock is not None
    assert stock.available > 0
