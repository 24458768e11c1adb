"""Every loop says when it will have come round again at the latest, so that one that hangs is seen from outside.

A process whose loop hangs still answers Prometheus: that is a thread of its own.
"""

import time
from typing import Final

from services.observability import metrics

MAIN: Final = "main"
"""The loop a process ends with; others have names of their own."""
_WITHIN_SECONDS: Final = 60.0


def beat(loop: str = MAIN, rest: float = 0.0, within: float = _WITHIN_SECONDS) -> None:
    """The loop is alive: it rests so many seconds now and comes round again within so many more."""
    metrics.LOOP_DUE.labels(loop).set(time.time() + rest + within)
