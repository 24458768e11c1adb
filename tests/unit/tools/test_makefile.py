"""The Makefile: what it lists, and that what it lists is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.support.process import PROJECT

# Targets that people type from memory or that documents name.
PROMISED = """demo replay load verify sql clickhouse-shell migrate clean-demo setup test test-unit test-property
test-integration lint format typecheck lock help"""


def make(*arguments: str) -> str:
    program = shutil.which("make")
    assert program, "make is not on the PATH"
    # Its own environment, because `make test` hands its flags and variables down in MAKEFLAGS.
    done = subprocess.run(
        [program, *arguments], cwd=PROJECT, env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed() -> set[str]:
    names = re.findall(r"^  (\S.*?)  +\S", make(), flags=re.MULTILINE)
    return {name for line in names for name in line.split(", ")}


def test_help_is_the_default_and_lists_every_target() -> None:
    assert make() == make("help")
    assert listed() == set(PROMISED.split())


def test_help_writes_colour_only_to_a_terminal() -> None:
    assert "\x1b" not in make("help")


@pytest.mark.parametrize("target", PROMISED.split())
def test_each_target_has_a_recipe(target: str) -> None:
    assert make("--dry-run", target).strip()


@pytest.mark.parametrize("target", ["test-unit", "test-property", "test-integration"])
def test_each_kind_of_test_has_its_folder(target: str) -> None:
    assert f"tests/{target.removeprefix('test-')} " in make("--dry-run", target)
    assert (PROJECT / "tests" / target.removeprefix("test-")).is_dir()


def test_a_setting_reaches_the_command() -> None:
    assert '--rate "50" --count "10"' in make("--dry-run", "load", "RATE=50", "COUNT=10")
    assert 'replay "my log.txt"' in make("--dry-run", "replay", "FILE=my log.txt")
