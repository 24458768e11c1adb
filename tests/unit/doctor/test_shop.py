"""The probe's shop: the newest order that can be told anew, or one of its own through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.clients.database import database_now, write
from services.doctor.check import CannotLook
from services.doctor.shop import ProbeLeft, Shop
from services.domain.model import NewItem, NewOrder, Order
from services.domain.orders import delete_order
from services.domain.tables import orders, outbox
from tests.support.databases import empty_database, open_database
from tests.support.shop import SHOP, create_order, events
from tests.support.web import Api, serve

ZONE = ZoneInfo("UTC")
NOBODY, TOKEN = "http://127.0.0.1:9", "secret"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database of this test."""
    with SHOP.open(tmp_path) as engine:
        yield engine


def placed(engine: Engine) -> Order:
    return create_order(engine, ZONE, NewOrder(user_id="1", items=(NewItem("102", 1, None),)))


def shop(engine: Engine, api: str = NOBODY, token: str | None = TOKEN) -> Shop:
    return Shop(engine, api, token)


def test_the_newest_is_the_order_that_changed_last(engine: Engine) -> None:
    first, second = placed(engine), placed(engine)
    found = shop(engine).newest()
    assert found is not None
    assert (found.order_id, found.version, found.status, found.deleted) == (second.id, 1, "PENDING", False)
    delete_order(engine, first.id)
    found = shop(engine).newest()
    assert found is not None
    assert (found.order_id, found.version, found.deleted) == (first.id, 2, True)


def test_it_is_found_when_the_outbox_has_forgotten_it(engine: Engine) -> None:
    order = placed(engine)
    write(engine, lambda connection: connection.execute(sa.delete(outbox)))
    found = shop(engine).newest()
    assert found is not None
    assert found.order_id == order.id


def test_an_order_made_by_hand_without_lines_cannot_be_told(engine: Engine) -> None:
    def by_hand(connection: sa.Connection) -> None:
        now = database_now(connection) + timedelta(seconds=5)
        connection.execute(
            sa.text(
                "INSERT INTO orders (id, user_id, total_amount, status) VALUES ('by-hand', '1', 100, 'PENDING')",
            )
        )
        connection.execute(sa.update(orders).where(orders.c.id == "by-hand").values(created_at=now))
        connection.execute(
            sa.text(
                "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) "
                "VALUES ('by-hand', 'Order', 'OrderCreated', '{}')"
            )
        )

    assert shop(engine).newest() is None
    order = placed(engine)
    write(engine, by_hand)
    found = shop(engine).newest()
    assert found is not None
    assert found.order_id == order.id


def test_telling_anew_changes_the_version_and_nothing_else(engine: Engine) -> None:
    placed(engine)
    before = shop(engine).newest()
    assert before is not None
    with engine.connect() as connection:
        was = connection.execute(sa.select(orders)).one()._asdict()
    told = shop(engine).restate(before, 7)
    with engine.connect() as connection:
        now = connection.execute(sa.select(orders)).one()._asdict()
    assert told.version == now["version"] == 8
    assert {name for name in was if was[name] != now[name]} <= {"version", "updated_at"}
    (event,) = events(engine, "OrderRestated")
    assert json.loads(event.payload)["version"] == 8
    assert not shop(engine).relayed(told)
    write(engine, lambda connection: connection.execute(sa.update(outbox).values(processed=True)))
    assert shop(engine).relayed(told)


def test_a_database_without_tables_or_answer_cannot_be_probed(tmp_path: Path) -> None:
    gone = open_database(f"sqlite:///{tmp_path}/no/such/folder/x.db")
    with pytest.raises(CannotLook, match="the database does not answer"):
        shop(gone).newest()
    gone.dispose()
    with empty_database(tmp_path) as url:
        empty = open_database(url)
        with pytest.raises(CannotLook, match="the database does not answer"):
            shop(empty).newest()
        empty.dispose()


@pytest.fixture
def api() -> Iterator[Api]:
    """An API with a user and two products."""
    with serve() as api:
        api.answers[("GET", "/api/users?limit=20")] = (200, {"items": [{"id": "1"}]})
        api.answers[("GET", "/api/products?limit=20")] = (200, {"items": [{"id": "101"}, {"id": "102"}]})
        yield api


def test_an_order_of_its_own_is_placed_and_deleted_again(engine: Engine, api: Api) -> None:
    order = placed(engine)
    api.answers[("POST", "/api/orders")] = (201, {"id": order.id})
    api.answers[("DELETE", f"/admin/orders/{order.id}")] = (204, None)
    told = shop(engine, api.url).place()
    assert (told.order_id, told.version) == (order.id, 1)
    shop(engine, api.url).delete(told)
    headers = api.asked[-1][2]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["X-Admin-Id"]


def test_without_the_admin_token_no_order_is_placed(engine: Engine, api: Api) -> None:
    with pytest.raises(CannotLook, match="MILLRACE_ADMIN_TOKEN is needed"):
        shop(engine, api.url, token=None).place()
    assert api.asked == []


def test_without_a_catalogue_there_is_nothing_to_order(engine: Engine, api: Api) -> None:
    api.answers[("GET", "/api/products?limit=20")] = (200, {"items": []})
    with pytest.raises(CannotLook, match="--demo-data"):
        shop(engine, api.url).place()


def test_an_api_that_takes_no_order_says_why(engine: Engine, api: Api) -> None:
    api.answers[("POST", "/api/orders")] = (409, {"title": "Not enough stock"})
    with pytest.raises(CannotLook, match="takes no probe order: 409 Not enough stock"):
        shop(engine, api.url).place()
    assert [method for method, _, _ in api.asked].count("POST") == 2, "every product is tried"


def test_an_api_that_is_away(engine: Engine) -> None:
    with pytest.raises(CannotLook, match=r"the API at http://127.0.0.1:9 does not answer"):
        shop(engine).place()


@pytest.mark.parametrize(("status", "says"), [(401, "the API answers 401 Unauthorized"), (None, "does not answer")])
def test_an_order_that_cannot_be_deleted_is_named(engine: Engine, api: Api, status: int | None, says: str) -> None:
    order = placed(engine)
    api.answers[("POST", "/api/orders")] = (201, {"id": order.id})
    told = shop(engine, api.url).place()
    api.answers[("DELETE", f"/admin/orders/{order.id}")] = (status or 500, {"title": "Unauthorized"})
    with pytest.raises(ProbeLeft, match=f"order {order.id} is still there.*{says}"):
        shop(engine, api.url if status else NOBODY).delete(told)
