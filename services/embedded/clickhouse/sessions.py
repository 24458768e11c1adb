"""HTTP sessions: what SET, USE and temporary tables left behind, kept between the requests of one session_id."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from services.embedded.clickhouse.engine import Connection
from services.embedded.clickhouse.errors import Code, QueryError
from services.embedded.clickhouse.request import SessionRef

_MAX_SESSIONS: Final = 256


@dataclass
class Session:
    """One session. It has a connection of its own only after a statement that must be remembered."""

    connection: Connection | None
    expires_at: float
    busy: bool


class Sessions:
    """The open sessions of every user; one request at a time in each, as ClickHouse demands."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._open: dict[tuple[str, str], Session] = {}

    @contextlib.contextmanager
    def lease(self, user: str, reference: SessionRef) -> Iterator[Session]:
        """Hold the session for one request.

        Raises:
            QueryError: 373 when another request holds it, 372 when it had to exist and does not.
        """
        key = (user, reference.session_id)
        with self._guard:
            self._expire()
            session = self._open.get(key)
            if session is None:
                if reference.must_exist:
                    raise QueryError(Code.SESSION_NOT_FOUND, f"Session {reference.session_id} not found")
                session = self._open[key] = Session(None, 0.0, busy=False)
            elif session.busy:
                raise QueryError(
                    Code.SESSION_IS_LOCKED, f"Session {reference.session_id} is locked by a concurrent client"
                )
            session.busy = True
        try:
            yield session
        finally:
            with self._guard:
                session.busy = False
                session.expires_at = self._clock() + reference.timeout
                if reference.close:
                    self._close(key)

    def _expire(self) -> None:
        now = self._clock()
        idle = sorted((each.expires_at, key) for key, each in self._open.items() if not each.busy)
        excess = len(self._open) - _MAX_SESSIONS
        for position, (expires_at, key) in enumerate(idle):
            if expires_at <= now or position < excess:
                self._close(key)

    def _close(self, key: tuple[str, str]) -> None:
        connection = self._open.pop(key).connection
        if connection is not None:
            connection.close()
