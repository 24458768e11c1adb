"""Settings and the current database of a connection, as SQL."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from services.embedded.clickhouse.engine import Connection

# The current database, and those of the named settings that a session has changed, with their values.
_CHANGED: Final = """
    SELECT currentDatabase(), groupArray((name, value))
    FROM (SELECT name, value FROM system.settings WHERE changed AND name IN {names:Array(String)})
"""


def literal(value: str) -> str:
    """`value` as a ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """`name` as a ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def set_statement(settings: Mapping[str, str]) -> str:
    """SET for settings whose names are known to be identifiers; "" for none."""
    if not settings:
        return ""
    return "SET " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items()) + ";"


def use_statement(database: str, role: str = "") -> str:
    """USE for a database in a connection that has this role; "" for none.

    The statement USE wants a right on the database; a server takes the one that a request names from anybody.
    """
    if not database:
        return ""
    use = f"USE {identifier(database)};"
    return f"SET ROLE DEFAULT;{use}{role_statement(role)}" if role else use


def role_statement(role: str) -> str:
    """SET ROLE, which takes away every other role; "" for none."""
    return f"SET ROLE {identifier(role)};" if role else ""


@contextlib.contextmanager
def changed_for_one_request(
    connection: Connection, settings: Mapping[str, str], database: str, role: str
) -> Iterator[None]:
    """Give a session's connection, which has this role, a request's settings and database; put back what it had."""
    if not settings and not database:
        yield
        return
    names = "[" + ", ".join(map(literal, settings)) + "]"
    before = connection.query(_CHANGED, "JSONCompactEachRow", {"names": names})
    previous_database, changed = json.loads(before.data)
    restore = dict.fromkeys(settings, "DEFAULT") | {name: literal(value) for name, value in changed}
    undo = "".join(f"SET {name} = {value};" for name, value in restore.items())
    undo += use_statement(previous_database, role)
    try:
        connection.query(set_statement(settings) + use_statement(database, role), "Null")
        yield
    finally:
        connection.query(undo, "Null")
