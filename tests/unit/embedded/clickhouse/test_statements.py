"""Where an INSERT's data begins, and what a statement is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.statements import Insert, output_format, query_kind, split_insert

INSERTS = [
    ("INSERT INTO t ", "", "JSONEachRow"),
    ("insert into a.t (x, `y z`) ", "", "CSV"),
    ("INSERT INTO t ", "SETTINGS a = 1, b = 'FORMAT TSV' ", "Native"),
    ("-- FORMAT CSV\nINSERT /* FORMAT TSV */ INTO t ", "", "RowBinary"),
    ("INSERT INTO `FORMAT` (`VALUES`, settings) ", "", "TSV"),
    ("INSERT INTO db.format ", "", "TSV"),
    ("INSERT INTO db.values ", "", "TSV"),
]


@pytest.mark.parametrize(("target", "settings", "name"), INSERTS)
@given(data=st.binary())
def test_an_insert_is_cut_at_its_data(target: str, settings: str, name: str, data: bytes) -> None:
    head = f"{target}{settings}FORMAT {name}".encode()
    whole = Insert(target.encode(), settings.encode(), name, data)
    assert split_insert(head, data) == whole
    assert split_insert(b"", head + b"\n" + data) == whole


def test_the_engine_reads_the_data_from_a_file() -> None:
    insert = Insert(b"INSERT INTO t ", b"SETTINGS a = 1 ", "CSV", b"1")
    expected = b"INSERT INTO t  FROM INFILE '/spool/1' COMPRESSION 'none' SETTINGS a = 1  FORMAT CSV"
    assert insert.from_file(Path("/spool/1")) == expected


def test_data_may_follow_on_the_line_of_the_format() -> None:
    for text in (b'INSERT INTO t FORMAT JSONEachRow {"a": 1}', b'INSERT INTO t FORMAT JSONEachRow; \n{"a": 1}'):
        for found in (split_insert(text, b""), split_insert(b"", text)):
            assert found is not None
            assert found.data == b'{"a": 1}'


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1, 'FORMAT CSV')",
        "INSERT INTO t (a) SELECT a FROM u WHERE b = 'FORMAT'",
        "INSERT INTO t (a) WITH 1 AS x SELECT x",
        "INSERT INTO t (a) SELECT a FROM u FORMAT Null",
        "INSERT INTO t",
        "INSERT INTO t FORMAT",
    ],
)
def test_an_insert_without_data_of_a_format_is_left_alone(sql: str) -> None:
    assert split_insert(b"", sql.encode()) is None


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT * FROM input('a Int8') FORMAT TSV\n1",
        "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM INPUT ('a Int8') FORMAT TSV\n1",
        "INSERT INTO t FROM INFILE '/etc/hostname' FORMAT TSV",
    ],
)
def test_sources_that_cannot_be_served_are_refused(sql: str) -> None:
    with pytest.raises(QueryError) as raised:
        split_insert(b"", sql.encode())
    assert raised.value.code == 48


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select 1", "Select"),
        ("/* a */ -- b\n # c\n((SELECT 1) UNION ALL SELECT 2)", "Select"),
        ("INSERT INTO t VALUES", "Insert"),
        ("with x as (select 1) select x", "With"),
        ("", ""),
        ("(1)", ""),
    ],
)
def test_the_kind_is_the_first_keyword(sql: str, kind: str) -> None:
    assert query_kind(sql.encode()) == kind


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "TSV"),
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format Native;\n", "Native"),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads = 1, x = 'y'", "JSON"),
        ("SELECT 'FORMAT JSON'", "TSV"),
        ("SELECT format FROM t", "TSV"),
    ],
)
def test_the_format_of_the_answer(sql: str, expected: str) -> None:
    assert output_format(sql.encode(), "TSV") == expected
