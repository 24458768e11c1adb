"""var/stack: what belongs to the stack and to this machine, readable by its owner only and never in git."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not
from dotenv import dotenv_values

from services.settings import PROJECT_ROOT, StackSettings, load
from services.settings.paths import STACK_ENV_FILE
from tools.stack.refusal import Refusal

DECLARED: Final = PROJECT_ROOT / "Pulumi.dev.yaml"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class StackFolder:
    """The folder, made on first use. MILLRACE_STACK_DATA names another one."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or load(StackSettings).stack_data
        self.environment_file = self.root / STACK_ENV_FILE
        self.prefix_file = self.root / "prefix.env"
        self.passphrase_file = self.root / "passphrase"
        self.state = self.root / "state"

    def passphrase(self) -> Path:
        """The file with what the state's secrets are encrypted with; made once.

        Raises Refusal when it is gone and the state is there: nothing can read that without it.
        """
        if not self.passphrase_file.exists():
            if self.state.exists() and any(self.state.rglob("*.json")):
                raise Refusal(
                    f"{self.passphrase_file} is gone, and {self.state} was encrypted with it: put it back, or begin "
                    f"anew with `make clean` and without {self.state}"
                )
            self._write(self.passphrase_file, secrets.token_urlsafe(32) + "\n")
        self.passphrase_file.chmod(_PRIVATE_FILE)
        return self.passphrase_file

    def backend(self) -> str:
        """Where Pulumi keeps its state, as it wants it: a folder of this machine."""
        self.state.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        return f"file://{self.state.resolve()}"

    def remember_prefix(self, prefix: str) -> None:
        """By which the stack's things are found, also when it is down or did not come up. Raises Refusal."""
        self._write_settings(self.prefix_file, {"MILLRACE_STACK_PREFIX": prefix})

    def label(self) -> str:
        """The value of the label on everything of the stack: of what was brought up, or else of what is declared.

        Raises SettingsError, and Refusal when Pulumi.dev.yaml cannot be read.
        """
        made = next((file for file in (self.prefix_file, self.environment_file) if file.exists()), None)
        known = load(StackSettings, made or self.prefix_file)
        if made is None and not known.stack_prefix:
            known = known.model_copy(update={"stack_prefix": _declared_prefix()})
        return known.stack_label

    def write_environment(self, environment: Mapping[str, str]) -> None:
        """What `millrace` on this machine needs to work against the stack. Raises Refusal for what it cannot hold."""
        self._write_settings(self.environment_file, environment)

    def environment(self) -> dict[str, str]:
        """What was written; empty when no stack is up."""
        if not self.environment_file.exists():
            return {}
        return {name: value for name, value in dotenv_values(self.environment_file).items() if value is not None}

    def forget_environment(self) -> None:
        """The stack is down: nothing should be looked for there. What it left is found by its prefix."""
        if self.environment_file.exists() and not self.prefix_file.exists():
            self.remember_prefix(self.environment().get("MILLRACE_STACK_PREFIX", ""))
        self.environment_file.unlink(missing_ok=True)

    def _write_settings(self, file: Path, settings: Mapping[str, str]) -> None:
        unfit = [name for name, value in settings.items() if set(value) & set("'\n\\$")]
        if unfit:
            raise Refusal(f"{', '.join(sorted(unfit))} cannot be written to {file}: a quote, $, \\ or line break")
        self._write(file, "".join(f"{name}='{value}'\n" for name, value in sorted(settings.items())))

    def _write(self, file: Path, text: str) -> None:
        """In one step, and never readable by others, not even for a moment."""
        self.root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE), "w") as opened:
            opened.write(text)
        draft.replace(file)


def _declared_prefix() -> str:
    """`millrace:prefix` of Pulumi.dev.yaml: all there is to know a stack by that plain `pulumi up` made."""
    try:
        config = (yaml.safe_load(DECLARED.read_text(encoding="utf-8")) or {}).get("config") or {}
        return str(config.get("millrace:prefix") or "")
    except FileNotFoundError:
        return ""
    except (OSError, AttributeError, yaml.YAMLError) as unread:
        reason = " ".join(str(unread).split())
        raise Refusal(f"{DECLARED} does not tell the stack's prefix ({reason}): mend it") from None
