"""Whether a committed offset of Debezium's is behind a place in the binary log, and what keeps it from saying so."""

from dataclasses import dataclass
from typing import Final, Protocol

from services.events.topics import HEARTBEAT_TOPIC
from services.relay.binlog import End
from services.relay.position import Committed, Position
from services.relay.troubles import Trouble

_SOON: Final = 5.0
_GUIDE: Final = "docs/debezium.md"


class Log(Protocol):
    """What is asked of services.relay.binlog.Binlog."""

    def end(self) -> End: ...
    def oldest(self) -> Position: ...
    def contains(self, whole: str, part: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing can be said; worth telling once it has lasted for ``grace`` seconds."""

    trouble: Trouble
    line: str
    remedy: str
    grace: float = _SOON


def passed(committed: Committed, end: End, log: Log) -> bool:
    """Whether everything in the log before that end was delivered; for offsets without an obstacle.

    The position decides. With GTIDs the transactions executed by then must be among the offset's too: after a failover
    an offset that has not moved yet still names a place in the log of the former server.
    """
    if not committed.position.reaches(end.position):
        return False
    return committed.gtids is None or not end.executed or log.contains(committed.gtids, end.executed)


def obstacle(committed: Committed | None, log: Log) -> Obstacle | None:
    """What makes the offset mean nothing, or None. ``committed`` must have been read before this is called."""
    if committed is None:
        return Obstacle(
            Trouble.NO_OFFSET,
            "the connector has committed no offset yet",
            f"if that lasts: does the topic {HEARTBEAT_TOPIC} exist? See {_GUIDE}",
            grace=10,
        )
    if committed.snapshot:
        return Obstacle(
            Trouble.SNAPSHOT, "the connector takes a snapshot of what waits", "wait until it is done; marks come then"
        )
    end = log.end()
    if _of_another_log(committed, end, log):
        return Obstacle(
            Trouble.ANOTHER_LOG,
            f"the connector's offset {committed.position} is of another server's binary log, or of one that was reset: "
            f"this one ends at {end.position}",
            f"stop the connector, reset its offsets, resume it ({_GUIDE}); what waits is sent once more",
        )
    if committed.position.number < end.position.number and committed.position.number < log.oldest().number:
        return Obstacle(
            Trouble.PURGED,
            f"MySQL has purged the binary log at the connector's offset {committed.position}",
            "a connector that starts takes a new snapshot by itself; keep the log longer (binlog_expire_logs_seconds)",
        )
    return None


def _of_another_log(committed: Committed, end: End, log: Log) -> bool:
    """What the connector has read was in the log before; so it cannot lie behind the end that is read now."""
    if committed.position.name != end.position.name or not end.position.reaches(committed.position):
        return True
    return bool(committed.gtids and end.executed) and not log.contains(end.executed, committed.gtids or "")
