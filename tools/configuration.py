"""`python -m tools.configuration`: writes the keys of infra/keys.py into Pulumi.yaml and docs/stack.md."""

import json
from pathlib import Path
from typing import Final

from infra import keys
from infra.faults import key
from services.settings import PROJECT_ROOT

PROJECT_FILE: Final = PROJECT_ROOT / "Pulumi.yaml"
PAGE: Final = PROJECT_ROOT / "docs" / "stack.md"
_SETTINGS_MEANING: Final = (
    "settings of the services beside those that the stack decides, by name: ORDER_EXPIRY and the like"
)
_TABLE: Final = "| key | default | meaning |\n|---|---|---|\n"


def project_file(text: str) -> str:
    """Pulumi.yaml with its `config:` made anew; what stands before it stays."""
    head, marker, _ = text.partition("\nconfig:\n")
    return head + marker + "".join(map(_declaration, keys.KEYS.values())) + _settings_declaration()


def page(text: str) -> str:
    """docs/stack.md with its table of keys made anew."""
    head, marker, rest = text.partition(_TABLE)
    _, end, tail = rest.partition("\n\n")
    rows = [f"| `{key(one.name)}` | `{_plain(one.default)}` | {one.description} |" for one in keys.KEYS.values()]
    rows.append(f"| `{key(keys.SETTINGS)}` | `{{}}` | {_SETTINGS_MEANING} |")
    return head + marker + "\n".join(rows) + end + tail


def _declaration(one: keys.Key) -> str:
    kind = "boolean" if isinstance(one.default, bool) else "integer" if isinstance(one.default, int) else "string"
    default = _plain(one.default) if one.default != "" else '""'
    return (
        f"  {key(one.name)}:\n    type: {kind}\n    default: {default}\n"
        f"    description: {json.dumps(one.description.replace('`', ''), ensure_ascii=False)}\n"
    )


def _settings_declaration() -> str:
    # Without a type: older CLIs know none for a map.
    return f"  {key(keys.SETTINGS)}:\n    default: {{}}\n    description: {json.dumps(_SETTINGS_MEANING)}\n"


def _plain(default: keys.Default) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def main() -> None:
    """Writes both."""
    for file, made in ((PROJECT_FILE, project_file), (PAGE, page)):
        _write(file, made(file.read_text(encoding="utf-8")))


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    print(f"{file.relative_to(PROJECT_ROOT)}: {len(keys.KEYS) + 1} keys")


if __name__ == "__main__":
    main()
