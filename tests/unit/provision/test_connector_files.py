"""The connector files say what Kafka Connect and the plugin know, name no secret, and keep to the contracts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.events.topics import ANALYTICS_TOPIC
from services.provision.connectors import FOLDER, read_file
from services.sink.insert import SETTINGS
from tests.support.process import PROJECT

FILES = sorted(FOLDER.glob("*.json"))
SINK = "clickhouse-sink-orders"

# Kafka 4.3 documentation, "Connect configs": sink connectors, the error reporter, converters
OF_CONNECT = {
    "connector.class",
    "tasks.max",
    "topics",
    "key.converter",
    "value.converter",
    "errors.tolerance",
}
# JsonConverter's own, and the consumer's
OF_PARTS = {"value.converter.schemas.enable", "consumer.override.max.poll.records"}
# ClickHouseSinkConfig and the documentation of clickhouse-kafka-connect 1.5.0
OF_PLUGIN = {
    "hostname",
    "port",
    "ssl",
    "database",
    "username",
    "password",
    "exactlyOnce",
    "client_version",
    "clickhouseSettings",
}
# settings that the plugin adds by itself
OF_ITSELF = {"async_insert": "0"}
# what infra gives the worker (infra/components/connect.py)
PLACEHOLDER = re.compile(r"\$\{env:([A-Z_]+)\}")
GIVEN = {
    "CLICKHOUSE_CONNECT_USER",
    "CLICKHOUSE_CONNECT_PASSWORD",
    "CLICKHOUSE_HOSTNAME",
    "CLICKHOUSE_HTTP_PORT",
    "CLICKHOUSE_DATABASE",
    "MYSQL_HOSTNAME",
    "MYSQL_TCP_PORT",
    "MYSQL_DATABASE",
    "MYSQL_DEBEZIUM_USER",
    "MYSQL_DEBEZIUM_PASSWORD",
    "KAFKA_BOOTSTRAP",
}
SECRET_KEY = re.compile(r"password|secret|token|credential|sasl\.jaas", re.IGNORECASE)


def _config(path: Path) -> dict[str, str]:
    return read_file(path.parent, path.stem)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_file_is_what_the_rest_interface_takes(path: Path) -> None:
    document: dict[str, Any] = json.loads(path.read_text())
    assert set(document) == {"name", "config"}
    assert _config(path) == document["config"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_no_secret_stands_in_a_file(path: Path) -> None:
    for key, value in _config(path).items():
        if SECRET_KEY.search(key):
            assert PLACEHOLDER.fullmatch(value), f"{key} has to be ${{env:…}}"
        assert "://" not in value, f"{key}: a URL can have a password in it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_the_worker_knows_what_a_file_leaves_open(path: Path) -> None:
    named = {name for value in _config(path).values() for name in PLACEHOLDER.findall(value)}
    assert named <= GIVEN
    assert "${env:" not in PLACEHOLDER.sub("", " ".join(_config(path).values()))


def test_infra_gives_the_worker_what_the_files_name() -> None:
    text = (PROJECT / "infra" / "components" / "connect.py").read_text()
    assert {name for name in GIVEN if f'"{name}"' in text} == GIVEN


def test_the_sinks_keys_exist() -> None:
    """The worker takes a misspelt or invented key without a word, and does without it."""
    assert set(_config(FOLDER / f"{SINK}.json")) == OF_CONNECT | OF_PARTS | OF_PLUGIN


def test_the_sink_keeps_to_the_contracts() -> None:
    config = _config(FOLDER / f"{SINK}.json")
    assert config["topics"] == ANALYTICS_TOPIC
    # with tolerance a full disk or a refused login sends good rows to the dead letters, a bad row its whole batch
    assert (config["errors.tolerance"], config["exactlyOnce"]) == ("none", "false")


def test_both_sinks_insert_alike() -> None:
    settings = dict(pair.split("=") for pair in _config(FOLDER / f"{SINK}.json")["clickhouseSettings"].split(","))
    ours = {name: str(value) for name, value in SETTINGS.items()}
    assert settings.items() <= ours.items() <= (settings | OF_ITSELF).items()
    assert not any("allow_errors" in name for name in settings), "it would lose good rows in silence"


def test_the_readme_names_every_file() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [path.name for path in FILES if path.name not in text] == []
