"""The Pulumi CLI: where its state is, what it is asked, what the program gives back."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.settings import PROJECT_ROOT
from tools.stack.engine import address
from tools.stack.folder import StackFolder
from tools.stack.refusal import Failed, Refusal
from tools.stack.shell import last_line, need, read, show

STACK: Final = "dev"
NAMESPACE: Final = "millrace"
_GET_PULUMI: Final = "install it (macOS: brew install pulumi; Linux and others: www.pulumi.com/docs/install)"
_SLOW: Final = 120.0
_AT_ONCE: Final = "32"
"""Steps: they wait for images and for health checks, they do not compute. The CLI's own number goes by the cores: where
these are few, images alone would fill it while a broker waits for the second one."""


class Pulumi:
    """The stack `dev`. State in var/stack, unless the user is logged in elsewhere."""

    def __init__(self, folder: StackFolder) -> None:
        """Raises Refusal when the CLI is not there."""
        need("pulumi", _GET_PULUMI)
        self._environment = _environment(folder)

    def select(self) -> None:
        """Makes the stack if need be. Raises Refusal."""
        answer = self._read("stack", "select", "--create", STACK)
        if answer.code:
            raise Refusal(f"pulumi cannot open the stack {STACK}: {last_line(answer.err)}")

    def configured(self, key: str, given: Mapping[str, str]) -> str:
        """A configuration value: as given now, or as it is kept, or "" where it is not set. Raises Refusal."""
        if key in given:
            return given[key]
        answer = self._read("config", "get", f"{NAMESPACE}:{key}", "--stack", STACK)
        if answer.code and not ("configuration key" in answer.err and "not found" in answer.err):
            # taken for "" it would be the prefix of another stack
            raise Refusal(f"pulumi does not tell {NAMESPACE}:{key}: {last_line(answer.err)}")
        return "" if answer.code else answer.out.strip()

    def up(self, given: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """`pulumi up`, shown. Configuration and ``settings`` of the services are set first and kept. Raises Failed."""
        for name, value in settings.items():
            self._keep(f"{NAMESPACE}:settings.{name}", value)
        config = [word for key, value in given.items() for word in ("--config", f"{NAMESPACE}:{key}={value}")]
        code = self._show("up", "--refresh", "--yes", "--parallel", _AT_ONCE, "--stack", STACK, *config)
        if code:
            raise Failed(
                f"pulumi up failed (exit code {code}): what it says above names the part; then `make up` again"
            )

    def _keep(self, path: str, value: str) -> None:
        answer = self._read("config", "set", "--path", path, value, "--stack", STACK)
        if answer.code:
            raise Failed(f"pulumi does not keep {path}: {last_line(answer.err)}")

    def down(self) -> None:
        """`pulumi destroy`, shown: everything but the volumes and what opens them. Raises Failed."""
        code = self._show("destroy", "--yes", "--exclude-protected", "--stack", STACK)
        if code:
            raise Failed(f"pulumi destroy failed (exit code {code}): what it says above says why")

    def outputs(self) -> dict[str, Any]:
        """What the program exports, secrets included. Raises Failed."""
        answer = self._read("stack", "output", "--json", "--show-secrets", "--stack", STACK)
        try:
            if answer.code == 0:
                return dict(json.loads(answer.out))
        except ValueError:
            pass
        raise Failed(f"the stack is up, but pulumi does not tell its outputs: {last_line(answer.err)}")

    def _read(self, *words: str) -> Any:
        return read(self._command(words), self._environment, _SLOW)

    def _show(self, *words: str) -> int:
        return show(self._command(words), self._environment)

    def _command(self, words: Sequence[str]) -> list[str]:
        return ["pulumi", *words, "--cwd", str(PROJECT_ROOT), "--non-interactive"]


def _environment(folder: StackFolder) -> dict[str, str]:
    """What the CLI gets besides this process's environment; what the user has set stays as it is."""
    found = {"PULUMI_SKIP_UPDATE_CHECK": "true", **address()}
    if not os.environ.get("PULUMI_BACKEND_URL") and not os.environ.get("PULUMI_ACCESS_TOKEN"):
        found["PULUMI_BACKEND_URL"] = folder.backend()
    if not os.environ.get("PULUMI_CONFIG_PASSPHRASE") and not os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(folder.passphrase().resolve())
    return found
