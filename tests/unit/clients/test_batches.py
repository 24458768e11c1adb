"""The loop of a consuming process: work, then offsets, and how long it waits for more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Message

from services.clients.batches import Pause, Stopped, run_batches
from services.clients.consumer import Rebalanced
from services.observability.process import StopSignal
from tests.unit.clients.stage import Stage, at


def run_once(stage: Stage, work: Callable[[Pause], None]) -> None:
    """One batch through the loop, then the stop."""
    stop = StopSignal()

    def end() -> list[Message]:
        stop.set()
        return []

    stage.fake.script = [lambda: [at(0)], lambda: [at(1)], end]
    run_batches("test", stage.consumer, lambda _batch, pause: work(pause), stop)


def test_offsets_are_committed_after_the_work_and_not_before(stage: Stage) -> None:
    seen: list[int] = []
    run_once(stage, lambda _pause: seen.append(len(stage.fake.commits)))
    assert seen == [0]
    assert stage.fake.commits == [{0: 2}]


def test_a_batch_waits_for_more_as_long_as_the_work_before_it_took_and_half_a_second_at_most(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, lingers, clock = StopSignal(), list[float](), [0.0]
    works = iter([0.2, 7.0])
    monkeypatch.setattr("services.clients.batches.time.monotonic", lambda: clock[0])

    def read(linger: float) -> list[Message]:
        lingers.append(linger)
        if len(lingers) == 3:
            stop.set()
            return []
        return [at(0)]

    def work(_batch: object, _pause: Pause) -> None:
        clock[0] += next(works)

    monkeypatch.setattr(stage.consumer, "read", read)
    run_batches("test", stage.consumer, work, stop)
    assert lingers == pytest.approx([0, 0.2, 0.5])


@pytest.mark.parametrize("broken_off", [Rebalanced, Stopped])
def test_nothing_is_committed_for_work_that_was_broken_off(stage: Stage, broken_off: type[Exception]) -> None:
    def work(_pause: Pause) -> None:
        raise broken_off

    run_once(stage, work)
    assert stage.fake.commits == []


def test_a_pause_ends_when_the_process_is_to_stop(stage: Stage) -> None:
    stop = StopSignal()
    reached: list[str] = []

    def work(_batch: object, pause: Pause) -> None:
        stop.set()
        reached.append("before")
        pause(3600)
        reached.append("after")

    stage.fake.script = [lambda: [at(0)]]
    run_batches("test", stage.consumer, work, stop)
    assert reached == ["before"]
    assert stage.fake.commits == []
