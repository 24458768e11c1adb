"""The sink in the place of a connector whose task FAILED: a member of the connector's own consumer group.

The group is what makes this safe. It gives each partition to one member, begins where the connector has committed, and
takes commits from none but its members: a connector that comes back meanwhile shares the partitions, two substitutes do
too, and one that dies anywhere has committed nothing that is not in ClickHouse or in the dead letters. So no lease is
needed, and the connector is neither stopped nor are its offsets set by anybody.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from confluent_kafka import Message

from services.clients.batches import Pause, Stopped, Work, run_batches
from services.clients.consumer import BatchConsumer, Place
from services.observability import metrics
from services.observability.logging import get_logger
from services.observability.process import StopSignal

_PATIENCE_SECONDS: Final = 8.0

log = get_logger()


class Group(Protocol):
    """What a turn asks of services.clients.consumer.BatchConsumer, beside what run_batches does."""

    def ends(self) -> dict[Place, int]: ...
    def reached(self, ends: dict[Place, int]) -> bool: ...


class Turn(StopSignal):
    """How long a turn lasts; what run_batches looks at.

    ``least`` seconds, and until everything is done that was in the topic when it began. But when ClickHouse has taken
    and refused nothing for ``_PATIENCE_SECONDS``, no longer: then the connector may as well try.
    """

    def __init__(self, stop: StopSignal, least: float, group: Group, clock: Callable[[], float]) -> None:
        super().__init__()
        self._stop, self._group, self._clock = stop, group, clock
        self._least_until = clock() + least
        self._moved_at = clock()
        self._in_hand = self._given_up = False
        self._ends: dict[Place, int] = {}
        self.caught_up = False

    @property
    def stopped(self) -> bool:
        """Whether it is over."""
        if self._stop.stopped or self._given_up:
            return True
        if not self._in_hand:
            self.caught_up = self.caught_up or self._has_caught_up()
        if self._clock() < self._least_until:
            return False
        return (self.caught_up and not self._in_hand) or self._clock() >= self._moved_at + _PATIENCE_SECONDS

    def working(self, work: Work) -> Work:
        """That work, watched: whether it is under way, and whether it goes on."""

        def watched(batch: Sequence[Message], pause: Pause) -> None:
            def noticed(seconds: float) -> None:
                if not seconds:  # between two inserts that were answered
                    self._moved_at = self._clock()
                pause(seconds)

            self._in_hand, self._moved_at = True, self._clock()
            try:
                work(batch, noticed)
            except Stopped:  # what was read is not done: it would be taken for that
                self._given_up = True
                raise
            finally:
                self._in_hand = False
            self._moved_at = self._clock()

        return watched

    def _has_caught_up(self) -> bool:
        if not self._ends:
            self._ends = self._group.ends()
        return bool(self._ends) and self._group.reached(self._ends)


class Substitute:
    """Takes turns; between them it is no member of the group."""

    def __init__(
        self,
        process: str,
        join: Callable[[], BatchConsumer],
        insert: Work,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``join``: a consumer that is a member of the connector's group from then on."""
        self._process, self._join, self._insert, self._clock = process, join, insert, clock

    def turn(self, least: float, stop: StopSignal) -> bool:
        """Loads rows in the connector's place; whether everything that waited when it began is done.

        Lasts ``least`` seconds at least. Raises MessagesLost, as every sink does, where the broker has removed some.
        """
        began = self._clock()
        consumer = self._join()
        turn = Turn(stop, least, consumer, self._clock)
        try:
            run_batches(self._process, consumer, turn.working(self._insert), turn)
        finally:
            consumer.close()
            metrics.SINK_SUBSTITUTED.inc(self._clock() - began)
        return turn.caught_up
