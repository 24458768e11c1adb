"""One ClickHouse and one shop for all property tests; every history empties them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.property.laboratory import ZONE, Laboratory, laboratory
from tests.property.strategies import MOMENTS
from tests.support.action_shop import ActionShop
from tests.support.clickhouse import Front, start_clickhouse
from tests.support.database_clock import DatabaseClock
from tests.support.databases import Template, on_mysql, open_database

# The same examples in every run: a red build is red again on the next machine. What fails prints how to repeat it.
settings.register_profile(
    "ci", derandomize=True, database=None, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


def make_shop(url: str) -> ActionShop:
    """A migrated, empty shop whose clock the test sets."""
    engine = open_database(url)
    if not on_mysql():
        _without_waiting_for_the_disk(engine)
    return ActionShop(engine, ZoneInfo(ZONE), DatabaseClock(engine, MOMENTS[0]))


def _without_waiting_for_the_disk(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _open(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined]  # sqlite3's connection


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where the system has such a place (a fifth faster): nothing here is about the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a random name
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("property")
        return
    with TemporaryDirectory(prefix="millrace-property-", dir=memory) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def front(folder: Path) -> Iterator[Front]:
    running = start_clickhouse(folder / "front", ZONE)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shop(folder: Path) -> Iterator[ActionShop]:
    with Template(ZONE).copy(folder) as url:
        made = make_shop(url)
        yield made
        made.engine.dispose()


@pytest.fixture(scope="session")
def lab(front: Front, shop: ActionShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with laboratory(front, shop, tmp_path_factory.mktemp("schema")) as made:
        yield made
