"""Kafka Connect: connectors get what they name and nothing else of the worker's environment."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.process import PROJECT
from tests.support.stack.capture import Program

CONNECTORS = sorted((PROJECT / "schemas" / "connect").glob("*.json"))
PROPERTIES = "/opt/kafka/config/millrace-connect.properties"
_NAMED = re.compile(r"\$\{env:([A-Z_]+)\}")


def properties(program: Program) -> dict[str, str]:
    """The worker's configuration."""
    (text,) = (
        one["content"] for one in program.containers["kafka-connect"].inputs["uploads"] if one["file"] == PROPERTIES
    )
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def environment(program: Program) -> dict[str, str]:
    """The worker's environment."""
    return dict(one.split("=", 1) for one in program.containers["kafka-connect"].inputs["envs"])


def test_the_worker_reads_the_uploaded_file() -> None:
    assert captured(DEFAULT).containers["kafka-connect"].inputs["command"] == [
        "/opt/kafka/bin/connect-distributed.sh",
        PROPERTIES,
    ]


@pytest.mark.parametrize("nodes", ["1", "3"])
def test_the_workers_state_is_as_safe_as_the_topics(nodes: str) -> None:
    found = properties(captured(DEFAULT, kafkaNodes=nodes))
    for topic in ("config", "offset", "status"):
        assert found[f"{topic}.storage.replication.factor"] == nodes
        assert found[f"{topic}.storage.topic"] == f"connect-{topic}s".replace("statuss", "status")
    assert found["offset.flush.interval.ms"] == "1000"
    assert found["connector.client.config.override.policy"] == "All"
    assert len(found["bootstrap.servers"].split(",")) == int(nodes)


@pytest.mark.parametrize(
    ("variant", "discovery"),
    [
        ({"images": "upstream", "sink": "connect"}, "hybrid_warn"),
        ({"images": "upstream", "sink": "python", "relay": "debezium"}, "hybrid_warn"),
        ({"images": "local", "sink": "connect"}, "hybrid_warn"),
        ({"images": "local", "sink": "python", "relay": "debezium"}, "service_load"),
    ],
)
def test_a_plugin_without_a_manifest_is_found(variant: dict[str, str], discovery: str) -> None:
    """The ClickHouse sink's release has none for its connector. The local image's own plugin is known to have one."""
    assert properties(captured(tuple(variant.items())))["plugin.discovery"] == discovery


def test_everything_is_logged_to_the_container_which_rotates_it() -> None:
    program = captured(DEFAULT)
    (file,) = (one for one in program.containers["kafka-connect"].inputs["uploads"] if one["file"].endswith(".yaml"))
    assert environment(program)["KAFKA_LOG4J_OPTS"] == f"-Dlog4j2.configurationFile={file['file']}"
    assert re.findall(r"target: (\S+)", file["content"]) == ["SYSTEM_OUT"]
    assert "File" not in file["content"]
    (server,) = (
        one["content"]
        for one in program.containers["clickhouse"].inputs["uploads"]
        if one["file"].endswith("config.d/millrace.xml")
    )
    logger = ElementTree.fromstring(server).find("logger")  # noqa: S314 - our own file
    assert logger is not None
    assert (logger.findtext("console"), logger.findtext("level")) == ("true", "information")
    removed = {child.tag for child in logger if child.get("remove")}
    assert removed == {"log", "errorlog"}, "files that nothing rotates away"


def test_the_rest_interface_is_published_and_looked_at() -> None:
    program = captured(DEFAULT, portConnect="18083")
    (port,) = program.containers["kafka-connect"].inputs["ports"]
    assert (port["internal"], port["external"]) == (8083, 18083)
    assert properties(program)["listeners"] == "HTTP://:8083"
    assert " 8083 /connectors /opt/millrace/" in program.containers["kafka-connect"].inputs["healthcheck"]["tests"][1]
    assert program.outputs["connect"] == "http://localhost:18083/connectors"


@pytest.mark.parametrize("file", CONNECTORS, ids=lambda path: path.stem)
def test_a_connector_is_given_every_variable_it_names(file: Path) -> None:
    named = set(_NAMED.findall(file.read_text()))
    assert named, "a connector without secrets would carry them in clear"
    program = captured(DEFAULT, relay="debezium")
    allowed = re.compile(properties(program)["config.providers.env.param.allowlist.pattern"])
    assert {name for name in named if not allowed.fullmatch(name)} == set()
    assert named <= set(environment(program))


def test_a_connector_is_given_nothing_else() -> None:
    program = captured(DEFAULT)
    allowed = re.compile(properties(program)["config.providers.env.param.allowlist.pattern"])
    for other in ("PATH", "HOSTNAME", "KAFKA_HEAP_OPTS", "MYSQL_ROOT_PASSWORD", "CLICKHOUSE_CONNECT_PASSWORD_OLD"):
        assert not allowed.fullmatch(other), other


