"""Statements kept in .sql files, each with a name and a sentence, read next to the code that runs them.

    -- name: dirty_days
    -- Days of which more came in than the cubes cover.
    SELECT ...

The sentence may take several comment lines. A statement ends where the next one is named; a semicolon at its end is
optional.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class NamedSqlError(Exception):
    """A .sql file that does not follow the form above; the message names the file and the statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: ``meaning`` is its sentence, ``text`` the SQL without comments above it."""

    name: str
    meaning: str
    text: str


class NamedSql(Mapping[str, str]):
    """The statements of one file: name to SQL text."""

    def __init__(self, statements: list[Statement]) -> None:
        self.statements = {statement.name: statement for statement in statements}

    def __getitem__(self, name: str) -> str:
        return self.statements[name].text

    def __iter__(self) -> Iterator[str]:
        return iter(self.statements)

    def __len__(self) -> int:
        return len(self.statements)


def load(package: str, file: str) -> NamedSql:
    """Reads ``file`` beside the modules of ``package``. Raises NamedSqlError where it is not of the form above."""
    return parse(resources.files(package).joinpath(file).read_text(encoding="utf-8"), f"{package}/{file}")


def parse(text: str, origin: str) -> NamedSql:
    """The statements of a file's text; ``origin`` names it in errors."""
    headings = list(_NAME.finditer(text))
    if not headings:
        raise NamedSqlError(f"{origin} names no statement: begin each with a line `-- name: some_name`")
    statements: dict[str, Statement] = {}
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        statement = _statement(heading["name"], text[heading.end() : following and following.start()], origin)
        if statement.name in statements:
            raise NamedSqlError(f"{origin} has two statements named {statement.name}: rename one")
        statements[statement.name] = statement
    return NamedSql(list(statements.values()))


def _statement(name: str, body: str, origin: str) -> Statement:
    lines = body.strip().splitlines()
    first = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    meaning = " ".join(line.removeprefix("--").strip() for line in lines[:first])
    sql = "\n".join(lines[first:]).strip().removesuffix(";").rstrip()
    if not meaning or not sql:
        raise NamedSqlError(f"{origin}: {name} needs a sentence (a comment below its name) and a statement")
    return Statement(name, meaning, sql)
