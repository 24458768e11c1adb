"""What the CLI is asked, in which folder and with which state, and how its answers are read: without the CLI."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandResult, PulumiCommand
from semver import VersionInfo

from tests.support.stack import engine
from tests.support.stack.cli import CliStack

SUMMARY = {
    "kind": "update",
    "startTime": "2026-01-01T00:00:00.000Z",
    "message": "",
    "environment": {},
    "config": {},
    "result": "succeeded",
    "resourceChanges": {"create": 3, "same": 4},
}


class FakeCommand(PulumiCommand):
    """Answers like the CLI and remembers what it was asked."""

    def __init__(self) -> None:
        self.command, self.version = "pulumi", VersionInfo(3, 270, 0)
        self.asked: list[list[str]] = []
        self.folders: set[str] = set()
        self.environments: list[Mapping[str, str]] = []

    def run(
        self, args: list[str], cwd: str, additional_env: Mapping[str, str], on_output: Any = None, on_error: Any = None
    ) -> CommandResult:
        self.asked.append(args)
        self.folders.add(cwd)
        self.environments.append(additional_env)
        said = ""
        if args[:2] == ["stack", "output"]:
            said = json.dumps({"environment": {"PORT": "3000"}})
        if args[:2] == ["stack", "history"]:
            said = json.dumps([SUMMARY])
        return CommandResult(said, "", 0)


class NoDocker:
    """An engine with nothing on it."""

    def close(self) -> None:
        pass


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    monkeypatch.setattr(engine, "connect", NoDocker)
    monkeypatch.setattr(engine, "everything", lambda _client: [])
    return FakeCommand()


def test_the_cli_works_on_a_folder_state_and_passphrase_of_its_own(tmp_path: Path, command: FakeCommand) -> None:
    with CliStack(tmp_path, {"images": "local"}, command):
        pass
    assert command.folders == {str(tmp_path / "project")}
    assert (tmp_path / "project" / "infra" / "__main__.py").is_file()
    assert (tmp_path / "project" / "Pulumi.yaml").is_file()
    for environment in command.environments:
        assert environment["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/state"
        assert len(environment["PULUMI_CONFIG_PASSPHRASE"]) == 32


def test_configuration_goes_in_with_its_namespace(tmp_path: Path, command: FakeCommand) -> None:
    with CliStack(tmp_path, {"images": "local", "seedCatalogue": False}, command) as stack:
        prefix = stack.prefix
    (given,) = [args for args in command.asked if args[:2] == ["config", "set-all"]]
    assert {"millrace:images=local", "millrace:seedCatalogue=false", f"millrace:prefix={prefix}"} <= set(given)
    assert any(re.fullmatch(r"millrace:portKafka=\d{4,5}", one) for one in given)


def test_up_refreshes_and_reads_counts_and_outputs(tmp_path: Path, command: FakeCommand) -> None:
    with CliStack(tmp_path, {}, command) as stack:
        assert stack.up() == {"create": 3, "same": 4}
        assert stack.url == "http://127.0.0.1:3000"
    (up,) = [args for args in command.asked if args[0] == "up"]
    assert "--refresh" in up, up
    (outputs, *_) = [args for args in command.asked if args[:2] == ["stack", "output"]]
    assert "--json" in outputs


def test_destroy_is_destroy(tmp_path: Path, command: FakeCommand) -> None:
    with CliStack(tmp_path, {}, command) as stack:
        stack.destroy()
    assert [args[0] for args in command.asked if args[0] == "destroy"] == ["destroy"]
