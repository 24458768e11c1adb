"""A shop with small amounts, and the sandbox provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from services.payments.sandbox import Sandbox
from tests.support.payments import PAYMENT_SHOP
from tests.support.shop import AppClient
from tests.unit.api.payments.paying import shop_with


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with PAYMENT_SHOP.open(tmp_path) as engine:
        yield engine


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def api(engine: Engine, sandbox: Sandbox) -> Iterator[AppClient]:
    with shop_with(engine, sandbox) as client:
        yield client
