"""Admin tokens: kept as digests, found by them, ended by time, by hand and by their successor; every use on record."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients.database import database_now, write
from services.clients.group_commit import group_of
from services.domain.admin_actions import Actor, AdminAction, append_action, list_actions, record_action
from services.domain.admin_tokens import (
    Issued,
    create_token,
    find_token,
    list_tokens,
    revoke_token,
    rotate_token,
)
from services.domain.errors import Conflict, Invalid, NotFound
from services.domain.tables import admin_actions, admin_tokens
from tests.support.databases import on_sqlite_only
from tests.support.process import wait_until
from tests.support.shop import SHOP

pytestmark = pytest.mark.real_servers
HOUR = timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def state(engine: Engine, issued: Issued) -> str | None:
    """What the API is told of the token."""
    found = find_token(engine, issued.secret)
    return found.state if found else None


def pass_time(engine: Engine, length: timedelta) -> None:
    """Makes every token older."""

    def work(connection: Connection) -> None:
        for row in connection.execute(sa.select(admin_tokens)).all():
            expires = row.expires_at - length if row.expires_at else None
            connection.execute(
                sa.update(admin_tokens)
                .where(admin_tokens.c.id == row.id)
                .values(created_at=row.created_at - length, expires_at=expires)
            )

    write(engine, work)


def test_a_token_is_found_by_what_its_bearer_has_and_only_its_digest_is_stored(engine: Engine) -> None:
    issued = create_token(engine, "alice")
    assert issued.secret.startswith("mr_")
    assert len(issued.secret) == 3 + 43  # 32 bytes
    assert find_token(engine, issued.secret) == issued.token
    with engine.connect() as connection:
        (row,) = connection.execute(sa.select(admin_tokens)).all()
    assert not [value for value in row if issued.secret[3:] in str(value)]


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "x", lambda s: s.swapcase(), lambda _s: ""])
def test_what_is_nearly_a_token_is_none(engine: Engine, change: object) -> None:
    issued = create_token(engine, "alice")
    assert callable(change)
    assert find_token(engine, change(issued.secret)) is None


def test_the_digest_of_a_token_is_no_token(engine: Engine) -> None:
    create_token(engine, "alice")
    with engine.connect() as connection:
        digest = connection.scalar(sa.select(admin_tokens.c.digest))
    assert find_token(engine, str(digest)) is None


def test_a_token_expires(engine: Engine) -> None:
    issued, for_ever = create_token(engine, "alice", HOUR), create_token(engine, "bob")
    pass_time(engine, HOUR - timedelta(minutes=1))
    assert state(engine, issued) == "active"
    pass_time(engine, timedelta(minutes=1))
    assert (state(engine, issued), state(engine, for_ever)) == ("expired", "active")


def test_a_name_is_free_again_when_its_token_has_ended(engine: Engine) -> None:
    create_token(engine, "alice", HOUR)
    with pytest.raises(Conflict, match="rotate or revoke"):
        create_token(engine, "alice")
    pass_time(engine, HOUR)
    create_token(engine, "alice")
    assert [token.state for token in list_tokens(engine)] == ["expired", "active"]


def test_of_two_who_make_a_token_of_a_name_at_once_one_does(engine: Engine) -> None:
    """The second begins while the first has not committed: on MySQL it finds no row of that name, and none to lock."""
    locks: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "get_lock" in statement.lower():
            locks.append(statement)

    second: list[Future[Issued]] = []
    with ThreadPoolExecutor(1) as pool:

        def meanwhile(_connection: Connection, _issued: Issued) -> None:
            second.append(pool.submit(create_token, engine, "alice"))
            waits = group_of(engine)
            wait_until(lambda: second[0].done() or len(locks) > 1 or waits.waiting, "the second one's turn")

        create_token(engine, "alice", also=meanwhile)
        with pytest.raises(Conflict, match="rotate or revoke"):
            second[0].result(60)
    assert [token.name for token in list_tokens(engine)] == ["alice"]


def test_a_free_name_is_looked_for_and_committed_by_one_at_a_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held on SQLite too, where nothing goes wrong without the lock."""
    happened: list[str] = []

    @contextmanager
    def alone(_engine: Engine, what: str, _seconds: int, _taken: Exception) -> Iterator[None]:
        happened.append(f"{what} taken")
        yield
        happened.extend(f"{token.name} is there" for token in list_tokens(engine))

    monkeypatch.setattr("services.domain.admin_tokens.alone", alone)
    create_token(engine, "alice", also=lambda _connection, _issued: happened.append("stored"))
    assert happened == ["admin_tokens taken", "stored", "alice is there"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "é", "x" * 65, "a\n"])
def test_what_is_no_name_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(Invalid):
        create_token(engine, name)


