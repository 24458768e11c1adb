"""The project's program and its configuration, as the CLI's language host hands them over."""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping

from infra.faults import NAMESPACE
from infra.keys import PORTS, port_key
from tests.support.stack.capture import PROGRAM
from tests.support.stack.ports import free_block

_KAFKA_NODES = 3
PLUGINS = os.environ.get("MILLRACE_CONNECT_PLUGINS", "")
"""A folder with the real sink connector's release archive; without it services.sink loads the rows."""

SINK: dict[str, object] = {"sink": "connect", "connectPlugins": PLUGINS} if PLUGINS else {"sink": "python"}
LOCAL: dict[str, object] = {"images": "local", "relay": "outbox", **SINK}
"""The stack of the end-to-end tests."""


def run_infra() -> None:
    """The very program, untouched."""
    runpy.run_path(str(PROGRAM), run_name="__main__")


def as_config(given: Mapping[str, object]) -> dict[str, str]:
    """Keys with their namespace, values in the form `pulumi config set` keeps them."""
    return {f"{NAMESPACE}:{key.removeprefix(f'{NAMESPACE}:')}": _text(value) for key, value in given.items()}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def free_ports() -> dict[str, object]:
    """A free port for each one that can be configured; as many in a row as Kafka has nodes at most."""
    first = free_block(len(PORTS) + _KAFKA_NODES)  # one block: drawn one by one, two might be the same
    others = [name for name in PORTS if name != "kafka"]
    return {port_key(name): first + place for place, name in enumerate([*others, "kafka"])}
