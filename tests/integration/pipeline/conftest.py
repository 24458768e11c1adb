"""A pipeline of real processes on a SQLite file, the embedded broker and the embedded ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.pipeline.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A database and a broker with every topic; processes are started by the test and ended here."""
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()
