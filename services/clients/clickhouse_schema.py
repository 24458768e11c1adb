"""Brings a ClickHouse database to the schema of ``schemas/clickhouse``, and refuses to work on another one.

Every file is applied once, in the order of its number; its statements are idempotent, because a file whose
application was cut short is applied again from its beginning. What was applied, with a checksum, and the business time
zone stand in the database itself.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from services.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "schemas" / "clickhouse"
_FILE_NAME = re.compile(r"^\d{3}_[a-z0-9_]+\.sql$")
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_ZONE = "business_timezone"
_UNKNOWN_DATABASE, _UNKNOWN_TABLE = 81, 60

_BOOKKEEPING = "000_bookkeeping.sql"


class ClickHouseSchemaError(Exception):
    """The schema is missing, old, changed, or made for another business time zone; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """One numbered file as it stands in the project."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, line ends made equal."""
        return hashlib.sha256("\n".join(self.text.splitlines()).encode()).hexdigest()

    def statements(self, business_timezone: str) -> Iterator[str]:
        """The statements in order, with the zone filled in. A statement ends with a semicolon at a line's end."""
        for statement in split(self.text):
            yield Template(statement).substitute(business_timezone=business_timezone)


def schema_files(folder: Path = FOLDER) -> list[SchemaFile]:
    """The files in the order of their numbers. Raises ClickHouseSchemaError for a name that is not NNN_what.sql."""
    paths = sorted(folder.glob("*.sql"))
    for path in paths:
        if not _FILE_NAME.match(path.name):
            raise ClickHouseSchemaError(f"{path.name} in {folder.name} is not named NNN_what.sql: rename it")
    if not paths or paths[0].name != _BOOKKEEPING:
        raise ClickHouseSchemaError(f"{folder.name} does not begin with {_BOOKKEEPING}: restore it")
    return [SchemaFile(path.name, path.read_text(encoding="utf-8")) for path in paths]


def split(text: str) -> Iterator[str]:
    """Statements of a file: each ends with a semicolon at a line's end; lines that are comments only are left out."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("--") or not (lines or line.strip()):
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines).rstrip().removesuffix(";")
            lines = []
    if any(line.strip() for line in lines):
        raise ClickHouseSchemaError(f"a statement without a closing semicolon: {lines[0].strip()}")


def migrate_clickhouse(client: Client, business_timezone: str, folder: Path = FOLDER) -> list[str]:
    """Makes the client's database if need be, applies the files that are missing, and returns their names.

    Raises ClickHouseSchemaError, and applies nothing, when an applied file was changed since or when the schema was
    made for another zone: every stored day and hour is of that one.
    """
    zone, database = _known_zone(business_timezone), client.database or ""
    if not _IDENTIFIER.match(database):
        raise ClickHouseSchemaError(f"CLICKHOUSE_DATABASE is not a plain name: {database!r}")
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}", use_database=False)
    files = schema_files(folder)
    for statement in files[0].statements(zone):  # the tables that say what was applied
        client.command(statement)
    applied = _applied(client)
    _refuse_changes(files, applied)
    _keep_zone(client, zone)
    missing = [file for file in files if file.name not in applied]
    for file in missing:
        for statement in file.statements(zone):
            client.command(statement)
        client.insert("schema_migrations", [[file.name, file.checksum]], column_names=["name", "checksum"])
    return [file.name for file in missing]


def require_current_clickhouse(client: Client, business_timezone: str, folder: Path = FOLDER) -> None:
    """Raises ClickHouseSchemaError unless every file is applied, as it stands, for this business time zone."""
    try:
        applied, stored = _applied(client), _stored_zone(client)
    except DatabaseError as missing:
        if missing.code in (_UNKNOWN_DATABASE, _UNKNOWN_TABLE):
            raise ClickHouseSchemaError("ClickHouse has no schema yet: run `millrace migrate`") from None
        raise
    files = schema_files(folder)
    _refuse_changes(files, applied)
    behind = [file.name for file in files if file.name not in applied]
    if behind:
        raise ClickHouseSchemaError(f"the ClickHouse schema lacks {', '.join(behind)}: run `millrace migrate`")
    if stored != business_timezone:
        raise ClickHouseSchemaError(_other_zone(stored or "no zone", business_timezone))


def _applied(client: Client) -> dict[str, str]:
    rows = client.query("SELECT name, checksum FROM schema_migrations ORDER BY applied_at").result_rows
    return {str(name): str(checksum) for name, checksum in rows}


def _refuse_changes(files: list[SchemaFile], applied: dict[str, str]) -> None:
    for file in files:
        if applied.get(file.name, file.checksum) != file.checksum:
            raise ClickHouseSchemaError(
                f"{file.name} was changed after it was applied: restore it and put the change into a new file"
            )


def _stored_zone(client: Client) -> str | None:
    rows = client.query(
        "SELECT value FROM schema_settings WHERE name = {name:String} ORDER BY stored_at LIMIT 1",
        parameters={"name": _ZONE},
    ).result_rows
    return str(rows[0][0]) if rows else None


def _keep_zone(client: Client, zone: str) -> None:
    stored = _stored_zone(client)
    if stored is None:
        client.insert("schema_settings", [[_ZONE, zone]], column_names=["name", "value"])
        stored = _stored_zone(client)  # two at once: the first one's holds for both
    if stored != zone:
        raise ClickHouseSchemaError(_other_zone(str(stored), zone))


def _other_zone(stored: str, zone: str) -> str:
    return (
        f"BUSINESS_TIMEZONE is {zone}, but the days and hours in ClickHouse were made in {stored}: "
        f"set BUSINESS_TIMEZONE={stored}, or start with an empty database"
    )


def _known_zone(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ClickHouseSchemaError(
            f"BUSINESS_TIMEZONE is not an IANA time zone (like Europe/Berlin): {zone}"
        ) from None
