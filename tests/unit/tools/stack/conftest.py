"""A machine with Docker, Pulumi and a folder of its own, for the targets of the stack."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.settings import describe
from tests.support.web import Api, serve
from tests.unit.tools.stack.programs import Ended, Programs, Says, command, containers
from tools.stack import lifecycle
from tools.stack.folder import StackFolder

ALL = (
    *("aggregator", "api", "clickhouse", "kafka-connect", "kafka-local1", "kafka-local2", "kafka-local3", "mysql"),
    *("relay", "topics-job", "database-job", "clickhouse-job", "connectors-job"),
)
ENGINE = {"version *": Says("28.0\n"), "context inspect *": Says("unix:///var/run/docker.sock\n")}

ENVIRONMENT = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PASSWORD": "geheim", "MILLRACE_SINK": "python", "PORT": "3000"}
OUTPUTS = {"api": "http://localhost:3000/api", "grafana": "not in the local image set", "environment": ENVIRONMENT}
HANDED_ON = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "DOCKER_HOST")

Run = Callable[..., Ended]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The PATH: an engine with the whole stack on it."""
    made = Programs(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PULUMI_", "DOCKER_"))]:
        monkeypatch.delenv(name)
    for row in describe():
        monkeypatch.delenv(row.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tools.stack.folder.DECLARED", tmp_path / "Pulumi.dev.yaml")
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(tmp_path / "demo"))
    monkeypatch.setenv("MILLRACE_STACK_DATA", str(tmp_path / "stack"))
    docker(made, *ALL)
    return made


def docker(programs: Programs, *roles: str, says: dict[str, Says] | None = None, prefix: str = "") -> None:
    """Docker with these containers; ``says`` comes first."""
    listing = {"ps --all --filter label=* --format {{.Names}}\t*": Says(containers(*roles, prefix=prefix))}
    first = says or {}
    rest = {pattern: what for pattern, what in {**ENGINE, **listing, "*": Says()}.items() if pattern not in first}
    programs.put("docker", {**first, **rest}, ("MYSQL_PWD",))


@pytest.fixture
def folder(programs: Programs, tmp_path: Path) -> StackFolder:
    """The folder of a stack that is up."""
    folder = StackFolder(tmp_path / "stack")
    folder.write_environment(
        {"MILLRACE_STACK_PREFIX": "", "MYSQL_PASSWORD": "s3cret", "MYSQL_USER": "admin", "MILLRACE_IMAGES": "upstream"}
    )
    return folder


@pytest.fixture
def run(programs: Programs, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; what it and its programs printed, and its exit code."""

    def go(*words: str) -> Ended:
        code = command(*words)
        told = capfd.readouterr()
        return Ended(code, told.out, told.err)

    return go


@pytest.fixture
def machine(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Pulumi, an engine's API for its SDK, and stand-ins for `python -m images` and `millrace`."""
    pulumi(programs)
    for name in ("images", "millrace"):
        programs.put(name, {"*": Says(f"{name} ran\n")}, ("MYSQL_PASSWORD", "PORT"))
    monkeypatch.setattr(lifecycle, "IMAGES", (str(programs.bin / "images"),))
    monkeypatch.setattr(lifecycle, "MILLRACE", programs.bin / "millrace")
    with serve() as engine:
        engine.answers[("GET", "/version")] = (200, {"ApiVersion": "1.41"})
        engine.answers[("GET", "/v1.41/_ping")] = (200, b"OK")
        engine.anything = lambda _method, _path: (200, [])
        monkeypatch.setenv("DOCKER_HOST", engine.url.replace("http://", "tcp://"))
        yield engine


def pulumi(programs: Programs, **says: Says) -> None:
    """The CLI; ``says`` by the first word of what it is asked, config_KEY for configuration."""
    kept = {
        f"config get millrace:{name.removeprefix('config_')} *": what
        for name, what in says.items()
        if name.startswith("config_")
    }
    programs.put(
        "pulumi",
        {
            **kept,
            "config get *": Says(err="error: configuration key not found\n", code=1),
            "stack select *": says.get("select", Says()),
            "stack output *": says.get("output", Says(json.dumps(OUTPUTS))),
            "up *": says.get("up", Says("Updating (dev)\n")),
            "destroy *": says.get("destroy", Says("Destroying (dev)\n")),
        },
        HANDED_ON,
    )
