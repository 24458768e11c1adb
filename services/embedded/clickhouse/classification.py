"""What a SQL text would do, told before it runs: how many statements it holds, and whether one only reads.

How many is counted by the lexer. What one does is what the engine's own parser makes of it (EXPLAIN AST), so that no
spelling gets around it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.embedded.clickhouse.engine import Connection
from services.embedded.clickhouse.errors import EngineError
from services.embedded.clickhouse.statements import count_statements

# The first line of the tree of what reads and changes nothing, as ClickHouse names it: `getID` of src/Parsers/AST*.
_READS: Final = re.compile(r"(?:Select|Show|Describe|Exists)\w+|SHOW [A-Z ]+ query|Explain |CheckQuery")


class Parsed(NamedTuple):
    """A text of one statement: `tree` is "" for what the parser refuses."""

    statements: int
    tree: str

    @property
    def reads_only(self) -> bool:
        """Whether it changes nothing, neither data nor the session."""
        return self.statements == 1 and _READS.match(self.tree) is not None


def parse(connection: Connection, sql: bytes) -> Parsed:
    """What the engine's parser makes of a text, which is not run; several statements are counted and not parsed."""
    statements = count_statements(sql)
    if statements != 1:
        return Parsed(statements, "")
    try:
        # One column whatever FORMAT says: a format in the statement belongs to the statement explained.
        tree = connection.query(b"EXPLAIN AST " + sql, "TSVRaw").data.decode("utf-8", "replace")
    except EngineError:
        return Parsed(1, "")
    return Parsed(1, tree.strip())
