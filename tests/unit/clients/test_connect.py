"""The client of Kafka Connect against an HTTP server that answers as a worker does."""

import json
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from services.clients.connect import (
    ConnectClient,
    ConnectError,
    ConnectUnavailable,
    NoSuchConnector,
    Plugin,
    State,
)
from services.settings import ConnectSettings
from tests.support.connect import FakeConnect, serve_connect

CONFIG = {"connector.class": "com.example.Sink", "tasks.max": "2"}
TRACE = "org.example.ConnectException: no such table\n\tat org.example.Task.put(Task.java:1)\n"


@pytest.fixture
def worker() -> Iterator[FakeConnect]:
    with serve_connect() as fake:
        yield fake


@pytest.fixture
def client(worker: FakeConnect) -> Iterator[ConnectClient]:
    with ConnectClient(worker.url + "/", timeout=5, patience=5) as client:
        yield client


def test_what_the_worker_is_and_has(client: ConnectClient) -> None:
    assert client.version() == "4.3.1"
    assert client.plugins() == (Plugin("com.example.Sink", "sink", "1.0"),)
    assert client.connectors() == ()


def test_a_configuration_makes_the_connector_and_then_replaces_its_own(
    client: ConnectClient, worker: FakeConnect
) -> None:
    assert client.put_config("orders", CONFIG) is True
    assert client.put_config("orders", {**CONFIG, "tasks.max": "1"}) is False
    assert client.config("orders") == {**CONFIG, "tasks.max": "1", "name": "orders"}
    assert client.connectors() == ("orders",)
    assert client.statuses() == {"orders": client.status("orders")}
    assert client.status("orders").running


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (ConnectClient.pause, State.PAUSED),
        (ConnectClient.stop, State.STOPPED),
        (ConnectClient.resume, State.RUNNING),
        (ConnectClient.restart, State.RUNNING),
    ],
)
def test_states_a_person_can_ask_for(
    client: ConnectClient, act: Callable[[ConnectClient, str], None], state: State
) -> None:
    client.put_config("orders", CONFIG)
    act(client, "orders")
    assert client.status("orders").state is state
    assert client.status("orders").running is (state is State.RUNNING)