@pytest.mark.parametrize("file", CONNECTORS, ids=lambda path: path.stem)
def test_a_connector_file_holds_no_secret(file: Path) -> None:
    config = json.loads(file.read_text())["config"]
    for key, value in config.items():
        if "password" in key:
            assert _NAMED.fullmatch(value), key


# ---- only where it is wanted, with what is wanted of it


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_it_is_there_only_where_something_runs_in_it(variant: Variant) -> None:
    given, program = dict(variant), captured(variant)
    wanted = given["sink"] == "connect" or given["relay"] == "debezium"
    assert ("kafka-connect" in program.containers, "connectors-job" in program.containers) == (wanted, wanted)
    outside = program.outputs["environment"]
    assert {"CONNECT_URL", "CONNECT_USER", "CONNECT_PASSWORD"} & set(outside) == (
        {"CONNECT_URL", "CONNECT_USER", "CONNECT_PASSWORD"} if wanted else set()
    )
    assert program.outputs["connect"] == (
        "http://localhost:8083/connectors" if wanted else "not started: neither sink nor relay uses it"
    )


SINK_ONLY, DEBEZIUM_ONLY, BOTH = {"sink": "connect"}, {"sink": "python", "relay": "debezium"}, {"relay": "debezium"}


@pytest.mark.parametrize(
    ("keys", "secrets"),
    [
        (SINK_ONLY, {"CLICKHOUSE_CONNECT_PASSWORD"}),
        (DEBEZIUM_ONLY, {"MYSQL_DEBEZIUM_PASSWORD"}),
        (BOTH, {"CLICKHOUSE_CONNECT_PASSWORD", "MYSQL_DEBEZIUM_PASSWORD"}),
    ],
)
def test_it_knows_the_passwords_of_what_runs_in_it(keys: dict[str, str], secrets: set[str]) -> None:
    program = captured(DEFAULT, **keys)
    assert {name for name in environment(program) if "PASSWORD" in name} == secrets
    allowed = re.compile(properties(program)["config.providers.env.param.allowlist.pattern"])
    both = ("CLICKHOUSE_CONNECT_PASSWORD", "MYSQL_DEBEZIUM_PASSWORD")
    assert {name for name in both if allowed.fullmatch(name)} == secrets


def test_a_connector_that_is_no_longer_wanted_does_not_come_back() -> None:
    """Where it was registered is not read by a worker that is there for something else; how far it came is kept."""
    found = [properties(captured(DEFAULT, **keys)) for keys in (SINK_ONLY, DEBEZIUM_ONLY, BOTH)]
    assert len({one["config.storage.topic"] for one in found}) == 3
    assert {(one["offset.storage.topic"], one["group.id"]) for one in found} == {("connect-offsets", "kafka-connect")}
    assert found[0]["config.storage.topic"] == "connect-configs", "where earlier versions kept the default stack's"


# ---- the password


def uploads(program: Program) -> dict[str, str]:
    """The worker's files by their path."""
    return {one["file"]: one["content"] for one in program.containers["kafka-connect"].inputs["uploads"]}


def test_the_rest_interface_asks_for_the_generated_password() -> None:
    program = captured(DEFAULT)
    files, password = uploads(program), program.generated["connect"]
    assert properties(program)["rest.extension.classes"].endswith(".BasicAuthSecurityRestExtension")
    (_, jaas) = environment(program)["KAFKA_OPTS"].split("-Djava.security.auth.login.config=")
    entry = re.fullmatch(
        r"(?://.*\n)*KafkaConnect \{\s+\S+\.PropertyFileLoginModule required\s+file=\"(\S+)\";\s+\};\n", files[jaas]
    )
    assert entry is not None, files[jaas]
    assert files[entry[1]] == f"connect={password}\n"


def test_those_who_ask_it_know_the_password() -> None:
    program = captured(DEFAULT, relay="debezium")
    wanted = {f"CONNECT_PASSWORD={program.generated['connect']}", "CONNECT_USER=connect"}
    asking = {one.name for one in program.containers.values() if wanted <= set(one.inputs["envs"])}
    assert asking == {"connectors-job", "relay", "sink"}
    assert program.outputs["environment"]["CONNECT_PASSWORD"] == program.generated["connect"]


def test_the_health_check_reads_the_password_from_a_file() -> None:
    """`docker inspect` shows its command to whoever asks."""
    program = captured(DEFAULT)
    command = program.containers["kafka-connect"].inputs["healthcheck"]["tests"][1]
    (file,) = re.findall(r"/connectors (\S+);", command)
    encoded = base64.b64encode(f"connect:{program.generated['connect']}".encode()).decode()
    assert uploads(program)[file] == f"Authorization: Basic {encoded}"
    assert encoded not in command
