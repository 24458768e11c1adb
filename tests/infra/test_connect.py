"""Kafka Connect: connectors get what they name and nothing else of the worker's environment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.infra.variants import DEFAULT, captured
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
        ({"images": "upstream", "sink": "python"}, "hybrid_warn"),
        ({"images": "local", "sink": "connect"}, "hybrid_warn"),
        ({"images": "local", "sink": "python"}, "service_load"),
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
    assert program.containers["kafka-connect"].inputs["healthcheck"]["tests"][1].count(" 8083 /connectors;") == 1
    assert program.outputs["connect"] == "http://localhost:18083/connectors"


@pytest.mark.parametrize("file", CONNECTORS, ids=lambda path: path.stem)
def test_a_connector_is_given_every_variable_it_names(file: Path) -> None:
    named = set(_NAMED.findall(file.read_text()))
    assert named, "a connector without secrets would carry them in clear"
    program = captured(DEFAULT)
    allowed = re.compile(properties(program)["config.providers.env.param.allowlist.pattern"])
    assert {name for name in named if not allowed.fullmatch(name)} == set()
    assert named <= set(environment(program))


def test_a_connector_is_given_nothing_else() -> None:
    program = captured(DEFAULT)
    allowed = re.compile(properties(program)["config.providers.env.param.allowlist.pattern"])
    for name in ("PATH", "HOSTNAME", "KAFKA_HEAP_OPTS", "MYSQL_ROOT_PASSWORD", "CLICKHOUSE_CONNECT_PASSWORD_OLD"):
        assert not allowed.fullmatch(name), name


@pytest.mark.parametrize("file", CONNECTORS, ids=lambda path: path.stem)
def test_a_connector_file_holds_no_secret(file: Path) -> None:
    config = json.loads(file.read_text())["config"]
    for key, value in config.items():
        if "password" in key:
            assert _NAMED.fullmatch(value), key
