"""What a caller adds to a change, in the transaction that makes it.

Every function of the domain that writes takes ``also``: it is called with what the function returns, last before the
commit, and undone with it. What it raises rolls everything back.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

Also = Callable[[Connection, T], None]
