"""A history: what clients did, and how the events of it came to ClickHouse and its aggregator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.support.actions import Action


@dataclass(frozen=True)
class Insert:
    """One INSERT of the sink: events by number, modulo those there are, in any order and any of them again."""

    events: tuple[int, ...]


@dataclass(frozen=True)
class Repeat:
    """An INSERT that was done is done again as it was, its offsets not having been committed."""

    insert: int


@dataclass(frozen=True)
class Late:
    """An INSERT whose counts are seen at once and whose rows when the clock next moves, or at the end."""

    events: tuple[int, ...]


@dataclass(frozen=True)
class Tick:
    """The aggregator looks once, and is killed at its nth crash point if it gets there (0: before the first append)."""

    cubes: Literal["days", "users"]
    crash: int | None = None


@dataclass(frozen=True)
class Step:
    """ClickHouse's clock moves, or is set back, by so many seconds."""

    seconds: int


Stage = Insert | Repeat | Late | Tick | Step


@dataclass(frozen=True)
class History:
    """Actions, then stages; what was not delivered by then comes in one last INSERT, backwards if ``backwards``."""

    actions: tuple[Action, ...]
    stages: tuple[Stage, ...] = ()
    backwards: bool = False
    settle: bool = False
    """Whether the views are looked at only after the last recheck; so in any case where rows were late."""