def test_a_restart_says_whether_only_what_failed(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", CONFIG)
    client.restart("orders")
    client.restart("orders", only_failed=True)
    asked = [path for method, path in worker.requests if method == "POST"]
    assert asked == [
        "/connectors/orders/restart?includeTasks=true&onlyFailed=false",
        "/connectors/orders/restart?includeTasks=true&onlyFailed=true",
    ]


def test_a_task_that_failed_is_no_running_connector(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", CONFIG)
    worker.fail_task("orders", 1, TRACE)
    status = client.status("orders")
    assert (status.state, status.running) == (State.RUNNING, False)
    assert status.failures == ("connector orders, task 1: org.example.ConnectException: no such table",)


def test_a_connector_without_tasks_does_not_run(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", {**CONFIG, "tasks.max": "0"})
    assert client.status("orders").running is False


def test_a_state_from_a_newer_worker_is_unknown(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", CONFIG)
    worker.connectors["orders"].state = "HIBERNATING"
    assert client.status("orders").state is State.UNKNOWN


def test_offsets_are_the_connectors_own(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", CONFIG)
    assert client.offsets("orders") == ()
    worker.connectors["orders"].offsets = [
        {"partition": {"server": "millrace"}, "offset": {"file": "binlog.000002", "pos": 157}},
        {"partition": {"server": "old"}, "offset": None},
    ]
    first, second = client.offsets("orders")
    assert (first.partition["server"], first.offset) == ("millrace", {"file": "binlog.000002", "pos": 157})
    assert second.offset is None


def test_offsets_are_forgotten_only_while_it_is_stopped(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", CONFIG)
    worker.connectors["orders"].offsets = [{"partition": {"server": "millrace"}, "offset": {"pos": 157}}]
    with pytest.raises(ConnectError, match="must be in the STOPPED state"):
        client.reset_offsets("orders")
    client.stop("orders")
    client.reset_offsets("orders")
    assert client.offsets("orders") == ()


def test_deleting_leaves_none(client: ConnectClient) -> None:
    client.put_config("orders", CONFIG)
    client.delete("orders")
    assert client.connectors() == ()


@pytest.mark.parametrize(
    "ask",
    [
        ConnectClient.status,
        ConnectClient.config,
        ConnectClient.offsets,
        ConnectClient.stop,
        ConnectClient.pause,
        ConnectClient.resume,
        ConnectClient.restart,
        ConnectClient.delete,
        ConnectClient.reset_offsets,
    ],
)
def test_a_connector_that_is_not_there(client: ConnectClient, ask: Callable[[ConnectClient, str], object]) -> None:
    with pytest.raises(NoSuchConnector, match="no connector nobody") as refused:
        ask(client, "nobody")
    assert refused.value.status == 404


def test_a_name_cannot_lead_elsewhere(client: ConnectClient, worker: FakeConnect) -> None:
    with pytest.raises(NoSuchConnector):
        client.status("../connector-plugins?x=")
    assert worker.requests[-1] == ("GET", "/connectors/..%2Fconnector-plugins%3Fx%3D/status")


def test_a_rebalance_is_waited_for(client: ConnectClient, worker: FakeConnect) -> None:
    worker.answer_next(409, {"error_code": 409, "message": "rebalance in progress"}, times=2)
    assert client.put_config("orders", CONFIG) is True
    assert [method for method, _ in worker.requests] == ["PUT"] * 3


def test_a_rebalance_that_does_not_end_is_said(worker: FakeConnect) -> None:
    worker.answer_next(409, {"error_code": 409, "message": "rebalance in progress"}, times=10_000)
    with (
        ConnectClient(worker.url, patience=0.2) as client,
        pytest.raises(ConnectUnavailable, match="still rebalancing after"),
    ):
        client.put_config("orders", CONFIG)


def test_a_refused_configuration_is_one_line(client: ConnectClient, worker: FakeConnect) -> None:
    told = "Connector configuration is invalid and contains the following 1 error(s):\nMissing tasks.max\n"
    worker.answer_next(400, {"error_code": 400, "message": told})
    with pytest.raises(ConnectError, match="Missing tasks") as refused:
        client.put_config("orders", CONFIG)
    assert (refused.value.status, "\n" in str(refused.value)) == (400, False)
    assert not isinstance(refused.value, ConnectUnavailable)


@pytest.mark.parametrize(("status", "message"), [(503, "starting"), (500, "Request timed out")])
def test_a_worker_that_is_busy_may_be_asked_again(
    client: ConnectClient, worker: FakeConnect, status: int, message: str
) -> None:
    worker.answer_next(status, {"error_code": status, "message": message})
    with pytest.raises(ConnectUnavailable, match=message):
        client.connectors()


def test_a_fault_of_the_worker_is_not_weather(client: ConnectClient, worker: FakeConnect) -> None:
    worker.answer_next(500, {"error_code": 500, "message": "NullPointerException"})
    with pytest.raises(ConnectError, match="NullPointerException") as fault:
        client.connectors()
    assert not isinstance(fault.value, ConnectUnavailable)


def test_somebody_elses_server_is_named(client: ConnectClient, worker: FakeConnect) -> None:
    worker.answer_next(200, "<html>welcome</html>")
    with pytest.raises(ConnectError, match="CONNECT_URL"):
        client.connectors()


@pytest.mark.parametrize("ask", [ConnectClient.version, lambda client: client.status("orders")])
def test_a_worker_that_starts_has_no_interface_yet(
    client: ConnectClient, worker: FakeConnect, ask: Callable[[ConnectClient], object]
) -> None:
    """Its 404 says nothing of a connector."""
    worker.answer_next(404, "<html>Not Found</html>")
    with pytest.raises(ConnectUnavailable, match="it is starting"):
        ask(client)


def test_json_that_is_not_connects_is_named(client: ConnectClient, worker: FakeConnect) -> None:
    worker.answer_next(200, {"swagger": "2.0"}, times=3)
    for ask in (client.version, client.plugins, lambda: client.status("orders")):
        with pytest.raises(ConnectError, match="CONNECT_URL"):
            ask()


def test_a_password_goes_with_every_request(worker: FakeConnect) -> None:
    worker.credentials = ("connect", "a:b")
    known = ConnectSettings(connect_url=worker.url, connect_user="connect", connect_password=SecretStr("a:b"))
    with ConnectClient.of(known, timeout=5) as client:
        assert client.connectors() == ()
        assert client.put_config("orders", {"connector.class": "x"})


@pytest.mark.parametrize(
    ("given", "says"), [(None, "asks for a password"), (("connect", "old"), "refuses the password it was given")]
)
def test_a_worker_that_lets_nobody_in_is_named_with_the_settings(
    worker: FakeConnect, given: tuple[str, str] | None, says: str
) -> None:
    worker.credentials = ("connect", "new")
    with ConnectClient(worker.url, given, timeout=5) as client, pytest.raises(ConnectError, match=says) as refused:
        client.connectors()
    assert str(refused.value).endswith("see CONNECT_USER and CONNECT_PASSWORD")
    assert "old" not in str(refused.value)
    assert not isinstance(refused.value, ConnectUnavailable), "waiting does not help"


def test_nobody_there_is_one_line() -> None:
    with serve_connect() as gone:
        url = gone.url
    with ConnectClient(url) as client, pytest.raises(ConnectUnavailable, match="does not answer") as away:
        client.version()
    assert "\n" not in str(away.value)


def test_a_worker_that_hangs_is_left(worker: FakeConnect) -> None:
    with worker.hanging(), ConnectClient(worker.url, timeout=0.2) as client, pytest.raises(ConnectUnavailable):
        client.version()


def test_placeholders_stay_placeholders(client: ConnectClient, worker: FakeConnect) -> None:
    client.put_config("orders", {**CONFIG, "password": "${env:CLICKHOUSE_CONNECT_PASSWORD}"})
    assert "${env:CLICKHOUSE_CONNECT_PASSWORD}" in json.dumps(client.config("orders"))
