"""Connectors: wanted ones RUNNING with all tasks, and none that does a service's work again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.clients.connect import SINK_CONNECTOR, ConnectClient
from services.doctor.check import CannotLook
from services.doctor.connectors import OUTBOX_CONNECTOR, Connectors
from tests.support.connect import FakeConnect, FakeConnector, serve_connect
from tests.unit.doctor.fakes import STACK, failures, only


@pytest.fixture
def worker() -> Iterator[FakeConnect]:
    """A worker whose sink runs with two tasks."""
    with serve_connect() as fake:
        fake.connectors[SINK_CONNECTOR] = FakeConnector({"tasks.max": "2"})
        yield fake


def check(worker: FakeConnect, *wanted: str) -> Connectors:
    return Connectors(ConnectClient(worker.url, timeout=5, patience=0.1), STACK, wanted or (SINK_CONNECTOR,))


def test_a_running_connector(worker: FakeConnect) -> None:
    assert only(check(worker).look()).detail == "RUNNING with 2 tasks"


def test_a_failed_task_is_found_although_its_connector_runs(worker: FakeConnect) -> None:
    worker.fail_task(SINK_CONNECTOR, 1, "java.lang.RuntimeException: Code: 60. Table is gone\n\tat com.example")
    finding = only(failures(check(worker)))
    assert finding.detail == f"connector {SINK_CONNECTOR}, task 1: java.lang.RuntimeException: Code: 60. Table is gone"
    assert "`make logs SERVICE=sink`" in finding.remedy


def test_a_connector_that_is_not_there(worker: FakeConnect) -> None:
    del worker.connectors[SINK_CONNECTOR]
    finding = only(failures(check(worker)))
    assert finding.detail == "does not exist"
    assert f"`make register-connector CONNECTOR={SINK_CONNECTOR}`" in finding.remedy


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_wanted_connector_that_was_stopped(worker: FakeConnect, state: str) -> None:
    worker.connectors[SINK_CONNECTOR].state = state
    finding = only(failures(check(worker)))
    assert finding.detail == f"is {state}"
    assert "`make init-db`" in finding.remedy


def test_a_connector_on_its_way(worker: FakeConnect) -> None:
    worker.connectors[SINK_CONNECTOR].state = "UNASSIGNED"
    finding = only(failures(check(worker)))
    assert finding.detail == "is UNASSIGNED; task 0 UNASSIGNED, task 1 UNASSIGNED"
    assert "wait" in finding.remedy


def test_a_connector_whose_work_a_service_does_must_not_run(worker: FakeConnect) -> None:
    worker.connectors[OUTBOX_CONNECTOR] = FakeConnector({})
    finding = only(failures(check(worker)))
    assert (finding.subject, finding.detail) == (
        f"connector {OUTBOX_CONNECTOR}",
        "is RUNNING, and a service does the same work",
    )
    worker.connectors[OUTBOX_CONNECTOR].state = "STOPPED"
    assert failures(check(worker)) == []


def test_connectors_of_others_are_left_alone(worker: FakeConnect) -> None:
    worker.connectors["theirs"] = FakeConnector({}, state="FAILED")
    assert failures(check(worker)) == []


def test_a_worker_that_is_away() -> None:
    gone = Connectors(ConnectClient("http://127.0.0.1:9", timeout=1), STACK, (SINK_CONNECTOR,))
    finding = only(failures(gone))
    assert "does not answer" in finding.detail
    assert "`make restart SERVICE=kafka-connect`" in finding.remedy


def test_something_else_at_that_address_cannot_be_judged(worker: FakeConnect) -> None:
    worker.answer_next(200, "<html>", times=3)
    with pytest.raises(CannotLook, match="something else than Kafka Connect"):
        list(check(worker).look())
