"""Kafka's brokers and topics: every declared topic there as declared, and every partition fully in sync."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.doctor.cluster import BrokersAway, Cluster, Metadata, Partition
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place

_NAMED = 3


@dataclass(frozen=True)
class Declared:
    """The topics there have to be, with the number of their partitions (None: any), and their replicas."""

    topics: Mapping[str, int | None]
    replicas: int


class Topics:
    """The check."""

    name = "topics"
    seconds = 15.0

    def __init__(self, cluster: Cluster, place: Place, declared: Declared, brokers: int) -> None:
        """``brokers``: how many there have to be."""
        self._cluster, self._place, self._declared, self._brokers = cluster, place, declared, brokers

    def look(self) -> Iterable[Finding]:
        """Brokers first, then declared topics, then replicas of all topics."""
        try:
            told = self._cluster.metadata()
        except BrokersAway as away:
            yield failing("Kafka", str(away), self._place.restart("kafka-local1" if self._stack else "broker"))
            return
        wrong = [*self._brokers_missing(told), *self._not_as_declared(told), *self._not_in_sync(told)]
        if not wrong:
            count = sum(len(told.topics[topic]) for topic in self._declared.topics)
            detail = f"{len(self._declared.topics)} with {count} partitions, all replicas in sync"
            yield ok("topics", f"{detail}, on {_count(len(told.brokers), 'broker')}")
        yield from wrong

    @property
    def _stack(self) -> bool:
        return self._place.kind == "stack"

    def _brokers_missing(self, told: Metadata) -> Iterable[Finding]:
        if len(told.brokers) < self._brokers:
            up = ", ".join(str(number) for number in sorted(told.brokers))
            down = [number for number in range(1, self._brokers + 1) if number not in told.brokers]
            remedy = self._place.restart(f"kafka-local{down[0]}" if self._stack and down else "broker")
            yield failing("brokers", f"{len(told.brokers)} of {self._brokers} are up (node {up})", remedy)

    def _not_as_declared(self, told: Metadata) -> Iterable[Finding]:
        for topic, wanted in self._declared.topics.items():
            found = told.topics.get(topic)
            if not found:
                yield failing(f"topic {topic}", "does not exist", self._place.provision())
                continue
            if wanted is not None and len(found) < wanted:
                remedy = (
                    f"set millrace:kafkaPartitions back to {len(found)}, or add them by hand, for keys move: "
                    "docs/stack.md has the steps (More partitions)"
                )
                yield failing(f"topic {topic}", f"has {len(found)} partitions, {wanted} are declared", remedy)
            elif wanted is not None and len(found) > wanted:
                remedy = f"set millrace:kafkaPartitions to {len(found)}: a topic cannot lose partitions"
                yield failing(f"topic {topic}", f"has {len(found)} partitions, {wanted} are declared", remedy)
            fewest = min(len(partition.replicas) for partition in found.values())
            if fewest < self._declared.replicas:
                yield failing(
                    f"topic {topic}",
                    f"has {_count(fewest, 'replica')} of each message, {self._declared.replicas} are declared",
                    "give it more with kafka-reassign-partitions.sh (docs/stack.md, More replicas)",
                )

    def _not_in_sync(self, told: Metadata) -> Iterable[Finding]:
        behind = {
            f"{topic}-{number}": partition
            for topic, partitions in sorted(told.topics.items())
            for number, partition in partitions.items()
            if len(partition.in_sync) < len(partition.replicas)
        }
        if not behind:
            return
        brokers = sorted({broker for partition in behind.values() for broker in _lacking(partition)})
        names = ", ".join(list(behind)[:_NAMED]) + (", …" if len(behind) > _NAMED else "")
        lacking = ", ".join(str(broker) for broker in brokers)
        detail = f"{_count(len(behind), 'partition')} without broker {lacking} in sync: {names}"
        part = f"kafka-local{brokers[0]}" if self._stack else "broker"
        remedy = f"it catches up by itself within seconds of its start; else {self._place.restart(part)}"
        yield failing("replicas", detail, remedy)


def _lacking(partition: Partition) -> set[int]:
    return set(partition.replicas) - set(partition.in_sync)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
