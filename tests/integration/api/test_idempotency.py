"""kill -9 of the API within an order, and one key across several API processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.domain.tables import idempotency_keys
from tests.integration.api.running import RunningApi
from tests.support.databases import url_of
from tests.support.process import wait_until
from tests.support.shop import SHOP, events, stored

pytestmark = pytest.mark.real_servers

ORDER = b'{"userId": 1, "items": [{"productId": 101, "quantity": 1}]}'
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "once"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def place(link: str) -> httpx.Response:
    return httpx.post(f"{link}api/orders", content=ORDER, headers=HEADERS, timeout=30)


def killed_within_an_order(engine: Engine, folder: Path, when: str) -> None:
    api = RunningApi(url_of(engine), folder / "killed", ("tests.integration.api.dying", when))
    with pytest.raises(httpx.TransportError):
        place(api.link)
    assert api.process.process.wait(10) == -signal.SIGKILL


def test_killed_between_commit_and_answer_a_retry_gets_the_first_answer(engine: Engine, tmp_path: Path) -> None:
    killed_within_an_order(engine, tmp_path, "after-commit")
    assert stored(engine).orders == 1
    api = RunningApi(url_of(engine), tmp_path)
    answers = [place(api.link), place(api.link)]
    assert api.process.stop() == 0
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert {answer.headers["idempotency-replayed"] for answer in answers} == {"true"}
    assert stored(engine).orders == 1
    assert [event.aggregate_id for event in events(engine, "OrderCreated")] == [answers[0].json()["id"]]


def test_killed_before_the_commit_a_retry_places_the_order_once_the_claim_is_over(
    engine: Engine, tmp_path: Path
) -> None:
    killed_within_an_order(engine, tmp_path, "before-commit")
    api = RunningApi(url_of(engine), tmp_path)
    waiting = wait_until_answered(api.link)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (409, "1")
    assert stored(engine).orders == 0
    with engine.begin() as connection:  # the rest of its 40 s pass
        connection.execute(sa.update(idempotency_keys).values(claimed_until=idempotency_keys.c.created_at))
    first, second = place(api.link), place(api.link)
    assert api.process.stop() == 0
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (second.content, second.headers["idempotency-replayed"]) == (first.content, "true")
    assert stored(engine).orders == 1
    assert stored(engine).stock[0][:3] == ("101", 1000, 1)


def wait_until_answered(link: str) -> httpx.Response:
    """MySQL rolls a killed client's transaction back when it notices, a moment later; until then its locks are held."""

    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(place(link))
        return answers[-1].status_code != 503

    wait_until(answered, "an answer that is not 503")
    return answers[-1]


def test_one_key_at_several_processes_at_once_is_one_order(engine: Engine, tmp_path: Path) -> None:
    patient = {"API_QUEUE_SECONDS": "30"}  # on a busy machine nobody is to be sent away for the queue's sake
    apis = [RunningApi(url_of(engine), tmp_path / str(number), **patient) for number in range(2)]
    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(lambda number: place(apis[number % 2].link), range(32)))
    assert [api.process.stop() for api in apis] == [0, 0]
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {a.json()["type"] for a in answers if a.status_code == 409} <= {"/problems/idempotency-key-in-use"}
    assert stored(engine).orders == 1
