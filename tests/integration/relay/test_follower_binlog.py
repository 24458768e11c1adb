"""What the follower relies on in MySQL: the log is ahead of what can be seen, and says so to who may know."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.observability.process import CannotStart
from services.relay.binlog import Binlog
from tests.support.databases import on_mysql, open_database
from tests.support.outbox import insert_event
from tests.support.shop import SHOP

pytestmark = pytest.mark.skipif(not on_mysql(), reason="the binary log of MySQL: MILLRACE_TEST_MYSQL names no server")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def test_a_row_that_can_be_seen_is_before_the_end(engine: Engine) -> None:
    binlog = Binlog(engine)
    ends = [binlog.end().position]
    for _ in range(20):
        insert_event(engine, "o1")
        ends.append(binlog.end().position)
    assert all(later.reaches(earlier) and later != earlier for earlier, later in itertools.pairwise(ends))


def test_the_log_begins_before_it_ends_and_goes_on_in_the_next_file(engine: Engine) -> None:
    binlog = Binlog(engine)
    before = binlog.end().position
    assert before.reaches(binlog.oldest())
    with engine.connect() as connection:
        connection.execute(sa.text("FLUSH BINARY LOGS"))
    after = binlog.end().position
    assert (after.name, after.number) == (before.name, before.number + 1)


def test_transactions_are_compared_by_the_server(engine: Engine) -> None:
    binlog = Binlog(engine)
    server = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    assert binlog.contains(f"{server}:1-9", f"{server}:3-4")
    assert not binlog.contains(f"{server}:1-9", f"{server}:3-10")
    assert binlog.contains("", "")


def test_who_may_not_see_the_log_is_told_what_to_grant(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE USER IF NOT EXISTS blind IDENTIFIED BY 'blind'"))
    try:
        blind = open_database(
            engine.url.set(username="blind", password="blind", database="").render_as_string(hide_password=False)
        )
        with pytest.raises(CannotStart, match=r"blind@.* GRANT REPLICATION CLIENT ON \*\.\* TO it"):
            Binlog(blind).end()
        blind.dispose()
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP USER blind"))
