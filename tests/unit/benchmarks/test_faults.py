"""The faults of a soak: repeatable, one at a time, always undone."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from benchmarks.faults import ACTIONS, LONGEST_HELD, Fault, draw, strike

PARTS = ("relay", "mysql", "kafka-local1")


class Recorder:
    """A stack that writes down what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, action: str) -> object:
        return lambda part: self.done.append(f"{action} {part}")


def test_equal_seeds_draw_equal_faults_and_every_part_gets_every_kind() -> None:
    def drawn(seed: int) -> list[Fault]:
        chance = random.Random(seed)
        return [draw(chance, PARTS) for _ in range(200)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    kinds = Counter((fault.action, fault.part) for fault in drawn(7))
    assert set(kinds) == {(action, part) for action in ACTIONS for part in PARTS}
    held = [fault.held for fault in drawn(7) if fault.action in ("pause", "disconnect")]
    assert 0 < min(held) <= max(held) <= LONGEST_HELD
    assert all(fault.held == 0 for fault in drawn(7) if fault.action in ("kill", "restart"))


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Fault("kill", "relay"), ["kill relay"]),
        (Fault("restart", "relay"), ["restart relay"]),
        (Fault("pause", "mysql", 3), ["pause mysql", "held 3", "unpause mysql"]),
        (Fault("disconnect", "mysql", 4), ["disconnect mysql", "held 4", "connect mysql"]),
    ],
)
def test_each_fault_is_done_held_and_undone(fault: Fault, done: list[str]) -> None:
    stack = Recorder()
    strike(stack, fault, lambda seconds: stack.done.append(f"held {seconds:g}"))  # type: ignore[arg-type]  # a fake
    assert stack.done == done


def test_a_run_that_is_broken_off_leaves_nothing_frozen() -> None:
    stack = Recorder()

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        strike(stack, Fault("pause", "mysql", 5), interrupted)  # type: ignore[arg-type]  # a fake
    assert stack.done == ["pause mysql", "unpause mysql"]
