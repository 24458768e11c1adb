"""A pipeline of real processes on a database of the test, a broker and ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.pipeline.world import World
from tests.support.shop import SHOP


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A database and a broker with every topic; processes are started by the test and ended here."""
    with SHOP.open(tmp_path) as engine:
        world = World(tmp_path, engine)
        try:
            yield world
        finally:
            world.close()
