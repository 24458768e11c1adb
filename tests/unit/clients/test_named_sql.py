"""Named statements: the form of the file, and that every file of the project has it."""

from __future__ import annotations

import pytest

from services.clients.named_sql import NamedSqlError, load, parse
from tests.support.process import PROJECT

TEXT = """-- A file may begin with a word on all of them.

-- name: first
-- What it does,
-- in a sentence of two lines.
SELECT 1;

-- name: second
-- Something else.
SELECT 2 -- a remark
FROM t
"""


def test_statements_have_name_meaning_and_text() -> None:
    queries = parse(TEXT, "some.sql")
    assert dict(queries) == {"first": "SELECT 1", "second": "SELECT 2 -- a remark\nFROM t"}
    assert queries.statements["first"].meaning == "What it does, in a sentence of two lines."


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1", "names no statement"),
        ("-- name: a\nSELECT 1", "needs a sentence"),
        ("-- name: a\n-- Says something.\n", "needs a sentence"),
        ("-- name: a\n-- One.\nSELECT 1\n-- name: a\n-- Two.\nSELECT 2", "two statements named a"),
    ],
)
def test_another_form_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NamedSqlError, match=complaint):
        parse(text, "some.sql")


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parse(TEXT, "some.sql")["third"]


FILES = sorted(
    path.relative_to(PROJECT)
    for path in (PROJECT / "services").rglob("*.sql")
    if "-- name: " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_of_the_project_loads(path: object) -> None:
    folder, _, file = str(path).rpartition("/")
    assert load(folder.replace("/", "."), file)
