"""Which checks an installation gets, from its settings alone; nothing is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.doctor.command import Installation
from services.doctor.findings import Finding, State
from services.doctor.place import Place
from services.provision.topics import Layout, wanted_topics
from services.settings import describe

STACK = {
    "MYSQL_HOST": "127.0.0.1",
    "MYSQL_PASSWORD": "x",
    "CLICKHOUSE_PASSWORD": "x",
    "KAFKA_BROKERS": "localhost:19092,localhost:19093,localhost:19094",
    "MILLRACE_SINK": "connect",
    "MILLRACE_STACK_PREFIX": "blue-",
    "MILLRACE_KAFKA_PARTITIONS": "6",
}
DEMO = {"DATABASE_URL": "sqlite:////x/shop.db", "CLICKHOUSE_PASSWORD": "x", "KAFKA_BROKERS": "127.0.0.1:1"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in describe():
        monkeypatch.delenv(row.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(tmp_path / "demo"))
    monkeypatch.setenv("MILLRACE_STACK_DATA", str(tmp_path / "stack"))


def installation(monkeypatch: pytest.MonkeyPatch, *settings: dict[str, str]) -> Installation:
    for given in settings:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
    return Installation()


def left_out(found: Installation) -> dict[str, Finding]:
    """Checks that only say that they are left out; looking at the others would ask neighbours."""
    stand_ins = [check for check in found.checks() if type(check).__name__ == "_LeftOut"]
    return {check.name: finding for check in stand_ins for finding in check.look()}


def test_a_stack_gets_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installation(monkeypatch, STACK)
    assert found.place == Place("stack", "blue-")
    assert left_out(found) == {}
    assert [check.name for check in found.checks()] == [
        *("containers", "database", "clickhouse", "topics", "connectors", "outbox", "leases", "lag"),
        *("dead letters", "dashboards"),
    ]
    assert found.probe().name == "probe"


@pytest.mark.parametrize(
    ("changed", "connectors", "readers", "there", "not_there"),
    [
        ({}, ["clickhouse-sink-orders"], "connect-clickhouse-sink-orders", {"sink", "kafka-connect"}, set()),
        ({"MILLRACE_SINK": "python"}, [], "analytics-sink", {"sink"}, {"kafka-connect"}),
        (
            {"MILLRACE_SINK": "python", "RELAY_MODE": "debezium"},
            ["outbox-debezium"],
            "analytics-sink",
            {"sink", "kafka-connect"},
            {"grafana", "kafka-ui"},
        ),
        (
            {"MILLRACE_IMAGES": "upstream"},
            ["clickhouse-sink-orders"],
            "connect-clickhouse-sink-orders",
            {"grafana", "kafka-ui"},
            set(),
        ),
    ],
)
def test_what_a_stack_must_have_follows_its_configuration(
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    connectors: list[str],
    readers: str,
    there: set[str],
    not_there: set[str],
) -> None:
    found = installation(monkeypatch, STACK, changed)
    assert found.wanted_connectors() == connectors
    assert [reader.group for reader in found.readers()] == ["order-event-transformer", readers]
    always = {
        "mysql",
        "clickhouse",
        "api",
        "relay",
        "transformer",
        "aggregator",
        "reconciler",
        "kafka-local3",
        "prometheus",
    }
    assert always | there | {"kafka-local3"} <= set(found.roles())
    assert not not_there & set(found.roles())


def test_one_node_is_one_broker_and_one_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installation(monkeypatch, STACK, {"KAFKA_BROKERS": "localhost:19092"})
    assert "kafka-local2" not in found.roles()
    assert (found.brokers, found.declared().replicas) == (1, 1)


def test_the_topics_of_a_stack_are_those_its_job_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = wanted_topics(Layout(partitions=6, replication_factor=3, min_in_sync=2, retention_hours=1))
    declared = installation(monkeypatch, STACK).declared()
    assert (declared.topics, declared.replicas) == ({name: topic.partitions for name, topic in made.items()}, 3)


def test_the_demo_leaves_out_containers_and_connect_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installation(monkeypatch, DEMO)
    assert found.place.kind == "demo"
    out = left_out(found)
    assert set(out) == {"containers", "connectors"}
    assert all(finding.state is State.LEFT_OUT and finding.detail for finding in out.values())


def test_services_started_by_hand_get_what_can_be_asked_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = {name: value for name, value in STACK.items() if not name.startswith("MILLRACE_")}
    found = installation(monkeypatch, by_hand)
    assert found.place == Place("services")
    assert set(left_out(found)) == {"containers", "connectors"}
    assert set(left_out(installation(monkeypatch, {"RELAY_MODE": "debezium"}))) == {"containers"}


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (Place("stack", "blue-"), "`make restart SERVICE=relay`"),
        (Place("demo", "/d"), "/d/logs/relay.log"),
        (Place("services"), "`millrace relay`"),
    ],
)
def test_remedies_fit_the_place(place: Place, says: str) -> None:
    assert says in place.restart("relay")
    assert place.provision()
    assert str(place)
