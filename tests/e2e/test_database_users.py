"""The stack's services work under accounts of their own; what these may not, MySQL refuses; jobs can be repeated.

That each account can do its service's work is what every other test of the stack shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.clients.database import connect
from services.provision.rights import ACCOUNTS
from services.settings import DatabaseSettings
from tests.support.account_work import FORBIDDEN, is_refused
from tests.support.stack.stack import Stack

JOB = "database-job"


def _environment(stack: Stack, role: str) -> dict[str, str]:
    """Of a container, as the engine has it."""
    return dict(pair.split("=", 1) for pair in stack.container(role).attrs["Config"]["Env"])


@contextmanager
def _logged_in(stack: Stack, user: str, password: str) -> Iterator[Engine]:
    here = stack.environment
    given = {
        "mysql_host": here["MYSQL_HOST"],
        "mysql_port": here["MYSQL_PORT"],
        "mysql_database": here["MYSQL_DATABASE"],
    }
    engine = connect(DatabaseSettings.model_validate({**given, "mysql_user": user, "mysql_password": password}))
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.mark.parametrize("user", ["api", "relay", "aggregator", "reconciler"])
def test_a_service_logs_in_as_itself(stack: Stack, user: str) -> None:
    own, given = _environment(stack, user), _environment(stack, JOB)
    assert (own["MYSQL_USER"], own["MYSQL_PASSWORD"]) == (user, given[f"MYSQL_{user.upper()}_PASSWORD"])


@pytest.mark.parametrize("user", [account.name for account in ACCOUNTS if account.name != "debezium"])
def test_an_account_is_refused_what_its_service_does_not_do(stack: Stack, user: str) -> None:
    password = _environment(stack, JOB)[f"MYSQL_{user.upper()}_PASSWORD"]
    with _logged_in(stack, user, password) as engine:
        assert [statement for statement in FORBIDDEN[user] if not is_refused(engine, statement)] == []


def test_there_is_no_account_for_debezium_where_the_relay_relays(stack: Stack) -> None:
    """test_debezium.py has it where there is."""
    assert "MYSQL_DEBEZIUM_PASSWORD" not in _environment(stack, JOB)
    with _logged_in(stack, "root", stack.environment["MYSQL_ROOT_PASSWORD"]) as engine, engine.connect() as connection:
        users = set(connection.scalars(sa.text("SELECT User FROM mysql.user")))
    assert {account.name for account in ACCOUNTS} - users == {"debezium"}


def test_the_owner_of_the_database_owns_no_other(stack: Stack) -> None:
    """`admin`, whom people and `millrace` on this machine are."""
    here = stack.environment
    with _logged_in(stack, here["MYSQL_USER"], here["MYSQL_PASSWORD"]) as engine:
        with engine.connect() as connection:
            grants = sorted(connection.scalars(sa.text("SHOW GRANTS")))
        assert grants == [
            "GRANT ALL PRIVILEGES ON `ecommerce`.* TO `admin`@`%`",
            "GRANT USAGE ON *.* TO `admin`@`%`",
        ]
        assert is_refused(engine, "SELECT * FROM mysql.user")
        assert is_refused(engine, "CREATE DATABASE another")


def test_every_job_can_be_repeated_and_changes_nothing(stack: Stack) -> None:
    """From this machine: the servers' published ports, and otherwise what each job was given."""
    here = ("MYSQL_HOST", "MYSQL_PORT", "KAFKA_BROKERS", "CLICKHOUSE_HOST", "CONNECT_URL")
    for role in stack.jobs():
        outside = {name: value for name, value in stack.environment.items() if name in here}
        given = _environment(stack, role) | outside
        command = [str(word) for word in stack.inputs(role)["command"]]
        done = stack.millrace(
            *command, **{name: value for name, value in given.items() if name not in ("PATH", "HOME")}
        )
        assert done.returncode == 0, f"{role}: {done.stdout}{done.stderr}"
        outcomes = {line.split(": ", 1)[1].split(" (")[0] for line in done.stdout.splitlines()}
        assert outcomes <= {"unchanged", "checked", "absent", "stopped"}, f"{role}: {done.stdout}"
        assert outcomes, f"{role} said nothing"
