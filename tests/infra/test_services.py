"""The project's own containers: commands its image knows, settings its processes take."""

from __future__ import annotations

import pytest
import typer

from services import settings
from services.cli.main import app
from services.settings.group import Group
from services.settings.groups import GROUPS
from services.settings.load import names
from tests.infra.variants import VARIANTS, Variant, captured, name
from tests.support.stack.capture import Program

OWN = ("api", "relay", "transformer", "sink", "aggregator", "reconciler")
JOBS = ("topics-job", "database-job", "clickhouse-job", "connectors-job")
SINK = VARIANTS[4]
# with every process and job there is
ALL = VARIANTS[6]
# What each process loads at its start.
LOADS: dict[str, tuple[type[Group], ...]] = {
    "api": (
        settings.ApiSettings,
        settings.BusinessSettings,
        settings.AnalyticsReaderSettings,
        settings.DatabaseSettings,
    ),
    "relay": (settings.DatabaseSettings, settings.KafkaSettings, settings.RelaySettings, settings.ConnectSettings),
    "transformer": (settings.KafkaSettings, settings.TransformerSettings, settings.BusinessSettings),
    "sink": (settings.KafkaSettings, settings.SinkSettings, settings.ClickHouseSettings, settings.ConnectSettings),
    "aggregator": (settings.DatabaseSettings, settings.ClickHouseSettings, settings.AggregatorSettings),
    "reconciler": (settings.DatabaseSettings, settings.ClickHouseSettings, settings.ReconcilerSettings),
    "topics-job": (settings.KafkaSettings,),
    "database-job": (settings.DatabaseSettings, settings.ProvisionSettings, settings.BusinessSettings),
    "clickhouse-job": (settings.ClickHouseSettings, settings.AnalyticsReaderSettings, settings.ProvisionSettings),
    "connectors-job": (settings.ConnectSettings,),
}
KNOWN = {one for group in GROUPS for field, info in group.model_fields.items() for one in names(field, info)}
# For people and for make, not for `millrace`.
FOR_PEOPLE = {
    "GRAFANA_ADMIN_PASSWORD",
    "MILLRACE_KAFKA_NODES",
    "MYSQL_ROOT_PASSWORD",
    "PROMETHEUS_URL",
}


def env(program: Program, container: str) -> dict[str, str]:
    """A container's environment."""
    return dict(one.split("=", 1) for one in program.containers[container].inputs["envs"])


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    """No setting of this machine's."""
    for known in KNOWN:
        monkeypatch.delenv(known, raising=False)
    folder = tmp_path_factory.mktemp("nothing")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(folder))
    monkeypatch.setenv("MILLRACE_STACK_DATA", str(folder))
    return monkeypatch


@pytest.mark.parametrize("container", LOADS)
def test_settings_are_complete_and_valid(container: str, empty_environment: pytest.MonkeyPatch) -> None:
    given = env(captured(ALL), container)
    assert set(given) <= KNOWN
    for variable, value in given.items():
        empty_environment.setenv(variable, value)
    for group in LOADS[container]:
        settings.load(group)


def test_people_outside_have_complete_settings(empty_environment: pytest.MonkeyPatch) -> None:
    given = captured(SINK).outputs["environment"]
    assert set(given) - KNOWN == FOR_PEOPLE
    for variable, value in given.items():
        empty_environment.setenv(variable, value)
    for group in GROUPS:
        settings.load(group)
    assert settings.load(settings.ClickHouseSettings).url == "http://localhost:8123"
    assert settings.load(settings.StackSettings).stack_sink == "python"
    assert settings.load(settings.ApiSettings).link == "http://localhost:3000"


def test_people_outside_find_the_api_where_it_is_published(empty_environment: pytest.MonkeyPatch) -> None:
    for variable, value in captured(SINK, bind="192.0.2.1").outputs["environment"].items():
        empty_environment.setenv(variable, value)
    assert settings.load(settings.ApiSettings).link == "http://192.0.2.1:3000"


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_the_image_knows_every_command(variant: Variant) -> None:
    program = captured(variant)
    root = typer.main.get_command(app)
    for container in (*OWN, *JOBS):
        if container not in program.containers:
            continue
        command, words = root, list(program.containers[container].inputs["command"])
        while isinstance(command, typer.core.TyperGroup):
            found = command.get_command(typer.Context(command), words.pop(0))
            assert found, container
            command = found
        command.make_context(container, words)  # fails for an option it does not know


@pytest.mark.parametrize("container", [*OWN[1:]])
def test_metrics_are_where_prometheus_and_people_look(container: str) -> None:
    program = captured(SINK)
    (port,) = program.containers[container].inputs["ports"]
    given = {"relay": 9101, "transformer": 9102, "sink": 9103, "aggregator": 9104, "reconciler": 9105}
    assert port["internal"] == port["external"] == given[container]
    assert env(program, container)["METRICS_HOST"] == "0.0.0.0"  # noqa: S104
    kind, command = program.containers[container].inputs["healthcheck"]["tests"]
    assert kind == "CMD-SHELL"
    assert f"/usr/local/bin/http-healthy {given[container]} /metrics;" in command


def test_each_process_is_its_own_user_of_the_databases() -> None:
    program = captured(ALL)
    users = {one: env(program, one) for one in (*OWN, *JOBS)}
    assert {one: given.get("MYSQL_USER") for one, given in users.items()} == {
        "api": "api", "relay": "relay", "transformer": None, "sink": None, "aggregator": "aggregator",
        "reconciler": "reconciler", "topics-job": None, "database-job": "root", "clickhouse-job": None,
        "connectors-job": None,
    }  # fmt: skip
    assert {one: given.get("CLICKHOUSE_USER") for one, given in users.items()} == {
        "api": "api", "relay": None, "transformer": None, "sink": "sink", "aggregator": "aggregator",
        "reconciler": "reconciler", "topics-job": None, "database-job": None, "clickhouse-job": "admin",
        "connectors-job": None,
    }  # fmt: skip


def test_every_process_works_in_the_business_zone() -> None:
    program = captured(ALL, timezone="America/Lima")
    for container in (*OWN, *JOBS):
        assert env(program, container)["BUSINESS_TIMEZONE"] == "America/Lima"
    assert program.outputs["environment"]["BUSINESS_TIMEZONE"] == "America/Lima"


def test_a_process_is_given_nothing_it_does_not_read() -> None:
    """A setting that is never read is a secret more in a container, and a reason more to replace it."""
    everywhere = {"API_HOST", "METRICS_HOST", "LOG_FORMAT", "BUSINESS_TIMEZONE"}
    for container, groups in LOADS.items():
        read = {one for group in groups for field, info in group.model_fields.items() for one in names(field, info)}
        assert set(env(captured(ALL), container)) - read - everywhere == set(), container
