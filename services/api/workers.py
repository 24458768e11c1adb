"""Blocking work off the event loop: bounded threads, a bounded queue before them, and a deadline."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from services.api.problems import unavailable_now

T = TypeVar("T")

_QUEUED_PER_THREAD = 64


class Workers:
    """Threads for one kind of blocking work, so that one slow neighbour cannot hold back the work of another."""

    def __init__(self, name: str, threads: int, seconds: float) -> None:
        """``seconds``: how long a caller waits for its work, the queue included."""
        self._name, self.seconds = name, seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads * (1 + _QUEUED_PER_THREAD)
        self._taken = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises. Raises a 503 problem when the queue is full or time is up.

        Work that has begun runs to its end although nobody waits for it any more; what has not is dropped.
        """
        with self._lock:
            if self._taken >= self._room:
                raise unavailable_now(f"Too much waits for the {self._name}")
            self._taken += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise unavailable_now(
                f"The {self._name} took longer than {self.seconds:g} s and may still finish the request"
            ) from None

    def _leave(self, _done: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1

    def close(self) -> None:
        """Ends the threads once their current work is done; what still waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
