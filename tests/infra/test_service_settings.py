"""`millrace:settings`: what reaches which process, what is refused, and that the table of who reads what is true."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from infra.components.services import SERVICES
from infra.faults import Refusal
from infra.service_settings import _OF_THE_CONTAINER, _OF_THE_STACK, _OTHER_KEY
from services.settings import GROUPS, SettingsError, groups
from services.settings.load import names
from services.settings.processes import check_setting, settings_read_by
from tests.infra.variants import DEFAULT, captured
from tests.support.process import PROJECT
from tests.support.stack.capture import SECRET, SIGNATURE, Program, capture

PYTHON_SINK = {"preflight": "false", "sink": "python"}


def _env(program: Program, container: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in program.containers[container].inputs["envs"])


def declared(settings: Any) -> Program:
    return capture({**PYTHON_SINK, "settings": settings})


def test_a_setting_reaches_the_processes_that_read_it_and_no_other() -> None:
    given = {
        "ORDER_EXPIRY": 1800, "PAYMENT_TIMEOUT": 5, "OUTBOX_RETENTION": "86400", "SINK_BATCH_ROWS": 100,
        "VERIFY_INTERVAL": 60, "KAFKA_COMPRESSION": "zstd", "LOG_LEVEL": "DEBUG", "API_WRITES_PER_SECOND": 5,
    }  # fmt: skip
    program = declared(given)
    found = {
        name: {one for one in SERVICES if _env(program, one).get(name) == str(value)} for name, value in given.items()
    }
    assert found == {
        "ORDER_EXPIRY": {"api"},
        "PAYMENT_TIMEOUT": {"api"},
        "OUTBOX_RETENTION": {"relay"},
        "SINK_BATCH_ROWS": {"sink", "transformer"},  # which looks how far the sink has read
        "VERIFY_INTERVAL": {"reconciler"},
        "KAFKA_COMPRESSION": {"relay", "transformer", "sink"},
        "LOG_LEVEL": set(SERVICES),
        "API_WRITES_PER_SECOND": {"api"},
    }
    assert {name: program.outputs["environment"][name] for name in given} == {k: str(v) for k, v in given.items()}


def test_every_setting_of_a_service_can_be_given_or_is_the_stacks_own() -> None:
    """Nothing falls between: what is refused is what the stack sets itself, or what would contradict that."""
    bare = declared({})
    for process in SERVICES:
        for name in settings_read_by(process):
            if name in _OTHER_KEY or name.startswith(_OF_THE_STACK) or name in _OF_THE_CONTAINER:
                with pytest.raises(Refusal, match=f" has {name}, which "):
                    declared({name: _sample(name)})
            else:
                given = _env(declared({name: _sample(name)}), process)
                assert name in given
                assert set(given) - set(_env(bare, process)) <= {name}


def test_what_the_stack_sets_nobody_else_does() -> None:
    """But for the two that are only defaults of the stack."""
    bare = declared({})
    for process in SERVICES:
        for name in set(_env(bare, process)) - {"API_WRITES_PER_SECOND", "LOG_FORMAT"}:
            with pytest.raises(Refusal, match=f" has {name}, which "):
                declared({name: _sample(name)})


def _sample(name: str) -> str:
    for group in GROUPS:
        for field, info in group.model_fields.items():
            if name in names(field, info) and info.default is not None and not info.is_required():
                return str(info.default).lower() if isinstance(info.default, bool) else str(info.default) or "10.0.0.1"
    return "3"


REFUSED: list[tuple[Any, str]] = [
    ({"ORDER_EXPIRE": 1}, "millrace:settings: ORDER_EXPIRE is not a setting of a service"),
    ({"MILLRACE_DEMO_DATA": "x"}, "millrace:settings: MILLRACE_DEMO_DATA is not a setting of a service"),
    ({"ORDER_EXPIRY": -1}, "millrace:settings: ORDER_EXPIRY input should be greater than or equal to 0"),
    ({"ORDER_EXPIRY": "soon"}, "millrace:settings: ORDER_EXPIRY input should be a valid number"),
    ({"ORDER_EXPIRY": {"a": 1}}, "millrace:settings.ORDER_EXPIRY is not one value"),
    ({"MYSQL_HOST": "db"}, "millrace:settings has MYSQL_HOST, which the stack sets for its own containers"),
    ({"DATABASE_URL": "x"}, "millrace:settings has DATABASE_URL, which the stack sets for its own containers"),
    ({"BUSINESS_TIMEZONE": "UTC"}, "millrace:settings has BUSINESS_TIMEZONE, which millrace:timezone decides"),
    ({"PORT": 1}, "millrace:settings has PORT, which millrace:portApi decides"),
    (["ORDER_EXPIRY"], "millrace:settings is not a map of settings: "),
    ("ORDER_EXPIRY=1", "millrace:settings is not a map of settings: "),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=[str(one[0]) for one in REFUSED])
def test_what_no_service_reads_or_the_stack_decides_is_refused_in_one_line(settings: Any, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        declared(settings)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_secret_setting_stays_one_on_its_way_to_the_container() -> None:
    program = declared({"ORDER_EXPIRY": {"secure": "1800"}})
    assert _env(program, "api")["ORDER_EXPIRY"] == "1800"
    wire = program.containers["api"].wire.object.fields["envs"]
    assert SECRET in str(wire), "the environment of the api is marked as secret"
    assert SIGNATURE in str(wire)
    transformer = program.containers["transformer"].wire.object.fields["envs"]
    assert SECRET not in str(transformer), "it has no secret"


def test_the_bootstrap_token_can_be_left_out() -> None:
    assert "MILLRACE_ADMIN_TOKEN" in _env(captured(DEFAULT), "api")
    without = captured(DEFAULT, bootstrapAdminToken="false")
    assert "MILLRACE_ADMIN_TOKEN" not in _env(without, "api")
    assert "MILLRACE_ADMIN_TOKEN" not in without.outputs["environment"]


@pytest.mark.parametrize("process", SERVICES)
def test_the_table_of_who_reads_what_is_what_the_code_loads(process: str) -> None:
    """Every `load(SomeSettings)` of a process's package is a group of that process, and none is there for nothing."""
    loaded: set[str] = set()
    for file in (PROJECT / "services" / process).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load":
                loaded |= {one.id for one in node.args if isinstance(one, ast.Name) and one.id.endswith("Settings")}
    assert loaded, process
    read = {name for group in loaded for name in _variables(group)} | set(_variables("ObservabilitySettings"))
    assert read == settings_read_by(process)


def _variables(group: str) -> list[str]:
    fields = getattr(groups, group).model_fields
    return [name for field, info in fields.items() for name in names(field, info)]


def test_a_value_is_checked_without_the_others() -> None:
    check_setting("OUTBOX_POLLING_INTERVAL", "*/5 * * * * *")
    check_setting("KAFKA_SESSION_TIMEOUT_MS", "6000")
    for name, value in (("KAFKA_SESSION_TIMEOUT_MS", "1"), ("LOG_LEVEL", "LOUD"), ("API_TRUSTED_PROXIES", "x")):
        with pytest.raises(SettingsError, match=f"^{name} "):
            check_setting(name, value)
