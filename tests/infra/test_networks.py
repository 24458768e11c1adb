"""Who shares a network with whom: a server with those who use it, and Kafka Connect with nobody else."""

from __future__ import annotations

import pytest

from infra.components import network
from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack import capture
from tests.support.stack.capture import Program

Members = dict[str, set[str]]


def members(program: Program) -> Members:
    """Network to the containers on it."""
    found: Members = {one.physical.removeprefix("millrace-"): set() for one in program.of(capture.NETWORK).values()}
    for container in program.containers.values():
        for joined in container.inputs["networksAdvanced"]:
            found[joined["name"].removeprefix("millrace-")].add(container.name)
    return found


def expected(variant: Variant) -> Members:
    """By hand: the parts that are there, each where its work is."""
    given = dict(variant)
    brokers = {f"kafka-local{node + 1}" for node in range(int(given["kafkaNodes"]))}
    upstream, sink, debezium = given["images"] == "upstream", given["sink"] == "connect", given["relay"] == "debezium"
    worker = {"kafka-connect"}
    services = {"api", "relay", "transformer", "sink", "aggregator", "reconciler"}
    found = {
        "kafka": brokers | {"topics-job", "relay", "transformer", "sink"} | ({"kafka-ui"} if upstream else set()),
        "mysql": {"mysql", "database-job", "api", "relay", "aggregator", "reconciler"},
        "clickhouse": {"clickhouse", "clickhouse-job", "api", "sink", "aggregator", "reconciler"}
        | ({"grafana"} if upstream else set()),
        "metrics": {"prometheus"} | services | ({"grafana"} if upstream else set()),
        "connect-kafka": brokers | (worker if sink or debezium else set()),
        "connect-mysql": {"mysql"} | (worker if debezium else set()),
        "connect-clickhouse": {"clickhouse"} | (worker if sink else set()),
    }
    if sink or debezium:
        found["connect"] = (
            worker | {"connectors-job"} | ({"relay"} if debezium else set()) | ({"sink"} if sink else set())
        )
    return found


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_who_is_where(variant: Variant) -> None:
    assert members(captured(variant)) == expected(variant)


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_nobody_meets_connect_but_its_servers_and_those_who_ask_it(variant: Variant) -> None:
    """The rule itself, whatever the networks are called."""
    program = captured(variant)
    met = {who for where in members(program).values() if "kafka-connect" in where for who in where}
    servers = {container for container in program.containers if container.startswith("kafka-local")}
    assert met <= {"kafka-connect", "connectors-job", "relay", "sink", "mysql", "clickhouse"} | servers


def test_servers_stay_where_they_are_when_connect_comes_or_goes() -> None:
    """Another network is another container: a switch of the relay must not take MySQL away from the shop."""
    servers = ("mysql", "clickhouse", "kafka-local1", "kafka-local2", "kafka-local3")
    for role in servers:
        joined = [
            captured(DEFAULT, sink=sink, relay=relay).containers[role].inputs["networksAdvanced"]
            for sink in ("connect", "python")
            for relay in ("outbox", "debezium")
        ]
        assert joined == [joined[0]] * 4, role


def test_the_preflight_knows_every_network() -> None:
    program = captured(DEFAULT, relay="debezium")
    assert {one.physical for one in program.of(capture.NETWORK).values()} == {f"millrace-{one}" for one in network.ALL}
