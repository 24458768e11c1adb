"""What each user of a server may do: its grants, held by the engine's own access control.

The engine has one user, who is given a role for every user of the front and one for the front itself. A connection that
works for a user has that user's role and no other (SET ROLE), so a statement is allowed or refused by the code that
decides on a server. The engine falls short of the server in two points, which `Rights.check` makes up for:

- it lets everybody read every table of `system`; a server, as it is published, wants a grant for all but some
  (`select_from_system_db_requires_grant`, which the engine does not read);
- it may be newer than the server: since ClickHouse's pull request 107491 ALTER DELETE alone is enough for a DELETE
  FROM, and 26.3 also wants ALTER UPDATE(_row_exists).

What is not held to: rights on columns of tables of `system`, and tables of `system` by their bare names in a session
that went there with USE.

In ClickHouse's documentation: access rights, roles in users.xml, DELETE, CHECK GRANT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Written here, never read.
from xml.etree import ElementTree

from services.embedded.clickhouse.classification import parse
from services.embedded.clickhouse.engine import Connection
from services.embedded.clickhouse.errors import Code, EngineError, QueryError
from services.embedded.clickhouse.settings import identifier
from services.embedded.clickhouse.users import User
from services.embedded.lifetime import StartError, write_atomically

EVERYTHING: Final = "GRANT ALL ON *.* WITH GRANT OPTION"
"""What a user has whose declaration says nothing of grants."""

_FRONT: Final = "front"
# The engine's path and its options share one text, in which these have a meaning.
_NOT_IN_A_PATH: Final = re.compile(r"[?&=%#]")
# What everybody reads: ContextAccess::addImplicitAccessRights (src/Access/ContextAccess.cpp).
_READ_BY_ALL: Final = frozenset(
    {
        "aggregate_function_combinators",
        "collations",
        "columns",
        "completions",
        "contributors",
        "current_roles",
        "data_type_families",
        "database_engines",
        "databases",
        "dictionary_layouts",
        "disk_types",
        "enabled_roles",
        "formats",
        "functions",
        "licenses",
        "one",
        "privileges",
        "quota_usage",
        "settings",
        "table_engines",
        "table_functions",
        "tables",
        "time_zones",
    }
)
# A quoted name can spell its letters with backslashes.
_MAY_NAME_SYSTEM: Final = re.compile(rb"system|\\", re.IGNORECASE)
_TABLE: Final = re.compile(r"^\s*TableIdentifier (?:(\S+)\.)?(\S+)", re.MULTILINE)
_GRANTED_OF_SYSTEM: Final = """
    SELECT role_name, groupArray(ifNull(`table`, '')) FROM system.grants
    WHERE access_type IN ('ALL', 'SELECT') AND ifNull(database, 'system') = 'system' AND role_name IS NOT NULL
    GROUP BY role_name
"""


def role_of(user: str) -> str:
    """The engine's name for what a user of the front may do."""
    return f"user_{user}"


def write_configuration(data: Path, grants: Mapping[str, Sequence[str]]) -> Path:
    """Write the engine's users file, for users by name with their GRANTs without TO, and return its configuration.

    Raises:
        StartError: the engine could not be told the path of the data folder.
    """
    if _NOT_IN_A_PATH.search(str(data)):
        raise StartError(f"the path of the data folder {data} has one of ? & = % # in it; choose another (--data)")
    folder = data / "access"
    folder.mkdir(parents=True, exist_ok=True)
    users_file = folder / "users.xml"
    write_atomically(users_file, _users_file(grants))
    configuration = ElementTree.Element("clickhouse")
    ElementTree.SubElement(configuration, "users_config").text = str(users_file)
    path = folder / "config.xml"
    write_atomically(path, ElementTree.tostring(configuration, encoding="unicode"))
    return path


