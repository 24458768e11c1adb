"""`python -m images`: build the images of the local set that are missing, or list them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from images.build import build, with_parents
from images.engine import Engine
from images.errors import ImagesError
from images.recipes import NAMES, reference

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def images(
    names: Annotated[list[str] | None, typer.Argument(help=f"which ones: {', '.join(NAMES)}; all without any")] = None,
    connect_plugins: Annotated[
        Path | None, typer.Option(help="folder of Connect plugin archives, of which `connect` is made")
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="say which there are, and build nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the list as JSON on standard output")] = False,
) -> None:
    """Build what is missing of the images that `images: local` runs; nothing when nothing changed."""
    # What depends on a folder of plugins is only there for those who name one.
    wanted = names or [name for name in NAMES if name != "connect" or connect_plugins]
    started = time.monotonic()
    try:
        connect_plugins = connect_plugins and _at_home(connect_plugins)
        engine = Engine()
        seconds = {}
        if not only_list:
            built = build(engine, wanted, connect_plugins, _say)
            seconds = {each.name: round(each.seconds, 1) for each in built}
            _say(f"{len(wanted)} wanted, {len(built)} built, in {time.monotonic() - started:.1f} s")
        rows = _rows(engine, wanted, connect_plugins, seconds)
    except ImagesError as error:
        print(f"images: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say("stopped")
        # Builds run in threads that wait for the engine, which gives a build up when nobody listens any more.
        os._exit(130)
    if as_json:
        print(json.dumps(rows, indent=2))
    elif only_list:
        for row in rows:
            size = f"{row['size'] / 1e6:6.0f} MB" if row["built"] else "  missing"
            print(f"{row['name']:12}{size}  {row['reference']}")


def _at_home(folder: Path) -> Path:
    """With ~ in full: out of quotes and out of Pulumi's configuration it comes as it was written."""
    try:
        return folder.expanduser()
    except RuntimeError:
        raise ImagesError(f"{folder} cannot be found: there is no such user, name the folder in full") from None


def _rows(engine: Engine, names: list[str], plugins: Path | None, seconds: dict[str, float]) -> list[dict[str, Any]]:
    there = engine.images()
    rows = []
    for name in with_parents(names):
        wanted = reference(name, plugins if name == "connect" else None)
        image = there.get(wanted)
        row = {"name": name, "reference": wanted, "built": image is not None, "size": image.size if image else None}
        rows.append(row | ({"seconds": seconds[name]} if name in seconds else {}))
    return rows


def _say(line: str) -> None:
    # In one piece: builds beside each other speak.
    sys.stderr.write(f"images: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    app(prog_name="python -m images")
