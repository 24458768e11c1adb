"""Runs the aggregator's named statements, one at a time, with the points at which a test may kill it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

from clickhouse_connect.driver.client import Client

from services.clients.named_sql import NamedSql, load


class NotAllowed(Exception):
    """The lease went to another aggregator: what is under way must not be finished."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A time (ms) at which no statement of before can be running any more, and from when recomputes must be redone.

    A statement whose client died or lost its connection may still run in the server and append sums of rows it read
    long ago. What was recomputed from ``since`` on is therefore recomputed once more at ``until``.
    """

    since: int = 0
    until: int = 0


@dataclass
class Store:
    """The ClickHouse side of the aggregator.

    ``clock`` answers milliseconds since 1970 (None: ClickHouse's own clock, which also stamps incoming rows);
    ``crash`` is called before and after every append with its name; ``allowed`` is asked before every append.
    """

    client: Client
    timezone: str
    clock: Callable[[], int] | None = None
    crash: Callable[[str], None] = lambda _where: None
    allowed: Callable[[], bool] = lambda: True
    queries: NamedSql = field(default_factory=lambda: load("services.aggregator", "queries.sql"))
    fence: Fence = Fence()

    def dirty(self, name: str, gaps: tuple[float, ...]) -> list[tuple[Any, ...]]:
        """Rows of a dirty_* statement; ``gaps`` are seconds."""
        parameters = {
            **self._common(name),
            "gaps": [int(gap * 1000) for gap in gaps],
            "fence_from": self.fence.since,
            "fence": self.fence.until,
        }
        return [tuple(row) for row in self.client.query(self.queries[name], parameters=parameters).result_rows]

    def append(self, name: str, literals: Mapping[str, str], **parameters: int) -> None:
        """Runs an append_* statement. Raises NotAllowed, and appends nothing, when the lease is not held."""
        self.crash(f"before {name}")
        if not self.allowed():
            raise NotAllowed(name)
        sql = Template(self.queries[name]).substitute(literals)
        self.client.command(sql, parameters={**self._common(name), **parameters})
        self.crash(f"after {name}")

    def _common(self, name: str) -> dict[str, int | str]:
        common: dict[str, int | str] = {"now": self.clock() if self.clock else 0}
        if "{zone:String}" in self.queries[name]:
            common["zone"] = self.timezone
        return common
