"""Group commit: everybody's own result or error, one commit for many, nobody answered before it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients.database import connect, write
from services.clients.group_commit import group_of
from services.settings import DatabaseSettings
from tests.support.process import wait_until

WRITERS = 24


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = connect(DatabaseSettings(database_url=f"sqlite:///{tmp_path}/group.db"))
    write(made, lambda c: c.exec_driver_sql("CREATE TABLE written (number INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


def insert(connection: Connection, number: int) -> int:
    connection.exec_driver_sql("INSERT INTO written VALUES (?)", (number,))
    return number


def numbers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT number FROM written ORDER BY number")))


class Held:
    """A first writer that holds the turn until released, so that the others queue behind it."""

    def __init__(self, engine: Engine) -> None:
        self.entered, self.release = threading.Event(), threading.Event()

        def work(_connection: Connection) -> None:
            self.entered.set()
            assert self.release.wait(30)

        self._thread = threading.Thread(target=write, args=(engine, work))
        self._thread.start()
        assert self.entered.wait(30)

    def let_go(self) -> None:
        self.release.set()
        self._thread.join()


def run_queued(engine: Engine, outcomes: dict[int, object], fail: int | None = None) -> list[threading.Thread]:
    """Starts WRITERS writers, which all wait; number ``fail`` raises after its insert."""

    def one(number: int) -> None:
        def work(connection: Connection) -> int:
            insert(connection, number)
            if number == fail:
                raise LookupError(number)
            return number

        try:
            outcomes[number] = write(engine, work)
        except LookupError as refused:
            outcomes[number] = refused

    threads = [threading.Thread(target=one, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: group_of(engine).waiting == WRITERS, "every writer to wait")
    return threads


def commits_of(engine: Engine) -> list[str]:
    """A list that gets an entry with every commit of the engine from now on."""
    seen: list[str] = []
    event.listen(engine, "commit", lambda _connection: seen.append("commit"))
    return seen


def test_those_who_wait_share_a_commit_and_each_gets_its_own_result(engine: Engine) -> None:
    outcomes: dict[int, object] = {}
    held = Held(engine)
    commits = commits_of(engine)
    threads = run_queued(engine, outcomes)
    held.let_go()
    for thread in threads:
        thread.join(30)
    assert outcomes == {number: number for number in range(WRITERS)}
    assert numbers(engine) == list(range(WRITERS))
    assert len(commits) == 2, "the one that held the turn, and one for all who waited"


def test_a_refused_work_undoes_its_own_changes_alone(engine: Engine) -> None:
    outcomes: dict[int, object] = {}
    held = Held(engine)
    threads = run_queued(engine, outcomes, fail=5)
    held.let_go()
    for thread in threads:
        thread.join(30)
    assert isinstance(outcomes.pop(5), LookupError)
    assert set(outcomes.values()) == set(range(WRITERS)) - {5}
    assert numbers(engine) == sorted(set(range(WRITERS)) - {5})


def test_nobody_is_told_of_a_commit_that_failed(engine: Engine) -> None:
    write(engine, lambda c: c.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
    write(
        engine,
        lambda c: c.exec_driver_sql(
            "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
        ),
    )
    held = Held(engine)
    errors: list[BaseException] = []

    def one(sql: str) -> None:
        try:
            write(engine, lambda c: c.exec_driver_sql(sql))
        except sa.exc.IntegrityError as refused:
            errors.append(refused)

    # the second violates its constraint at COMMIT only, and takes the first one's innocent insert with it
    statements = ("INSERT INTO parent VALUES (1)", "INSERT INTO child VALUES (99)")
    threads = [threading.Thread(target=one, args=(sql,)) for sql in statements]
    for thread in threads:
        thread.start()
    wait_until(lambda: group_of(engine).waiting == 2, "both writers to wait")
    held.let_go()
    for thread in threads:
        thread.join(30)
    with engine.connect() as connection:
        kept = connection.scalar(sa.text("SELECT count(*) FROM parent")) or 0
        assert connection.scalar(sa.text("SELECT count(*) FROM child")) == 0
    assert len(errors) + kept == 2, "whoever was told of no error is stored"
