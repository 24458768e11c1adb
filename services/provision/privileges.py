"""MySQL privileges as a set: what an account has, what it should have, and the statements that make one the other.

Only the difference is granted and revoked, so that an account that is in use never loses what it needs for a moment.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DDLElement
from sqlalchemy.sql.compiler import DDLCompiler

ANY_HOST: Final = "%"
GRANT_OPTION: Final = "GRANT OPTION"
"""The right to pass on what one has in a scope: an action like the others."""


@dataclass(frozen=True, slots=True, order=True)
class Privilege:
    """An action on the server (``database`` ""), a database (``table`` ""), a table (``column`` "") or a column."""

    database: str
    table: str
    column: str
    action: str

    @property
    def scope(self) -> tuple[str, str]:
        """What a statement about it names after ON."""
        return self.database, self.table


class _Statement(DDLElement):
    """About privileges of one scope and one account."""

    def __init__(self, user: str, privileges: Iterable[Privilege]) -> None:
        self.user, self.privileges = user, sorted(privileges)

    def __str__(self) -> str:
        """As a person says it: SELECT, UPDATE (status, version) on shop.orders."""
        where = ".".join(part for part in self.privileges[0].scope if part) or "the server"
        return f"{', '.join(_actions(self.privileges, str))} on {where}"


class Grant(_Statement):
    """GRANT … ON … TO 'user'@'%'."""


class Revoke(_Statement):
    """REVOKE … ON … FROM 'user'@'%'."""


@compiles(Grant, "mysql")
def _(element: Grant, compiler: DDLCompiler, **_kw: Any) -> str:
    return f"GRANT {_what(element, compiler)} TO {_account(element.user, compiler)}"


@compiles(Revoke, "mysql")
def _(element: Revoke, compiler: DDLCompiler, **_kw: Any) -> str:
    return f"REVOKE {_what(element, compiler)} FROM {_account(element.user, compiler)}"


def _what(element: _Statement, compiler: DDLCompiler) -> str:
    quote = compiler.preparer.quote_identifier
    where = ".".join(quote(part) if part else "*" for part in element.privileges[0].scope)
    return f"{', '.join(_actions(element.privileges, quote))} ON {where}"


def _actions(privileges: Iterable[Privilege], quote: Callable[[str], str]) -> Iterator[str]:
    """Each action once, with its columns where it is about some."""
    for action, group in groupby(sorted(privileges, key=lambda p: p.action), key=lambda p: p.action):
        columns = [quote(privilege.column) for privilege in group if privilege.column]
        yield f"{action} ({', '.join(columns)})" if columns else action


def _account(user: str, compiler: DDLCompiler) -> str:
    quote = compiler.preparer.quote_identifier
    return f"{quote(user)}@{quote(ANY_HOST)}"


def statements(user: str, has: frozenset[Privilege], wanted: frozenset[Privilege]) -> Iterator[Grant | Revoke]:
    """What turns ``has`` into ``wanted``: first what is missing, then what is too much."""
    for group in _by_statement(wanted - has):
        yield Grant(user, group)
    for group in _by_statement(has - wanted):
        yield Revoke(user, group)


def _by_statement(privileges: Iterable[Privilege]) -> Iterator[list[Privilege]]:
    """One statement a scope, the whole table and its columns apart: a statement names an action once."""

    def key(privilege: Privilege) -> tuple[str, str, bool]:
        return (*privilege.scope, bool(privilege.column))

    for _key, group in groupby(sorted(privileges, key=lambda p: (key(p), p.action, p.column)), key=key):
        yield list(group)