def _users_file(grants: Mapping[str, Sequence[str]]) -> str:
    root = ElementTree.Element("clickhouse")
    for section in ("profiles", "quotas"):
        ElementTree.SubElement(ElementTree.SubElement(root, section), "default")
    roles = ElementTree.SubElement(root, "roles")
    for role, queries in {_FRONT: [EVERYTHING], **{role_of(user): some for user, some in grants.items()}}.items():
        _grants(ElementTree.SubElement(roles, role), queries)
    engine = ElementTree.SubElement(ElementTree.SubElement(root, "users"), "default")
    ElementTree.SubElement(engine, "password")
    for reference in ("profile", "quota"):
        ElementTree.SubElement(engine, reference).text = "default"
    # Nothing but roles: what is granted to the user itself no SET ROLE takes away.
    _grants(engine, ["GRANT " + ", ".join(identifier(role.tag) for role in roles)])
    return ElementTree.tostring(root, encoding="unicode")


def _grants(holder: ElementTree.Element, queries: Sequence[str]) -> None:
    grants = ElementTree.SubElement(holder, "grants")
    for query in queries:
        ElementTree.SubElement(grants, "query").text = query


class Rights:
    """The rights of every user that has a role."""

    def __init__(self, connection: Connection) -> None:
        """Reads which tables of `system` each role was granted."""
        rows = connection.query(_GRANTED_OF_SYSTEM, "JSONCompactEachRow").data.splitlines()
        self._of_system: dict[str, set[str]] = {role: set(tables) for role, tables in map(json.loads, rows)}

    def check(self, connection: Connection, user: User, kind: str, sql: bytes, database: str) -> None:
        """Raises QueryError for what a server refuses this user and the engine would not.

        `kind` is the statement's first keyword as the query log has it, `database` the request's.
        """
        if kind == "Set" and parse(connection, sql).tree.startswith("SetRoleQuery"):
            raise QueryError(Code.SET_NON_GRANTED_ROLE, "Role should be granted to set current (SET_NON_GRANTED_ROLE)")
        if kind == "Delete":
            _check_delete(connection, user, sql)
        if database.lower() == "system" or _MAY_NAME_SYSTEM.search(sql):
            self._check_system(connection, user, sql, database)

    def _check_system(self, connection: Connection, user: User, sql: bytes, default: str) -> None:
        granted = self._of_system.get(user.role, set())
        if "" in granted:
            return
        for database, table in _TABLE.findall(parse(connection, sql).tree):
            if (database or default) == "system" and table not in granted | _READ_BY_ALL:
                raise denied(user.name, f"SELECT ON system.{table}")


def _check_delete(connection: Connection, user: User, sql: bytes) -> None:
    """`DELETE FROM db.t` ends, as the parser has it, with the names of db and t at the first level."""
    head, *rest = parse(connection, sql).tree.splitlines()
    names = [line.removeprefix(" Identifier ") for line in rest if line.startswith(" Identifier ")]
    if not head.startswith("DeleteQuery") or not names:
        return
    where = names[-1:] if head.startswith("DeleteQuery  ") else names[-2:]
    right = f"ALTER UPDATE(_row_exists) ON {'.'.join(map(identifier, where))}"
    if connection.query(f"CHECK GRANT {right}", "TSVRaw").data.strip() != b"1":
        if len(where) == 1:
            where.insert(0, connection.query("SELECT currentDatabase()", "TSVRaw").data.decode().strip())
        raise denied(user.name, f"ALTER UPDATE(_row_exists) ON {'.'.join(where)}")


def denied(user: str, right: str) -> QueryError:
    """ClickHouse's refusal of a statement that wants a right."""
    wanted = f"To execute this query, it's necessary to have the grant {right}"
    return QueryError(Code.ACCESS_DENIED, f"{user}: Not enough privileges. {wanted}. (ACCESS_DENIED)")


def as_refused_to(user: User, error: EngineError) -> EngineError:
    """An error of the engine, which knows one user only, with the name of the user it was meant for."""
    return EngineError(str(error).replace("DB::Exception: default: ", f"DB::Exception: {user.name}: ", 1))
