"""Connectors over Kafka Connect's REST interface, with the commands of the original's documents."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.settings import PROJECT_ROOT
from tests.support.process import wait_until
from tests.support.stack.stack import Stack

pytestmark = pytest.mark.usefixtures("with_connect")

FILES = PROJECT_ROOT / "schemas" / "connect"
DEBEZIUM, SINK = "outbox-debezium", "clickhouse-sink-orders"


def curl(stack: Stack, command: str) -> tuple[int, Any]:
    """Status and JSON of a curl command of the documents, its address and password changed to the stack's."""
    known = stack.environment
    command = command.replace("http://localhost:8083", known["CONNECT_URL"])
    arguments = [*shlex.split(command), "-u", f"{known['CONNECT_USER']}:{known['CONNECT_PASSWORD']}"]
    done = subprocess.run([*arguments, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body.strip() else None


def states(stack: Stack, name: str) -> list[str]:
    """The state of a connector, then those of its tasks; nothing while it is not known."""
    status, answer = curl(stack, f"curl http://localhost:8083/connectors/{name}/status")
    return [answer["connector"]["state"], *(task["state"] for task in answer["tasks"])] if status == 200 else []


def runs(stack: Stack, name: str) -> bool:
    found = states(stack, name)
    return len(found) > 1 and set(found) == {"RUNNING"}


@pytest.fixture
def connector(stack: Stack, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of a connector that is not the stack's: Debezium's, reading a table that does not exist."""
    declared = json.loads((FILES / f"{DEBEZIUM}.json").read_text())
    name = "by-hand"
    own = {
        "topic.prefix": name,
        "database.server.id": "5499",
        "table.include.list": "ecommerce.nothing",
        "schema.history.internal.kafka.topic": f"schema-history.{name}",
        "snapshot.mode": "no_data",
    }
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps({"name": name, "config": {**declared["config"], **own}}))
    yield name, file
    stack.connect_rest.delete(f"/connectors/{name}")


def test_registered_restarted_and_deleted_as_the_documents_say(stack: Stack, connector: tuple[str, Path]) -> None:
    name, file = connector
    post = f'curl -X POST http://localhost:8083/connectors -H "Content-Type: application/json" -d @{file}'
    status, answer = curl(stack, post)
    assert (status, answer["name"]) == (201, name), answer
    assert "${env:" in json.dumps(answer["config"]), "the answer shows where the password is, not what it is"
    wait_until(lambda: runs(stack, name), f"{name} to run", 60.0)
    assert curl(stack, post)[0] == 409, "a second POST is refused"
    assert curl(stack, f"curl -X POST http://localhost:8083/connectors/{name}/restart")[0] in (202, 204)
    wait_until(lambda: runs(stack, name), f"{name} to run again", 60.0)
    assert curl(stack, f"curl -X DELETE http://localhost:8083/connectors/{name}")[0] == 204
    wait_until(lambda: states(stack, name) == [], f"{name} to be gone", 30.0)


def test_the_sink_connector_runs(stack: Stack) -> None:
    """The original's own status request; without the plugin services.sink stands in for it and the request is a 404."""
    status, answer = curl(stack, f"curl http://localhost:8083/connectors/{SINK}/status")
    if stack.environment["MILLRACE_SINK"] == "connect":
        assert (status, answer["connector"]["state"]) == (200, "RUNNING")
        assert {task["state"] for task in answer["tasks"]} == {"RUNNING"}
    else:
        assert status == 404
        assert "sink" in stack.servers()


def test_connectors_outlive_the_worker(stack: Stack, connector: tuple[str, Path]) -> None:
    """They are kept in Kafka: after kill -9 of the worker the connector runs again by itself."""
    name, file = connector
    assert stack.connect_rest.post("/connectors", json=json.loads(file.read_text())).status_code == 201
    wait_until(lambda: runs(stack, name), f"{name} to run", 60.0)
    stack.kill("kafka-connect")
    stack.wait_healthy("kafka-connect")
    wait_until(lambda: runs(stack, name), f"{name} to run after the worker's death", 60.0)
