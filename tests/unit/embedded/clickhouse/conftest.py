"""One front for the whole session; every test makes tables of its own in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.support.clickhouse import Front, start_front

TIMEZONE = "Asia/Seoul"
_names = itertools.count(1)


@dataclass(frozen=True)
class Caller:
    """HTTP as one user."""

    http: httpx.Client

    def send(self, sql: str | bytes = b"", method: str = "POST", **url: str) -> httpx.Response:
        """Send a statement in the body, with URL parameters."""
        return self.http.request(method, "/", params=url, content=sql)

    def ask(self, sql: str | bytes = b"", **url: str) -> str:
        """The text that a statement answers; it must succeed."""
        answer = self.send(sql, **url)
        assert answer.status_code == 200, answer.text
        return answer.text.rstrip("\n")

    def refused(self, sql: str | bytes = b"", **url: str) -> int:
        """ClickHouse's code for a statement that must be refused, by status, header and text alike."""
        answer = self.send(sql, **url)
        assert answer.status_code >= 400, answer.text
        code = int(answer.headers["X-ClickHouse-Exception-Code"])
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
        return code


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = start_front(tmp_path_factory.mktemp("front"), TIMEZONE)
    yield running
    running.stop()


def caller(front: Front, user: str, password: str) -> Caller:
    return Caller(httpx.Client(base_url=front.url, auth=(user, password), timeout=30))


@pytest.fixture(scope="session")
def writer(front: Front) -> Iterator[Caller]:
    made = caller(front, "writer", front.writer_password)
    yield made
    made.http.close()


@pytest.fixture(scope="session")
def reader(front: Front) -> Iterator[Caller]:
    made = caller(front, "reader", front.reader_password)
    yield made
    made.http.close()


@pytest.fixture
def table() -> str:
    """A name no other test uses."""
    return f"t{next(_names)}"
