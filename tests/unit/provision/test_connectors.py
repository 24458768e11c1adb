"""Connectors run and stand still as asked, against a worker whose statuses lag behind what was asked of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.clients.connect import ConnectClient, ConnectUnavailable
from services.provision import Done, ProvisionError
from services.provision.connectors import provision_connectors
from tests.support.connect import FakeConnect, serve_connect

CONFIG = {"connector.class": "com.example.Sink", "tasks.max": "2", "topics": "orders"}
TRACE = "org.example.ConnectException: no such table\n\tat org.example.Task.put(Task.java:1)\n"
PATIENCE = 20.0


@pytest.fixture
def worker() -> Iterator[FakeConnect]:
    with serve_connect() as fake:
        fake.lag = 3
        yield fake


@pytest.fixture
def client(worker: FakeConnect) -> Iterator[ConnectClient]:
    with ConnectClient(worker.url, timeout=5, patience=5) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("orders", "other"):
        _write(tmp_path, name, CONFIG)
    return tmp_path


def _write(folder: Path, name: str, config: dict[str, str]) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "config": config}))


def _provision(
    client: ConnectClient, folder: Path, run: list[str], stop: list[str] | None = None, seconds: float = PATIENCE
) -> list[Done]:
    told: list[Done] = []
    provision_connectors(client, run, stop or [], told.append, seconds, folder)
    return told


def _changes(worker: FakeConnect) -> list[tuple[str, str]]:
    return [(method, path) for method, path in worker.requests if method != "GET"]


def test_one_is_made_and_waited_for(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    assert _provision(client, folder, ["orders"]) == [Done("connector orders", "created", "2 tasks running")]
    assert worker.connectors["orders"].config == CONFIG


def test_twice_changes_nothing(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["orders"])
    worker.requests.clear()
    assert [done.outcome for done in _provision(client, folder, ["orders"], ["other"])] == ["absent", "unchanged"]
    assert _changes(worker) == []


def test_another_file_is_another_configuration(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["orders"])
    _write(folder, "orders", {**CONFIG, "tasks.max": "1"})
    (done,) = _provision(client, folder, ["orders"])
    assert (done.outcome, done.detail) == ("altered", "tasks.max; 1 task running")
    assert worker.connectors["orders"].config["tasks.max"] == "1"


def test_a_changed_configuration_that_fails_is_not_taken_for_the_old_one_that_ran(
    client: ConnectClient, worker: FakeConnect, folder: Path
) -> None:
    _provision(client, folder, ["orders"])
    _write(folder, "orders", {**CONFIG, "topics": "nowhere"})
    worker.trace_of_new_tasks = TRACE
    with pytest.raises(ProvisionError, match=r"task 0: .*no such table") as failed:
        _provision(client, folder, ["orders"])
    assert (failed.value.code, "\n" in str(failed.value)) == (1, False)


def test_a_task_that_fails_at_once_ends_the_job(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    worker.trace_of_new_tasks = TRACE
    with pytest.raises(ProvisionError, match=r"connector orders, task 0: org\.example\.ConnectException") as failed:
        _provision(client, folder, ["orders"])
    assert failed.value.code == 1


def test_what_had_failed_is_started_anew(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    """Its cause may be gone, and nobody else would restart it; its old failure is not today's."""
    _provision(client, folder, ["orders"])
    worker.fail_task("orders", 1, TRACE)
    (done,) = _provision(client, folder, ["orders"])
    assert done.outcome == "started"
    assert client.status("orders").running


def test_one_stops_and_keeps_what_it_has(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["orders"])
    worker.connectors["orders"].offsets = [{"partition": {"p": 0}, "offset": {"o": 7}}]
    worker.requests.clear()
    assert _provision(client, folder, [], ["orders"]) == [Done("connector orders", "stopped")]
    assert _changes(worker) == [("PUT", "/connectors/orders/stop")]
    assert client.offsets("orders")[0].offset == {"o": 7}
    worker.requests.clear()
    assert [done.outcome for done in _provision(client, folder, [], ["orders"])] == ["stopped"]
    assert _changes(worker) == []


def test_what_stood_still_runs_again(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["orders"])
    _provision(client, folder, [], ["orders"])
    (done,) = _provision(client, folder, ["orders"])
    assert done.outcome == "started"
    worker.connectors["orders"].state = "PAUSED"
    (done,) = _provision(client, folder, ["orders"])
    assert done.outcome == "started"


def test_stopping_comes_before_starting(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    """Two that do the same work are never both at it."""
    _provision(client, folder, ["other"])
    worker.requests.clear()
    _provision(client, folder, ["orders"], ["other"])
    assert _changes(worker) == [("PUT", "/connectors/other/stop"), ("PUT", "/connectors/orders/config")]


def test_without_the_plugin_nothing_is_changed(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["other"])
    worker.plugins.clear()
    worker.requests.clear()
    with pytest.raises(ProvisionError, match=r"no plugin com\.example\.Sink.*millrace:connectPlugins"):
        _provision(client, folder, ["orders"], ["other"])
    assert _changes(worker) == []


@pytest.mark.parametrize("name", ["orders", "../orders", "missing", ""])
def test_a_file_that_is_not_there_is_said_with_those_that_are(
    client: ConnectClient, folder: Path, name: str, worker: FakeConnect
) -> None:
    (folder / "orders.json").unlink()
    with pytest.raises(ProvisionError, match="known are other"):
        _provision(client, folder, [name])
    assert worker.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"config": {"connector.class": "x"}}',
        '{"name": "another", "config": {"connector.class": "x"}}',
        '{"name": "orders", "config": {"tasks.max": "1"}}',
        '{"name": "orders", "config": {"connector.class": "x", "tasks.max": 1}}',
    ],
)
def test_a_file_of_another_form_is_refused(client: ConnectClient, folder: Path, text: str) -> None:
    (folder / "orders.json").write_text(text)
    with pytest.raises(ProvisionError, match="is not of the form"):
        _provision(client, folder, ["orders"])


def test_running_and_stopping_the_same_is_refused(client: ConnectClient, folder: Path) -> None:
    with pytest.raises(ProvisionError, match="orders cannot both run and stop"):
        _provision(client, folder, ["orders"], ["orders"])


def test_one_that_never_runs_is_said(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    worker.lag = 10_000
    with pytest.raises(ProvisionError, match=r"does not run after .*\(it has no status\)") as late:
        _provision(client, folder, ["orders"], seconds=0.3)
    assert late.value.code == 1


def test_one_that_never_stops_is_said(client: ConnectClient, worker: FakeConnect, folder: Path) -> None:
    _provision(client, folder, ["orders"])
    worker.lag = 10_000
    with pytest.raises(ProvisionError, match="has not stopped within"):
        _provision(client, folder, [], ["orders"], seconds=0.3)


def test_a_worker_that_is_still_starting_is_waited_for(
    client: ConnectClient, worker: FakeConnect, folder: Path
) -> None:
    worker.answer_next(404, "<html>Not Found</html>", times=2)
    worker.answer_next(503, {"error_code": 503, "message": "starting"}, times=2)
    assert [done.outcome for done in _provision(client, folder, ["orders"])] == ["created"]


def test_a_worker_that_does_not_come_up_is_said(folder: Path) -> None:
    with serve_connect() as gone:
        url = gone.url
    with ConnectClient(url) as client, pytest.raises(ConnectUnavailable, match="does not answer"):
        _provision(client, folder, ["orders"], seconds=0.3)
