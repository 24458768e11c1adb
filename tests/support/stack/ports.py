"""Free ports of this machine, below those that the kernel hands to outgoing connections."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 32_000
_TRIES = 1_000


def free_block(size: int = 1) -> int:
    """The first of `size` consecutive ports on which nobody listens. Raises OSError when there are none."""
    for _ in range(_TRIES):
        first = random.randrange(_FIRST, _LAST - size)
        if all(is_free(port) for port in range(first, first + size)):
            return first
    raise OSError(f"no {size} free ports in a row between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
