"""An outbox in a SQLite file, and the relay's lease on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from services.clients.lease import Lease
from services.relay.relay import LEASE
from tests.support.shop import copy_database, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def engine(template: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of this test."""
    engine = copy_database(template, tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def lease(engine: Engine) -> Lease:
    """The relay's lease, held."""
    lease = Lease(engine, LEASE, "this relay", 30)
    assert lease.acquire() == 1
    return lease
