"""A shop on the MySQL server of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from tests.support.shop import SHOP


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine
