"""Topics are made as wanted, corrected, and never moved or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from services.clients.kafka import MAX_DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES
from services.events.topics import DEAD_LETTER_SUFFIX, HEARTBEAT_TOPIC, SCHEMA_HISTORY_TOPIC, all_topics
from services.provision import Done, ProvisionError
from services.provision.cluster import Topic, View
from services.provision.topics import Layout, provision_topics, wanted_topics

LAYOUT = Layout(partitions=6, replication_factor=3, min_in_sync=2, retention_hours=168)
DAY_MS = 24 * 3_600_000


@dataclass
class FakeCluster:
    """Brokers that keep topics in dictionaries; ``away`` looks fail first, ``leaderless`` looks see no leader."""

    address: str = "localhost:19092"
    brokers: int = 3
    away: int = 0
    leaderless: int = 0
    topics: dict[str, Topic] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    refusal: KafkaException | None = None

    def look(self) -> View:
        if self.away:
            self.away -= 1
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        topics = dict(self.topics)
        if self.topics and self.leaderless:
            self.leaderless -= 1
            topics = {name: replace(topic, led=False) for name, topic in topics.items()}
        return View(self.brokers, topics)

    def configs(self, topics: list[str]) -> dict[str, dict[str, str]]:
        return {name: {"compression.type": "producer", **self.settings[name]} for name in topics}

    def create(self, topics: Mapping[str, tuple[int, Mapping[str, str]]], replicas: int) -> None:
        if self.refusal:
            raise self.refusal
        for name, (partitions, config) in topics.items():
            assert name not in self.topics
            self.changes.append(f"create {name}")
            self.topics[name] = Topic(partitions, replicas, led=True)
            self.settings[name] = dict(config)

    def alter(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        for name, settings in changes.items():
            self.changes.append(f"alter {name} {' '.join(sorted(settings))}")
            self.settings[name].update(settings)


def _provision(cluster: FakeCluster, layout: Layout = LAYOUT, seconds: float = 5) -> list[Done]:
    told: list[Done] = []
    provision_topics(cluster, layout, told.append, seconds)
    return told


def test_every_topic_of_the_pipeline_is_made() -> None:
    cluster = FakeCluster()
    assert {done.outcome for done in _provision(cluster)} == {"created"}
    assert set(cluster.topics) == {*all_topics(), HEARTBEAT_TOPIC, SCHEMA_HISTORY_TOPIC}
    assert {cluster.topics[name] for name in all_topics()} == {Topic(6, 3, led=True)}
    assert cluster.topics[HEARTBEAT_TOPIC] == cluster.topics[SCHEMA_HISTORY_TOPIC] == Topic(1, 3, led=True)


def test_twice_changes_nothing() -> None:
    cluster = FakeCluster()
    _provision(cluster)
    cluster.changes.clear()
    assert {done.outcome for done in _provision(cluster)} == {"unchanged"}
    assert cluster.changes == []


def test_only_what_is_missing_is_made() -> None:
    cluster = FakeCluster()
    _provision(cluster)
    del cluster.topics["order.events.dlq"]
    cluster.changes.clear()
    told = {done.what: done.outcome for done in _provision(cluster)}
    assert cluster.changes == ["create order.events.dlq"]
    assert (told["order.events.dlq"], told["order.events"]) == ("created", "unchanged")


def test_a_setting_that_differs_is_corrected_and_others_are_left() -> None:
    cluster = FakeCluster()
    _provision(cluster)
    cluster.settings["order.events"] |= {"min.insync.replicas": "1", "retention.bytes": "1000"}
    cluster.changes.clear()
    told = {done.what: done for done in _provision(cluster)}
    assert cluster.changes == ["alter order.events min.insync.replicas"]
    assert told["order.events"] == Done("order.events", "altered", "min.insync.replicas 1 -> 2")
    assert cluster.settings["order.events"]["retention.bytes"] == "1000"


def test_topics_of_others_are_left_alone() -> None:
    cluster = FakeCluster(topics={"connect-offsets": Topic(25, 1, led=True)}, settings={"connect-offsets": {}})
    _provision(cluster)
    assert cluster.topics["connect-offsets"] == Topic(25, 1, led=True)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (Topic(3, 3, led=True), r"payment\.events has 3 partitions; with 6 keys would move.*keep --partitions 3"),
        (Topic(9, 3, led=True), r"payment\.events has 9 partitions and Kafka cannot take any away"),
        (Topic(6, 1, led=True), r"payment\.events has 1 replicas a partition, 3 are asked.*kafka-reassign-partitions"),
    ],
)
def test_what_would_move_keys_or_data_is_refused_before_anything_is_changed(there: Topic, says: str) -> None:
    cluster = FakeCluster(topics={"payment.events": there}, settings={"payment.events": {}})
    with pytest.raises(ProvisionError, match=says) as refused:
        _provision(cluster)
    assert cluster.changes == []
    assert "\n" not in str(refused.value)


def test_more_in_sync_than_there_are_replicas_is_refused() -> None:
    with pytest.raises(ProvisionError, match="--min-in-sync 3 is more than --replication-factor 2"):
        Layout(partitions=6, replication_factor=2, min_in_sync=3, retention_hours=1)


def test_brokers_that_are_still_starting_are_waited_for() -> None:
    cluster = FakeCluster(away=3, leaderless=3)
    assert {done.outcome for done in _provision(cluster)} == {"created"}
    assert (cluster.away, cluster.leaderless) == (0, 0)


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        (FakeCluster(away=10_000), "no broker of localhost:19092 answered within"),
        (FakeCluster(brokers=2), "2 of the 3 brokers that --replication-factor needs came up"),
        (FakeCluster(leaderless=10_000), "some partitions still have no leader"),
    ],
)
def test_what_does_not_come_up_is_said(cluster: FakeCluster, says: str) -> None:
    with pytest.raises(ProvisionError, match=says):
        _provision(cluster, seconds=0.3)


def test_a_broker_that_is_away_hinders_nobody_when_every_topic_is_there() -> None:
    cluster = FakeCluster()
    _provision(cluster)
    cluster.brokers = 2
    assert {done.outcome for done in _provision(cluster, seconds=0.3)} == {"unchanged"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (KafkaError.TOPIC_ALREADY_EXISTS, "at the same time .*run this again"),
        (KafkaError.POLICY_VIOLATION, "Kafka refused"),
    ],
)
def test_a_refusal_of_kafka_is_one_line(code: int, says: str) -> None:
    cluster = FakeCluster(refusal=KafkaException(KafkaError(code, "because")))
    with pytest.raises(ProvisionError, match=says) as refused:
        _provision(cluster)
    assert "because" in str(refused.value)


def test_dead_letters_are_kept_longer_and_may_be_larger() -> None:
    wanted = wanted_topics(LAYOUT)
    for topic in all_topics():
        config: Mapping[str, Any] = wanted[topic].config
        letters = topic.endswith(DEAD_LETTER_SUFFIX)
        assert int(config["retention.ms"]) == (30 if letters else 7) * DAY_MS
        assert int(config["max.message.bytes"]) > (2_000_000 if letters else MAX_DEAD_LETTER_BYTES)
        assert config["cleanup.policy"] == "delete"
        assert config["min.insync.replicas"] == "2"
        assert config["unclean.leader.election.enable"] == "false"
    assert MAX_DEAD_LETTER_BYTES > MAX_MESSAGE_BYTES
    months = wanted_topics(replace(LAYOUT, retention_hours=60 * 24))
    assert int(months["order.events.dlq"].config["retention.ms"]) == 240 * DAY_MS


def test_heartbeats_are_not_kept() -> None:
    """Four a second would fill 0.5 GB in a week."""
    config = wanted_topics(LAYOUT)[HEARTBEAT_TOPIC].config
    assert int(config["retention.ms"]) <= 3_600_000
    assert int(config["segment.ms"]) <= 3_600_000, "only closed segments are deleted"


def test_the_history_of_tables_is_kept_for_ever() -> None:
    """Debezium reads its place in the binary log by it, however long ago a table was last changed."""
    config = wanted_topics(LAYOUT)[SCHEMA_HISTORY_TOPIC].config
    assert (config["retention.ms"], config["retention.bytes"], config["cleanup.policy"]) == ("-1", "-1", "delete")
