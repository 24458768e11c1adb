"""Topics: missing, other than declared, or not in sync is named with its remedy."""

from __future__ import annotations

import pytest

from services.doctor.cluster import Partition
from services.doctor.findings import State
from services.doctor.place import Place
from services.doctor.topics import Declared, Topics
from tests.support.process import PROJECT
from tests.unit.doctor.fakes import DEMO, STACK, FakeCluster, failures, only, partitions

DECLARED = Declared({"order.events": 6, "orders_analytics": 6}, replicas=3)


def cluster(**changed: dict[int, Partition]) -> FakeCluster:
    topics = {"order.events": partitions(6), "orders_analytics": partitions(6), "__consumer_offsets": partitions(12)}
    return FakeCluster(topics={**topics, **changed})


def check(found: FakeCluster, place: Place = STACK, declared: Declared = DECLARED, brokers: int = 3) -> Topics:
    return Topics(found, place, declared, brokers)


def test_all_in_sync_is_one_line() -> None:
    finding = only(check(cluster()).look())
    assert (finding.state, finding.detail) == (State.OK, "2 with 12 partitions, all replicas in sync, on 3 brokers")


def test_no_broker_answers() -> None:
    found = cluster()
    found.away = True
    finding = only(failures(check(found)))
    assert (finding.subject, finding.state) == ("Kafka", State.FAILING)
    assert "`make restart SERVICE=kafka-local1`" in finding.remedy
    assert "/demo/logs/broker.log" in only(failures(check(found, DEMO))).remedy


def test_a_broker_that_is_down_is_named() -> None:
    found = cluster()
    found.brokers = frozenset({1, 3})
    finding = only(failures(check(found)))
    assert finding.detail == "2 of 3 are up (node 1, 3)"
    assert "SERVICE=kafka-local2" in finding.remedy


def test_a_topic_that_is_missing() -> None:
    found = cluster()
    del found.topics["order.events"]
    finding = only(failures(check(found)))
    assert (finding.subject, finding.detail) == ("topic order.events", "does not exist")
    assert "`make init-db`" in finding.remedy


def test_too_few_partitions_are_added_by_hand_for_the_job_refuses_to() -> None:
    finding = only(failures(check(cluster(orders_analytics=partitions(3)))))
    assert finding.detail == "has 3 partitions, 6 are declared"
    assert "set millrace:kafkaPartitions back to 3, or" in finding.remedy
    assert "docs/stack.md has the steps (More partitions)" in finding.remedy
    assert "init-db" not in finding.remedy
    assert "**More partitions**" in (PROJECT / "docs" / "stack.md").read_text()


def test_too_many_partitions_can_only_be_declared() -> None:
    finding = only(failures(check(cluster(orders_analytics=partitions(12)))))
    assert finding.detail == "has 12 partitions, 6 are declared"
    assert "set millrace:kafkaPartitions to 12" in finding.remedy


def test_any_number_of_partitions_where_none_is_declared() -> None:
    found = cluster(orders_analytics=partitions(3))
    assert failures(check(found, declared=Declared(dict.fromkeys(DECLARED.topics), 3))) == []


def test_too_few_replicas() -> None:
    thin = partitions(6, replicas=(1,), in_sync=(1,))
    finding = only(failures(check(cluster(orders_analytics=thin))))
    assert finding.detail == "has 1 replica of each message, 3 are declared"
    assert "kafka-reassign-partitions.sh" in finding.remedy


@pytest.mark.parametrize("topic", ["order.events", "__consumer_offsets"])
def test_any_topic_with_a_replica_out_of_sync_names_the_broker(topic: str) -> None:
    found = cluster()
    found.topics[topic] = {**partitions(6), **partitions(2, in_sync=(1, 3))}
    finding = only(failures(check(found)))
    assert finding.detail == f"2 partitions without broker 2 in sync: {topic}-0, {topic}-1"
    assert "SERVICE=kafka-local2" in finding.remedy


def test_many_partitions_out_of_sync_are_counted_not_listed() -> None:
    finding = only(failures(check(cluster(orders_analytics=partitions(6, in_sync=(2, 3))))))
    assert finding.detail.startswith("6 partitions without broker 1 in sync: orders_analytics-0,")
    assert finding.detail.endswith("orders_analytics-2, …")
