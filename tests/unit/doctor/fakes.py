"""Neighbours of the doctor that say what a test wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.doctor.check import CannotLook, Check
from services.doctor.cluster import BrokersAway, Letter, Metadata, Partition
from services.doctor.containers import Container
from services.doctor.findings import Finding, State
from services.doctor.place import Place

STACK = Place("stack", "millrace")
DEMO = Place("demo", "/demo")


@dataclass
class FakeEngine:
    """An engine with these containers, or one that does not answer."""

    found: list[Container] = field(default_factory=list)
    away: str = ""

    def containers(self) -> Sequence[Container]:
        if self.away:
            raise CannotLook(self.away)
        return self.found


@dataclass
class FakeCluster:
    """Topics with (begin, end) of each partition; ``progress`` is what a group reads between two looks."""

    brokers: frozenset[int] = frozenset({1, 2, 3})
    topics: dict[str, dict[int, Partition]] = field(default_factory=dict)
    offsets: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    groups: dict[str, dict[str, dict[int, int]]] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    progress: int = 0
    away: bool = False

    def metadata(self) -> Metadata:
        self._answer()
        return Metadata(self.brokers, self.topics)

    def ranges(self, topic: str) -> dict[int, tuple[int, int]]:
        self._answer()
        return self.offsets.get(topic, {})

    def committed(self, group: str, topic: str) -> dict[int, int]:
        self._answer()
        now = self.groups.get(group, {}).get(topic, {})
        self.groups.setdefault(group, {})[topic] = {number: at + self.progress for number, at in now.items()}
        return now

    def newest_letter(self, topic: str) -> Letter | None:
        self._answer()
        return self.letters.get(topic)

    def _answer(self) -> None:
        if self.away:
            raise BrokersAway("no broker answers at localhost:19092 (timed out)")


def partitions(
    count: int, replicas: Sequence[int] = (1, 2, 3), in_sync: Sequence[int] = (1, 2, 3)
) -> dict[int, Partition]:
    """So many partitions, all alike."""
    return {number: Partition(tuple(replicas), tuple(in_sync)) for number in range(count)}


def failures(check: Check) -> list[Finding]:
    """The findings that are not well; a failing one must come with a remedy in one line."""
    found = [finding for finding in check.look() if finding.state is not State.OK]
    for finding in found:
        assert (finding.state is State.FAILING) == bool(finding.remedy), finding
        assert "\n" not in finding.remedy + finding.detail
    return found


def only(found: Iterable[Finding]) -> Finding:
    """The one finding."""
    (finding,) = found
    return finding
