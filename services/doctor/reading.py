"""Who reads the topics and how far behind they are; and what was put aside as unusable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.doctor.check import CannotLook
from services.doctor.cluster import BrokersAway, Cluster
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place

_PROGRESS_SECONDS = 5.0
_FRESH_LETTER_SECONDS = 600.0


@dataclass(frozen=True)
class Reader:
    """A consumer group: the part that it is, and the topics it reads."""

    group: str
    part: str
    topics: Sequence[str]


class Lags:
    """The check: no group stands still before messages. How many wait is told, not judged: see the probe."""

    name = "lag"
    seconds = 30.0

    def __init__(
        self,
        cluster: Cluster,
        place: Place,
        readers: Sequence[Reader],
        until: Callable[[Callable[[], bool], float], bool],
    ) -> None:
        """``until(condition, seconds)``: waits for the condition, False when it did not come true in time."""
        self._cluster, self._place, self._readers, self._until = cluster, place, readers, until

    def look(self) -> Iterable[Finding]:
        """One line a group. A group that is behind is watched for five seconds. Raises CannotLook."""
        try:
            for reader in self._readers:
                yield self._judge(reader)
        except BrokersAway as away:
            raise CannotLook(str(away)) from None

    def _judge(self, reader: Reader) -> Finding:
        subject = f"group {reader.group}"
        at_first = self._positions(reader)
        waiting = self._waiting(reader, at_first)
        if not waiting:
            return ok(subject, f"{reader.part} has read everything")
        if self._until(lambda: self._positions(reader) != at_first, _PROGRESS_SECONDS):
            return ok(subject, f"{reader.part} is reading; {waiting:,} messages wait")
        detail = f"{waiting:,} messages wait and {reader.part} has read none for {_PROGRESS_SECONDS:g} s"
        return failing(subject, detail, self._place.restart(reader.part))

    def _positions(self, reader: Reader) -> Mapping[tuple[str, int], int]:
        return {
            (topic, number): offset
            for topic in reader.topics
            for number, offset in self._cluster.committed(reader.group, topic).items()
        }

    def _waiting(self, reader: Reader, positions: Mapping[tuple[str, int], int]) -> int:
        return sum(
            max(0, end - max(begin, positions.get((topic, number), 0)))
            for topic in reader.topics
            for number, (begin, end) in self._cluster.ranges(topic).items()
        )


class DeadLetterTopics:
    """The check: letters of the last ten minutes are a fault; older ones are told, for they stay until they expire."""

    name = "dead letters"
    seconds = 20.0

    def __init__(self, cluster: Cluster, topics: Sequence[str]) -> None:
        self._cluster, self._topics = cluster, topics

    def look(self) -> Iterable[Finding]:
        """One line a topic that has letters, or one for all of them. Raises CannotLook."""
        try:
            there = self._cluster.metadata().topics
            found = [self._judge(topic) for topic in self._topics if topic in there]
        except BrokersAway as away:
            raise CannotLook(str(away)) from None
        lines = [finding for finding in found if finding is not None]
        yield from lines or [ok("dead letters", "none")]

    def _judge(self, topic: str) -> Finding | None:
        count = sum(end - begin for begin, end in self._cluster.ranges(topic).values())
        letter = self._cluster.newest_letter(topic) if count else None
        if letter is None:
            return None
        detail = f"{count:,} kept, the newest {_age(letter.age)} old: {letter.reason}"
        if letter.age > _FRESH_LETTER_SECONDS:
            return ok(topic, detail)
        remedy = "mend what the reason names; `millrace verify --repair` then brings the orders the database has"
        return failing(topic, detail, remedy)


def _age(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
