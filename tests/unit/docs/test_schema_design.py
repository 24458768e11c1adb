"""docs/schema-design.md, held to the tables, columns, indexes and views that the migrations make."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from services.clients.clickhouse_schema import FOLDER
from services.domain.tables import metadata
from tests.support.process import PROJECT
from tests.support.shop import SHOP

PAGE = (PROJECT / "docs" / "schema-design.md").read_text(encoding="utf-8")
MYSQL, _, CLICKHOUSE = PAGE.partition("\n## ClickHouse\n")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", MYSQL, re.MULTILINE | re.DOTALL))
PLANS = SECTIONS.pop("Plans")
SQL = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql")))


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> sa.Inspector:
    with SHOP.open(tmp_path_factory.mktemp("schema")) as engine, engine.connect() as connection:
        found = sa.inspect(connection)
        for table in found.get_table_names():  # read while the database is there
            found.get_columns(table)
            found.get_indexes(table)
            found.get_unique_constraints(table)
        return found


def indexes(inspector: sa.Inspector, table: str) -> set[tuple[str, str]]:
    """Name and columns of the table's indexes; MySQL shows a unique constraint as one, SQLite apart from them."""
    found = {(each["name"], tuple(each["column_names"])) for each in inspector.get_indexes(table)}
    found |= {(each["name"], tuple(each["column_names"])) for each in inspector.get_unique_constraints(table)}
    return {(str(name), ", ".join(map(str, columns))) for name, columns in found}


@pytest.mark.parametrize("table", SECTIONS)
def test_every_column_is_there_in_its_order(table: str, inspector: sa.Inspector) -> None:
    told = re.findall(r"^\| `(\w+)` \|", SECTIONS[table], re.MULTILINE)
    assert told == [column["name"] for column in inspector.get_columns(table)]


@pytest.mark.parametrize("table", metadata.tables)
def test_types_are_mysqls(table: str) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", SECTIONS[table], re.MULTILINE))
    assert told == {column.name: type_of(column) for column in metadata.tables[table].columns}


def type_of(column: sa.Column[object]) -> str:
    """The type as MySQL has it, without character set and spaces."""
    made = column.type.compile(mysql.dialect()).partition(" CHARACTER SET")[0]
    return made.replace(", ", ",").replace("NUMERIC", "DECIMAL")  # two names of one type in MySQL


@pytest.mark.parametrize("table", SECTIONS)
def test_every_index_is_there(table: str, inspector: sa.Inspector) -> None:
    told = re.findall(r"^- `(\w+) \(([\w, ]+)\)`: .", SECTIONS[table], re.MULTILINE)
    assert set(told) == indexes(inspector, table)


def test_plans_name_indexes_that_exist(inspector: sa.Inspector) -> None:
    made = {name for table in SECTIONS for name, _ in indexes(inspector, table)}
    named = set(re.findall(r"\b(?:idx_\w+|inventory_of_product)\b", PLANS))
    assert len(named) > 4
    assert named <= made


def test_every_clickhouse_table_is_there_as_it_is() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w[^|]*) \|([^|]*)\| ([^|]+) \| [^|]+ \|$", CLICKHOUSE, re.MULTILINE)
    made = []
    for name, body in re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+)\n(.*?);\n?$", SQL, re.MULTILINE | re.DOTALL):
        made.append((name, *(clause(body, word) for word in ("ENGINE =", "PARTITION BY", "ORDER BY"))))
    assert [tuple(part.strip() for part in row) for row in told] == made


def clause(body: str, word: str) -> str:
    """What follows the word on its line, "" where it is not there."""
    found = re.search(rf"^{re.escape(word)} (.+)$", body, re.MULTILINE)
    return found[1].strip() if found else ""


def test_every_view_is_there() -> None:
    told = re.findall(r"^\| `(\w+)` \| [^|]+ \| [a-z_, ]+ \|$", CLICKHOUSE, re.MULTILINE)
    assert sorted(told) == sorted(re.findall(r"^CREATE VIEW IF NOT EXISTS (\w+)", SQL, re.MULTILINE))
    for made in re.findall(r"^CREATE (?:MATERIALIZED VIEW|FUNCTION) IF NOT EXISTS (\w+)", SQL, re.MULTILINE):
        assert f"`{made}`" in CLICKHOUSE
