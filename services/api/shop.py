"""What the resources share: the relational database, the analytics reader and the limits of a request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from services.api.workers import Workers

T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    """The order side of the API. ``zone``: the business time zone."""

    engine: Engine
    zone: ZoneInfo
    workers: Workers
    max_body_bytes: int

    async def do(self, work: Callable[[], T]) -> T:
        """Runs database work in a thread; what it raises comes back as it is."""
        return await self.workers.run(work)
