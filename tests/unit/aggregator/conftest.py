"""One front for all of these tests, and one database, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.aggregator.core import Aggregator
from tests.support.clickhouse import Front, start_front
from tests.support.warehouse import Warehouse, warehouse
from tests.unit.aggregator.clock import ZONE, Clock


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = start_front(tmp_path_factory.mktemp("aggregator"), "UTC")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def database(front: Front) -> Iterator[Warehouse]:
    with warehouse(front, ZONE) as made:
        yield made


@pytest.fixture
def store(database: Warehouse) -> Warehouse:
    database.clear()
    return database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aggregator(store: Warehouse, clock: Clock) -> Aggregator:
    return Aggregator(store.client, ZONE, clock=clock)
