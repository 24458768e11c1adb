"""Runs the aggregator's named statements, one at a time, with the points at which a test may kill it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

from clickhouse_connect.driver.client import Client

from services.clients.named_sql import NamedSql, load

STATEMENT_SECONDS = 60
"""ClickHouse ends a statement of the aggregator that takes longer."""


class NotAllowed(Exception):
    """The lease went to another aggregator: what is under way must not be finished."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A time (ms) at which no statement sent before can be running any more.

    A statement whose client died or lost its connection may go on in the server, and append sums of rows it read long
    ago. So what was recomputed from ``since`` on is recomputed once more after ``until``.
    """

    since: int = 0
    until: int = 0


@dataclass
class Store:
    """The ClickHouse side of the aggregator.

    ``clock`` answers milliseconds since 1970 (None: ClickHouse's own clock, which also stamps incoming rows);
    ``crash`` is called before and after every append with its name; ``allowed`` is asked before every append.
    ``fence_wanted``: a statement of before, of this or another aggregator, may still be running.
    """

    client: Client
    timezone: str
    clock: Callable[[], int] | None = None
    crash: Callable[[str], None] = lambda _where: None
    allowed: Callable[[], bool] = lambda: True
    queries: NamedSql = field(default_factory=lambda: load("services.aggregator", "queries.sql"))
    fence: Fence = Fence()
    fence_wanted: bool = False

    def dirty(self, name: str, gaps: tuple[float, ...], **parameters: str) -> list[tuple[Any, ...]]:
        """Rows of a dirty_* statement; ``gaps`` are seconds."""
        if self.fence_wanted:
            self._raise_fence()
        bound: dict[str, Any] = {
            "now": self.clock() if self.clock else 0,
            "gaps": [int(gap * 1000) for gap in gaps],
            "fence_from": self.fence.since,
            "fence": self.fence.until,
            **parameters,
        }
        return [tuple(row) for row in self.client.query(self.queries[name], parameters=bound).result_rows]

    def arrivals(self, name: str) -> tuple[object, ...]:
        """The row of an *_arrivals statement."""
        return tuple(self.client.query(self.queries[name]).result_rows[0])

    def append(self, name: str, literals: Mapping[str, str], **parameters: int | str) -> None:
        """Runs an append_* statement. Raises NotAllowed, and appends nothing, when the lease is not held."""
        self.crash(f"before {name}")
        if not self.allowed():
            raise NotAllowed(name)
        sql = Template(self.queries[name]).substitute(literals)
        self.client.command(sql, parameters=parameters, settings={"max_execution_time": STATEMENT_SECONDS})
        self.crash(f"after {name}")

    def _raise_fence(self) -> None:
        now = self.clock() if self.clock else int(self.client.query(self.queries["now"]).result_rows[0][0])
        margin = STATEMENT_SECONDS * 1000
        since = self.fence.since if now < self.fence.until else now - margin
        self.fence = Fence(since, now + margin)
        self.fence_wanted = False
