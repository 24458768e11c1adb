"""The client library that every process uses, against the front."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.clickhouse import Front
from tests.unit.embedded.clickhouse.conftest import TIMEZONE


def connect(front: Front, user: str) -> Client:
    password = front.writer_password if user == "writer" else front.reader_password
    return clickhouse_connect.get_client(host=front.host, port=front.port, username=user, password=password)


@pytest.fixture
def client(front: Front) -> Iterator[Client]:
    made = connect(front, "writer")
    yield made
    made.close()


def create(client: Client, table: str) -> None:
    client.command(
        f"CREATE TABLE {table} (id String, day Date, at DateTime64(6, 'UTC'), amount Decimal(18, 2), "
        "items Nested(product String, quantity UInt32)) ENGINE = MergeTree ORDER BY id"
    )


def test_native_inserts_and_queries(client: Client, table: str) -> None:
    create(client, table)
    at = dt.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=dt.UTC)
    rows = [[f"{number:03}", dt.date(2149, 6, 6), at, Decimal("123.45"), ["한", "b"], [1, 2]] for number in range(300)]
    names = ["id", "day", "at", "amount", "items.product", "items.quantity"]
    assert client.insert(table, rows, column_names=names).written_rows == 300
    found = client.query(f"SELECT * FROM {table} ORDER BY id").result_rows
    # The library gives times of UTC columns without a zone.
    assert [list(row) for row in found] == [[*row[:2], at.replace(tzinfo=None), *row[3:]] for row in rows]


def test_json_rows(client: Client, table: str) -> None:
    create(client, table)
    row: dict[str, object] = {"id": "a\n\nb", "day": "2026-01-31", "amount": "9999999999999.99", "items.product": ["x"]}
    row |= {"items.quantity": [3], "at": "2026-01-31 10:00:00.000001"}
    block = "\n".join(json.dumps(row) for _ in range(3))
    assert client.raw_insert(table, insert_block=block, fmt="JSONEachRow").written_rows == 3
    assert client.query(f"SELECT DISTINCT id, amount FROM {table}").result_rows == [
        ("a\n\nb", Decimal("9999999999999.99"))
    ]


def test_bound_parameters(client: Client) -> None:
    bound = {"day": dt.date(2026, 2, 28), "names": ["it's", "a\tb\\"], "amount": Decimal("1.10")}
    asked = "SELECT {day:Date} + 1, {names:Array(String)}, {amount:Decimal(18, 2)}"
    assert client.query(asked, parameters=bound).result_rows == [(dt.date(2026, 3, 1), bound["names"], Decimal("1.10"))]


def test_commands_tell_rows_from_none(client: Client, table: str) -> None:
    create(client, table)
    assert client.command(f"SELECT count() FROM {table}") == 0
    assert client.command(f"SELECT id FROM {table}") == ""
    assert not isinstance(client.command(f"TRUNCATE TABLE {table}"), str)
    assert str(client.server_tz) == TIMEZONE
    assert client.ping()


def test_errors_carry_the_code(client: Client, table: str) -> None:
    create(client, table)
    with pytest.raises(DatabaseError) as missing:
        client.query("SELECT * FROM no_such_table")
    assert missing.value.code == 60
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert(table, insert_block=b'{"items.product": ["x"], "items.quantity": []}', fmt="JSONEachRow")
    assert refused.value.code == 190


def test_many_clients_at_once(front: Front, client: Client, table: str) -> None:
    """As sink, aggregator and API do: inserts, aggregates and reads side by side, none lost, none mixed up."""
    create(client, table)

    def work(number: int) -> int:
        own = connect(front, "reader" if number % 2 else "writer")
        try:
            for turn in range(10):
                if number % 2:
                    assert own.query("SELECT {n:UInt32}, {t:UInt32}", {"n": number, "t": turn}).first_row == (
                        number,
                        turn,
                    )
                else:
                    block = json.dumps({"id": f"{number}-{turn}"})
                    own.raw_insert(table, insert_block=block, fmt="JSONEachRow")
        finally:
            own.close()
        return number

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(work, range(12))) == list(range(12))
    assert client.command(f"SELECT uniqExact(id) FROM {table}") == 60
