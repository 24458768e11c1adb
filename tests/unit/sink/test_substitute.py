"""How long the sink stands in for a connector."""

from __future__ import annotations

import pytest

from services.clients.batches import Pause, Stopped
from services.clients.consumer import Place
from services.observability.process import StopSignal
from services.sink.substitute import Turn
from tests.support.kafka_fakes import message

ROW: Place = ("orders_analytics", 0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeGroup:
    """A member with one partition, or none yet."""

    def __init__(self) -> None:
        self.end: dict[Place, int] = {ROW: 10}
        self.position = 0

    def ends(self) -> dict[Place, int]:
        return dict(self.end)

    def reached(self, ends: dict[Place, int]) -> bool:
        return self.position >= ends[ROW]


class Stage:
    def __init__(self, least: float = 1.0) -> None:
        self.clock, self.stop, self.group = Clock(), StopSignal(), FakeGroup()
        self.turn = Turn(self.stop, least, self.group, self.clock)

    def after(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self.turn.stopped


def test_it_lasts_until_what_waited_is_done() -> None:
    stage = Stage()
    assert not stage.after(5)
    stage.group.end = {ROW: 99}  # what comes later is the connector's
    stage.group.position = 10
    assert stage.after(0)
    assert stage.turn.caught_up


def test_it_lasts_as_long_as_the_connector_is_not_to_be_restarted() -> None:
    stage = Stage(least=30)
    stage.group.position = 10
    assert not stage.after(29)
    assert stage.after(2)


def test_while_clickhouse_takes_nothing_it_ends_after_a_while() -> None:
    stage = Stage()
    over: list[bool] = []

    def waits(_batch: object, pause: Pause) -> None:
        for _ in range(5):
            over.append(stage.after(2))
            pause(2)

    stage.turn.working(waits)([message(b"{}")], lambda _seconds: None)
    assert over == [False, False, False, True, True]
    assert not stage.turn.caught_up


def test_a_batch_that_was_broken_off_is_not_taken_for_done() -> None:
    stage = Stage()
    stage.group.position = 10  # it was read

    def waits(_batch: object, _pause: Pause) -> None:
        assert stage.after(9)
        raise Stopped

    with pytest.raises(Stopped):
        stage.turn.working(waits)([message(b"{}")], lambda _seconds: None)
    assert stage.after(0)
    assert not stage.turn.caught_up


def test_the_batch_in_hand_is_not_taken_for_done() -> None:
    stage = Stage()
    stage.group.position = 10  # it was read

    def works(_batch: object, _pause: Pause) -> None:
        assert not stage.after(5)

    stage.turn.working(works)([message(b"{}")], lambda _seconds: None)
    assert stage.after(0)


def test_many_bad_rows_are_no_standstill() -> None:
    stage = Stage()

    def bisects(_batch: object, pause: Pause) -> None:
        for _ in range(10):
            pause(0)
            assert not stage.after(5)

    stage.turn.working(bisects)([message(b"{}")], lambda _seconds: None)


def test_without_a_partition_it_waits_and_then_leaves() -> None:
    stage = Stage()
    stage.group.end = {}
    assert not stage.after(7)
    assert stage.after(2)
    assert not stage.turn.caught_up


def test_it_ends_with_the_process() -> None:
    stage = Stage(least=100)
    stage.stop.set()
    assert stage.turn.stopped
