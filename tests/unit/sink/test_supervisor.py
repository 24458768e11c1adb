"""What the sink does about the connector that loads ClickHouse in its place."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.clients.connect import (
    SINK_CONNECTOR,
    ConnectorStatus,
    ConnectUnavailable,
    NoSuchConnector,
    State,
    TaskStatus,
)
from services.clients.consumer import MessagesLost
from services.clients.messages import BrokerAway
from services.observability.process import StopSignal
from services.sink.progress import Progress
from services.sink.supervisor import Supervisor, Trouble

TRACE = """org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:636)
Caused by: java.lang.RuntimeException: Code: 469. DB::Exception: Constraint `c` is violated
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeOffsets:
    """The group's offsets, of one topic."""

    def __init__(self) -> None:
        self.end, self.done = {0: 0, 1: 0}, {0: 0, 1: 0}
        self.away = False

    def ends(self, topic: str) -> dict[int, int]:
        if self.away:
            raise BrokerAway("no broker")
        return self.end

    def committed(self, topic: str, partitions: object) -> dict[int, int]:
        return self.done

    def close(self) -> None: ...


class Stage:
    """Connect, the substitute and the clock as the test says."""

    def __init__(self) -> None:
        self.clock, self.stop, self.offsets = Clock(), StopSignal(), FakeOffsets()
        self.state: State | None = State.RUNNING
        self.failed: list[str | None] = [None]
        self.away = False
        self.did: list[str] = []
        self.least: list[float] = []
        self.turn_ends_with: Exception | None = None
        self.supervisor = Supervisor(self, self, Progress("sink", self.offsets, "rows"), self.clock)

    def status(self, name: str) -> ConnectorStatus:
        assert name == SINK_CONNECTOR
        if self.away:
            raise ConnectUnavailable("nobody there")
        if self.state is None:
            raise NoSuchConnector("none")
        stands = self.state in (State.STOPPED, State.UNASSIGNED)
        tasks = [
            TaskStatus(n, State.FAILED if trace else State.RUNNING, "w", trace) for n, trace in enumerate(self.failed)
        ]
        return ConnectorStatus(name, "sink", self.state, "w", None, () if stands else tuple(tasks))

    def restart(self, name: str, *, only_failed: bool = False) -> None:
        assert only_failed, "a task that runs is left alone"
        self.did.append("restart")

    def turn(self, least: float, stop: StopSignal) -> bool:
        self.did.append("turn")
        self.least.append(least)
        self.clock.now += least
        if self.turn_ends_with:
            raise self.turn_ends_with
        return True

    def look(self, after: float = 2.0) -> float:
        self.clock.now += after
        return self.supervisor.look(self.stop)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_connector_that_runs_is_left_alone(stage: Stage) -> None:
    assert stage.look() <= 2
    assert (stage.did, stage.supervisor.trouble) == ([], None)


def test_a_failed_task_is_restarted_once_its_rows_are_done(stage: Stage) -> None:
    before = sample("millrace_sink_connector_restarts_total") or 0
    stage.failed = [TRACE]
    with capture_logs() as said:
        stage.look()
    assert stage.did == ["turn", "restart"], "restarted at the row that ended it, it would end again"
    assert stage.supervisor.trouble is Trouble.CONNECTOR_FAILED
    assert sample("millrace_sink_trouble", kind="connector_failed") == 1
    assert sample("millrace_sink_connector_restarts_total") == before + 1
    assert "Code: 469" in said[0]["event"]
    stage.failed = [None]
    stage.look()
    assert sample("millrace_sink_trouble", kind="connector_failed") == 0


def test_one_failed_task_of_several_is_enough(stage: Stage) -> None:
    stage.failed = [None, TRACE]
    stage.look()
    assert stage.did == ["turn", "restart"]


def test_what_it_was_before_the_restart_is_no_new_failure(stage: Stage) -> None:
    stage.failed = [TRACE]
    stage.look()
    stage.look(0.5)
    assert stage.did == ["turn", "restart"]
    stage.look()
    assert stage.did == ["turn", "restart"] * 2


def test_again_and_again_it_is_restarted_with_growing_pauses(stage: Stage) -> None:
    stage.failed = [TRACE]
    for _ in range(9):
        stage.look()
    assert stage.least[0] <= 1, "the first time at once"
    assert 30 <= stage.least[-1] <= 60
    doubled = stage.least[2:6]
    assert doubled == sorted(doubled)


def test_pauses_are_short_again_after_a_minute_of_work_and_not_before(stage: Stage) -> None:
    stage.failed = [TRACE]
    for _ in range(6):
        stage.look()
    for seconds, most in ((30, 60), (2, 60), (62, 1)):
        stage.failed = [None]
        stage.look()
        stage.look(seconds)
        stage.failed = [TRACE]
        stage.look()
        assert (stage.least[-1] <= 1) == (most == 1), seconds


def test_rows_that_the_broker_removed_do_not_keep_the_connector_away(stage: Stage) -> None:
    stage.failed, stage.turn_ends_with = [TRACE], MessagesLost("removed")
    with capture_logs() as said:
        stage.look()
    assert stage.did == ["turn", "restart"]
    assert "removed" in [entry["event"] for entry in said]


def test_told_to_stop_it_leaves_the_connector_to_its_successor(stage: Stage) -> None:
    stage.failed = [TRACE]
    stage.stop.set()
    stage.look()
    assert stage.did == ["turn"]


@pytest.mark.parametrize("state", [State.STOPPED, State.PAUSED])
def test_what_a_person_stopped_stays_stopped(stage: Stage, state: State) -> None:
    stage.state = state
    with capture_logs() as said:
        stage.look()
    assert stage.did == []
    assert stage.supervisor.trouble is Trouble.CONNECTOR_STOPPED
    assert "resume" in said[0]["remedy"]


def test_no_connector_and_no_task_are_said_when_they_last(stage: Stage) -> None:
    for state, trouble in ((None, Trouble.CONNECTOR_MISSING), (State.UNASSIGNED, Trouble.CONNECTOR_UNASSIGNED)):
        stage.state = state
        with capture_logs() as said:
            stage.look()
            assert said == []
            stage.look(40)
        assert stage.supervisor.trouble is trouble
        assert len(said) == 1
    assert stage.did == []


def test_without_connect_it_is_asked_again_with_growing_pauses(stage: Stage) -> None:
    stage.away = True
    rests = [stage.look(0) for _ in range(9)]
    assert stage.supervisor.trouble is Trouble.CONNECT_AWAY
    assert rests[0] < 0.2 < 2 < rests[-1]
    stage.away = False
    stage.look()
    assert stage.supervisor.trouble is None


def test_the_groups_lag_and_progress_are_the_sinks(stage: Stage) -> None:
    stage.offsets.end, stage.offsets.done = {0: 10, 1: 5}, {0: 4, 1: 5}
    stage.look()
    before = sample("millrace_consumed_total", process="sink", topic="rows") or 0
    assert sample("millrace_consumer_lag_messages", topic="rows", partition="0") == 6
    assert sample("millrace_consumer_lag_messages", topic="rows", partition="1") == 0
    stage.offsets.done = {0: 10, 1: 2}
    stage.look()
    assert sample("millrace_consumed_total", process="sink", topic="rows") == before + 6
    stage.offsets.away = True
    stage.look()
    assert sample("millrace_consumer_lag_messages", topic="rows", partition="1") == 3
