"""A ClickHouse front for all tests here, and a shop with a database of its own for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import migrate_clickhouse
from services.domain.stock import set_quantity
from tests.integration.reconciler.shop import ZONE, Shop
from tests.support.clickhouse import Front, start_clickhouse
from tests.support.shop import SHOP

# Databases that are free; their users' rights are declared before the front starts.
_free = [f"shop_{os.getpid()}_{number}" for number in range(3)]


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A running front."""
    running = start_clickhouse(tmp_path_factory.mktemp("clickhouse"), ZONE, _free)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def lasting_shop(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that the tests of a module share, because each leaves it mended or adds orders of its own only."""
    with _open(front, tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture
def shop(front: Front, tmp_path: Path) -> Iterator[Shop]:
    """An empty shop."""
    with _open(front, tmp_path) as opened:
        yield opened


@contextmanager
def _open(front: Front, folder: Path) -> Iterator[Shop]:
    """A shop; its ClickHouse database is dropped afterwards."""
    database = _free.pop()

    def client_of(user: str, password: str) -> Client:
        return connect(front.url, user=user, password=password, database=database, session_timezone=ZONE)

    client = client_of(front.writer, front.writer_password)
    migrate_clickhouse(client, ZONE)
    users = {name: client_of(*front.account(name)) for name in ("sink", "aggregator", "reconciler")}
    with SHOP.open(folder) as engine:
        for product in ("101", "102", "103"):
            set_quantity(engine, product, 100_000)
        yield Shop(engine, client, users)
    client.command(f"DROP DATABASE {database}", use_database=False)
    for each in (client, *users.values()):
        each.close()
    _free.append(database)
