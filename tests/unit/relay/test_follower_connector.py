"""The connector as the follower sees it: its offset, its troubles, and what is done about a failure."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.clients.connect import ConnectUnavailable, State
from services.clients.kafka import MAX_MESSAGE_BYTES
from services.events.topics import EVENT_TOPICS, HEARTBEAT_TOPIC, SCHEMA_HISTORY_TOPIC
from services.relay.connector import CONNECTOR, Connector
from services.relay.position import Position
from services.relay.troubles import Trouble, Troubles
from tests.support.debezium import FakeConnector, offset_at
from tests.support.process import PROJECT

TRACE = """org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer.
\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)
Caused by: io.debezium.DebeziumException: Error
\tat io.debezium.A.b(A.java:1)
Caused by: com.example.Deep: the reason
\tat com.example.A.b(A.java:1)
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Stage:
    def __init__(self) -> None:
        self.clock = Clock()
        self.connect, self.troubles = FakeConnector(offset_at(900)), Troubles(self.clock)
        self.connector = Connector(self.connect, self.troubles, self.clock)

    def after(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self.connector.works()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_offset_and_its_age_are_measured(stage: Stage) -> None:
    committed = stage.connector.committed()
    assert committed is not None
    assert committed.position == Position("binlog", 7, 900)
    assert sample("millrace_follower_offset_file_number") == 7
    assert sample("millrace_follower_offset_position_bytes") == 900
    stage.clock.now += 12
    stage.connector.committed()
    assert sample("millrace_follower_offset_age_seconds") == 12
    stage.connect.offset = offset_at(901)
    stage.connector.committed()
    assert sample("millrace_follower_offset_age_seconds") == 0


def test_no_connector_has_no_offset(stage: Stage) -> None:
    stage.connect.state = None
    assert stage.connector.committed() is None
    assert not stage.connector.works()


def test_a_connector_that_is_not_there_is_registered_by_its_name(stage: Stage) -> None:
    stage.connect.state = None
    with capture_logs() as said:
        stage.after(0)
        stage.after(6)
    assert "make register-connector CONNECTOR=outbox-debezium" in said[0]["remedy"]


def test_a_failed_task_is_named_by_its_last_cause_with_the_remedy(stage: Stage) -> None:
    stage.connect.failed_with = TRACE
    with capture_logs() as said:
        assert not stage.connector.works()
    assert said[0]["event"] == "the connector outbox-debezium FAILED: com.example.Deep: the reason"
    assert "docs/debezium.md" in said[0]["remedy"]
    assert stage.troubles.now is Trouble.CONNECTOR_FAILED
    assert sample("millrace_follower_trouble", kind="connector_failed") == 1


def test_a_failed_task_is_restarted_with_growing_pauses(stage: Stage) -> None:
    stage.connect.failed_with = TRACE
    stage.connector.works()
    assert stage.connect.asked == ["restart only failed"]
    stage.after(0.1)
    assert len(stage.connect.asked) == 1
    stage.after(5)
    assert stage.connect.asked == ["restart only failed"] * 2
    stage.after(4.9)
    assert len(stage.connect.asked) == 2


def test_the_third_time_it_begins_anew_without_its_offset(stage: Stage) -> None:
    stage.connect.failed_with = TRACE
    for _ in range(3):
        assert not stage.after(300)
    assert stage.connect.asked == ["restart only failed"] * 2 + ["stop"]
    assert not stage.after(5)
    assert stage.connect.asked[3:] == ["reset", "resume"]
    assert (stage.connect.offset, stage.connect.state) == (None, State.RUNNING)
    assert stage.after(5)


def test_running_for_a_moment_is_not_being_well(stage: Stage) -> None:
    """A task that cannot go on runs until it comes to what it cannot do."""
    for _ in range(3):
        stage.connect.failed_with = TRACE
        stage.after(300)
        stage.connect.failed_with = None
        stage.after(5)
        stage.after(5)
    assert "stop" in stage.connect.asked


@pytest.mark.parametrize("step", ["stop", "reset_offsets", "resume"])
def test_beginning_anew_goes_on_after_connect_was_away(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A request that got no answer may have been carried out: nobody else would resume the connector."""
    stage.connect.failed_with = TRACE
    done = getattr(stage.connect, step)

    def lost(name: str) -> None:
        if stage.connect.asked.count("lost") < 2:
            stage.connect.asked.append("lost")
            if step == "stop":
                done(name)
            raise ConnectUnavailable("Read timed out")
        done(name)

    monkeypatch.setattr(stage.connect, step, lost)
    for _ in range(8):
        with contextlib.suppress(ConnectUnavailable):
            stage.after(300)
    assert (stage.connect.offset, stage.connect.state) == (None, State.RUNNING)
    assert stage.after(5)


def test_a_connector_that_works_again_is_restarted_soon_the_next_time(stage: Stage) -> None:
    stage.connect.failed_with = TRACE
    for _ in range(2):
        stage.after(300)
    stage.connect.failed_with = None
    assert stage.after(60)
    assert stage.after(60)
    stage.connect.failed_with = TRACE
    stage.after(5)
    assert stage.connect.asked == ["restart only failed"] * 3


@pytest.mark.parametrize("state", [State.STOPPED, State.PAUSED])
def test_who_stopped_it_had_a_reason(stage: Stage, state: State) -> None:
    stage.connect.state = state
    assert not stage.connector.works()
    assert (stage.troubles.now, stage.connect.asked) == (Trouble.CONNECTOR_STOPPED, [])


def test_a_trouble_is_said_again_every_minute_and_when_it_is_over(stage: Stage) -> None:
    stage.connect.state = State.STOPPED
    with capture_logs() as said:
        for _ in range(100):
            stage.after(1)
        stage.troubles.over()
    warnings = [line for line in said if line["log_level"] == "warning"]
    assert len(warnings) == 2
    assert said[-1]["event"] == "following again"
    assert sample("millrace_follower_trouble", kind="connector_stopped") == 0


def test_a_trouble_that_passes_at_once_is_not_said(stage: Stage) -> None:
    with capture_logs() as said:
        stage.troubles.have(Trouble.SNAPSHOT, "line", "remedy", grace=5)
        stage.clock.now += 4
        stage.troubles.have(Trouble.SNAPSHOT, "line", "remedy", grace=5)
        stage.troubles.over()
    assert said == []


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    document = json.loads((PROJECT / "schemas" / "connect" / f"{CONNECTOR}.json").read_text())
    assert document["name"] == CONNECTOR
    return dict(document["config"])


def test_the_connectors_names_are_those_the_follower_looks_for(config: dict[str, Any]) -> None:
    assert config["topic.prefix"] == CONNECTOR
    assert f"{config['topic.heartbeat.prefix']}.{CONNECTOR}" == HEARTBEAT_TOPIC
    assert config["schema.history.internal.kafka.topic"] == SCHEMA_HISTORY_TOPIC


def test_the_connector_leaves_out_what_the_follower_refuses_and_nothing_else(config: dict[str, Any]) -> None:
    patterns = {topic.replace(".", r"\.") for topic in (*EVENT_TOPICS, HEARTBEAT_TOPIC)}
    assert set(config["predicates.known.pattern"].split("|")) == patterns
    assert config["transforms.known.negate"] == "true"
    select = config["snapshot.select.statement.overrides.ecommerce.outbox"]
    assert f"WHERE processed = FALSE AND LENGTH(payload) <= {MAX_MESSAGE_BYTES} " in select
    assert MAX_MESSAGE_BYTES < int(config["transforms.size.max.bytes"]) < 1_048_588


def test_no_event_is_dropped_for_an_error(config: dict[str, Any]) -> None:
    """With errors.tolerance=all Connect would skip an event and go on, and the follower would mark it."""
    assert config.get("errors.tolerance", "none") == "none"
    assert config["skipped.operations"] == "u,d,t"
    assert config["snapshot.mode"] == "when_needed"
