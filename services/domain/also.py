"""What else belongs to a change: written in its transaction, last before the commit."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

Also = Callable[[Connection, T], None]
"""Gets what the changing function returns. It may run again with the whole transaction; what it raises undoes it."""
