"""Parts of a digest as SQL that MySQL, SQLite and ClickHouse compute alike (ClickHouse: queries.sql).

A row's fields are joined by ``|`` into one text, strings as the hexadecimal of their UTF-8 bytes, so that no content
can be taken for a separator; the MD5 of that text gives two unsigned 32-bit numbers, which are added up over rows.
Sums do not depend on the order of the rows, and stay within 64 bits for 2^31 rows. MD5 (RFC 1321) is what all three
databases have; nobody is to be kept from forging a row here, only damage is to be seen.
"""

import hashlib
import sqlite3
from typing import Any, Literal, cast

from sqlalchemy import Integer, literal_column
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FunctionElement

_SQLITE_FUNCTION = "md5_word"


class utf8_hex(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """A string's UTF-8 bytes in upper-case hexadecimal; NULL as the empty string."""

    inherit_cache = True

    def __init__(self, text: ColumnElement[Any]) -> None:
        super().__init__(text)


class time_text(FunctionElement[str]):  # noqa: N801
    """A stored time as ``YYYY-MM-DD hh:mm:ss.ffffff``."""

    inherit_cache = True

    def __init__(self, moment: ColumnElement[Any]) -> None:
        super().__init__(moment)


class joined(FunctionElement[str]):  # noqa: N801
    """Fields as one text, ``|`` between them. None of them may be NULL."""

    inherit_cache = True

    def __init__(self, *fields: ColumnElement[Any]) -> None:
        super().__init__(*fields)


class md5_word(FunctionElement[int]):  # noqa: N801
    """A big-endian 32-bit word of a text's MD5, counted from 1."""

    inherit_cache = True

    def __init__(self, text: ColumnElement[str], word: Literal[1, 2]) -> None:
        super().__init__(text, literal_column(str(word), Integer))


def install(connection: Connection) -> None:
    """Gives a SQLite connection the MD5 that it lacks; does nothing on MySQL."""
    if connection.dialect.name != "sqlite":
        return
    driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    driver.create_function(_SQLITE_FUNCTION, 2, _md5_word, deterministic=True)


def _md5_word(text: str, word: int) -> int:
    start = 4 * (word - 1)
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[start : start + 4], "big")


def _arguments(element: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> list[str]:
    return [compiler.process(clause, **kw) for clause in element.clauses]


@compiles(utf8_hex, "mysql")
def _(element: utf8_hex, compiler: SQLCompiler, **kw: Any) -> str:
    return f"COALESCE(HEX(CONVERT({_arguments(element, compiler, **kw)[0]} USING utf8mb4)), '')"


@compiles(utf8_hex, "sqlite")
def _(element: utf8_hex, compiler: SQLCompiler, **kw: Any) -> str:
    return f"hex(coalesce({_arguments(element, compiler, **kw)[0]}, ''))"


@compiles(time_text, "mysql")
def _(element: time_text, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({_arguments(element, compiler, **kw)[0]} AS CHAR(26))"


@compiles(time_text, "sqlite")
def _(element: time_text, compiler: SQLCompiler, **kw: Any) -> str:
    return _arguments(element, compiler, **kw)[0]


@compiles(joined, "mysql")
def _(element: joined, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CONCAT_WS('|', {', '.join(_arguments(element, compiler, **kw))})"


@compiles(joined, "sqlite")
def _(element: joined, compiler: SQLCompiler, **kw: Any) -> str:
    separated = " || '|' || ".join(_arguments(element, compiler, **kw))
    return f"({separated})"


@compiles(md5_word, "mysql")
def _(element: md5_word, compiler: SQLCompiler, **kw: Any) -> str:
    text, word = _arguments(element, compiler, **kw)
    return f"CAST(CONV(SUBSTRING(MD5({text}), 8 * {word} - 7, 8), 16, 10) AS UNSIGNED)"


@compiles(md5_word, "sqlite")
def _(element: md5_word, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{_SQLITE_FUNCTION}({', '.join(_arguments(element, compiler, **kw))})"