def test_revoking_by_name_ends_all_of_that_name_and_no_other(engine: Engine) -> None:
    alice, bob = create_token(engine, "alice"), create_token(engine, "bob")
    again = rotate_token(engine, "alice", HOUR)
    assert {token.id for token in revoke_token(engine, "alice")} == {alice.token.id, again.token.id}
    assert [state(engine, each) for each in (alice, again, bob)] == ["revoked", "revoked", "active"]
    with pytest.raises(NotFound):
        revoke_token(engine, "alice")


def test_revoking_by_id_ends_that_one(engine: Engine) -> None:
    first = create_token(engine, "alice")
    second = rotate_token(engine, "alice", HOUR)
    revoke_token(engine, first.token.id)
    assert [state(engine, each) for each in (first, second)] == ["revoked", "active"]


def test_a_token_that_is_replaced_works_for_the_overlap(engine: Engine) -> None:
    first = create_token(engine, "alice")
    second = rotate_token(engine, "alice", HOUR)
    assert [state(engine, each) for each in (first, second)] == ["active", "active"]
    pass_time(engine, HOUR)
    assert [state(engine, each) for each in (first, second)] == ["expired", "active"]
    third = rotate_token(engine, "alice", timedelta(0))
    assert [state(engine, each) for each in (second, third)] == ["expired", "active"]


def test_the_overlap_prolongs_no_token(engine: Engine) -> None:
    first = create_token(engine, "alice", HOUR)
    rotate_token(engine, "alice", 5 * HOUR)
    pass_time(engine, HOUR)
    assert state(engine, first) == "expired"


def test_a_successor_lives_as_long_as_its_predecessor_was_to_unless_told_otherwise(engine: Engine) -> None:
    create_token(engine, "alice", 2 * HOUR)
    lives = []
    for lifetime in (None, None, HOUR):
        token = rotate_token(engine, "alice", timedelta(minutes=1), lifetime).token
        assert token.expires_at is not None
        lives.append(token.expires_at - token.created_at)
    assert lives == [2 * HOUR, 2 * HOUR, HOUR]


@pytest.mark.parametrize("lifetime", [None, 5 * HOUR])
def test_a_successor_of_a_token_whose_end_was_cut_lives_as_long_as_the_revoked_one_was_to(
    engine: Engine, lifetime: timedelta | None
) -> None:
    create_token(engine, "alice", lifetime)
    revoked = rotate_token(engine, "alice", timedelta(minutes=5))
    revoke_token(engine, revoked.token.id)
    token = rotate_token(engine, "alice", timedelta(minutes=5)).token
    assert (token.expires_at - token.created_at if token.expires_at else None) == lifetime


def test_a_name_must_be_in_use_to_be_replaced_and_an_id_is_no_name(engine: Engine) -> None:
    token = create_token(engine, "alice").token
    for name in ("bob", token.id):
        with pytest.raises(NotFound):
            rotate_token(engine, name, HOUR)


def test_the_bootstrap_token_is_a_setting(engine: Engine) -> None:
    for change in (
        lambda: create_token(engine, "bootstrap"),
        lambda: revoke_token(engine, "bootstrap"),
        lambda: rotate_token(engine, "bootstrap", HOUR),
    ):
        with pytest.raises(Conflict, match="MILLRACE_ADMIN_TOKEN"):
            change()


def test_what_is_recorded_beside_a_change_is_stored_with_it_or_not_at_all(engine: Engine) -> None:
    create_token(engine, "alice")

    def fail(_connection: Connection, _value: object) -> None:
        raise ValueError("no record")

    for change in (
        lambda: create_token(engine, "bob", also=fail),
        lambda: rotate_token(engine, "alice", timedelta(0), also=fail),
        lambda: revoke_token(engine, "alice", also=fail),
    ):
        with pytest.raises(ValueError, match="no record"):
            change()
    assert [(token.name, token.state) for token in list_tokens(engine)] == [("alice", "active")]


ACTION = AdminAction(Actor("id", "alice", "admin-1", "request"), "order.delete", "order", "done", {"a": [1, "x"]})


def test_actions_are_listed_as_they_were_recorded_the_newest_last(engine: Engine) -> None:
    record_action(engine, ACTION)
    write(engine, lambda connection: append_action(connection, AdminAction(ACTION.actor, "x", "y" * 70, "refused")))
    first, second = list_actions(engine, None, 10)
    assert first.action == ACTION
    assert (second.action.target, dict(second.action.details)) == ("y" * 64, {})
    assert [each.id for each in list_actions(engine, None, 1)] == [second.id]
    with engine.connect() as connection:
        now = database_now(connection)
    assert now - HOUR < first.at <= second.at <= now
    assert len(list_actions(engine, now - HOUR, 10)) == 2
    assert list_actions(engine, now + HOUR, 10) == []


@on_sqlite_only
@pytest.mark.parametrize("statement", [sa.update(admin_actions).values(admin_id="x"), sa.delete(admin_actions)])
def test_actions_are_only_ever_added(engine: Engine, statement: sa.Executable) -> None:
    record_action(engine, ACTION)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        write(engine, lambda connection: connection.execute(statement))
    assert len(list_actions(engine, None, 10)) == 1
