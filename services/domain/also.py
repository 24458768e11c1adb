"""What else belongs to a change: written in its transaction, last before the commit."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

Also = Callable[[Connection, T], None]
"""Gets what the changing function returns. It may run again with the whole transaction; what it raises undoes it."""


def together(work: Callable[[Connection], T], also: Also[T] | None) -> Callable[[Connection], T]:
    """``work``, and then what belongs to it, as the work of one transaction."""
    if also is None:
        return work

    def both(connection: Connection) -> T:
        value = work(connection)
        also(connection, value)
        return value

    return both
