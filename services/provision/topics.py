"""The pipeline's topics: makes what is missing, sets what differs, refuses what would move keys or data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException

from services.events.topics import DEAD_LETTER_SUFFIX, HEARTBEAT_TOPIC, SCHEMA_HISTORY_TOPIC, all_topics
from services.provision.cluster import Topic, View
from services.provision.report import Done, ProvisionError, Tell
from services.provision.waiting import answered, settled

_HOUR_MS: Final = 3_600_000
# What is in the dead letters waits for a person.
_DEAD_LETTERS_KEPT_HOURS: Final = 30 * 24
_DEAD_LETTERS_KEPT_TIMES: Final = 4
# Kafka's own default, written down: what producers send (services/clients/kafka.py) has to fit in.
_MAX_MESSAGE_BYTES: Final = 1_048_588
# A dead letter is a whole message and a stack trace in its headers.
_MAX_DEAD_LETTER_BYTES: Final = 2_097_152


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a topic is to be; ``config`` has the settings that are not left to the brokers' defaults."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the topics are to be; one that cannot be raises ProvisionError."""

    partitions: int
    replication_factor: int
    min_in_sync: int
    retention_hours: int

    def __post_init__(self) -> None:
        if self.min_in_sync > self.replication_factor:
            raise ProvisionError(
                f"--min-in-sync {self.min_in_sync} is more than --replication-factor {self.replication_factor}: "
                "nothing could be written"
            )


class Brokers(Protocol):
    """What is needed of a cluster (services.provision.cluster.Cluster)."""

    address: str

    def look(self) -> View: ...
    def configs(self, topics: list[str]) -> dict[str, dict[str, str]]: ...
    def create(self, topics: Mapping[str, tuple[int, Mapping[str, str]]], replicas: int) -> None: ...
    def alter(self, changes: Mapping[str, Mapping[str, str]]) -> None: ...


def wanted_topics(layout: Layout) -> dict[str, Wanted]:
    """Every topic by its name."""
    wanted = {topic: Wanted(layout.partitions, _config(topic, layout)) for topic in all_topics()}
    # Nobody reads the heartbeats, but a connector that cannot send them runs and commits no offset.
    heartbeats = {"retention.ms": str(_HOUR_MS), "segment.ms": str(_HOUR_MS)}
    # Without it the connector cannot read its place in the binary log.
    history = {"retention.bytes": "-1", "retention.ms": "-1"}
    return wanted | {
        HEARTBEAT_TOPIC: Wanted(1, {**_config(HEARTBEAT_TOPIC, layout), **heartbeats}),
        SCHEMA_HISTORY_TOPIC: Wanted(1, {**_config(SCHEMA_HISTORY_TOPIC, layout), **history}),
    }


def _config(topic: str, layout: Layout) -> dict[str, str]:
    dead_letters = topic.endswith(DEAD_LETTER_SUFFIX)
    hours = layout.retention_hours
    if dead_letters:
        hours = max(_DEAD_LETTERS_KEPT_TIMES * hours, _DEAD_LETTERS_KEPT_HOURS)
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(_MAX_DEAD_LETTER_BYTES if dead_letters else _MAX_MESSAGE_BYTES),
        "min.insync.replicas": str(layout.min_in_sync),
        "retention.ms": str(hours * _HOUR_MS),
        # an acknowledged event is lost when a replica that lagged behind may lead
        "unclean.leader.election.enable": "false",
    }


def provision_topics(cluster: Brokers, layout: Layout, tell: Tell, seconds: float) -> None:
    """Waits for the brokers, then makes and alters topics. Raises ProvisionError before it changes what it may not.

    When it dies in it, some topics are made or altered: it is run again. Topics that are not the pipeline's are left.
    """
    view = _reach(cluster, seconds)
    wanted = wanted_topics(layout)
    there = [topic for topic in wanted if topic in view.topics]
    missing = {name: topic for name, topic in wanted.items() if name not in view.topics}
    for name in there:
        _refuse_to_move(name, view.topics[name], wanted[name], layout)
    if missing:
        _wait_for_brokers(cluster, layout.replication_factor, seconds)
    try:
        in_force = cluster.configs(there) if there else {}
        changes = {topic: _differing(wanted[topic].config, in_force[topic]) for topic in there}
        if missing:
            cluster.create(
                {name: (topic.partitions, topic.config) for name, topic in missing.items()}, layout.replication_factor
            )
        if any(changes.values()):
            cluster.alter({topic: change for topic, change in changes.items() if change})
    except KafkaException as refused:
        raise ProvisionError(_refused(refused)) from None
    _wait_for_leaders(cluster, wanted, seconds)
    for name, topic in wanted.items():
        if name in missing:
            tell(Done(name, "created", _layout_in_words(topic.partitions, layout.replication_factor)))
        else:
            tell(_altered(name, changes[name], in_force[name]))


