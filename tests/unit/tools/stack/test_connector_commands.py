"""The connector commands against a worker's REST interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import PROJECT_ROOT
from tests.support.connect import FakeConnect, FakeConnector, serve_connect
from tests.unit.tools.stack.conftest import Run
from tools.stack import connectors

SINK = "clickhouse-sink-orders"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[FakeConnect]:
    """A worker without connectors."""
    with serve_connect() as fake:
        monkeypatch.setenv("CONNECT_URL", fake.url)
        yield fake


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that declares the sink."""
    folder = tmp_path / "connect"
    folder.mkdir()
    (folder / f"{SINK}.json").write_text(json.dumps({"name": SINK, "config": {"tasks.max": "2"}}))
    monkeypatch.setattr(connectors, "DECLARED", folder)
    return folder


def test_registering_makes_the_declared_connector(worker: FakeConnect, declared: Path, run: Run) -> None:
    shown = run("register-connector", "--connector", SINK)
    assert (shown.code, shown.out) == (0, f"{SINK}: registered\n")
    assert worker.connectors[SINK].config == {"tasks.max": "2"}


def test_registering_without_a_name_registers_the_sink(worker: FakeConnect, declared: Path, run: Run) -> None:
    shown = run("register-connector", "--connector", "")
    assert (shown.code, shown.out) == (0, f"{SINK}: registered\n")
    assert list(worker.connectors) == [SINK]


def test_deleting_without_a_name_deletes_nothing(worker: FakeConnect, run: Run) -> None:
    worker.connectors[SINK] = FakeConnector({})
    assert f"make connector-delete CONNECTOR={SINK}" in run("connector-delete", "--connector", "").refusal
    assert list(worker.connectors) == [SINK]


def test_registering_again_gives_the_declared_configuration_and_starts_it(
    worker: FakeConnect, declared: Path, run: Run
) -> None:
    worker.connectors[SINK] = FakeConnector({"tasks.max": "9"}, state="STOPPED")
    assert "its configuration is now the declared one" in run("register-connector", "--connector", SINK).out
    assert (worker.connectors[SINK].config, worker.connectors[SINK].state) == ({"tasks.max": "2"}, "RUNNING")


def test_only_declared_connectors_can_be_registered(worker: FakeConnect, declared: Path, run: Run) -> None:
    line = run("register-connector", "--connector", "other").refusal
    assert "CONNECTOR=other is not declared" in line
    assert f"choose {SINK}" in line


def test_status_shows_all_connectors_and_why_one_failed(worker: FakeConnect, run: Run) -> None:
    worker.connectors[SINK] = FakeConnector({"tasks.max": "2"})
    shown = run("connector-status")
    assert (shown.code, shown.out) == (0, f"{SINK}: RUNNING; task 0 RUNNING, task 1 RUNNING\n")
    worker.fail_task(SINK, 1, "java.lang.Oops: no table\n\tat x")
    shown = run("connector-status", "--connector", SINK)
    assert shown.code == 1
    assert f"  connector {SINK}, task 1: java.lang.Oops: no table\n" in shown.out


def test_status_of_none(worker: FakeConnect, run: Run) -> None:
    assert run("connector-status").out == "there is no connector\n"


def test_restart_and_delete(worker: FakeConnect, run: Run) -> None:
    worker.connectors[SINK] = FakeConnector({}, state="FAILED")
    assert "restarting" in run("connector-restart", "--connector", SINK).out
    assert ("POST", f"/connectors/{SINK}/restart?includeTasks=true&onlyFailed=false") in worker.requests
    assert "brings it back" in run("connector-delete", "--connector", SINK).out
    assert worker.connectors == {}


@pytest.mark.parametrize("words", ["connector-restart", "connector-delete", "connector-status"])
def test_a_connector_that_is_not_there(worker: FakeConnect, run: Run, words: str) -> None:
    assert "`make connector-status` lists them" in run(words, "--connector", "nobody").refusal


@pytest.mark.parametrize("words", ["register-connector", "connector-status", "connector-restart", "connector-delete"])
def test_a_stack_that_does_without_says_which_keys_bring_one(
    worker: FakeConnect, run: Run, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("MILLRACE_SINK", "python")
    said = run(words, "--connector", SINK).refusal
    assert "has no Kafka Connect, because nothing uses it" in said
    assert "sink=connect" in said
    assert "relay=debezium" in said
    assert worker.requests == []


def test_a_stack_with_debezium_has_one(worker: FakeConnect, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_SINK", "python")
    monkeypatch.setenv("RELAY_MODE", "debezium")
    assert run("connector-status").out == "there is no connector\n"


def test_the_password_is_the_settings(worker: FakeConnect, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.credentials = ("connect", "geheim")
    assert "CONNECT_PASSWORD" in run("connector-status").failure
    monkeypatch.setenv("CONNECT_USER", "connect")
    monkeypatch.setenv("CONNECT_PASSWORD", "geheim")
    assert run("connector-status").code == 0
    monkeypatch.delenv("CONNECT_USER")
    assert "CONNECT_USER and CONNECT_PASSWORD belong together" in run("connector-status").refusal


def test_a_worker_that_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_URL", "http://127.0.0.1:9")
    assert "does not answer" in run("connector-status").failure


def test_an_address_that_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_URL", "ftp://x")
    assert "CONNECT_URL" in run("connector-status").refusal


def test_declared_connectors_have_the_form_that_the_rest_interface_takes() -> None:
    for file in (PROJECT_ROOT / "schemas" / "connect").glob("*.json"):
        told = json.loads(file.read_text())
        assert (set(told), told["name"]) == ({"name", "config"}, file.stem)
