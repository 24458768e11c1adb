"""Write transactions on MySQL: what ends them, what is run again, and what nobody may run again."""

from __future__ import annotations

import threading
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients import database
from services.clients.database import OutcomeUnknown, connect, retryable, unavailable, write
from services.domain.model import NewItem, NewOrder
from services.domain.tables import users
from services.settings import DatabaseSettings
from tests.support.databases import url_of
from tests.support.process import wait_until
from tests.support.shop import create_order

pytestmark = [pytest.mark.needs_mysql, pytest.mark.real_servers]

_OWN_ID = sa.text("SELECT CONNECTION_ID()")


def serving(engine: Engine, answer_seconds: int = 30) -> Engine:
    """An engine on the same database, as a process that serves others has it."""
    return connect(DatabaseSettings.model_validate({"database_url": url_of(engine)}), answer_seconds)


def rename(connection: Connection, user: str, name: str) -> None:
    connection.execute(sa.update(users).where(users.c.id == user).values(name=name))


def name_of(engine: Engine, user: str) -> str | None:
    with engine.connect() as connection:
        return connection.scalar(sa.select(users.c.name).where(users.c.id == user))


def kill_connection(engine: Engine, connection_id: int) -> None:
    with engine.connect() as other:
        other.exec_driver_sql(f"KILL {connection_id}")
        wait_until(lambda: connection_id not in _connections(other), "the connection to be gone")


def _connections(connection: Connection) -> set[int]:
    return set(connection.scalars(sa.text("SELECT id FROM information_schema.processlist")))


def test_a_session_is_set_up(engine: Engine) -> None:
    served = serving(engine)
    asked = "SELECT @@time_zone, @@transaction_isolation, @@innodb_lock_wait_timeout, @@wait_timeout, @@autocommit"
    with served.connect() as connection:
        assert tuple(connection.execute(sa.text(asked)).one()) == ("+00:00", "READ-COMMITTED", 5, 60, 0)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT @@wait_timeout")) > 3600, "a migration may be quiet for long"
    served.dispose()


def test_a_connection_lost_before_its_commit_is_a_transaction_run_again(engine: Engine) -> None:
    runs: list[int] = []

    def work(connection: Connection) -> None:
        runs.append(connection.scalar(_OWN_ID) or 0)
        rename(connection, "1", f"run {len(runs)}")
        if len(runs) == 1:
            kill_connection(engine, runs[0])
        rename(connection, "2", f"run {len(runs)}")

    write(engine, work)
    assert len(runs) == 2
    assert (name_of(engine, "1"), name_of(engine, "2")) == ("run 2", "run 2")


def test_a_connection_lost_in_its_commit_is_not_run_again(engine: Engine) -> None:
    """Whether MySQL had committed is not known here: a second run could do everything twice."""
    runs: list[int] = []

    def work(connection: Connection) -> None:
        runs.append(connection.scalar(_OWN_ID) or 0)
        rename(connection, "1", "lost?")

    event.listen(engine, "commit", lambda _connection: kill_connection(engine, runs[0]), once=True)
    with pytest.raises(OutcomeUnknown) as lost:
        write(engine, work)
    assert len(runs) == 1
    assert unavailable(lost.value)
    assert not retryable(lost.value)
    write(engine, lambda connection: rename(connection, "1", "the pool goes on"))


def test_the_victim_of_a_deadlock_is_run_again(engine: Engine) -> None:
    met, runs, lock = threading.Barrier(2), 0, threading.Lock()

    def crosswise(first: str, second: str) -> None:
        waited = False

        def work(connection: Connection) -> None:
            nonlocal runs, waited
            with lock:
                runs += 1
            rename(connection, first, f"{first} first")
            if not waited:
                waited = True
                met.wait(10)
            rename(connection, second, f"{first} first")

        write(engine, work)

    threads = [threading.Thread(target=crosswise, args=pair) for pair in (("1", "2"), ("2", "1"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert runs == 3
    assert name_of(engine, "1") == name_of(engine, "2"), "one after the other"


def test_a_lock_that_does_not_come_free_is_waited_for_again_and_not_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LOCK_SECONDS", 1)
    impatient, runs = serving(engine), 0

    def work(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            holder.rollback()
        rename(connection, "1", "at last")

    with engine.connect() as holder:
        rename(holder, "1", "held")
        write(impatient, work)
        assert (runs, name_of(engine, "1")) == (3, "at last")

        monkeypatch.setattr(database, "_TRY_SECONDS", 1)
        rename(holder, "1", "held")
        with pytest.raises(sa.exc.OperationalError, match="Lock wait timeout"):
            write(impatient, lambda connection: rename(connection, "1", "never"))
    impatient.dispose()


def test_who_is_frozen_within_a_transaction_loses_its_locks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_IDLE_SECONDS", 1)
    frozen = serving(engine)
    with frozen.connect() as connection:
        rename(connection, "1", "frozen")
        write(engine, lambda other: rename(other, "1", "the next one"))
        with pytest.raises(sa.exc.DBAPIError) as late:
            rename(connection, "2", "thawed")
        assert unavailable(late.value)
    write(frozen, lambda other: rename(other, "2", "the pool goes on"))
    assert (name_of(engine, "1"), name_of(engine, "2")) == ("the next one", "the pool goes on")
    frozen.dispose()


def test_an_answer_that_does_not_come_is_given_up(engine: Engine) -> None:
    served = serving(engine, answer_seconds=1)
    with served.connect() as connection, pytest.raises(sa.exc.OperationalError) as silent:
        connection.execute(sa.text("SELECT SLEEP(60)"))
    assert unavailable(silent.value)
    assert name_of(served, "1") == "User 1"
    served.dispose()


def test_what_was_left_open_is_rolled_back_when_the_connection_goes_home(engine: Engine) -> None:
    raw = engine.raw_connection()
    raw.cursor().execute("UPDATE users SET name = 'left open' WHERE id = '1'")
    raw.close()
    with engine.connect() as connection:
        connection.commit()
    assert name_of(engine, "1") == "User 1"


def test_an_order_costs_few_statements(engine: Engine) -> None:
    """Each is a round trip, most of them with a product's row locked: read, stock, order, lines, events, commit."""
    place = NewOrder("1", tuple(NewItem(product, 1) for product in ("101", "102", "103")))
    create_order(engine, ZoneInfo("UTC"), place)
    before = _questions(engine)
    create_order(engine, ZoneInfo("UTC"), place)
    counting = 3  # the status itself, its rollback, and the rollback before
    assert _questions(engine) - before - counting <= 6


def _questions(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text("SHOW SESSION STATUS LIKE 'Questions'")).one()[1])