def _layout_in_words(partitions: int, replicas: int) -> str:
    return f"{partitions} partition{'s' * (partitions > 1)}, {replicas} replica{'s' * (replicas > 1)}"


def _altered(topic: str, changes: Mapping[str, str], before: Mapping[str, str]) -> Done:
    if not changes:
        return Done(topic, "unchanged")
    return Done(topic, "altered", ", ".join(f"{name} {before.get(name)} -> {changes[name]}" for name in changes))


def _differing(wanted: Mapping[str, str], in_force: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if in_force.get(name) != value}


def _refuse_to_move(name: str, topic: Topic, wanted: Wanted, layout: Layout) -> None:
    """Raises ProvisionError for a topic with another number of partitions or replicas."""
    if topic.partitions > wanted.partitions:
        raise ProvisionError(
            f"{name} has {topic.partitions} partitions and Kafka cannot take any away: keep --partitions "
            f"{topic.partitions} (millrace:kafkaPartitions)"
        )
    if topic.partitions < wanted.partitions:
        raise ProvisionError(
            f"{name} has {topic.partitions} partitions; with {wanted.partitions} keys would move, and an order's "
            f"events could overtake each other: keep --partitions {topic.partitions} (millrace:kafkaPartitions), "
            "or stop the relay, let the lag of every group fall to 0, for each topic run `kafka-topics.sh --alter "
            f"--topic {name} --partitions {wanted.partitions}`, and start again"
        )
    if topic.replication_factor != layout.replication_factor:
        raise ProvisionError(
            f"{name} has {topic.replication_factor} replicas a partition, {layout.replication_factor} are asked "
            "for, and this command moves no data: use `kafka-reassign-partitions.sh`, or keep --replication-factor "
            f"{topic.replication_factor} (millrace:kafkaNodes)"
        )


def _reach(cluster: Brokers, seconds: float) -> View:
    try:
        return answered(cluster.look, lambda error: isinstance(error, KafkaException), seconds)
    except KafkaException as away:
        raise ProvisionError(
            f"no broker of {cluster.address} answered within {seconds:g} s ({_why(away)}): see KAFKA_BROKERS"
        ) from None


def _wait_for_brokers(cluster: Brokers, count: int, seconds: float) -> None:
    """A topic cannot be made with more replicas than there are brokers, and brokers start one after another."""
    seen = 0

    def enough() -> bool | None:
        nonlocal seen
        seen = _reach(cluster, seconds).brokers
        return True if seen >= count else None

    if settled(enough, seconds) is None:
        raise ProvisionError(
            f"{seen} of the {count} brokers that --replication-factor needs came up within {seconds:g} s: "
            "look at the brokers' logs"
        )


def _wait_for_leaders(cluster: Brokers, wanted: Iterable[str], seconds: float) -> None:
    """A topic that was just made can be written to when each partition has a leader."""
    names = list(wanted)

    def led() -> bool | None:
        topics = _reach(cluster, seconds).topics
        return True if all(name in topics and topics[name].led for name in names) else None

    if settled(led, seconds) is None:
        raise ProvisionError(f"some partitions still have no leader after {seconds:g} s: look at the brokers' logs")


def _refused(refused: KafkaException) -> str:
    error = refused.args[0]
    if isinstance(error, KafkaError) and error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return f"somebody else made topics at the same time ({error.str()}): run this again"
    return f"Kafka refused: {_why(refused)}"


def _why(refused: KafkaException) -> str:
    error = refused.args[0]
    return str(error.str() if isinstance(error, KafkaError) else error)
