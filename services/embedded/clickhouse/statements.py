"""What the front must know of a SQL text to hand it to the engine: its kind, and where an INSERT's data begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.embedded.clickhouse.errors import Code, QueryError

# ClickHouse's lexer, as far as needed to walk over literals and comments (src/Parsers/Lexer.cpp).
_TOKEN: Final = re.compile(
    rb"""(?P<skip>\s++|--[^\n]*+|/\*.*?\*/|\#[ !][^\n]*+)
        |(?P<text>'(?:[^'\\]++|\\.|'')*+'|`(?:[^`\\]++|\\.|``)*+`|"(?:[^"\\]++|\\.|"")*+"|\$(?P<tag>\w*+)\$.*?\$(?P=tag)\$)
        |(?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*+)
        |(?P<number>\d[\w.$]*+)
        |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_FIRST_WORD: Final = re.compile(rb"(?:\s|--[^\n]*\n|/\*.*?\*/|\#[ !][^\n]*\n|\()*([A-Za-z]+)", re.DOTALL)
# After the format's name: spaces to the end of the line. Only one line break: binary data may begin with another.
_BEFORE_DATA: Final = re.compile(rb"[ \t]*(?:;[ \t]*)?(?:\r?\n)?")
_OUTPUT_FORMAT: Final = re.compile(rb"\bFORMAT\s+([A-Za-z]\w*)\s*(?:SETTINGS\b[^()]*)?;?\s*\Z", re.IGNORECASE)
_OUTPUT_TAIL: Final = 400
_WITH_OUTPUT: Final = {"Select", "With", "Show", "Describe", "Desc", "Explain", "Exists", "Check", "Kill", "Values"}


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data follows a FORMAT clause, cut at the places where the engine is given a file instead."""

    target: bytes  # INSERT INTO table (columns)
    settings: bytes  # a SETTINGS clause, or nothing
    input_format: str
    data: bytes

    def from_file(self, path: Path) -> bytes:
        """The same statement reading its data from a file, whose path must not need quoting."""
        infile = f" FROM INFILE '{path}' COMPRESSION 'none' ".encode()
        return self.target + infile + self.settings + b" FORMAT " + self.input_format.encode()


def query_kind(sql: bytes) -> str:
    """The statement's first keyword as `system.query_log` spells it: Select, Insert, Create; "" for no keyword."""
    found = _FIRST_WORD.match(sql)
    return found[1].decode("ascii").capitalize() if found else ""


def has_output(kind: str) -> bool:
    """Whether statements of this kind answer rows, so that the answer has a format."""
    return kind in _WITH_OUTPUT


def output_format(sql: bytes, default: str) -> str:
    """The format of the answer: the statement's own FORMAT clause or the default of the request."""
    found = _OUTPUT_FORMAT.search(sql[-_OUTPUT_TAIL:])
    return found[1].decode("ascii") if found else default


def count_statements(sql: bytes) -> int:
    """How many statements a text holds: what stands between semicolons, comments left out."""
    count = 0
    inside = False
    for token in _TOKEN.finditer(sql):
        if token[0] == b";":
            inside = False
        elif token.lastgroup != "skip" and not inside:
            count, inside = count + 1, True
    return count


def writes_a_file(sql: bytes) -> bool:
    """Whether it has INTO OUTFILE, which goes to a file of the host."""
    before = b""
    for token in _TOKEN.finditer(sql):
        if token.lastgroup != "skip":
            if before == b"INTO" and token[0].upper() == b"OUTFILE":
                return True
            before = token[0].upper()
    return False


def brings_values(sql: bytes) -> bool:
    """Whether an INSERT has its rows in a VALUES clause."""
    return next((word for _, word in _top_level_words(sql) if word in (b"VALUES", b"SELECT")), b"") == b"VALUES"


def split_insert(head: bytes, body: bytes) -> Insert | None:
    """Cut an INSERT at its data; None when the statement brings no FORMAT clause (VALUES, INSERT … SELECT).

    Args:
        head: the SQL of the URL, "" when the body holds all of it.
        body: the request's body: the rest of the SQL, the data, or both.

    Raises:
        QueryError: for INSERT … SELECT … FROM input(…) FORMAT and FROM INFILE, which cannot be served.
    """
    if head and (found := _find_format(head)):
        settings, start, end, name = found
        tail = head[end:].lstrip(b"; \t\r\n")
        return Insert(head[: settings or start], _clause(head, settings, start), name, tail + body)
    whole = head + b"\n" + body if head and body else head or body
    found = _find_format(whole)
    if found is None:
        return None
    settings, start, end, name = found
    skipped = _BEFORE_DATA.match(whole, end)
    return Insert(
        whole[: settings or start], _clause(whole, settings, start), name, whole[skipped.end() if skipped else end :]
    )


def _clause(sql: bytes, settings: int | None, start: int) -> bytes:
    return b"" if settings is None else sql[settings:start]


def _find_format(sql: bytes) -> tuple[int | None, int, int, str] | None:
    """Where an INSERT's clauses lie: start of SETTINGS or None, start of FORMAT, end of the format's name, the name."""
    settings: int | None = None
    selects = False
    words = _top_level_words(sql)
    for start, word in words:
        if word == b"VALUES":
            return None
        if word == b"INFILE":
            raise QueryError(Code.NOT_IMPLEMENTED, "FROM INFILE is not possible over HTTP: send the data in the body")
        if word in (b"SELECT", b"WITH"):
            # The rest may be long, and only input() takes data.
            if not re.search(rb"\binput\s*\(", sql, re.IGNORECASE):
                return None
            selects = True
        elif word == b"SETTINGS" and not selects:
            settings = start
        elif word == b"FORMAT":
            following = next(words, None)
            if following is None:
                return None
            if selects:
                raise QueryError(Code.NOT_IMPLEMENTED, "INSERT … SELECT … FROM input() is not possible in this engine")
            name_start, name = following
            original = sql[name_start : name_start + len(name)]
            return settings, start, name_start + len(name), original.decode("utf-8", "replace")
    return None


def _top_level_words(sql: bytes) -> Iterator[tuple[int, bytes]]:
    """The words outside brackets and literals, upper-cased, with their positions."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        # A word after a dot is a table's name, whatever it spells.
        if token.lastgroup == "word" and depth == 0 and sql[token.start() - 1 : token.start()] != b".":
            yield token.start(), token[0].upper()
        elif token.lastgroup == "other":
            depth += (token[0] in b"([") - (token[0] in b")]")
