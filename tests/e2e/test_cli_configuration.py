"""What the `pulumi` command hands a program is what the tests hand it: asked of the command itself, where there is one.

No provider and no engine: the program only keeps its configuration.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not
from pulumi import automation
from pulumi.runtime.config import CONFIG, is_config_secret

from tests.support.process import PROJECT
from tests.support.stack.configuration import hand_over
from tests.support.stack.project import run_infra

pytestmark = pytest.mark.skipif(
    shutil.which("pulumi") is None,
    reason="the `pulumi` command is not on the PATH: how it hands over configuration is read in its source, not asked",
)

# Dotted names as earlier versions had them, by path and literal; a map; secrets; types; other namespaces.
STACKS: list[dict[str, Any]] = [
    {},
    {"millrace:kafkaNodes": "1", "millrace:preflight": "false"},
    {"millrace:ports.api": "13000"},
    {"millrace:settings": {"ORDER_EXPIRY": 1800, "LOG_LEVEL": "DEBUG"}},
    {"millrace:settings": {"ORDER_EXPIRY": {"secure": "1800"}}, "millrace:prefix": {"secure": "x-"}},
    {"other:key": "value", "other:map": {"a": [1, True, "x"]}},
]
DECLARED: list[dict[str, Any] | None] = [
    None,
    {"name": "millrace", "runtime": "python", "config": {"kafka.nodes": {"type": "integer", "default": 3},
     "kafka.name": {"type": "string", "default": "three"}, "on": {"type": "boolean", "default": True}}},
]  # fmt: skip


@pytest.mark.parametrize("declared", DECLARED, ids=["ours", "dotted"])
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_the_cli_hands_over_what_the_tests_do(
    tmp_path: Path, stack: dict[str, Any], declared: dict[str, Any] | None
) -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text()) if declared is None else declared
    expected = hand_over(stack, project)
    values, secret = _through_the_cli(tmp_path, project, stack)
    assert values == expected.values
    assert secret == expected.secret_keys


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        ({"millrace:ports.api": "13000"}, "millrace:ports.api is called millrace:portApi now: "),
        ({"millrace:ports": {"api": 13000}}, "millrace:ports is not a key, and keys have no dots: "),
        ({"millrace:settings": {"ORDER_EXPIRE": 1}}, "millrace:settings: ORDER_EXPIRE is not a setting of a service"),
    ],
    ids=str,
)
def test_the_cli_shows_the_programs_refusal(tmp_path: Path, stack: dict[str, Any], says: str) -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())
    with pytest.raises(automation.CommandError) as refused:
        _preview(tmp_path, project, stack, run_infra)
    assert says in str(refused.value)
    assert "Traceback" not in str(refused.value)


def _through_the_cli(folder: Path, project: dict[str, Any], stack: dict[str, Any]) -> tuple[dict[str, str], set[str]]:
    found: dict[str, str] = {}
    secret: set[str] = set()

    def keep() -> None:
        found.update({key: value for key, value in CONFIG.get().items() if not key.startswith("pulumi:")})
        secret.update(key for key in found if is_config_secret(key))

    _preview(folder, project, stack, keep)
    return found, secret


def _preview(folder: Path, project: dict[str, Any], stack: dict[str, Any], program: Callable[[], None]) -> None:
    work, state = folder / "work", folder / "state"
    for made in (work, state):
        made.mkdir()
    (work / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "main": "."}))
    opened = automation.create_or_select_stack(
        "e2e",
        project_name="millrace",
        program=program,
        opts=automation.LocalWorkspaceOptions(
            work_dir=str(work),
            env_vars={
                "PULUMI_BACKEND_URL": state.as_uri(),
                "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
        ),
    )
    for key, value in stack.items():
        _set(opened, key, value)
    opened.preview(color="never")


def _set(opened: automation.Stack, key: str, value: Any) -> None:
    """As `pulumi config set` does, with `--path` for what is inside a map."""
    if isinstance(value, dict) and set(value) == {"secure"}:
        opened.set_config(key, automation.ConfigValue(value["secure"], secret=True))
    elif isinstance(value, dict):
        for name, one in value.items():
            _set_inside(opened, f"{key}.{name}", one)
    else:
        opened.set_config(key, automation.ConfigValue(str(value)))


def _set_inside(opened: automation.Stack, path: str, value: Any) -> None:
    if isinstance(value, list):
        for place, one in enumerate(value):
            _set_inside(opened, f"{path}[{place}]", one)
    elif isinstance(value, dict):
        opened.set_config(path, automation.ConfigValue(value["secure"], secret=True), path=True)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        opened.set_config(path, automation.ConfigValue(text), path=True)
