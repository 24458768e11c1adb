"""The API in process on a database of its own, with analytics made up by the test."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from services.api.analytics_reader import Parameters, Row
from services.api.app import create_app
from services.settings import ApiSettings
from tests.support.shop import ADMIN_TOKEN, SHOP, AppClient


@dataclass
class FakeReader:
    """Answers with what the test puts in, and keeps what it was asked."""

    answer: list[Row] = field(default_factory=list)
    error: Exception | None = None
    asked: list[tuple[str, Parameters]] = field(default_factory=list)

    async def rows(self, statement: str, parameters: Parameters) -> list[Row]:
        """The test's rows or its error."""
        self.asked.append((statement, parameters))
        if self.error is not None:
            raise self.error
        return self.answer

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def api(engine: Engine, reader: FakeReader) -> Iterator[AppClient]:
    settings = ApiSettings.model_validate({"millrace_admin_token": ADMIN_TOKEN, "api_queue_seconds": 30})
    client = AppClient(create_app(engine, "UTC", reader, settings))
    yield client
    client.close()
