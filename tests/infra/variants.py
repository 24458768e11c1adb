"""Every combination of the keys that change what the program declares, each captured once."""

from __future__ import annotations

import atexit
import functools
import io
import itertools
import shutil
import tempfile
import zipfile
from pathlib import Path

from tests.support.stack.capture import Program, capture

Variant = tuple[tuple[str, str], ...]

VARIANTS: tuple[Variant, ...] = tuple(
    (("images", images), ("sink", sink), ("relay", relay), ("kafkaNodes", nodes))
    for images, sink, relay, nodes in itertools.product(
        ("upstream", "local"), ("connect", "python"), ("outbox", "debezium"), ("3", "1")
    )
)
DEFAULT = VARIANTS[0]


def name(variant: Variant) -> str:
    """How pytest calls it."""
    return "-".join(value for _, value in variant)


def captured(variant: Variant = DEFAULT, **more: str) -> Program:
    """The program of a variant, with further keys."""
    return _captured(variant, tuple(sorted(more.items())))


@functools.lru_cache(maxsize=64)
def _captured(variant: Variant, more: tuple[tuple[str, str], ...]) -> Program:
    config = {"preflight": "false", **dict(variant), **dict(more)}
    if config["images"] == "local" and config["sink"] == "connect":
        config.setdefault("connectPlugins", str(_plugin_folder()))
    return capture(config)


@functools.cache
def _plugin_folder() -> Path:
    """A folder with an archive of the form Connect plugins have; its content is never looked at here."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-plugins-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_plugin(folder / "some-sink-1.0.zip")
    return folder


def write_plugin(archive: Path) -> None:
    """A plugin archive that holds nothing but its form."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as made:
        made.writestr("META-INF/services/org.apache.kafka.connect.sink.SinkConnector", "example.SomeSink\n")
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("some-sink-1.0/lib/some-sink-1.0.jar", jar.getvalue())
