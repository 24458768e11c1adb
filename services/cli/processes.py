"""The processes of the pipeline, one command each; they stop cleanly on SIGTERM and Ctrl-C."""

from collections.abc import Callable
from importlib import import_module

import typer

_PROCESSES = {
    "api": "Take orders over HTTP and answer analytics questions.",
    "relay": "Move events from the outbox to Kafka, in order, each aggregate's without a gap.",
    "transformer": "Turn order and payment events into analytics rows.",
    "sink": "Load analytics rows into ClickHouse, or watch the connector that does (SINK_MODE).",
    "aggregator": "Keep the exact cubes behind the views.",
    "reconciler": "Run verify --repair on a schedule.",
}


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    for name, meaning in _PROCESSES.items():
        app.command(name, help=meaning, rich_help_panel="Processes")(_runner(name))


def _runner(name: str) -> Callable[[], None]:
    def start() -> None:
        module = import_module(f"services.{name}.__main__")
        raise typer.Exit(module.main())

    return start
