"""The services' accounts on a MySQL server: each can do its work, nothing else, and has not one right too many.

The accounts have names of their own here, and a database that is gone afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from services.provision import Done, ProvisionError
from services.provision.accounts import keep_account, remove_account
from services.provision.privileges import Grant, Privilege, Revoke
from services.provision.rights import ACCOUNTS, Account
from tests.support.account_work import FORBIDDEN, WORK, denied, is_refused, new_order
from tests.support.databases import empty_database, open_database
from tests.support.shop import SHOP

pytestmark = [pytest.mark.needs_mysql, pytest.mark.real_servers]

PASSWORD = "a 'quoted' % password \\ :x"
_TAG = f"t{os.getpid()}_"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Engine]:
    """A database with a shop and a few orders, as somebody who may do everything."""
    with SHOP.open(tmp_path) as engine:
        for _ in range(3):
            new_order(engine)
        yield engine


@contextmanager
def kept(root: Engine, account: Account) -> Iterator[Account]:
    """The account under a name of this run, made."""
    mine = replace(account, name=_TAG + account.name)
    try:
        assert keep_account(root, mine, PASSWORD).outcome == "created"
        yield mine
    finally:
        with root.connect() as connection:
            connection.execute(sa.text("DROP USER IF EXISTS :user"), {"user": mine.name})


@contextmanager
def logged_in(root: Engine, account: Account, password: str = PASSWORD) -> Iterator[Engine]:
    """An engine as the account's service makes it."""
    url = root.url.set(username=account.name, password=password)
    engine = open_database(url.render_as_string(hide_password=False))
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: str(account.name))
def test_an_account_does_its_work_and_is_refused_the_rest(root: Engine, account: Account) -> None:
    with kept(root, account) as mine, logged_in(root, mine) as engine:
        WORK[account.name](engine)
        assert [statement for statement in FORBIDDEN[account.name] if not is_refused(engine, statement)] == []


def test_an_account_that_nothing_uses_is_removed_and_its_sessions_go_on(root: Engine) -> None:
    debezium = next(account for account in ACCOUNTS if account.name == "debezium")
    with kept(root, debezium) as mine, logged_in(root, mine) as engine, engine.connect() as session:
        assert remove_account(root, mine).outcome == "removed"
        assert session.scalar(sa.text("SELECT COUNT(*) FROM outbox")) is not None
        with logged_in(root, mine) as another, pytest.raises(DBAPIError, match="Access denied"):
            another.connect()
        assert remove_account(root, mine).outcome == "absent"


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: str(account.name))
def test_no_right_can_be_done_without(root: Engine, account: Account) -> None:
    """Taken away one by one: each time the work fails for want of it."""
    needless = []
    with kept(root, account) as mine:
        for privilege in sorted(mine.privileges(root.url.database or "")):
            with root.connect() as connection:
                connection.execute(Revoke(mine.name, [privilege]))
            with logged_in(root, mine) as engine:
                if not _fails_for_want_of_it(engine, account):
                    needless.append(str(privilege))
            with root.connect() as connection:
                connection.execute(Grant(mine.name, [privilege]))
            if account.name == "relay":  # it uses events up
                new_order(root)
    assert needless == []


def _fails_for_want_of_it(engine: Engine, account: Account) -> bool:
    try:
        WORK[account.name](engine)
    except DBAPIError as error:
        return denied(error)
    except Exception as error:  # some code says it in words of its own
        return "GRANT REPLICATION CLIENT" in str(error) or "no schema yet" in str(error)
    return False


def test_keeping_twice_changes_nothing(root: Engine) -> None:
    for account in ACCOUNTS:
        with kept(root, account) as mine:
            assert keep_account(root, mine, PASSWORD).outcome == "unchanged"


def test_what_was_granted_too_much_is_taken_away(root: Engine) -> None:
    database = root.url.database or ""
    too_much = [
        Privilege("", "", "", "PROCESS"),
        Privilege("", "", "", "BACKUP_ADMIN"),
        Privilege(database, "", "", "DROP"),
        Privilege(database, "orders", "", "DELETE"),
        Privilege(database, "orders", "total_amount", "UPDATE"),
        Privilege("mysql", "user", "", "SELECT"),
    ]
    with kept(root, ACCOUNTS[0]) as mine:
        with root.connect() as connection:
            for privilege in too_much:
                connection.execute(Grant(mine.name, [privilege]))
            connection.execute(sa.text("GRANT SELECT ON users TO :user WITH GRANT OPTION"), {"user": mine.name})
        done = keep_account(root, mine, PASSWORD)
        assert done.outcome == "altered"
        for words in ("PROCESS", "BACKUP_ADMIN", "DROP on", "DELETE on", "GRANT OPTION on", "UPDATE (total_amount)"):
            assert words in done.detail, words
        assert "SELECT on mysql.user" in done.detail
        assert keep_account(root, mine, PASSWORD).outcome == "unchanged"
        with logged_in(root, mine) as engine:
            assert [statement for statement in FORBIDDEN["api"] if not is_refused(engine, statement)] == []


def test_what_was_taken_away_by_hand_comes_back(root: Engine) -> None:
    with kept(root, ACCOUNTS[0]) as mine:
        with root.connect() as connection:
            connection.execute(Revoke(mine.name, [Privilege(root.url.database or "", "users", "", "SELECT")]))
        given = f"granted SELECT on {root.url.database}.users"
        assert keep_account(root, mine, PASSWORD) == Done(f"account {mine.name}", "altered", given)
        with logged_in(root, mine) as engine:
            WORK["api"](engine)


def test_another_password_is_set_and_open_sessions_go_on(root: Engine) -> None:
    with kept(root, ACCOUNTS[0]) as mine, logged_in(root, mine) as before, before.connect() as session:
        session.execute(sa.text("SELECT * FROM users"))
        assert keep_account(root, mine, "another").detail == "password"
        session.execute(sa.text("SELECT * FROM products"))
        with logged_in(root, mine, "another") as after:
            after.connect().close()
        with logged_in(root, mine) as late, pytest.raises(sa.exc.OperationalError, match="Access denied"):
            late.connect()


def test_another_installations_rights_are_not_taken_away(root: Engine, tmp_path: Path) -> None:
    """A mistyped MYSQL_DATABASE would otherwise leave every running service without rights."""
    (tmp_path / "other").mkdir()
    with kept(root, ACCOUNTS[0]) as mine, empty_database(tmp_path / "other") as url:
        other = open_database(url)
        with pytest.raises(ProvisionError, match=f"works in the database {root.url.database}: correct MYSQL_DATABASE"):
            keep_account(other, mine, PASSWORD)
        other.dispose()
        assert keep_account(root, mine, PASSWORD).outcome == "unchanged"


def test_a_role_is_not_taken_away_in_silence(root: Engine) -> None:
    role = f"{_TAG}role_{uuid4().hex[:6]}"
    with kept(root, ACCOUNTS[0]) as mine, root.connect() as connection:
        connection.execute(sa.text("CREATE ROLE :role"), {"role": role})
        try:
            connection.execute(sa.text("GRANT :role TO :user"), {"role": role, "user": mine.name})
            with pytest.raises(ProvisionError, match=f"was given {role}@% by hand: revoke that"):
                keep_account(root, mine, PASSWORD)
        finally:
            connection.execute(sa.text("DROP ROLE :role"), {"role": role})
