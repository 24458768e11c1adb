"""The relay of RELAY_MODE=debezium: produces nothing, and marks what the connector outbox-debezium has delivered.

Debezium reads the outbox's inserts from MySQL's binary log and knows nothing of `processed`, by which the backlog, the
purge, verify and repair go. So the follower looks, in this order:

1. which rows wait (ids, never a highest id: ids become visible out of order);
2. where the binary log ends: P;
3. again and again, which offset Connect has committed for the connector: O;
4. and when O is at or behind P, it marks those rows, and no others.

Why a marked row is in Kafka:
- A row seen in 1 was committed before 2. MySQL writes a transaction to the log before its rows can be seen, so the row
  was logged before P. Read the other way round, P could lie before the row: nothing would have been waited for.
- Every record of Debezium carries the place in the log from which it would have to be read again, and Connect commits
  the offset of a record when every replica in sync has it and all before it. So O at or behind P means that every
  record made of the log before P is in Kafka.
- While a snapshot is being taken O is where it began, and rows are delivered in between without moving it: nothing is
  marked. A snapshot reads what is not processed (its select in schemas/connect/outbox-debezium.json). Nobody but the
  holder of the lease marks, so each row of 1 is in every snapshot taken before 4 that began after it was committed,
  and in the log behind every snapshot that began before.
- The connector leaves out what has another topic than the pipeline's and cuts payloads that are too large. Those rows
  are never marked (`refusal`).
- It reads inserts. A row that was refused, requeued or unmarked since may be in no snapshot and in no insert to come:
  it is inserted anew instead of being waited for.
- An offset of another server (a restored or replaced database, a failover) does not count: it must not lie behind the
  end of this log, and with GTIDs it must hold what had been executed at P and nothing that this server has not.
- The marks check the lease's fencing token in their transactions. A follower that was paused beyond its lease marks
  nothing.

When the process dies anywhere the rows are still unprocessed and its successor begins with 1.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.clients.backoff import Backoff
from services.clients.connect import ConnectError
from services.clients.kafka import MAX_MESSAGE_BYTES
from services.clients.lease import Lease
from services.events.topics import EVENT_TOPICS, HEARTBEAT_TOPIC
from services.observability import metrics
from services.observability.logging import get_logger
from services.observability.process import StopSignal
from services.relay.binlog import End
from services.relay.connector import Connector
from services.relay.leading import Leading
from services.relay.outbox import Outbox, Unmarked
from services.relay.pace import Pace
from services.relay.passing import Log, Obstacle, obstacle, passed
from services.relay.position import NotAnOffset
from services.relay.troubles import Trouble, Troubles
from services.settings import RelaySettings

_ROWS: Final = 50_000
_MARKS: Final = 1_000
_LOOK_SECONDS: Final = 0.25
_CHECK_SECONDS: Final = 5.0
_STUCK_SECONDS: Final = 30.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class Watermark:
    """Rows that waited, and where the log ended after they were seen; all of them were logged before that."""

    rows: tuple[Unmarked, ...]
    end: End
    seen_at: float


class Follower(Leading):
    """Marks rows when the connector is known to have delivered them."""

    def __init__(
        self,
        outbox: Outbox,
        lease: Lease,
        settings: RelaySettings,
        binlog: Log,
        connector: Connector,
        troubles: Troubles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(outbox, lease, settings)
        self._binlog, self._connector, self._troubles, self._clock = binlog, connector, troubles, clock
        self._pace = Pace(settings.outbox_polling_interval)
        self._away = Backoff()
        self._watermark: Watermark | None = None
        self._works, self._check_at = False, 0.0

    def round(self, stop: StopSignal) -> float:
        """Sets a watermark, or looks whether the connector has passed the one there is."""
        try:
            pause = self._round()
        except ConnectError as away:
            remedy = "bring Kafka Connect and the brokers behind it back, or correct CONNECT_URL"
            self._troubles.have(Trouble.CONNECT_AWAY, f"events wait in the outbox: {away}", remedy)
            return self._away.failed()
        except NotAnOffset as strange:
            remedy = "is the connector of that name Debezium's for MySQL? Reset its offsets (docs/debezium.md)"
            self._troubles.have(Trouble.ANOTHER_LOG, f"events wait in the outbox: {strange}", remedy)
            return self._away.failed()
        self._away.succeeded()
        return pause

    def _round(self) -> float:
        if self._watermark is None:
            self._watermark = self._look()
        if self._clock() >= self._check_at:
            self._check()
        if self._watermark is None:
            return self._pace.rest(worked=False, more=False)
        # A write of our own behind the watermark: the log goes on, and Debezium's next heartbeat lies behind it too
        self.renew_lease()
        if not self._passed(self._watermark):
            return min(_LOOK_SECONDS, self._settings.outbox_polling_interval)
        self._mark(self._watermark)
        more = len(self._watermark.rows) == _ROWS
        self._watermark = None
        metrics.FOLLOWER_WAITING.set(0)
        return self._pace.rest(worked=True, more=more)

    def _look(self) -> Watermark | None:
        """The rows first, then the end of the log; see the module."""
        seen_at = self._clock()
        rows = self._deliverable()
        if not rows:
            return None
        metrics.FOLLOWER_WAITING.set(len(rows))
        return Watermark(tuple(rows), self._binlog.end(), seen_at)

    def _deliverable(self) -> list[Unmarked]:
        waiting = self._outbox.unmarked(_ROWS)
        refused = {row.id: reason for row in waiting if (reason := refusal(row))}
        self._explain({row.id: refused[row.id] for row in waiting if row.id in refused and row.last_error is None})
        changed = [row.id for row in waiting if row.changed and row.id not in refused]
        if changed:
            log.info("rows changed since their insert are inserted anew", rows=len(changed), first=changed[0])
            self._outbox.insert_again(changed)
        return [row for row in waiting if row.id not in refused and not row.changed]

    def _explain(self, reasons: dict[int, str]) -> None:
        if reasons:
            self._outbox.explain(reasons)
        for outbox_id, reason in reasons.items():
            log.warning("the connector does not deliver this event", outbox_id=outbox_id, reason=reason)

    def _check(self) -> None:
        """Every few seconds, whether rows wait or not: is the connector at work?"""
        self._check_at = self._clock() + _CHECK_SECONDS
        self._works = self._connector.works()
        if self._watermark is None:
            self._tell(obstacle(self._connector.committed(), self._binlog))

    def _passed(self, watermark: Watermark) -> bool:
        committed = self._connector.committed()
        found = obstacle(committed, self._binlog)
        done = committed is not None and found is None and passed(committed, watermark.end, self._binlog)
        self._tell(found or (None if done else self._stuck()))
        return done

    def _stuck(self) -> Obstacle | None:
        if self._connector.offset_age < _STUCK_SECONDS:
            return None
        return Obstacle(
            Trouble.STUCK,
            f"the connector runs, but its offset has not moved for {self._connector.offset_age:.0f} s",
            f"are all brokers up, and does the topic {HEARTBEAT_TOPIC} exist? The worker's log says what it waits for",
        )

    def _tell(self, found: Obstacle | None) -> None:
        """What the connector itself is in trouble with comes first: that is said where it is looked at."""
        if not self._works:
            return
        if found is None:
            self._troubles.over()
        else:
            self._troubles.have(found.trouble, found.line, found.remedy, found.grace)

    def _mark(self, watermark: Watermark) -> None:
        for first in range(0, len(watermark.rows), _MARKS):
            some = watermark.rows[first : first + _MARKS]
            self._outbox.mark([row.id for row in some])
            self.keep_lease()
            for topic, count in Counter(row.topic for row in some).items():
                metrics.OUTBOX_RELAYED.labels(topic).inc(count)
        metrics.FOLLOWER_MARK_SECONDS.observe(self._clock() - watermark.seen_at)

    def forget(self) -> None:
        self._watermark = None
        metrics.FOLLOWER_WAITING.set(0)

    def close(self) -> None:
        self._connector.close()


def refusal(row: Unmarked) -> str | None:
    """Why the connector does not deliver the row as it is; None when it does. As its configuration has it."""
    if row.topic not in EVENT_TOPICS:
        return f"topic {row.topic} is none of {', '.join(EVENT_TOPICS)}: is its aggregate_type right?"
    if row.size > MAX_MESSAGE_BYTES:
        return f"payload of {row.size} bytes is too large: more than {MAX_MESSAGE_BYTES} are not delivered whole"
    return None
