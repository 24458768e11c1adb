"""Everybody wants the same product at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.database import connect
from services.domain.model import NewItem, NewOrder
from services.domain.orders import cancel_order
from services.domain.queries import find_inventory
from services.domain.tables import inventory, products
from services.settings import DatabaseSettings
from tests.support.databases import Template, url_of
from tests.support.payments import pay
from tests.support.shop import SHOP, AppClient, Call, create_order, events

pytestmark = pytest.mark.real_servers

PIECES = 100
CLIENTS, ORDERS = 32, 6


def _fill(connection: Connection) -> None:
    assert SHOP.fill is not None
    SHOP.fill(connection)
    now = datetime.now(UTC)
    for name, pieces in (("hundred", PIECES), ("hot", 10_000)):
        connection.execute(sa.insert(products).values(id=name, name=name, price=Decimal("1.00"), created_at=now))
        connection.execute(
            sa.insert(inventory).values(id=name, product_id=name, quantity=pieces, reserved=0, version=1)
        )


HOT = Template("UTC", _fill)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with HOT.open(tmp_path) as engine:
        yield engine


def test_five_hundred_orders_for_a_hundred_pieces(api: AppClient, engine: Engine) -> None:
    call = Call("POST", "/api/orders", {"userId": "1", "items": [{"productId": "hundred", "quantity": 1}]})
    answers = api.all_at_once([call] * 500)
    assert sorted(answer.status_code for answer in answers) == [201] * PIECES + [409] * (500 - PIECES)
    refused = {answer.json()["type"] for answer in answers if answer.status_code == 409}
    assert refused == {"/problems/insufficient-stock"}
    stock = find_inventory(engine, "hundred")
    assert stock is not None
    assert (stock.quantity, stock.reserved, stock.version) == (PIECES, PIECES, 1 + PIECES)
    assert len(events(engine, "OrderCreated")) == len(events(engine, "StockReserved")) == PIECES


def test_thirty_two_clients_of_one_product_neither_deadlock_nor_starve(engine: Engine) -> None:
    """Each orders, and pays or cancels, in turns: nobody is refused, nobody waits until the others are done."""
    shared = connect(DatabaseSettings.model_validate({"database_url": url_of(engine), "database_pool_size": CLIENTS}))
    start = threading.Barrier(CLIENTS)
    finished: list[int] = []

    def client(number: int) -> None:
        start.wait(30)
        for turn in range(ORDERS):
            order = create_order(shared, ZoneInfo("UTC"), NewOrder("1", (NewItem("hot", 1),)))
            if turn % 2:
                pay(shared, order.id)
            else:
                cancel_order(shared, order.id)
            finished.append(number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    shared.dispose()
    assert set(finished[: len(finished) * 3 // 4]) == set(range(CLIENTS))
    stock = find_inventory(engine, "hot")
    assert stock is not None
    sold = CLIENTS * ORDERS // 2
    assert (stock.quantity, stock.reserved) == (10_000 - sold, 0)
    assert stock.version == 1 + 2 * CLIENTS * ORDERS
