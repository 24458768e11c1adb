"""Group commit for SQLite: writers of one process that wait for their turn share a transaction and its one fsync.

SQLite has one writer, and a process that waits for the file lock sleeps longer and longer instead of queueing. So a
process's threads queue here; whoever gets the turn does the work of all who wait, each within a savepoint of its own,
and commits once. Nobody is answered before that commit.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")

_SHARE_AT_MOST = 32


class _Job:
    """One writer's work and what became of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None


class GroupCommit:
    """The queue of one engine's writers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Job] = deque()
        self._turn = threading.Lock()

    @property
    def waiting(self) -> int:
        """Writers that nobody works for yet."""
        return len(self._waiting)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Returns what ``work`` returns once it is committed. Its exception undoes its own changes alone.

        When the commit fails, everybody whose work was in it gets that exception.
        """
        job = _Job(work)
        self._waiting.append(job)
        while not job.done:
            with self._turn:
                if not job.done:
                    self._commit([self._waiting.popleft() for _ in range(min(len(self._waiting), _SHARE_AT_MOST))])
        if job.error is not None:
            raise job.error
        value: T = job.value
        return value

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                if len(jobs) == 1:  # nobody else's work to keep: the transaction itself is rolled back
                    jobs[0].value = jobs[0].work(connection)
                else:
                    for job in jobs:
                        _try(job, connection)
        except BaseException as failed:
            for job in jobs:
                job.error = job.error or failed
        finally:
            for job in jobs:
                job.done = True


def _try(job: _Job, connection: Connection) -> None:
    try:
        with connection.begin_nested():
            job.value = job.work(connection)
    except Exception as refused:
        job.error = refused


_groups: "WeakKeyDictionary[Engine, GroupCommit]" = WeakKeyDictionary()
_groups_lock = threading.Lock()


def group_of(engine: Engine) -> GroupCommit:
    """The one queue of this engine."""
    with _groups_lock:
        group = _groups.get(engine)
        if group is None:
            group = _groups[engine] = GroupCommit(engine)
        return group
