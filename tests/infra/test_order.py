"""What has to be there before what: containers, and the jobs whose effect they need."""

from __future__ import annotations

import pytest

from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack.capture import NETWORK, VOLUME


def brokers(variant: Variant) -> set[str]:
    """Kafka containers of a variant."""
    return {f"kafka-local{node + 1}" for node in range(int(dict(variant)["kafkaNodes"]))}


def expected(variant: Variant) -> dict[str, set[str]]:
    """Everything each container waits for, directly or not."""
    given = dict(variant)
    kafka = brokers(variant)
    topics = kafka | {"topics-job"}
    database = {"mysql", "database-job"}
    analytics = {"clickhouse", "clickhouse-job"}
    connectors = kafka | {"kafka-connect", "connectors-job"} | topics | database | analytics
    order = {
        **{broker: set[str]() for broker in kafka},
        "mysql": set(),
        "clickhouse": set(),
        "prometheus": set(),
        "topics-job": kafka,
        "database-job": {"mysql"},
        "clickhouse-job": {"clickhouse"},
        "api": database | analytics,
        "relay": topics | database | (connectors if given["relay"] == "debezium" else set()),
        "transformer": topics,
        # not after connectors-job: a connector that has FAILED makes that fail, and the sink is what mends it
        "sink": topics | analytics,
        "aggregator": database | analytics,
        "reconciler": topics | database | analytics,
    }
    if given["relay"] == "debezium" or given["sink"] == "connect":
        order["reconciler"] |= connectors
        order |= {"kafka-connect": kafka, "connectors-job": connectors - {"connectors-job"}}
    if given["images"] == "upstream":
        order |= {"grafana": analytics, "kafka-ui": kafka}
    return order


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_everything_waits_for_what_it_needs(variant: Variant) -> None:
    program = captured(variant)
    assert {container: program.waits_for(container) for container in program.containers} == expected(variant)


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_everything_waits_for_its_network_volumes_and_image(variant: Variant) -> None:
    program = captured(variant)
    networks = {network.physical: network.urn for network in program.of(NETWORK).values()}
    volumes = {volume.physical: volume.urn for volume in program.of(VOLUME).values()}
    images = {
        one.urn for one in program.resources.values() if one.type.split(":")[1] in ("index/remoteImage", "index/image")
    }
    for container in program.containers.values():
        before = program.upstream(container.urn)
        assert {networks[one["name"]] for one in container.inputs["networksAdvanced"]} <= before, container.name
        assert before & images, container.name
        for volume in container.inputs.get("volumes", []):
            assert volumes[volume["volumeName"]] in before


def test_no_container_waits_for_itself() -> None:
    program = captured(DEFAULT)
    for container in program.containers.values():
        assert container.urn not in program.upstream(container.urn)
