"""Up, up again, healed, down: through the `pulumi` command where it is, and through what stands in for it always."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from tests.e2e.scenario import live_through
from tests.support.stack.cli import CliStack
from tests.support.stack.project import LOCAL
from tests.support.stack.stack import Stack

# One node: the smallest stack there is, and the only place where that size is tried.
SMALL = {**LOCAL, "kafkaNodes": 1}
WITHOUT = "the `pulumi` command is not on the PATH: the program runs through the SDK alone, see tests/README.md"


class StandIn:
    """A stack of this suite that counts like the CLI's summary."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.prefix, self.destroy, self.left, self.verified = stack.prefix, stack.destroy, stack.left, stack.verified

    @property
    def api(self) -> httpx.Client:
        """The API."""
        return self._stack.api

    def up(self, refresh: bool = True) -> dict[str, int]:
        """Counts by operation."""
        done = self._stack.up(refresh)
        counts = {
            "create": len(done.created),
            "replace": len(done.replaced),
            "update": len(done.updated),
            "delete": len(done.deleted),
            "same": len(done.unchanged),
        }
        return {operation: count for operation, count in counts.items() if count}

    def remove_by_hand(self, role: str) -> None:
        """`docker rm -f`."""
        self._stack.container(role).remove(force=True)


def test_a_stacks_life_without_the_cli() -> None:
    with Stack(SMALL) as stack:
        live_through(StandIn(stack))


@pytest.mark.skipif(shutil.which("pulumi") is None, reason=WITHOUT)
def test_a_stacks_life_through_the_cli(tmp_path: Path) -> None:
    with CliStack(tmp_path, SMALL) as stack:
        live_through(stack)
