"""The stack's three brokers: away, back, and in sync."""

from __future__ import annotations

from ipaddress import IPv4Address

from services.events.topics import all_topics
from tests.support.stack.stack import Stack

BROKERS = ("kafka-local1", "kafka-local2", "kafka-local3")


def in_sync(stack: Stack) -> bool:
    """Whether every replica of every topic of the pipeline is in sync."""
    topics = stack.admin_client().list_topics(timeout=20).topics
    partitions = [one for name in all_topics() for one in topics[name].partitions.values()]
    return all(len(one.isrs) == len(one.replicas) for one in partitions)


def address(stack: Stack, broker: str) -> IPv4Address:
    """Where a broker that runs is found by those who use Kafka."""
    joined = stack.container(broker).attrs["NetworkSettings"]["Networks"][f"{stack.prefix}millrace-kafka"]
    return IPv4Address(joined["IPAddress"])


class Swapped:
    """Two brokers that go, and come back under each other's address: the engine gives the lowest free one first."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = {broker: address(stack, broker) for broker in BROKERS[1:]}

    @property
    def brokers(self) -> tuple[str, ...]:
        """The two."""
        return BROKERS[1:]

    def go(self) -> None:
        """SIGKILL for both."""
        for broker in self.brokers:
            self._stack.stop(broker)

    def come_back(self) -> None:
        """Starts them, whose address was the higher one first."""
        for broker in sorted(self._before, key=lambda one: self._before[one], reverse=True):
            self._stack.start(broker)
        first, second = self.brokers
        after = {broker: address(self._stack, broker) for broker in self.brokers}
        assert after == {first: self._before[second], second: self._before[first]}
