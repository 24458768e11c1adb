"""An outbox in a database of its own, and the relay's lease on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from services.clients.lease import Lease
from services.relay.relay import LEASE
from tests.support.shop import SHOP


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database of this test."""
    with SHOP.open(tmp_path) as engine:
        yield engine


@pytest.fixture
def lease(engine: Engine) -> Lease:
    """The relay's lease, held."""
    lease = Lease(engine, LEASE, "this relay", 30)
    assert lease.acquire() == 1
    return lease
