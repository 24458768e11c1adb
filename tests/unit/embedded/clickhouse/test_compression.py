"""Compressed bodies and answers, both kinds."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.clickhouse.compression import compress_native, decode_content, decompress_native
from services.embedded.clickhouse.errors import QueryError
from tests.unit.embedded.clickhouse.conftest import Caller

LIMIT = 10_000_000


@given(st.binary(max_size=3000).map(lambda part: part * 1000))
def test_native_blocks_come_back(data: bytes) -> None:
    assert decompress_native(compress_native(data), LIMIT) == data


def test_blocks_that_the_engine_wrote_are_read(writer: Caller, table: str) -> None:
    """The files of a table's parts are made of the same blocks, checksums included."""
    writer.ask(f"CREATE TABLE {table} (name String) ENGINE = MergeTree ORDER BY name")
    writer.ask("".join(f"order {number}\n" for number in range(1000)), query=f"INSERT INTO {table} FORMAT TSV")
    (part,) = writer.ask(f"SELECT path FROM system.parts WHERE table = '{table}' AND active").splitlines()
    packed = (Path(part) / "data.bin").read_bytes()
    assert b"order 999" in decompress_native(packed, LIMIT)


def test_native_data_is_checked() -> None:
    packed = bytearray(compress_native(b"some data" * 100))
    for position, code in ((0, 40), (30, 40)):
        broken = bytearray(packed)
        broken[position] ^= 1
        with pytest.raises(QueryError) as raised:
            decompress_native(bytes(broken), LIMIT)
        assert raised.value.code == code
    for cut in (1, 20, len(packed) - 1):
        with pytest.raises(QueryError) as raised:
            decompress_native(bytes(packed[:cut]), LIMIT)
        assert raised.value.code == 271


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("lz4", lz4.frame.compress)])
def test_content_encodings(writer: Caller, table: str, name: str, pack: Callable[[bytes], bytes]) -> None:
    data = b"x" * 100_000
    packed = pack(data)
    assert decode_content(packed, name, LIMIT) == data
    for body, limit, code in ((packed[:-5], LIMIT, 271), (packed, 99_999, 307), (b"plain", LIMIT, 271)):
        with pytest.raises(QueryError) as raised:
            decode_content(body, name, limit)
        assert raised.value.code == code
    writer.ask(f"CREATE TABLE {table} (name String) ENGINE = MergeTree ORDER BY name")
    headers = {"Content-Encoding": name}
    answer = writer.http.post(
        "/", params={"query": f"INSERT INTO {table} FORMAT TSV"}, content=pack(b"a\nb\n"), headers=headers
    )
    assert answer.status_code == 200, answer.text
    assert writer.ask(f"SELECT count() FROM {table}") == "2"


def test_answers_are_compressed_when_asked(writer: Caller) -> None:
    sql = "SELECT repeat('abc', 10000)"
    plain = b"abc" * 10000 + b"\n"
    assert decompress_native(writer.send(sql, compress="1").content, LIMIT) == plain
    url = {"enable_http_compression": "1"}
    zipped = writer.http.post("/", params=url, content=sql, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert (zipped.headers["Content-Encoding"], zipped.content) == ("gzip", plain)
    packed = writer.http.post("/", params=url, content=sql, headers={"Accept-Encoding": "lz4"})
    assert packed.headers["Content-Encoding"] == "lz4"
    assert lz4.frame.decompress(packed.content) == plain
    assert "Content-Encoding" not in writer.http.post("/", content=sql, headers={"Accept-Encoding": "gzip"}).headers


def test_native_bodies(writer: Caller, table: str) -> None:
    writer.ask(f"CREATE TABLE {table} (name String) ENGINE = MergeTree ORDER BY name")
    writer.ask(compress_native(b"a\nb\n"), query=f"INSERT INTO {table} FORMAT TSV", decompress="1")
    assert writer.ask(f"SELECT count() FROM {table}") == "2"
    assert writer.refused(b"a\nb\nc\nd\ne\nf\n" * 5, query=f"INSERT INTO {table} FORMAT TSV", decompress="1") in {
        40,
        271,
    }


def test_unknown_encodings_are_refused(writer: Caller) -> None:
    answer = writer.http.post("/", content=b"SELECT 1", headers={"Content-Encoding": "br"})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "89"
