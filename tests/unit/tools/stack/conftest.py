"""A machine with Docker, Pulumi and a folder of its own, for the targets of the stack."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from services.settings import describe
from tests.unit.tools.stack.programs import Ended, Programs, Says, command, containers
from tools.stack.folder import StackFolder

ALL = (
    *("aggregator", "api", "clickhouse", "kafka-connect", "kafka-local1", "kafka-local2", "kafka-local3", "mysql"),
    *("relay", "topics-job", "database-job", "clickhouse-job", "connectors-job"),
)
ENGINE = {"version *": Says("28.0\n"), "context inspect *": Says("unix:///var/run/docker.sock\n")}

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
