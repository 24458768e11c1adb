"""Parts of a digest as SQL that MySQL, SQLite and ClickHouse compute alike (ClickHouse: queries.sql).

A row's fields are joined by ``|`` into one text, strings as the hexadecimal of their UTF-8 bytes, so that no content
can be taken for a separator; the first 40 bits of that text's SHA-256 are a number, and these are added up over rows.
Sums do not depend on the order of the rows, stay within SQLite's 63 bits for 8 million of them, and hide one damage in
10^12. MySQL 9.6 took MD5 away; SHA-256 (FIPS 180-4) is in MySQL 8.4 and 9, in ClickHouse, and in Python for SQLite.
"""

import hashlib
import sqlite3
from typing import Any, cast

from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FunctionElement

_SQLITE_FUNCTION = "hash_number"


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


class hash_number(FunctionElement[int]):  # noqa: N801
    """The first 40 bits of a text's SHA-256 as a number."""

    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


def install(connection: Connection) -> None:
    """Gives a SQLite connection the hash function that it lacks; does nothing on MySQL."""
    if connection.dialect.name != "sqlite":
        return
    driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    driver.create_function(_SQLITE_FUNCTION, 1, _hash_number, deterministic=True)


def _hash_number(text: str | None) -> int | None:
    if text is None:  # the item of an order that has none
        return None
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:5], "big")


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


@compiles(hash_number, "mysql")
def _(element: hash_number, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(CONV(SUBSTRING(SHA2({_arguments(element, compiler, **kw)[0]}, 256), 1, 10), 16, 10) AS UNSIGNED)"


@compiles(hash_number, "sqlite")
def _(element: hash_number, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{_SQLITE_FUNCTION}({_arguments(element, compiler, **kw)[0]})"
