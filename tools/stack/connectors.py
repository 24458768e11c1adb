"""Kafka Connect's connectors: as declared in schemas/connect, by name."""

import json
from collections.abc import Callable
from typing import Final, TypeVar

from services.clients.connect import (
    SINK_CONNECTOR,
    ConnectClient,
    ConnectError,
    ConnectorStatus,
    NoSuchConnector,
    State,
)
from services.settings import PROJECT_ROOT, ConnectSettings, RelaySettings, StackSettings, load
from tools.stack.refusal import Failed, Refusal

T = TypeVar("T")

DECLARED: Final = PROJECT_ROOT / "schemas" / "connect"


def _client() -> ConnectClient:
    """Raises Refusal where the stack has no Kafka Connect, with the keys that bring one."""
    if load(StackSettings).stack_sink == "python" and load(RelaySettings).relay_mode == "outbox":
        raise Refusal(
            "this stack has no Kafka Connect, because nothing uses it: "
            '`make up CONFIG="sink=connect"` or `make up CONFIG="relay=debezium"` brings it'
        )
    return ConnectClient.of(load(ConnectSettings))


def register(name: str) -> int:
    """Gives the connector ("": the sink) its declared configuration, making it if need be, and starts it."""
    name = name or SINK_CONNECTOR
    file = DECLARED / f"{name}.json"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in DECLARED.glob("*.json")))
        raise Refusal(f"CONNECTOR={name} is not declared in {DECLARED}: choose {known}")
    config = json.loads(file.read_text(encoding="utf-8"))["config"]
    with _client() as client:
        made = _asked(lambda: client.put_config(name, config))
        if not made:
            _asked(lambda: client.resume(name))
    print(f"{name}: {'registered' if made else 'was there; its configuration is now the declared one'}")
    return 0


def status(name: str) -> int:
    """Prints one connector, or all; 1 unless every one of them runs with all its tasks."""
    with _client() as client:
        told = _asked(client.statuses) if not name else {name: _asked(lambda: client.status(name))}
    if not told:
        print("there is no connector")
    for found in told.values():
        _print(found)
    # what somebody stopped or paused, as a change of `relay` does, has not failed
    return 0 if all(found.running or found.state in (State.STOPPED, State.PAUSED) for found in told.values()) else 1


def restart(name: str) -> int:
    """Restarts the connector and its tasks."""
    with _client() as client:
        _asked(lambda: client.restart(name))
    print(f"{name}: restarting; `make connector-status` tells how it went")
    return 0


def delete(name: str) -> int:
    """Removes the connector; what it loaded and how far it had come stay."""
    with _client() as client:
        _asked(lambda: client.delete(name))
    print(f"{name}: deleted; `make register-connector CONNECTOR={name}` brings it back, where it had come to")
    return 0


def _print(found: ConnectorStatus) -> None:
    tasks = ", ".join(f"task {task.id} {task.state}" for task in found.tasks) or "no task"
    print(f"{found.name}: {found.state}; {tasks}")
    for line in found.failures:
        print(f"  {line}")


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except NoSuchConnector:
        raise Refusal("there is no such connector: `make connector-status` lists them") from None
    except ConnectError as refused:
        raise Failed(str(refused)) from None
