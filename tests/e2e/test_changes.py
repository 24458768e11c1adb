"""`up` again: what is as it should be is left alone, what differs is replaced, and data is never removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.components.job import JobFailed
from services.events.topics import all_topics
from tests.e2e.oracle import expect_everything_shown, shop_totals
from tests.support.process import wait_until
from tests.support.stack.ports import free_block
from tests.support.stack.stack import Stack


def identities(stack: Stack) -> dict[str, str]:
    """The id of every container: a replaced one has another."""
    return {role: str(stack.container(role).id) for role in stack.roles()}


def volumes(stack: Stack) -> set[str]:
    """The names of the stack's volumes."""
    return {line for line in stack.left() if line.startswith("volume ")}


def topics(stack: Stack) -> dict[str, int]:
    """The pipeline's topics that are there, with how many messages were ever sent to them."""
    return wait_until(lambda: _topics(stack), "every topic's leaders to answer", 60.0)


def _topics(stack: Stack) -> dict[str, int]:
    """Nothing while a partition is without a leader that knows to be it."""
    consumer = Consumer({"bootstrap.servers": stack.environment["KAFKA_BROKERS"], "group.id": "sizes"})
    try:
        there = {name: one for name, one in consumer.list_topics(timeout=20).topics.items() if name in all_topics()}
        return {
            name: sum(consumer.get_watermark_offsets(TopicPartition(name, each), 20)[1] for each in one.partitions)
            for name, one in there.items()
        }
    except KafkaException:
        return {}
    finally:
        consumer.close()


@pytest.fixture
def kept(stack: Stack) -> Iterator[None]:
    """Whatever a test changes, orders, volumes and topics are there afterwards."""
    wait_until(stack.verified, "all to be quiet", 60.0)
    before = (shop_totals(stack), volumes(stack), topics(stack))
    yield
    stack.wait_healthy()
    assert (shop_totals(stack), volumes(stack), topics(stack)) == before
    expect_everything_shown(stack, set())


@pytest.fixture
def restored(stack: Stack, kept: None) -> Iterator[dict[str, object]]:
    """Configuration to go back to; a test puts in the old values of what it sets."""
    old: dict[str, object] = {}
    yield old
    stack.update(old)


def test_up_again_changes_nothing(stack: Stack, kept: None) -> None:
    before = identities(stack)
    changes = stack.up()
    assert changes.nothing, changes
    assert len(changes.unchanged) > 20
    assert identities(stack) == before


def test_a_container_removed_by_hand_is_made_again_and_nothing_else(stack: Stack, kept: None) -> None:
    before = identities(stack)
    stack.container("aggregator").remove(force=True)
    changes = stack.up()
    assert (changes.created, changes.replaced | changes.updated | changes.deleted) == ({"Container aggregator"}, set())
    after = identities(stack)
    assert {role for role in after if after[role] != before[role]} == {"aggregator"}


def test_a_server_with_data_removed_by_hand_comes_back_with_its_data(stack: Stack, kept: None) -> None:
    stack.container("mysql").remove(force=True, v=True)
    assert stack.up().created == {"Container mysql"}


CHANGES: list[tuple[dict[str, object], dict[str, object], set[str]]] = [
    ({"portRelayMetrics": free_block()}, {}, {"Container relay"}),
    ({"kafkaRetentionHours": 24}, {"kafkaRetentionHours": 168}, {"Container topics-job"}),
    ({"seedCatalogue": False}, {"seedCatalogue": True}, {"Container database-job"}),
]
"""What is set, what it was, and what has to be replaced for it."""


@pytest.mark.parametrize(("new", "old", "expected"), CHANGES, ids=[next(iter(new)) for new, _, _ in CHANGES])
def test_a_changed_setting_replaces_what_uses_it_and_nothing_else(
    stack: Stack,
    restored: dict[str, object],
    new: dict[str, object],
    old: dict[str, object],
    expected: set[str],
) -> None:
    restored.update(old)
    before = identities(stack)
    changes = stack.update(new)
    assert not changes.created | changes.deleted
    assert expected <= changes.replaced
    after = identities(stack)
    assert {f"Container {role}" for role in after if after[role] != before[role]} == changes.replaced
    assert not changes.replaced & {f"Container {role}" for role in ("mysql", "clickhouse", "api", "transformer")}


def test_more_memory_is_given_without_a_restart(stack: Stack, restored: dict[str, object]) -> None:
    restored["memoryTransformer"] = 256
    before = identities(stack)
    changes = stack.update({"memoryTransformer": 320})
    assert (changes.updated, changes.replaced | changes.created) == ({"Container transformer"}, set())
    assert identities(stack) == before
    assert stack.container("transformer").attrs["HostConfig"]["Memory"] == 320 * 2**20


def test_fewer_partitions_are_refused_with_the_jobs_last_lines(stack: Stack) -> None:
    def partitions() -> int:
        return len(stack.admin_client().list_topics(timeout=20).topics["order.events"].partitions)

    had = partitions()
    before = identities(stack)
    with pytest.raises(JobFailed) as failed:
        stack.update({"kafkaPartitions": had - 1})
    said = str(failed.value)
    assert f"{stack.prefix}topics-job failed with exit code" in said
    assert "partitions" in said.splitlines()[-1], said
    assert partitions() == had
    untouched = identities(stack)
    assert {role for role in before if untouched.get(role) != before[role]} == {"topics-job"}
    changes = stack.update({"kafkaPartitions": had})
    assert changes.created | changes.replaced == {"Container topics-job"}
    stack.wait_healthy()


def test_a_job_that_failed_runs_again_once_its_reason_is_gone(stack: Stack, kept: None) -> None:
    stack.container("database-job").remove(force=True)
    _set_zone(stack, "Asia/Seoul")
    try:
        with pytest.raises(JobFailed, match="database-job failed") as failed:
            stack.up()
        assert "Asia/Seoul" in str(failed.value)
    finally:
        _set_zone(stack, "UTC")
    assert stack.up().created == {"Container database-job"}
    assert stack.up().nothing


def _set_zone(stack: Stack, zone: str) -> None:
    """As if the database had been made for another business time zone."""
    with stack.mysql().connect().execution_options(writes=True) as connection, connection.begin():
        changed = sa.text("UPDATE schema_settings SET value = :zone WHERE name = 'business_timezone'")
        assert connection.execute(changed, {"zone": zone}).rowcount == 1


def test_down_keeps_the_data_and_up_finds_it(stack: Stack) -> None:
    placed = stack.api.post("/api/orders", json={"userId": 1, "items": [{"productId": 101, "quantity": 1}]})
    assert placed.status_code == 201, placed.text
    expect_everything_shown(stack, {placed.json()["orderId"]})
    before = (shop_totals(stack), volumes(stack), topics(stack))
    stack.destroy()
    assert set(stack.left()) == before[1], "the data is all that stays"
    stack.up()
    assert (shop_totals(stack), volumes(stack), topics(stack)) == before
    expect_everything_shown(stack, {placed.json()["orderId"]})
