"""What a caller of the domain adds to a transaction of the domain's."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

Also = Callable[[Connection, T], None]
"""Called with what the function returns, last before the commit: what it writes is stored with the change or not."""
