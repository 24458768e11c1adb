"""A ClickHouse front for all tests here, and a shop with a database of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from services.clients.clickhouse import connect
from services.clients.clickhouse_schema import migrate_clickhouse
from tests.integration.reconciler.shop import ZONE, Shop
from tests.support.clickhouse import Front, start_front
from tests.support.shop import copy_database, make_template

_numbers = count(1)


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A running front."""
    running = start_front(tmp_path_factory.mktemp("clickhouse"), ZONE)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with a catalogue."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def shop(front: Front, template: Path, tmp_path: Path) -> Iterator[Shop]:
    """An empty shop; its ClickHouse database is dropped afterwards."""
    database = f"shop_{next(_numbers)}"
    client = connect(front.url, user="writer", password=front.writer_password, database=database, session_timezone=ZONE)
    migrate_clickhouse(client, ZONE)
    engine = copy_database(template, tmp_path)
    yield Shop(engine, client)
    client.command(f"DROP DATABASE {database}", use_database=False)
    client.close()
    engine.dispose()
