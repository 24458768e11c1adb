"""Keeps the services' accounts in MySQL: made where missing, with their passwords and exactly the rights declared."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from services.clients.database import connect
from services.clients.named_sql import load
from services.provision.privileges import ANY_HOST, GRANT_OPTION, Privilege, Revoke, statements
from services.provision.report import Done, ProvisionError
from services.provision.rights import Account
from services.settings import DatabaseSettings

_WRONG_PASSWORD: Final = 1045
_OF_THE_SERVER: Final = frozenset({"", "mysql", "sys", "performance_schema", "information_schema"})
_SQL: Final = load("services.provision", "accounts.sql")


def keep_account(engine: Engine, account: Account, password: str) -> Done:
    """Makes or corrects one account; ``engine`` is of a user who may. Its open sessions stay open.

    Raises ProvisionError for what it had better not take away: roles, routines, proxies, rights in another database.
    """
    database = engine.url.database or ""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        known = _ask(connection, "account", user=account.name).scalar_one() > 0
        if not known:
            _ask(connection, "create_account", user=account.name, password=password)
        changes = _correct(connection, account, database)
        if known and not _accepts(engine, account.name, password):
            _ask(connection, "change_password", user=account.name, password=password)
            changes.insert(0, "password")
    if not known:
        return Done(_title(account), "created")
    return Done(_title(account), "altered" if changes else "unchanged", "; ".join(changes))


def remove_account(engine: Engine, account: Account) -> Done:
    """Removes an account that nothing uses; ``engine`` is of a user who may. Its open sessions go on."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        known = _ask(connection, "account", user=account.name).scalar_one() > 0
        if known:
            _ask(connection, "drop_account", user=account.name)
    return Done(_title(account), "removed" if known else "absent")


def _title(account: Account) -> str:
    return f"account {account.name}"


def _correct(connection: Connection, account: Account, database: str) -> list[str]:
    """Grants and revokes what differs; returns what it was, in words."""
    foreign = _ask(connection, "more_than_privileges", user=account.name).scalars().all()
    if foreign:
        raise ProvisionError(
            f"MySQL account {account.name} was given {', '.join(map(str, foreign))} by hand: revoke that, it needs none"
        )
    has = _has(connection, account.name)
    elsewhere = {privilege.database for privilege in has} - _OF_THE_SERVER - {database}
    if elsewhere:
        raise ProvisionError(
            f"MySQL account {account.name} works in the database {', '.join(sorted(elsewhere))}: correct "
            f"MYSQL_DATABASE (it is {database}), or drop the account first; two installations need two servers"
        )
    changes = []
    for statement in statements(account.name, has, account.privileges(database)):
        connection.execute(statement)
        changes.append(f"{'revoked' if isinstance(statement, Revoke) else 'granted'} {statement}")
    return changes


def _has(connection: Connection, user: str) -> frozenset[Privilege]:
    found: set[Privilege] = set()
    for row in _ask(connection, "privileges", grantee=f"'{user}'@'{ANY_HOST}'"):
        found.add(Privilege(row.database_name, row.table_name, row.column_name, row.action))
        if row.is_grantable == "YES":
            found.add(Privilege(row.database_name, row.table_name, "", GRANT_OPTION))
    return frozenset(found)


def _accepts(engine: Engine, user: str, password: str) -> bool:
    """Whether the account can log in with it, as its service will."""
    url = engine.url.set(username=user, password=password).render_as_string(hide_password=False)
    attempt = connect(DatabaseSettings(database_url=url))
    try:
        attempt.connect().close()
    except OperationalError as refused:
        if refused.orig is not None and refused.orig.args[0] == _WRONG_PASSWORD:
            return False
        raise
    finally:
        attempt.dispose()
    return True


def _ask(connection: Connection, name: str, **parameters: str) -> sa.CursorResult[sa.Row[tuple[object, ...]]]:
    return connection.execute(sa.text(_SQL[name]), parameters)
