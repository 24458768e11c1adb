"""INSERT: what is answered with 200 is stored, and what is not stored is not answered with 200."""

from __future__ import annotations

import json
import struct

import pytest

from tests.unit.embedded.clickhouse.conftest import Caller


def native(names: list[str], rows: list[tuple[int, ...]]) -> bytes:
    """One block of ClickHouse's Native format, of UInt32 columns (fewer than 128 rows and columns)."""
    block = bytes([len(names), len(rows)])
    for position, name in enumerate(names):
        block += bytes([len(name)]) + name.encode() + b"\x06UInt32"
        block += b"".join(struct.pack("<I", row[position]) for row in rows)
    return block


@pytest.fixture
def orders(writer: Caller, table: str) -> str:
    """A table with every way of refusing a row."""
    writer.ask(
        f"CREATE TABLE {table} (id UInt32, n Nested(x UInt8, y UInt8), CONSTRAINT small CHECK id < 1000) "
        "ENGINE = MergeTree ORDER BY id PARTITION BY id"
    )
    writer.ask(f"CREATE TABLE {table}_copy (id UInt32) ENGINE = MergeTree ORDER BY id")
    writer.ask(
        f"CREATE MATERIALIZED VIEW {table}_mv TO {table}_copy AS SELECT throwIf(id = 13) + id AS id FROM {table}"
    )
    return table


def lines(*rows: object) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


REFUSED = {
    "arrays of different length": (lines({"id": 1, "n.x": [1], "n.y": [1, 2]}), {}, {190}),
    "too many partitions": (
        lines(*({"id": number} for number in range(20))),
        {"max_partitions_per_insert_block": "10"},
        {252},
    ),
    "a CHECK constraint": (lines({"id": 1000}), {}, {469}),
    "a view that throws": (lines({"id": 13}), {}, {395}),
    "text for a number": (lines({"id": "x"}), {}, {27, 117}),
    "an unknown column": (lines({"idd": 1}), {"input_format_skip_unknown_fields": "0"}, {117}),
    "no JSON at all": (b"hello", {}, {27, 117}),
    "a row cut short": (b'{"id": 1', {}, {27, 33, 117}),
    "a bad row after good ones": (lines({"id": 1}, {"id": 2}, {"id": "x"}), {}, {27, 117}),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("session", ["", "kept"])
def test_a_refused_insert_is_never_answered_with_200(writer: Caller, orders: str, case: str, session: str) -> None:
    data, settings, codes = REFUSED[case]
    url = dict(settings)
    if session:
        url["session_id"] = orders
        writer.ask("SET max_threads = 1", session_id=orders)
    assert writer.refused(data, query=f"INSERT INTO {orders} FORMAT JSONEachRow", **url) in codes
    assert writer.ask(f"SELECT count() FROM {orders} WHERE id != 13") == "0"


def test_a_refused_native_insert_is_never_answered_with_200(writer: Caller, orders: str) -> None:
    insert = f"INSERT INTO {orders} (id) FORMAT Native"
    assert writer.refused(native(["id"], [(1000,)]), query=insert) == 469
    assert writer.refused(native(["id"], [(13,)]), query=insert) == 395
    many = native(["id"], [(number,) for number in range(20)])
    assert writer.refused(many, query=insert, max_partitions_per_insert_block="10") == 252
    assert writer.refused(native(["id"], [(1,), (2,)])[:-1], query=insert) in {3, 33}
    assert writer.ask(f"SELECT count() FROM {orders} WHERE id != 13") == "0"


def test_an_unknown_table_is_refused_even_without_data(writer: Caller) -> None:
    assert writer.refused(b"{}", query="INSERT INTO no_such_table FORMAT JSONEachRow") == 60
    assert writer.refused(query="INSERT INTO no_such_table FORMAT JSONEachRow") == 60


def test_no_data_is_a_success_without_rows(writer: Caller, orders: str) -> None:
    answer = writer.send(query=f"INSERT INTO {orders} FORMAT JSONEachRow")
    assert answer.status_code == 200
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "0"


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        ("INSERT INTO {t} FORMAT JSONEachRow", b'{"a": 1, "b": "x\\n\\ny"}\n\n\n{"a": 2, "b": ""}\n'),
        ("INSERT INTO {t} (a, b) FORMAT CSV", b'1,"x\n\ny"\n2,\n'),
        ("INSERT INTO {t} FORMAT TabSeparated", b"1\tx\\n\\ny\n2\t\n"),
        ("INSERT INTO {t} FORMAT Values", b"(1, 'x\\n\\ny'), (2, '')"),
        ("INSERT INTO {t} SETTINGS max_threads = 1 FORMAT Values", b"(1, 'x\\n\\ny'), (2, '')"),
        ("INSERT INTO {t} (a, b) VALUES", b"(1, 'x\\n\\ny'), (2, '')"),
        ("INSERT INTO {t} SELECT number + 1, if(number = 0, 'x\\n\\ny', '') FROM numbers(2)", b""),
    ],
)
@pytest.mark.parametrize("place", ["url", "body"])
def test_text_formats(writer: Caller, table: str, sql: str, data: bytes, place: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    sql = sql.format(t=table)
    answer = writer.send(data, query=sql) if place == "url" else writer.send(sql.encode() + b"\n" + data)
    assert answer.status_code == 200, answer.text
    # What an INSERT … SELECT wrote the engine says from 26.9 on.
    written = {"0", "2"} if "SELECT" in sql else {"2"}
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] in written
    assert json.loads(writer.ask(f"SELECT groupArray((a, b)) FROM {table} FORMAT JSONCompactEachRow")) == [
        [[1, "x\n\ny"], [2, ""]]
    ]


