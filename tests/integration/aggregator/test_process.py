"""The aggregator as a process: one at work, the next takes over when it is killed, and it stops when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.observability.process import EXIT_OK, EXIT_UNUSABLE
from tests.support.clickhouse import Front, StackFront
from tests.support.databases import Template
from tests.support.process import Subprocess, wait_until
from tests.support.warehouse import Warehouse, order, warehouse

pytestmark = pytest.mark.real_servers

ZONE = "Asia/Kolkata"
DATABASE = Template(ZONE)
Start = Callable[..., Subprocess]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = StackFront(tmp_path_factory.mktemp("process"), ZONE)
    yield running
    running.stop()


@pytest.fixture
def store(front: Front) -> Iterator[Warehouse]:
    with warehouse(front, ZONE, "analytics") as made:
        yield made


@pytest.fixture
def start(front: Front, store: Warehouse, tmp_path: Path) -> Iterator[Start]:
    """Starts an aggregator on the store, with leases in a new database."""
    started: list[Subprocess] = []
    user, password = front.account("aggregator")

    def start_one(**settings: str) -> Subprocess:
        environment = {
            "DATABASE_URL": url,
            "CLICKHOUSE_HOST": front.url,
            "CLICKHOUSE_USER": user,
            "CLICKHOUSE_PASSWORD": password,
            "CLICKHOUSE_DATABASE": store.client.database or "",
            "BUSINESS_TIMEZONE": ZONE,
            "AGGREGATOR_INTERVAL": "0.05",
            "AGGREGATOR_USERS_INTERVAL": "0.1",
            "AGGREGATOR_LEASE_SECONDS": "8",
            "AGGREGATOR_METRICS_PORT": "0",
        }
        log = tmp_path / f"aggregator{len(started)}.log"
        started.append(Subprocess(["services.aggregator"], log, {**environment, **settings}))
        return started[-1]

    with DATABASE.copy(tmp_path) as url:
        yield start_one
        for process in started:
            process.kill()


def shows_everything(store: Warehouse) -> bool:
    return store.views() == store.expected()


def test_orders_show_and_a_second_aggregator_takes_over_from_a_killed_one(store: Warehouse, start: Start) -> None:
    first = start()
    wait_until(lambda: "aggregating" in first.output(), "the first to hold the lease")
    second = start()
    store.insert(order("1", datetime.now(UTC), ZONE))
    wait_until(lambda: shows_everything(store), "the first order to show")
    assert "aggregating" not in second.output(), "one at work"
    first.kill()
    store.insert(order("2", datetime.now(UTC), ZONE, user_id="2"))
    wait_until(lambda: shows_everything(store), "the second order to show")
    wait_until(lambda: "aggregating" in second.output(), "the second to say so")
    assert second.stop() == EXIT_OK


def test_a_lease_released_at_the_end_is_free_at_once(store: Warehouse, start: Start) -> None:
    first = start(AGGREGATOR_LEASE_SECONDS="3600")
    wait_until(lambda: "aggregating" in first.output(), "the first to hold the lease")
    assert first.stop() == EXIT_OK
    second = start()
    wait_until(lambda: "aggregating" in second.output(), "the second to hold the lease")


def test_another_business_zone_is_said_in_one_line(start: Start) -> None:
    wrong = start(BUSINESS_TIMEZONE="UTC")
    assert wrong.process.wait(60) == EXIT_UNUSABLE
    assert wrong.output().startswith("millrace aggregator: BUSINESS_TIMEZONE is UTC, but the days and hours in")
    assert wrong.output().count("\n") == 1
