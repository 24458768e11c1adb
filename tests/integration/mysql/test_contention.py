"""Many orders at once for few products."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients.database import connect, write
from services.domain.model import NewItem, NewOrder
from services.domain.tables import inventory, order_items, products
from services.settings import DatabaseSettings
from tests.support.databases import url_of
from tests.support.shop import create_order

pytestmark = [pytest.mark.needs_mysql, pytest.mark.real_servers]

PRODUCTS = [f"p{number:02}" for number in range(13)]
THREADS, ORDERS = 12, 15


def stock_up(connection: Connection) -> None:
    """As many products as a small table has, their rows stored in another order than that of their ids."""
    now = datetime.now(UTC)
    catalogue = [{"id": one, "name": one, "price": Decimal(1), "created_at": now} for one in PRODUCTS]
    stock = [
        {"id": f"z{99 - number}", "product_id": one, "quantity": 10_000, "reserved": 0, "version": 1}
        for number, one in enumerate(PRODUCTS)
    ]
    connection.execute(sa.insert(products), catalogue)
    connection.execute(sa.insert(inventory), stock)


def place(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(ORDERS):
        wanted = chance.sample(PRODUCTS, chance.randint(1, 12))
        create_order(engine, ZoneInfo("UTC"), NewOrder("1", tuple(NewItem(product, 1) for product in wanted)))


def test_orders_of_few_and_of_many_lines_never_deadlock(engine: Engine) -> None:
    write(engine, stock_up)
    deadlocks = 0
    lock = threading.Lock()
    shared = connect(DatabaseSettings.model_validate({"database_url": url_of(engine), "database_pool_size": THREADS}))

    @event.listens_for(shared, "handle_error")
    def count(context: Any) -> None:
        nonlocal deadlocks
        with lock:
            deadlocks += context.original_exception.args[0] == 1213

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda seed: place(shared, seed), range(THREADS)))
    shared.dispose()
    assert deadlocks == 0
    with engine.connect() as connection:
        reserved = connection.scalar(sa.select(sa.func.sum(inventory.c.reserved)))
        lines = connection.scalar(sa.select(sa.func.count()).select_from(order_items))
    assert reserved == lines
