"""What a caller wants done in the same transaction as a change."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

Also = Callable[[Connection, T], None]
"""Called with what the changing function returns, last before the commit; what it raises rolls everything back."""
