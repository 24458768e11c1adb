"""The brokers: a quorum that survives a node, and listeners that each client can reach."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not
from hypothesis import given
from hypothesis import strategies as st

from infra.components.passwords import kafka_cluster_id
from services.clients.kafka import MAX_DEAD_LETTER_BYTES
from tests.infra.variants import DEFAULT, captured
from tests.support.stack.capture import Program


def env(program: Program, node: int = 1) -> dict[str, str]:
    """The environment of a broker."""
    container = program.containers[f"kafka-local{node}"]
    return dict(one.split("=", 1) for one in container.inputs["envs"])


def listeners(text: str) -> dict[str, str]:
    """Name to host:port."""
    return dict(one.split("://", 1) for one in text.split(","))


def test_three_nodes_form_one_quorum() -> None:
    program = captured(DEFAULT)
    nodes = {node: env(program, node) for node in (1, 2, 3)}
    assert {node: one["KAFKA_NODE_ID"] for node, one in nodes.items()} == {1: "1", 2: "2", 3: "3"}
    assert {one["KAFKA_PROCESS_ROLES"] for one in nodes.values()} == {"broker,controller"}
    assert {one["KAFKA_CONTROLLER_QUORUM_VOTERS"] for one in nodes.values()} == {
        "1@kafka-local1:29093,2@kafka-local2:29093,3@kafka-local3:29093"
    }
    assert len({one["CLUSTER_ID"] for one in nodes.values()}) == 1


@pytest.mark.parametrize(("nodes", "replicas", "in_sync"), [("3", "3", "2"), ("1", "1", "1")])
def test_what_is_acknowledged_survives_a_node(nodes: str, replicas: str, in_sync: str) -> None:
    given_ = env(captured(DEFAULT, kafkaNodes=nodes))
    for name in ("DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG"):
        assert given_[f"KAFKA_{name}_REPLICATION_FACTOR"] == replicas
    assert given_["KAFKA_MIN_INSYNC_REPLICAS"] == given_["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == in_sync
    assert given_["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == given_["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_a_dead_broker_is_noticed_soon() -> None:
    given_ = env(captured(DEFAULT))
    assert given_["KAFKA_BROKER_SESSION_TIMEOUT_MS"] == "3000"
    assert given_["KAFKA_BROKER_HEARTBEAT_INTERVAL_MS"] == "500"


def test_each_client_is_told_an_address_it_can_reach() -> None:
    program = captured(DEFAULT, portKafka="40100")
    for node in (1, 2, 3):
        given_ = env(program, node)
        inside = 19091 + node
        bound, told = listeners(given_["KAFKA_LISTENERS"]), listeners(given_["KAFKA_ADVERTISED_LISTENERS"])
        assert bound == {"INTERNAL": ":29092", "CONTROLLER": ":29093", "EXTERNAL": f":{inside}"}
        assert told == {"INTERNAL": f"kafka-local{node}:29092", "EXTERNAL": f"localhost:{40099 + node}"}
        (port,) = program.containers[f"kafka-local{node}"].inputs["ports"]
        assert (port["internal"], port["external"]) == (inside, 40099 + node)
        assert set(bound) == {one.split(":")[0] for one in given_["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert program.outputs["kafka"] == "localhost:40100,localhost:40101,localhost:40102"
    assert program.outputs["environment"]["KAFKA_BROKERS"] == program.outputs["kafka"]


@pytest.mark.parametrize(("bind", "host"), [("0.0.0.0", "localhost"), ("192.0.2.7", "192.0.2.7")])  # noqa: S104
def test_the_address_told_is_one_that_is_listened_on(bind: str, host: str) -> None:
    told = listeners(env(captured(DEFAULT, bind=bind))["KAFKA_ADVERTISED_LISTENERS"])
    assert told["EXTERNAL"] == f"{host}:19092"


def test_the_largest_message_fits() -> None:
    assert int(env(captured(DEFAULT))["KAFKA_MESSAGE_MAX_BYTES"]) > MAX_DEAD_LETTER_BYTES * 1.1


def test_the_heap_leaves_room_beside_it() -> None:
    program = captured(DEFAULT, memoryKafka="448", memoryConnect="704")
    for container in ("kafka-local1", "kafka-connect"):
        inputs = program.containers[container].inputs
        options = dict(one.split("=", 1) for one in inputs["envs"])
        heap = int(options["KAFKA_HEAP_OPTS"].split("-Xmx")[1].rstrip("m"))
        # metaspace, code cache, threads and buffers: 150 to 250 MiB measured
        assert inputs["memory"] - heap >= 190
        assert "-XX:+UseSerialGC -XX:TieredStopAtLevel=1" in options["KAFKA_JVM_PERFORMANCE_OPTS"]
        assert "-Dsun.net.inetaddr.ttl=0" in options["KAFKA_JVM_PERFORMANCE_OPTS"]


@given(st.binary(min_size=16, max_size=16))
def test_a_cluster_id_is_one_that_kafka_takes(random: bytes) -> None:
    made = kafka_cluster_id(random.hex())
    assert len(made) == 22
    assert not made.startswith("-"), "kafka-storage takes it for an option"
    raw = base64.urlsafe_b64decode(made + "==")
    assert len(raw) == 16
    assert raw[1:] == random[1:]


@pytest.mark.parametrize("script", sorted((Path(__file__).parents[2] / "infra" / "health").glob("*.sh")), ids=str)
def test_a_health_script_is_sound_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)
    assert script.read_text().startswith("#!/bin/bash\n")


@pytest.mark.parametrize("node", [1, 2, 3])
def test_a_broker_writes_no_log_that_nobody_removes(node: int) -> None:
    """The engine rotates the container's log; a file in the container would grow until the disk is full."""
    program = captured(DEFAULT)
    container = program.containers[f"kafka-local{node}"]
    uploads = {one["file"]: one["content"] for one in container.inputs["uploads"]}
    (file,) = (file for file in uploads if file.endswith("log4j2.yaml"))
    appenders = yaml.safe_load(uploads[file])["Configuration"]["Appenders"]
    assert set(appenders) == {"Console"}
    assert env(program, node)["KAFKA_LOG4J_OPTS"] == f"-Dlog4j2.configurationFile={file}"
    # kafka-run-class.sh adds a file of its own where this is empty
    assert env(program, node)["KAFKA_GC_LOG_OPTS"] == "-Xlog:gc=off"


def test_the_first_broker_may_wait_for_the_second_ones_image() -> None:
    assert captured(DEFAULT).containers["kafka-local1"].inputs["waitTimeout"] >= 600
