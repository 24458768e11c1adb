"""A shop with orders to be paid."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from tests.support.payments import PAYMENT_SHOP


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with PAYMENT_SHOP.open(tmp_path) as engine:
        yield engine
