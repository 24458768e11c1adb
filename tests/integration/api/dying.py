"""`python -m tests.integration.api.dying WHEN`: the API, killed within its first order.

WHEN: `before-commit`, with everything of the order written; `after-commit`, with nothing answered.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from services.api import __main__ as api
from services.clients import database
from services.domain import placing as domain


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after_commit(patch: pytest.MonkeyPatch) -> None:
    def write_and_die(engine: Engine, work: Callable[[Connection], Any]) -> None:
        database.write(engine, work)
        _die()

    patch.setattr(domain, "write", write_and_die)


def _before_commit(patch: pytest.MonkeyPatch) -> None:
    def write_and_die(engine: Engine, work: Callable[[Connection], Any]) -> None:
        def last(connection: Connection) -> None:
            work(connection)
            _die()

        database.write(engine, last)

    patch.setattr(domain, "write", write_and_die)


if __name__ == "__main__":
    {"after-commit": _after_commit, "before-commit": _before_commit}[sys.argv[1]](pytest.MonkeyPatch())
    sys.exit(api.main())
