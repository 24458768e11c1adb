"""Orders of different requests that wait at the same time are stored together: natural batches, without any linger.

An order that comes alone is stored at once by itself. While transactions are under way others gather, and the next
one takes them all.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError

from services.api.problems import Problem, unavailable_now
from services.api.shop import Shop
from services.clients.database import unavailable
from services.domain.model import Order
from services.domain.placing import Asked, Spoiled, place_orders

AT_ONCE: Final = 2
_MOST: Final = 32
WAITING: Final = 512


@dataclass(eq=False)
class _Place:
    """One order in the queue. ``late``: ends its wait for a transaction."""

    asked: Asked
    stored: "asyncio.Future[Order]"
    late: asyncio.TimerHandle


class Placing:
    """The orders that wait for a transaction. One event loop's."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._waiting: deque[_Place] = deque()
        self._transactions: set[asyncio.Task[None]] = set()

    async def place(self, asked: Asked) -> Order:
        """The stored order. Raises what services.domain.placing.place_orders refuses it with; a 503 problem when too
        many wait, or no transaction begins in time.
        """
        if len(self._waiting) >= WAITING:
            raise _crowded()
        loop, workers = asyncio.get_running_loop(), self._shop.workers
        stored: asyncio.Future[Order] = loop.create_future()
        late = loop.call_later(workers.queue_seconds, lambda: _fail(stored, _crowded()))
        self._waiting.append(_Place(asked, stored, late))
        if len(self._transactions) < AT_ONCE:
            task = asyncio.create_task(self._work())
            self._transactions.add(task)
            task.add_done_callback(self._transactions.discard)
        try:
            return await stored
        finally:
            late.cancel()

    async def _work(self) -> None:
        while batch := self._next():
            await self._store(batch)

    def _next(self) -> list[_Place]:
        """Those that waited longest, without those who have gone."""
        batch: list[_Place] = []
        while self._waiting and len(batch) < _MOST:
            place = self._waiting.popleft()
            place.late.cancel()
            if not place.stored.done():
                batch.append(place)
        return batch

    async def _store(self, batch: list[_Place]) -> None:
        try:
            outcomes = await self._shop.do(
                lambda: place_orders(self._shop.engine, self._shop.zone, [place.asked for place in batch])
            )
        except Spoiled as spoiled:
            _fail(batch.pop(spoiled.position).stored, spoiled.cause)
            if batch:
                await self._store(batch)
        except DBAPIError as error:
            if len(batch) == 1 or unavailable(error):
                _fail_all(batch, error)
                return
            for place in batch:  # what the database does not take of one is no concern of the others
                await self._store([place])
        except Exception as error:
            _fail_all(batch, error)
        else:
            for place, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    _fail(place.stored, outcome)
                elif not place.stored.done():
                    place.stored.set_result(outcome)


def _fail_all(batch: list[_Place], error: Exception) -> None:
    for place in batch:
        _fail(place.stored, error)


def _fail(future: "asyncio.Future[Order]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _crowded() -> Problem:
    return unavailable_now("Too many orders wait for the database")
