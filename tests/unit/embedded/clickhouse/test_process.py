"""The process: data that outlives it, one process a folder, quick ends, one-line errors."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.clickhouse import Front, start_front
from tests.support.process import PROJECT, expect_end_with_parent, wait_until
from tests.unit.embedded.clickhouse.conftest import caller


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the module to its end."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Front]:
    """A front of the test's own, to be mistreated."""
    running = start_front(tmp_path)
    yield running
    running.kill()


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path, own: Front) -> None:
    writer = caller(own, "writer", own.writer_password)
    writer.ask("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    acknowledged: list[int] = []

    def insert_until_it_dies() -> None:
        client = caller(own, "writer", own.writer_password)
        number = 0
        while True:
            try:
                client.ask(f"{number}\n", query="INSERT INTO t FORMAT TSV")
            except httpx.TransportError:
                client.http.close()
                return
            acknowledged.append(number)
            number += 1

    inserting = threading.Thread(target=insert_until_it_dies)
    inserting.start()
    wait_until(lambda: len(acknowledged) >= 50, "50 inserts")
    own.kill()
    inserting.join()
    writer.http.close()
    again = start_front(tmp_path)
    writer = caller(again, "writer", again.writer_password)
    stored = {int(line) for line in writer.ask("SELECT a FROM t").splitlines()}
    writer.http.close()
    again.stop()
    assert set(acknowledged) <= stored <= {*acknowledged, len(acknowledged)}


def test_sigterm_ends_it_within_three_seconds_whatever_runs(own: Front) -> None:
    writer = caller(own, "writer", own.writer_password)
    endless = "SELECT sum(sleepEachRow(1)) FROM numbers(3600) SETTINGS max_block_size = 1"
    outcomes: list[str] = []

    def run_endlessly() -> None:
        client = caller(own, "writer", own.writer_password)
        try:
            outcomes.append(f"status {client.send(endless).status_code}")
        except httpx.TransportError:
            outcomes.append("connection lost")
        client.http.close()

    running = threading.Thread(target=run_endlessly)
    running.start()
    count = "SELECT count() FROM system.processes WHERE query LIKE {like:String}"
    wait_until(lambda: writer.ask(count, param_like="SELECT sum(sleepEachRow%") == "1", "the endless statement")
    writer.http.close()
    assert own.stop() == 0
    running.join()
    assert outcomes in (["connection lost"], ["status 500"])


def test_a_second_process_on_the_folder_says_who_has_it(own: Front) -> None:
    second = run(*own.command())
    assert second.returncode == 2
    (line,) = second.stderr.splitlines()
    assert str(own.data) in line
    assert f"in use by process {own.process.pid}" in line
    assert "--data" in line
    assert httpx.get(f"{own.url}/ping").text == "Ok.\n"


def test_it_ends_with_its_parent(tmp_path: Path, own: Front) -> None:
    own.stop()
    address = tmp_path / "address"
    address.unlink()
    expect_end_with_parent(own.command(), address.exists)


def test_mistakes_are_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"writer": {"password": "x"}}))
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    ordinary = ["services.embedded.clickhouse", "--users", str(users), "--data", str(tmp_path / "data")]
    file = tmp_path / "file"
    file.touch()
    for arguments, said in (
        ([*ordinary, "--port", port], f"127.0.0.1:{port}"),
        ([*ordinary, "--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["services.embedded.clickhouse", "--users", str(users), "--data", str(file), "--port", "0"], str(file)),
        ([*ordinary[:-1], str(tmp_path / "{a,b}"), "--port", "0"], "{a,b}"),
        (["services.embedded.clickhouse", "--users", "none.json", "--data", str(file), "--port", "0"], "none.json"),
    ):
        ended = run(*arguments)
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert line.startswith("clickhouse: ")
        assert said in line
    taken.close()


def test_a_body_over_the_limit_is_413(own: Front) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(257):
            yield bytes(1 << 20)

    writer = caller(own, "writer", own.writer_password)
    answer = writer.http.post("/", params={"query": "INSERT INTO t FORMAT TSV"}, content=body())
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (413, "307")
    writer.http.close()