@pytest.mark.parametrize("columns", [9, 10, 13, 32])  # bytes that are white space: tab, line feed, return, space
@pytest.mark.parametrize("place", ["url", "body"])
def test_native_data_may_begin_with_white_space(writer: Caller, table: str, columns: int, place: str) -> None:
    names = [f"c{position}" for position in range(columns)]
    declared = ", ".join(f"{name} UInt32" for name in names)
    writer.ask(f"CREATE TABLE {table} ({declared}) ENGINE = MergeTree ORDER BY c0")
    data = native(names, [tuple(range(columns)), tuple(range(1, columns + 1))])
    insert = f"INSERT INTO {table} FORMAT Native"
    if place == "url":
        writer.ask(data, query=insert)
    else:
        writer.ask(f"{insert}\n".encode() + data)
    assert writer.ask(f"SELECT count(), sum(c0), sum({names[-1]}) FROM {table}") == f"2\t1\t{2 * columns - 1}"


def test_text_that_is_not_utf8_is_stored_as_it_is(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (b String) ENGINE = MergeTree ORDER BY b")
    writer.ask(b"\xff\xfe\n", query=f"INSERT INTO {table} FORMAT TSV")
    assert writer.ask(f"SELECT hex(b) FROM {table}") == "FFFE"


def test_sources_that_lose_data_or_read_files_of_the_host_are_refused(writer: Caller, orders: str) -> None:
    """chDB answers success to input() and stores nothing."""
    insert = f"INSERT INTO {orders} (id) SELECT id FROM input('id UInt32') FORMAT JSONEachRow"
    assert writer.refused(lines({"id": 1}), query=insert) == 48
    assert writer.refused(f"INSERT INTO {orders} FROM INFILE '/etc/hostname' FORMAT TSV") == 48


def test_one_bad_row_keeps_a_large_batch_out(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a")
    data = b"\n".join(b'{"a": %d}' % number for number in range(200_000)) + b'\n{"a": "x"}'
    assert writer.refused(data, query=f"INSERT INTO {table} FORMAT JSONEachRow") == 27
    assert writer.ask(f"SELECT count() FROM {table}") == "0"
