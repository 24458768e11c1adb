"""`python -m images` as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from images import __main__ as command
from images.engine import Engine, Image
from images.recipes import NAMES, reference
from tests.support.process import PROJECT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "images", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_an_engine_it_says_so_in_a_line(tmp_path: Path) -> None:
    for arguments in ((), ("--list",), ("mysql", "--json")):
        ended = run(*arguments, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("images: no container engine answers (No such file or directory): start it")
        assert ended.stderr.count("\n") == 1


class FakeEngine(Engine):
    """An engine that has one image."""

    def __init__(self) -> None:
        pass

    def images(self) -> dict[str, Image]:
        there = reference("base")
        return {there: Image(there, 74_000_000)}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Engine", FakeEngine)


@pytest.mark.usefixtures("fake")
def test_lists_what_there_is_and_what_is_missing() -> None:
    answer = CliRunner().invoke(command.app, ["--list"])
    assert answer.exit_code == 0
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert {line[0] for line in lines} == set(NAMES) - {"connect"}
    assert ["base", "74", "MB", reference("base")] in lines
    assert ["mysql", "missing", reference("mysql")] in lines


@pytest.mark.usefixtures("fake")
def test_lists_as_json_with_parents() -> None:
    answer = CliRunner().invoke(command.app, ["--list", "--json", "mysql"])
    assert json.loads(answer.stdout) == [
        {"name": "base", "reference": reference("base"), "built": True, "size": 74_000_000},
        {"name": "mysql", "reference": reference("mysql"), "built": False, "size": None},
    ]


@pytest.mark.usefixtures("fake")
def test_connect_is_listed_for_those_who_name_its_plugins(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"an archive")
    answer = CliRunner().invoke(command.app, ["--list", "--connect-plugins", str(tmp_path)])
    assert reference("connect", tmp_path) in answer.stdout


@pytest.mark.usefixtures("fake")
def test_a_folder_in_ones_home_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "a.zip").write_bytes(b"an archive")
    answer = CliRunner().invoke(command.app, ["--list", "--connect-plugins", "~/plugins"])
    assert reference("connect", tmp_path / "plugins") in answer.stdout


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--list", "grafana"], "images: there is no image grafana: there are base,"),
        (["--list", "connect"], "images: the image connect is made of a folder of plugin archives"),
        (["--list", "--connect-plugins", "/nowhere"], "images: /nowhere is not a folder"),
        (["--list", "--connect-plugins", "~no.body/x"], "images: ~no.body/x cannot be found: there is no such user"),
    ],
)
def test_what_cannot_be_named_ends_with_a_line(arguments: list[str], said: str) -> None:
    answer = CliRunner().invoke(command.app, arguments)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(said)
    assert answer.stderr.count("\n") == 1
