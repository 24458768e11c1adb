"""What the CLI makes of Pulumi.yaml and a stack's file before it starts the program: the program gets text by key.

After Pulumi 3.274: `mergeConfig` and `validateStackConfigValue` in pkg/workspace/config.go, `ValidateConfigValue` in
sdk/go/common/workspace/project.go, `Map.Set` and `adjustObjectValue` in sdk/go/common/resource/config.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not

from tests.support.process import PROJECT

_SECURE: Final = "secure"
_WHOLE: Final = re.compile(r"-?(0|[1-9]\d*)")


class RefusedByCli(ValueError):
    """The CLI stops before the program runs."""


@dataclass
class HandedOver:
    """Full key to text, and the full keys that the program is told are secret."""

    values: dict[str, str] = field(default_factory=dict)
    secret_keys: set[str] = field(default_factory=set)


def hand_over(stack: Mapping[str, Any], project: Mapping[str, Any] | None = None, validate: bool = True) -> HandedOver:
    """`stack`: `config` of a stack's file, keys with namespace, `{"secure": text}` for a secret, in clear text here.

    `project`: Pulumi.yaml as a mapping; the project's own by default. `validate`: False for `--skip-config-validation`.
    Raises RefusedByCli.
    """
    declared = _project() if project is None else project
    held: dict[str, Any] = {key: value for key, value in stack.items() if value is not None}
    for key, known in sorted((declared.get("config") or {}).items()):
        full = key if ":" in key else f"{declared['name']}:{key}"
        if _get(held, full) is None:
            default = known.get("value", known.get("default"))
            if default is None:
                raise RefusedByCli(f"Stack is missing configuration value '{key}'")
            _set(held, full, default)
        if validate:
            _check(key, known, _clear(_get(held, full)))
    handed = HandedOver()
    for key, value in held.items():
        handed.values[key] = _text(_clear(value))
        if _holds_secret(value):
            handed.secret_keys.add(key)
    return handed


@functools.cache
def _project() -> Mapping[str, Any]:
    return dict(yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8")))


def _path(full: str) -> tuple[str, list[str]]:
    """The key that holds it, and the way from there: the CLI takes a project's key for a path."""
    namespace, _, name = full.partition(":")
    first, *rest = name.split(".")
    return f"{namespace}:{first}", rest


def _get(held: Mapping[str, Any], full: str) -> Any:
    key, rest = _path(full)
    value = held.get(key)
    for part in rest:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _set(held: dict[str, Any], full: str, value: Any) -> None:
    key, rest = _path(full)
    if not rest:
        held[key] = value
        return
    inner = held.setdefault(key, {})
    if not isinstance(inner, dict):
        raise RefusedByCli(f"{full}: {key} is not an object")
    for part in rest[:-1]:
        inner = inner.setdefault(part, {})
    inner[rest[-1]] = _adjusted(value)


def _adjusted(value: Any) -> Any:
    """Inside an object what looks like a switch or a number becomes one."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


def _clear(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_SECURE}:
            return value[_SECURE]
        return {name: _clear(one) for name, one in value.items()}
    return [_clear(one) for one in value] if isinstance(value, list) else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {_SECURE} or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(key: str, known: Mapping[str, Any], value: Any) -> None:
    fits = {
        "string": isinstance(value, str),
        "integer": (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value) is not None),
        "boolean": isinstance(value, bool) or value in ("true", "false"),
    }
    if not fits.get(known.get("type", ""), True):
        raise RefusedByCli(f"Stack with configuration key '{key}' must be of type '{known['type']}'")
