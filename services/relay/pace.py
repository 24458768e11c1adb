"""How long the relay rests between looks at the outbox."""

import time
from collections.abc import Callable
from typing import Final

_SHORTEST: Final = 0.01
_JUST_NOW: Final = 1.0
_SLOWER: Final = 1.5


class Pace:
    """No rest behind a full batch; while there is work or was within a second, as long as the last look took, 10 ms at
    least; then slower step by step.

    So the relay takes half of the time at most: on a machine that is full, fewer and larger batches leave it to others.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`longest`: seconds, the configured polling interval."""
        self._longest, self._clock = longest, clock
        self._last_work = -_JUST_NOW
        self._rest = min(_SHORTEST, longest)
        self._began = clock()

    def rest(self, worked: bool, more: bool) -> float:
        """Seconds until the next look: `worked` says whether the last one found work, `more` that it filled a batch."""
        now = self._clock()
        took = now - self._began
        if worked:
            self._last_work = now
        if more:
            self._began = now
            return 0.0
        if now - self._last_work < _JUST_NOW:
            self._rest = min(max(took, _SHORTEST), self._longest)
        else:
            self._rest = min(self._rest * _SLOWER, self._longest)
        self._began = now + self._rest
        return self._rest
