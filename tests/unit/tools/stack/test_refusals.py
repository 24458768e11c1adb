"""What cannot be done is refused in one line with its remedy, before anything is done."""

from __future__ import annotations

import pytest

from tests.unit.tools.stack.conftest import ENGINE, Run, docker
from tests.unit.tools.stack.programs import Programs, Says

NEEDS_ENGINE = [
    ("up",),
    ("down",),
    ("ps",),
    ("logs",),
    ("restart",),
    ("init-db",),
    ("clean", "--yes", "1"),
    ("kafka-topics",),
    ("page", "grafana"),
]


@pytest.mark.parametrize("words", NEEDS_ENGINE)
def test_without_docker_it_says_how_to_get_it(programs: Programs, run: Run, words: tuple[str, ...]) -> None:
    (programs.bin / "docker").unlink()
    assert "docker is not on the PATH: install Docker Engine or Docker Desktop" in run(*words).refusal
    assert programs.calls() == []


@pytest.mark.parametrize("words", NEEDS_ENGINE)
def test_an_engine_that_does_not_run_is_to_be_started(programs: Programs, run: Run, words: tuple[str, ...]) -> None:
    away = Says(err="Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n", code=1)
    docker(programs, says={"version *": away})
    line = run(*words).refusal
    assert "no Docker engine answers (Cannot connect to the Docker daemon" in line
    assert "sudo systemctl start docker" in line
    assert "DOCKER_HOST" in line


def test_an_engine_that_this_user_may_not_use(programs: Programs, run: Run) -> None:
    denied = Says(err="permission denied while trying to connect to the Docker daemon socket\n", code=1)
    docker(programs, says={"version *": denied})
    assert "sudo usermod -aG docker $USER" in run("ps").refusal


def test_an_engine_that_hangs_is_not_waited_for(programs: Programs, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.stack.shell.read.__defaults__", (None, 0.1))
    (programs.bin / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    assert "`docker version` gave no answer within 0.1 s" in run("ps").refusal


@pytest.mark.parametrize("words", [("up",), ("down",)])
def test_without_pulumi_it_says_how_to_get_it(programs: Programs, run: Run, words: tuple[str, ...]) -> None:
    line = run(*words).refusal
    assert "pulumi is not on the PATH: install it" in line
    assert "www.pulumi.com/docs/install" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("kafka-create-topic",), "TOPIC is not set"),
        (("kafka-create-topic", "--topic", "t"), "PARTITIONS=(nothing) is not a whole number above 0"),
        (("kafka-create-topic", "--topic", "t", "--partitions", "0"), "PARTITIONS=0"),
        (("kafka-create-topic", "--topic", "t", "--partitions", "three"), "PARTITIONS=three"),
        (("kafka-create-topic", "--topic", "t", "--partitions", "-1"), "PARTITIONS=-1"),
        (("kafka-describe-topic", "--topic", " "), "make kafka-describe-topic TOPIC=order.events"),
        (("kafka-consumer-lag", "--group", ""), "make kafka-consumer-lag GROUP=order-event-transformer"),
        (("connector-restart", "--connector", ""), "make connector-restart CONNECTOR="),
        (("connector-delete",), "make connector-delete CONNECTOR="),
        (("logs", "--tail", "many"), "TAIL=many is not a whole number"),
        (("up", "--config", "images"), 'make up CONFIG="images=local sink=python"'),
        (("up", "--config", "images="), "is not NAME=VALUE"),
        (("up", "--config", "=local"), "is not NAME=VALUE"),
        (("up", "--config", "ports.api=13000"), "millrace:ports.api is called millrace:portApi now"),
        (
            ("up", "--config", "porrtApi=13000"),
            "millrace:porrtApi is not a configuration key: did you mean millrace:portApi?",
        ),
        (("up", "--config", "settings={}"), 'make up SETTINGS="ORDER_EXPIRY=1800"'),
        (("up", "--settings", "ORDER_EXPIRY"), 'make up SETTINGS="ORDER_EXPIRY=1800"'),
        (("up", "--settings", "MYSQL_HOST=db"), "millrace:settings has MYSQL_HOST, which the stack sets"),
    ],
)
def test_a_variable_that_is_missing_or_wrong(programs: Programs, run: Run, words: tuple[str, ...], says: str) -> None:
    assert says in run(*words).refusal
    assert [call for call in programs.calls() if "exec" in call] == []


@pytest.mark.parametrize("command", ["logs", "restart", "ps"])
def test_an_unknown_service_is_answered_with_the_known_ones(run: Run, command: str) -> None:
    line = run(command, "--service", "relais").refusal
    assert "SERVICE=relais is not one of aggregator, api, clickhouse," in line
    assert "topics-job" in line


@pytest.mark.parametrize("words", [("logs",), ("restart",), ("init-db",), ("kafka-topics",), ("page", "kafka-ui")])
def test_a_stack_that_is_not_there_is_started_by_up(programs: Programs, run: Run, words: tuple[str, ...]) -> None:
    docker(programs)
    assert "there is no container of this stack (label dev.millrace.stack=millrace): `make up`" in run(*words).refusal


def test_an_engine_that_cannot_list_says_why(programs: Programs, run: Run) -> None:
    programs.put("docker", {**ENGINE, "*": Says(err="\nError: invalid filter\n", code=1)})
    assert "docker ps failed: Error: invalid filter" in run("logs").refusal


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    assert "kafka-consumer-lag" in shown.out
