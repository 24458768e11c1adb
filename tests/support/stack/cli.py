"""The same stack through the `pulumi` command itself, by its Automation API, in a project folder of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pulumi import automation

from tests.support.process import PROJECT
from tests.support.stack import engine
from tests.support.stack.host import Host
from tests.support.stack.project import as_config, free_ports

_STACK = "e2e"
# What `main` and `virtualenv` of Pulumi.yaml name. Stack settings are written beside that file, so not in the project.
_NEEDED = ("Pulumi.yaml", "infra", ".venv")


class CliStack(Host):
    """A stack with a prefix, ports, state and passphrase of its own, used in a with block."""

    def __init__(
        self, folder: Path, config: Mapping[str, object], command: automation.PulumiCommand | None = None
    ) -> None:
        """`folder`, which is empty, becomes the project's; nothing is created before `up`. `command`: another CLI."""
        self.prefix = f"{engine.TEST_PREFIX}{secrets.token_hex(2)}-"
        self.client = engine.connect()
        self.outputs: dict[str, Any] = {}
        project, state = folder / "project", folder / "state"
        for made in (project, state):
            made.mkdir()
        for name in _NEEDED:
            (project / name).symlink_to(PROJECT / name)
        self._stack = automation.create_or_select_stack(
            _STACK,
            work_dir=str(project),
            opts=automation.LocalWorkspaceOptions(
                env_vars={
                    "PULUMI_BACKEND_URL": state.as_uri(),
                    "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                },
                pulumi_command=command,
            ),
        )
        chosen = as_config({"prefix": self.prefix, **free_ports(), **config})
        self._stack.set_all_config({key: automation.ConfigValue(value) for key, value in chosen.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_clients()
        for _, _, labels, remove in engine.everything(self.client):
            if labels.get(engine.STACK_LABEL) == self.prefix:
                remove()
        self.client.close()

    def up(self, refresh: bool = True) -> dict[str, int]:
        """`pulumi up --refresh`; how many resources it did what with. Raises automation.CommandError."""
        done = self._stack.up(refresh=refresh, color="never")
        self.outputs = {name: one.value for name, one in done.outputs.items()}
        self._close_clients()
        return {str(operation): count for operation, count in (done.summary.resource_changes or {}).items()}

    def destroy(self) -> None:
        """What `make down` does: everything but the data and the passwords that open it."""
        self._stack.destroy(color="never", exclude_protected=True)

    def left(self) -> list[str]:
        """What the engine has of this stack."""
        return sorted(
            f"{kind} {name}"
            for kind, name, labels, _ in engine.everything(self.client)
            if labels.get(engine.STACK_LABEL) == self.prefix
        )

    def remove_by_hand(self, role: str) -> None:
        """`docker rm -f`."""
        self.client.containers.get(self.prefix + role).remove(force=True)
