"""Orders of different requests that wait at the same time are stored together: natural batches, without any linger.

An order that comes alone is stored at once by itself. While transactions are under way others gather, and the next
one takes them all.
"""

import asyncio
from collections import deque
from typing import Final

from sqlalchemy.exc import DBAPIError

from services.api.problems import unavailable_now
from services.api.shop import Shop
from services.clients.database import unavailable
from services.domain.model import Order
from services.domain.placing import Asked, Spoiled, place_orders

AT_ONCE: Final = 2
_MOST: Final = 32
WAITING: Final = 512
_SECONDS: Final = 30.0

_Place = tuple[Asked, "asyncio.Future[Order]"]


class Placing:
    """The orders that wait for a transaction. One event loop's."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._waiting: deque[_Place] = deque()
        self._transactions: set[asyncio.Task[None]] = set()

    async def place(self, asked: Asked) -> Order:
        """The stored order. Raises as services.domain.placing.create_order, and a 503 problem where too many wait."""
        if len(self._waiting) >= WAITING:
            raise unavailable_now("Too many orders wait for the database")
        stored: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, stored))
        if len(self._transactions) < AT_ONCE:
            task = asyncio.create_task(self._work())
            self._transactions.add(task)
            task.add_done_callback(self._transactions.discard)
        try:
            async with asyncio.timeout(_SECONDS):
                return await stored
        except TimeoutError:
            raise unavailable_now(f"The database took longer than {_SECONDS:g} s and may still store it") from None

    async def _work(self) -> None:
        while batch := self._next():
            await self._store(batch)

    def _next(self) -> list[_Place]:
        """Those that waited longest, without those who have gone."""
        batch: list[_Place] = []
        while self._waiting and len(batch) < _MOST:
            place = self._waiting.popleft()
            if not place[1].done():
                batch.append(place)
        return batch

    async def _store(self, batch: list[_Place]) -> None:
        try:
            outcomes = await self._shop.do(
                lambda: place_orders(self._shop.engine, self._shop.zone, [asked for asked, _ in batch])
            )
        except Spoiled as spoiled:
            _fail(batch.pop(spoiled.position)[1], spoiled.cause)
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
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    _fail(future, outcome)
                elif not future.done():
                    future.set_result(outcome)


def _fail_all(batch: list[_Place], error: Exception) -> None:
    for _, future in batch:
        _fail(future, error)


def _fail(future: "asyncio.Future[Order]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
