"""What a tick found and did, for metrics and logs."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", str, int)


@dataclass(frozen=True, slots=True)
class Dirty(Generic[Key]):
    """A day (ISO text) or a bucket of users that must be recomputed.

    ``inserted``: rows that ever came in, read before the raw rows; ``missing``: how many of them its sums do not cover
    (0 for a recheck); ``newest_ms``: the newest occurred_at among them, milliseconds since 1970.
    """

    key: Key
    inserted: int
    missing: int
    recent: bool
    newest_ms: int


@dataclass(frozen=True, slots=True)
class Found(Generic[Key]):
    """All dirty keys in the order they are worth recomputing, and when they were read (ClickHouse's clock, ms)."""

    keys: tuple[Dirty[Key], ...]
    read_ms: int


@dataclass(frozen=True, slots=True)
class TickReport:
    """One look for dirty keys, and the recompute that followed."""

    cube: str
    """``days`` or ``users``."""
    dirty: int
    """Keys that were dirty when the tick looked, rechecks among them."""
    recomputed: int
    """Keys recomputed in this tick; the rest waits for the next."""
    backlog_rows: int
    """Rows that came in and were in no sum when the tick looked."""
    newest_occurred_at: float | None
    """Commit time (seconds since 1970) of the newest event first shown by this tick; None where nothing new was."""
    duration: float
    """Seconds the tick took."""

    @property
    def remaining(self) -> int:
        """Dirty keys left for later ticks."""
        return self.dirty - self.recomputed
