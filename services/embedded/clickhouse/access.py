"""What a read-only user may run, beyond what the engine's readonly=1 refuses by itself.

Measured on chDB 26.3 and 26.9: readonly=1 refuses changes, SET, SETTINGS clauses and most table functions, but lets
KILL QUERY, s3(), hdfs(), iceberg(), sqlite(), Python() and the scalar function file(), which reads any file of the
host, through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from services.embedded.clickhouse.classification import parse
from services.embedded.clickhouse.engine import Connection
from services.embedded.clickhouse.errors import Code, QueryError

# Table functions that only make rows, or read what the user may read anyway.
_HARMLESS: Final = {
    "generate_series",
    "generateseries",
    "generaterandom",
    "merge",
    "mergetreeindex",
    "null",
    "numbers",
    "numbers_mt",
    "primes",
    "values",
    "view",
    "viewifpermitted",
    "zeros",
    "zeros_mt",
    # also a harmless scalar function; the table function is refused by readonly=1
    "format",
}
_FUNCTION: Final = re.compile(r"^\s*Function (\S+)", re.MULTILINE)


class ReaderPolicy:
    """Decides with the engine's own parser, so that no spelling gets around it."""

    def __init__(self, table_functions: Iterable[str]) -> None:
        """`table_functions`: every name in system.table_functions; those not known to be harmless are refused."""
        self._refused = ({name.lower() for name in table_functions} | {"file", "python"}) - _HARMLESS
        names = "|".join(re.escape(name) for name in sorted(self._refused))
        # A quoted name can spell its letters with backslashes, hence every backslash is looked at closely.
        self._suspect = re.compile(rf"\\|\b(?:{names})\b".encode(), re.IGNORECASE)

    def check(self, connection: Connection, sql: bytes) -> None:
        """Raises QueryError 164 for a statement that is not one read, or that reads outside the database."""
        parsed = parse(connection, sql)
        # What does not parse is for the engine to refuse.
        if parsed.statements > 1 or (parsed.tree and not parsed.reads_only):
            raise QueryError(Code.READONLY, "Cannot execute query in readonly mode. (READONLY)")
        if not self._suspect.search(sql):
            return
        used = {name.lower() for name in _FUNCTION.findall(parsed.tree)} & self._refused
        if used or not parsed.tree:
            raise QueryError(
                Code.READONLY,
                f"Function {', '.join(sorted(used)) or 'unknown'} reads outside the database: "
                "not allowed in readonly mode. (READONLY)",
            )
