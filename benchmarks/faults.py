"""Faults drawn at random, one at a time, each undone: what a soak does to a stack."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

ACTIONS = ("kill", "restart", "pause", "disconnect")
LONGEST_HELD = 20.0
"""Seconds a part is frozen or off the network at most: longer than a lease and a broker's session."""


class Parts(Protocol):
    """A stack whose parts can be harmed (tests.support.stack.Parts)."""

    def kill(self, role: str) -> None: ...
    def restart(self, role: str) -> None: ...
    def pause(self, role: str) -> None: ...
    def unpause(self, role: str) -> None: ...
    def disconnect(self, role: str) -> None: ...
    def connect(self, role: str) -> None: ...


@dataclass(frozen=True)
class Fault:
    """What is done to which part, and for how many seconds where it is a state that ends."""

    action: str
    part: str
    held: float = 0.0


def draw(chance: random.Random, parts: Sequence[str]) -> Fault:
    """The next fault; equal seeds draw equal ones."""
    action = chance.choice(ACTIONS)
    held = round(chance.uniform(1, LONGEST_HELD), 1) if action in ("pause", "disconnect") else 0.0
    return Fault(action, chance.choice(sorted(parts)), held)


def strike(stack: Parts, fault: Fault, pause: Callable[[float], Any] = time.sleep) -> None:
    """Does it, holds it, and undoes it whatever happens meanwhile."""
    if fault.action == "kill":
        stack.kill(fault.part)
    elif fault.action == "restart":
        stack.restart(fault.part)
    else:
        begin, end = (stack.pause, stack.unpause) if fault.action == "pause" else (stack.disconnect, stack.connect)
        begin(fault.part)
        try:
            pause(fault.held)
        finally:
            end(fault.part)
