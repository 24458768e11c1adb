"""Blocking work off the event loop: bounded threads, a queue as long as can be waited for, and a deadline."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from time import monotonic
from typing import Any, TypeVar

from services.api.problems import Problem, may_still_finish, unavailable_now

T = TypeVar("T")

_QUEUED_PER_THREAD = 64
_WEIGHT = 0.1
"""How much of the newest piece of work is in the mean."""


class Workers:
    """Threads for one kind of blocking work, so that one slow neighbour cannot hold back the work of another."""

    def __init__(
        self, name: str, threads: int, seconds: float, queue_seconds: float | None = None, repeatable: bool = False
    ) -> None:
        """``seconds``: how long a caller waits for its work, the queue included; ``queue_seconds``: for its begin.

        ``repeatable``: work that was begun and is not waited for any more does no harm when it is asked for again.
        """
        self._name, self.seconds, self._repeatable = name, seconds, repeatable
        self.queue_seconds = min(seconds, queue_seconds or seconds)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._waiting = 0
        self._begun: dict[int, float] = {}
        self._mean = 0.0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises.

        Raises a 503 problem with Retry-After when it would not begin, or did not begin, in time: then it never runs.
        Work that has begun runs to its end although nobody waits for it any more, so the 503 problem about it says
        that its outcome is not known.
        """
        self._enter()
        future = self._pool.submit(self._do, work)
        future.add_done_callback(self._drop)
        late = asyncio.get_running_loop().call_later(self.queue_seconds, self._give_up, future)
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise self._too_slow(future) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._full() from None  # it was given up before it began
        finally:
            late.cancel()

    def _enter(self) -> None:
        """Takes a place in the queue. Raises a 503 problem when those before would take too long."""
        with self._lock:
            if self._waiting + len(self._begun) >= self._threads + self._room():
                raise self._full()
            self._waiting += 1

    def _room(self) -> int:
        """How many can wait and still begin in time at the present pace; always some, or it would never change."""
        most = self._threads * _QUEUED_PER_THREAD
        if self._mean <= 0:
            return most
        return min(most, max(self._threads, int(self.queue_seconds / self._mean * self._threads)))

    def _do(self, work: Callable[[], T]) -> T:
        me, begun = threading.get_ident(), monotonic()
        with self._lock:
            self._waiting -= 1
            self._begun[me] = begun
        try:
            return work()
        finally:
            with self._lock:
                del self._begun[me]
                self._saw(monotonic() - begun)

    def _drop(self, done: Future[Any]) -> None:
        if done.cancelled():
            with self._lock:
                self._waiting -= 1

    def _give_up(self, future: Future[Any]) -> None:
        """Ends the wait of work that has not begun. What keeps it from beginning is as slow as it is old by now."""
        if future.cancel():
            with self._lock:
                self._saw(monotonic() - min(self._begun.values(), default=monotonic()))

    def _saw(self, seconds: float) -> None:
        self._mean += _WEIGHT * (seconds - self._mean)

    def _full(self) -> Problem:
        wait = ceil(self._waiting * self._mean / self._threads)
        return unavailable_now(f"Too much waits for the {self._name}", max(1, wait))

    def _too_slow(self, future: Future[Any]) -> Problem:
        what = f"The {self._name} took longer than {self.seconds:g} s"
        if future.cancelled() or self._repeatable:
            return unavailable_now(what)
        return may_still_finish(what)

    def close(self) -> None:
        """Ends the threads once their current work is done; what still waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
