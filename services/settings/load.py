"""Reading the groups from the environment and the files, and saying in one line what is wrong with them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args, get_origin

from dotenv import dotenv_values
from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from services.settings.group import Group
from services.settings.groups import GROUPS
from services.settings.paths import DEMO_DATA, DEMO_ENV_FILE, PROJECT_ROOT, STACK_DATA, STACK_ENV_FILE

G = TypeVar("G", bound=Group)

_NAMES_A_DATABASE = ("DATABASE_URL", "MYSQL_HOST", "MYSQL_PASSWORD")


class SettingsError(Exception):
    """A setting is missing or malformed; the message is one line that names it. Programs exit with 2."""


@dataclass(frozen=True)
class Described:
    """One setting as ``millrace settings`` shows it; a secret's value is masked."""

    name: str
    value: str
    source: str
    default: str
    meaning: str


def _installations(own: Mapping[str, str | None]) -> tuple[tuple[str, Path], ...]:
    """The files that whole installations on this machine leave for others, the one to prefer first."""
    demo, stack = (
        os.environ.get(name) or own.get(name) or usual
        for name, usual in (("MILLRACE_DEMO_DATA", DEMO_DATA), ("MILLRACE_STACK_DATA", STACK_DATA))
    )
    return (
        (f"demo ({DEMO_ENV_FILE})", Path(demo) / DEMO_ENV_FILE),
        (f"stack ({STACK_ENV_FILE})", Path(stack) / STACK_ENV_FILE),
    )


def _layers(installation: Path | None = None) -> list[tuple[str, Mapping[str, str | None]]]:
    """Named sources, the strongest first. At most one installation, and only where nothing else names a database."""
    own = {name.upper(): value for name, value in dotenv_values(".env").items()}
    layers: list[tuple[str, Mapping[str, str | None]]] = [
        ("environment", {name.upper(): value for name, value in os.environ.items()}),
        (".env", own),
    ]
    if installation is not None:
        layers.append((str(installation), dotenv_values(installation)))
    elif not any(name in layer for name in _NAMES_A_DATABASE for _, layer in layers):
        found = next(((source, file) for source, file in _installations(own) if file.exists()), None)
        if found is not None:
            layers.append((found[0], dotenv_values(found[1])))
    return layers


def names(field: str, info: FieldInfo) -> list[str]:
    """The environment variables a field is read from, the preferred one first."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice).upper() for choice in alias.choices]
    return [(alias if isinstance(alias, str) else field).upper()]


def load(group: type[G], installation: Path | None = None) -> G:
    """One group, validated. Raises SettingsError with one line that names the setting and what to do.

    ``installation``: the file of the one that is meant, whatever else runs here or is named in ``.env``.
    """
    layers = _layers(installation)
    values: dict[str, str] = {}
    for field, info in group.model_fields.items():
        found = _find(names(field, info), layers)
        if found is not None:
            values[field] = found[0]
    try:
        return group.model_validate(values)
    except ValidationError as invalid:
        raise SettingsError(_one_line(group, invalid)) from None


def _find(candidates: list[str], layers: list[tuple[str, Mapping[str, str | None]]]) -> tuple[str, str] | None:
    for source, layer in layers:
        for name in candidates:
            value = layer.get(name)
            if value is not None and value != "":
                return value, source
    return None


def _one_line(group: type[Group], invalid: ValidationError) -> str:
    first = invalid.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    why = first["msg"].removeprefix("Value error, ")
    if not field:
        return why
    name = next((names(f, i)[0] for f, i in group.model_fields.items() if field in (f, *names(f, i))), field.upper())
    if first["type"] == "missing":
        return f"{name} is not set: set it in the environment or in .env, or start `make demo` or `make up`"
    secret = "SecretStr" in str(group.model_fields[field].annotation) if field in group.model_fields else False
    shown = "" if secret or why.startswith("is ") else f" (it is {str(first['input'])[:80]!r})"
    return f"{name} {why[0].lower() + why[1:]}{shown}"


def describe() -> list[Described]:
    """Every setting with its value in force, source, default and meaning; nothing is validated."""
    layers = _layers()
    rows = []
    for group in GROUPS:
        for field, info in group.model_fields.items():
            secret = SecretStr.__name__ in str(info.annotation)
            found = _find(names(field, info), layers)
            default = "" if info.is_required() or info.default is None else str(info.default)
            value = "********" if found and secret else found[0] if found else default
            source = found[1] if found else "default" if default else "not set"
            rows.append(Described(names(field, info)[0], value, source, default, info.description or ""))
    return rows


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``extra`` on top, for a process it starts."""
    return {**os.environ, **extra}


def as_markdown() -> str:
    """docs/settings.md: every setting with its default and meaning, a section a group."""
    lines = [
        "# Settings",
        "",
        "Read from the environment, then `.env`, then, where neither names a database, from the running demo, or else",
        "from the stack that `make up` made (`var/stack/millrace.env`).",
        "`millrace settings` shows the values in force and where each comes from. A missing or malformed one stops the",
        "program at start with one line that names it (exit code 2). `python -m services.settings` writes this page.",
    ]
    for group in GROUPS:
        title = group.__name__.removesuffix("Settings")
        lines += ["", f"## {title}", "", "| setting | default | meaning |", "|---|---|---|"]
        for field, info in group.model_fields.items():
            known = " or ".join(f"`{name}`" for name in names(field, info))
            shown = "" if info.default is None else _portable(info.default)
            default = "required" if info.is_required() else f"`{shown}`" if shown else ""
            lines.append(f"| {known} | {default} | {info.description}{_choices(info)} |")
    return "\n".join(lines) + "\n"


def _choices(info: FieldInfo) -> str:
    """What a setting of a few words can be."""
    kinds = [info.annotation, *get_args(info.annotation)]
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    return f" ({', '.join(f'`{word}`' for word in words)})" if words else ""


def _portable(default: object) -> str:
    return default.relative_to(PROJECT_ROOT).as_posix() if isinstance(default, Path) else str(default)
