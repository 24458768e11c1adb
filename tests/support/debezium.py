"""MySQL's binary log and the connector outbox-debezium as a test plays them: what the follower looks at, no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.clients.connect import ConnectorStatus, NoSuchConnector, Offset, State, TaskStatus
from services.relay.binlog import End
from services.relay.connector import CONNECTOR
from services.relay.position import Position

FILE = "binlog.000007"


def place(offset: int, file: str = FILE) -> Position:
    """So many bytes into a file of the log."""
    return Position.of(file, offset)


def offset_at(offset: int, file: str = FILE, **more: Any) -> dict[str, Any]:
    """What Debezium 3.6 commits, as Connect shows it."""
    return {"ts_sec": 1795272447, "file": file, "pos": offset, "server_id": 1, **more}


@dataclass
class FakeLog:
    """The binary log: where it ends and begins. GTID sets are comma-separated words here."""

    at: Position = field(default_factory=lambda: place(1000))
    executed: str = ""
    begins: Position = field(default_factory=lambda: place(0, "binlog.000001"))
    before_end: Callable[[], None] = lambda: None
    after_end: Callable[[], None] = lambda: None

    def end(self) -> End:
        """Where it ends, between what the test has happen before and after."""
        self.before_end()
        found = End(self.at, self.executed)
        self.after_end()
        return found

    def oldest(self) -> Position:
        """Its first file."""
        return self.begins

    def contains(self, whole: str, part: str) -> bool:
        """As GTID_SUBSET."""
        return set(part.split(",")) <= set(whole.split(","))


@dataclass
class FakeConnector:
    """The part of ConnectClient that the follower uses; there is one connector, or none."""

    offset: dict[str, Any] | None = None
    state: State | None = State.RUNNING
    failed_with: str | None = None
    before_offsets: Callable[[], None] = lambda: None
    asked: list[str] = field(default_factory=list)
    foreign: Sequence[Offset] = ()

    def status(self, name: str) -> ConnectorStatus:
        """Raises NoSuchConnector when there is none."""
        if self.state is None:
            raise NoSuchConnector(f"Kafka Connect has no connector {name}: gone", 404)
        state = State.FAILED if self.failed_with else self.state
        tasks = () if self.state is State.STOPPED else (TaskStatus(0, state, "worker", self.failed_with),)
        return ConnectorStatus(name, "source", self.state, "worker", None, tasks)

    def offsets(self, name: str) -> tuple[Offset, ...]:
        """What is committed."""
        self.before_offsets()
        if self.state is None:
            raise NoSuchConnector(f"Kafka Connect has no connector {name}: gone", 404)
        mine = () if self.offset is None else (Offset({"server": CONNECTOR}, self.offset),)
        return (*mine, *self.foreign)

    def restart(self, name: str, *, only_failed: bool = False) -> None:
        """Remembered."""
        self.asked.append("restart only failed" if only_failed else "restart")

    def stop(self, name: str) -> None:
        """Remembered and done."""
        self.asked.append("stop")
        self.state = State.STOPPED

    def reset_offsets(self, name: str) -> None:
        """Remembered and done."""
        self.asked.append("reset")
        self.offset = None

    def resume(self, name: str) -> None:
        """Remembered and done; a failed task begins again."""
        self.asked.append("resume")
        self.state, self.failed_with = State.RUNNING, None

    def close(self) -> None:
        """Remembered."""
        self.asked.append("close")
