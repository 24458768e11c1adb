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
test-integration test-infra fuzz-api e2e soak lint format typecheck lock help up down restart ps logs doctor init-db
clean mysql-shell grafana kafka-ui kafka-topics kafka-create-topic kafka-describe-topic kafka-consumer-groups
kafka-consumer-lag kafka-cluster-info register-connector connector-status connector-restart connector-delete
test-pipeline test-deletion-flow images pin-images"""
# Those the original had: people's fingers know them.
ORIGINAL = """setup up down restart ps logs clean init-db mysql-shell clickhouse-shell kafka-topics kafka-create-topic
kafka-describe-topic kafka-consumer-groups kafka-consumer-lag kafka-cluster-info register-connector connector-status
test-pipeline kafka-ui grafana test-deletion-flow"""


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


def test_every_target_of_the_original_is_there() -> None:
    assert set(ORIGINAL.split()) <= set(PROMISED.split())


def test_every_target_is_documented_and_every_documented_target_is_there() -> None:
    page = (PROJECT / "docs" / "make-targets.md").read_text()
    documented = set(re.findall(r"^\| `make ([a-z0-9-]+)", page, flags=re.MULTILINE))
    assert documented == listed()


def test_the_targets_of_the_stack_run_a_command_of_its_tools_that_exists() -> None:
    from tools.stack.__main__ import app

    commands = {command.name for command in app.registered_commands}
    makefile = (PROJECT / "Makefile").read_text()
    targets = {name for name in PROMISED.split() if "tools.stack" in make("--dry-run", name)}
    called = {re.findall(r"tools\.stack (\S+)", make("--dry-run", target))[-1] for target in targets}
    assert called == commands
    assert makefile.count("$(ON_STACK)") >= len(commands)


@pytest.mark.parametrize("target", ["test-unit", "test-property", "test-integration", "test-infra"])
def test_each_kind_of_test_has_its_folder(target: str) -> None:
    assert f"tests/{target.removeprefix('test-')} " in make("--dry-run", target)
    assert (PROJECT / "tests" / target.removeprefix("test-")).is_dir()


def test_a_setting_reaches_the_command() -> None:
    assert '--rate "50" --count "10"' in make("--dry-run", "load", "RATE=50", "COUNT=10")
    assert 'replay "my log.txt"' in make("--dry-run", "replay", "FILE=my log.txt")
    assert '--topic "t" --partitions "3"' in make("--dry-run", "kafka-create-topic", "TOPIC=t", "PARTITIONS=3")
    assert '--group "g"' in make("--dry-run", "kafka-consumer-lag", "GROUP=g")
    assert '--config "images=local sink=python"' in make("--dry-run", "up", "CONFIG=images=local sink=python")
    for target in ("ps", "logs", "restart"):
        assert '--service "relay"' in make("--dry-run", target, "SERVICE=relay")


def test_make_test_runs_every_kind_of_test_that_needs_no_engine_and_e2e_the_rest() -> None:
    for kind in ("unit", "property", "integration", "infra"):
        assert f"tests/{kind}" in make("--dry-run", "test")
    assert "tests/e2e" not in make("--dry-run", "test")
    for target, runs in (("e2e", "/pytest tests/e2e"), ("soak", '-m benchmarks.soak --minutes "5"')):
        recipe = make("--dry-run", target, "PLUGINS=/my plugins", "MINUTES=5")
        assert recipe.index("-m images --connect-plugins") < recipe.index(runs), "what it runs is built first"
        assert 'MILLRACE_CONNECT_PLUGINS="/my plugins"' in recipe
