"""Leases: one holder at a time, tokens that rise, and no effect of a process that lost its lease."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.clients.database import write
from services.clients.lease import Lease, LeaseLost, revoke
from tests.support.databases import Template

pytestmark = pytest.mark.real_servers

LONG = 600.0
DATABASE = Template()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    with DATABASE.open(tmp_path) as made:
        yield made


def expire(engine: sa.Engine) -> None:
    write(engine, lambda c: c.execute(sa.text("UPDATE leases SET expires_at = '2000-01-01 00:00:00.000000'")))


def test_a_second_process_waits_until_the_lease_expires(engine: sa.Engine) -> None:
    first, second = Lease(engine, "relay", "a", LONG), Lease(engine, "relay", "b", LONG)
    assert first.acquire() == 1
    assert second.acquire() is None
    assert first.acquire() == 1, "taking what one has keeps the token"
    expire(engine)
    assert second.acquire() == 2
    assert first.renew() is False
    assert first.acquire() is None


def test_a_released_lease_is_free_at_once(engine: sa.Engine) -> None:
    first, second = Lease(engine, "relay", "a", LONG), Lease(engine, "relay", "b", LONG)
    first.acquire()
    first.release()
    assert second.acquire() == 2


def test_late_work_of_a_zombie_changes_nothing(engine: sa.Engine) -> None:
    zombie, successor = Lease(engine, "relay", "a", LONG), Lease(engine, "relay", "b", LONG)
    zombie.acquire()
    expire(engine)
    successor.acquire()

    def late_mark(connection: sa.Connection) -> None:
        zombie.guard(connection)
        connection.execute(sa.text("INSERT INTO users (id, email, name) VALUES ('late', '', '')"))

    with pytest.raises(LeaseLost):
        write(engine, late_mark)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM users")) == 0


def test_a_revoked_lease_is_lost_even_to_the_same_owner_name(engine: sa.Engine) -> None:
    lease = Lease(engine, "relay", "a", LONG)
    lease.acquire()
    revoke(engine, "relay")
    assert lease.renew() is False
    with pytest.raises(LeaseLost):
        write(engine, lease.guard)
    assert Lease(engine, "relay", "a", LONG).acquire() == 3


def test_of_many_at_once_exactly_one_gets_it(engine: sa.Engine) -> None:
    tokens: list[int | None] = []
    barrier = threading.Barrier(6)

    def take(name: str) -> None:
        barrier.wait()
        tokens.append(Lease(engine, "aggregator", name, LONG).acquire())

    threads = [threading.Thread(target=take, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token for token in tokens if token is not None) == [1]
