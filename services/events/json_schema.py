"""The JSON Schemas under schemas/events, made from the models: ``python -m services.events.json_schema``."""

import json
from pathlib import Path

from services.events.envelope import EVENT_TYPES
from services.events.registry import event_model

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(event_type: str) -> str:
    """The JSON Schema (2020-12) of one event type as it is on the wire, ending in a newline."""
    schema = event_model(event_type).model_json_schema(by_alias=True, mode="serialization")
    return json.dumps({"$schema": _DIALECT, "title": event_type, **schema}, indent=2, sort_keys=True) + "\n"


def write_schemas(folder: Path) -> None:
    """Writes ``<type>.json`` for every event type, leaving other files alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for event_type in EVENT_TYPES:
        (folder / f"{event_type}.json").write_text(schema_text(event_type))


if __name__ == "__main__":
    write_schemas(Path(__file__).resolve().parents[2] / "schemas" / "events")
